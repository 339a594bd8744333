package sip

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

const plain = `
	OPTIONS sip:10.0.0.1 SIP/2.0
	Via: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKs%d;rport
	Max-Forwards: 70
	From: <sip:gw@10.1.0.1>;tag=gw
	To: <sip:10.0.0.1>
	Call-ID: s%d
	CSeq: 1 OPTIONS
	%s
`

// variant is the plain request with more header text.
func variant(n int, extra string) []byte {
	b := text(plain, n, n, "X: 1")
	return bytes.Replace(b, []byte("X: 1"), []byte(extra), 1)
}

// every message is read in one way or not at all.
func TestA04Smuggling(t *testing.T) {
	cases := []struct {
		extra, fault string
	}{
		{"X: fine", ""},
		{"X-Auth : space before the colon is allowed", ""},
		{"X:folded\r\n twice\r\n\tmore", ""},
		{"X: \xc3\xa6\xc3\xb8\xc3\xa5", ""},
		{"To\x01: <sip:x@y>", faultControl},
		{"T\x00o: <sip:x@y>", faultControl},
		{"X: a\nTo: <sip:evil@y>", faultControl},
		{"X: a\rTo: <sip:evil@y>", faultControl},
		{"X: a\n\nINVITE", faultControl},
		{"X: \x7f", faultControl},
		{"X: \x0b", faultControl},
		{"X: \x1b[2J", faultControl},
		{"To : <sip:evil@y>", faultDuplicate},
		{"t: <sip:evil@y>", faultDuplicate},
		{"TO: <sip:evil@y>", faultDuplicate},
		{"From: <sip:evil@y>", faultDuplicate},
		{"f: <sip:evil@y>", faultDuplicate},
		{"Call-ID: evil", faultDuplicate},
		{"i: evil", faultDuplicate},
		{"I : evil", faultDuplicate},
		{"CSeq: 2 OPTIONS", faultDuplicate},
		{"Max-Forwards: 1", faultDuplicate},
		{"Content-Length: 1", faultDuplicate},
		{"l: 0", faultDuplicate},
		{"L\t: 0", faultDuplicate},
		{"c: a/b\r\nContent-Type: c/d", faultDuplicate},
		{"no colon here", faultName},
		{": no name", faultName},
		{"two words: x", faultName},
		{"\"quoted\": x", faultName},
		{"na(me: x", faultName},
		{"na/me: x", faultName},
		{"\xc3\xa6: x", faultName},
		{"X: " + strings.Repeat("a", 1100), faultLine},
		{"X: a" + strings.Repeat("\r\n b", 400), faultLine},
		{"Identity: " + strings.Repeat("a", 4000), ""},
		{"Identity: " + strings.Repeat("a", 4100), faultLine},
		{strings.Repeat("X: 1\r\n", 100) + "X: 1", faultHeaders},
		{"Via: SIP/2.0/UDP a;branch=z9hG4bK" + strings.Repeat(", SIP/2.0/UDP b;branch=z9hG4bK", 16), faultHeaders},
		{strings.Repeat("v: SIP/2.0/UDP b;branch=z9hG4bK\r\n", 16) + "X: 1", faultHeaders},
		{"Route: <sip:a>" + strings.Repeat(",<sip:a>", 7), ""},
		{"Route: <sip:a>" + strings.Repeat(",<sip:a>", 8), faultHeaders},
		{"Record-Route: <sip:a>" + strings.Repeat(",<sip:a>", 8), faultHeaders},
		{"Route: \"" + strings.Repeat(",", 50) + "\" <sip:a>", ""},
	}
	for i, c := range cases {
		if _, fault := screen(variant(i, c.extra), false); fault != c.fault {
			t.Errorf("%.40q: %q, want %q", c.extra, fault, c.fault)
		}
	}
	bubble(t, func(w *world) {
		for i, c := range cases {
			w.carrier.sendRaw(variant(i, c.extra))
			m, ok := w.carrier.read(time.Second)
			switch {
			case c.fault == "" && !strings.HasPrefix(m.start, "SIP/2.0 200"),
				answerable(c.fault) && !strings.HasPrefix(m.start, "SIP/2.0 400"),
				c.fault != "" && !answerable(c.fault) && ok:
				t.Errorf("%.40q: answered %q", c.extra, m.start)
			}
			if ok && (m.tag("To") == "" || m.get("Call-ID") != fmt.Sprintf("s%d", i) || m.get("CSeq") != "1 OPTIONS") {
				t.Errorf("%.40q:\n%s", c.extra, m.raw)
			}
		}
	})
}

func TestScreenNumbersAndLengths(t *testing.T) {
	swap := func(from, to string) []byte {
		return bytes.Replace(variant(1, "X: 1"), []byte(from), []byte(to), 1)
	}
	for _, c := range []struct {
		msg   []byte
		fault string
	}{
		{swap("CSeq: 1 ", "CSeq: 2147483647 "), ""},
		{swap("CSeq: 1 ", "CSeq: 2147483648 "), faultNumber},
		{swap("CSeq: 1 ", "CSeq: "+strings.Repeat("9", 900)+" "), faultNumber},
		{swap("CSeq: 1 ", "CSeq: -1 "), faultNumber},
		{swap("CSeq: 1 ", "CSeq: +1 "), faultNumber},
		{swap("CSeq: 1 OPTIONS", "CSeq:"), faultNumber},
		{swap("Forwards: 70", "Forwards: 255"), ""},
		{swap("Forwards: 70", "Forwards: 256"), faultNumber},
		{swap("Forwards: 70", "Forwards: 0x10"), faultNumber},
		{swap("Length: 0", "Length: 00"), ""},
		{swap("Length: 0", "Length: 1"), faultLength},
		{swap("Length: 0", "Length: 1048576"), faultLength},
		{swap("Length: 0", "Length: 0, 0"), faultNumber},
		{swap("Length: 0", "Length: 99999999999"), faultNumber},
		{swap("Length: 0", "Length: "), faultNumber},
		{swap("\r\nContent-Length: 0", ""), ""},
		{[]byte("OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: x"), faultEnd},
		{[]byte("OPTIONS " + strings.Repeat("a", 2000) + " SIP/2.0\r\n\r\n"), faultLine},
		{append(swap("Length: 0", "Length: 17000"), make([]byte, 17000)...), faultSize},
		{bytes.Repeat([]byte{0}, 100), faultControl},
	} {
		if _, fault := screen(c.msg, false); fault != c.fault {
			t.Errorf("%.200q: %q, want %q", c.msg, fault, c.fault)
		}
	}
	// what comes after the length is not of the message (RFC 3261 18.3)
	b := append(variant(1, "X: 1"), "INVITE sip:evil"...)
	if s, fault := screen(b, false); fault != "" || s.end != len(b)-len("INVITE sip:evil") || s.head != s.end {
		t.Errorf("%+v %q", s, fault)
	}
}

// a bomb costs no more than looking at it once.
func TestA05SizeBombs(t *testing.T) {
	bombs := map[string][]byte{
		"64 KB":          append(variant(1, "X: 1"), bytes.Repeat([]byte("a"), 65000)...),
		"8000 headers":   variant(1, strings.Repeat("a:\r\n", 3900)+"X: 1"),
		"2500 Vias":      variant(1, strings.Repeat("v:SIP/2.0/UDP a\r\n", 900)+"X: 1"),
		"10^5 digits":    bytes.Replace(variant(1, "X: 1"), []byte("CSeq: 1"), []byte("CSeq: "+strings.Repeat("1", 15000)), 1),
		"1 MB length":    bytes.Replace(variant(1, "X: 1"), []byte("Length: 0"), []byte("Length: 1048576"), 1),
		"one long fold":  variant(1, "X: "+strings.Repeat("\r\n a", 3900)),
		"commas":         variant(1, "Via: "+strings.Repeat(",", 1000)),
		"open quote":     variant(1, "Route: "+strings.Repeat(`"\`, 600)),
		"colons no name": variant(1, strings.Repeat(":\r\n", 3900)+"X: 1"),
	}
	for name, b := range bombs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const rounds = 1000
		fault, least := "", time.Hour // the machine may be busy: the least counts
		for range rounds {
			start := time.Now()
			_, fault = screen(b, false)
			least = min(least, time.Since(start))
		}
		runtime.ReadMemStats(&after)
		if fault == "" {
			t.Errorf("%s: passed", name)
		}
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 64<<10 {
			t.Errorf("%s: %d bytes for each", name, each)
		}
		if least > time.Millisecond {
			t.Errorf("%s: %v for each", name, least)
		}
	}
}

func TestTidy(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Via  : SIP / 2.0 /UDP\r\n  h : 5060 ; branch = z9 , SIP/2.0/TCP x", "Via: SIP/2.0/UDP h:5060;branch=z9,SIP/2.0/TCP x"},
		{`From   : "J  R ; = \\\"" <sip:a@b>` + "\r\n  ;\r\n  tag = x", `From: "J  R ; = \\\"" <sip:a@b>;tag=x`},
		{"cseq: 0009\r\n  INVITE", "cseq: 0009 INVITE"},
		{"Subject: a  b ; c = d", "Subject: a  b ; c = d"},
		{"Subject: a\r\n  b\t c", "Subject: a b\t c"},
		{"m: <sip:a@b> ; q = 0.33", "m: <sip:a@b>;q=0.33"},
		{"X:", "X: "},
	} {
		b := []byte("OPTIONS sip:x SIP/2.0\r\n" + c.in + "\r\n\r\nbody ; = x")
		s, fault := screen(b, false)
		if fault != "" {
			t.Fatalf("%q: %s", c.in, fault)
		}
		out, s := tidy(b, s)
		if want := "OPTIONS sip:x SIP/2.0\r\n" + c.want + "\r\n\r\nbody ; = x"; string(out[:s.end]) != want && c.in != "X:" {
			t.Errorf("%q\n got %q\nwant %q", c.in, out[:s.end], want)
		}
	}
}

// FuzzScreen: whatever passes the screen is read by the parser without a panic,
// has one of each single header, and survives being tidied twice.
func FuzzScreen(f *testing.F) {
	files, _ := filepath.Glob("testdata/rfc4475/*/*.dat")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Add(variant(1, "X: 1\r\n \t folded ; = "), false)
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		s, fault := screen(b, stream)
		if fault != "" {
			badRequest(b)
			return
		}
		if s.head < 4 || s.end < s.head || !stream && s.end > len(b) {
			t.Fatalf("%+v of %d bytes", s, len(b))
		}
		if s.end > len(b) {
			return // on a stream the body follows
		}
		once, s1 := tidy(b, s)
		if _, fault := screen(once[:s1.end], false); fault != "" && fault != faultSize {
			t.Fatalf("tidied into %s: %q", fault, once[:s1.end])
		}
		twice, s2 := tidy(once[:s1.end], s1)
		if !bytes.Equal(once[:s1.end], twice[:s2.end]) {
			t.Fatalf("tidied twice:\n%q\n%q", once[:s1.end], twice[:s2.end])
		}
		msg, err := gosip.NewParser().ParseSIP(once[:s1.end])
		if err != nil {
			badRequest(b[:s.end])
			return
		}
		if req, ok := msg.(*gosip.Request); ok && complete(req) {
			party(req, routing.Identity{RemotePartyID: new(bool)})
			required(req)
			contactOf(req)
			recordRoutes(req)
		}
	})
}

func FuzzUserPart(f *testing.F) {
	f.Add("+4790000001")
	f.Add("a\r\nX: y")
	f.Fuzz(func(t *testing.T, s string) {
		if e := userPart(s); strings.ContainsAny(e, "\r\n\x00 <>\"@;?:") {
			t.Fatalf("%q", e)
		}
		plainUser(s)
		printable(s)
	})
}
