package siptest

import (
	"bytes"
	"strings"
	"testing"
)

const invite = "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0\r\n" +
	"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabcdef;rport, SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKghijkl\r\n" +
	"f: \"A, <B>\" <sip:a@192.0.2.1>;tag=t1\r\n" +
	"t: <sip:+4721000001@192.0.2.2>\r\n" +
	"i: x@y\r\n" +
	"CSeq: 7 INVITE\r\n" +
	"Max-Forwards: 70\r\n" +
	"m: <sip:a@192.0.2.1:5060>\r\n" +
	"l: 0\r\n\r\n"

func TestParse(t *testing.T) {
	m, err := Parse([]byte(invite))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if len(m.Values("Via")) != 2 || m.Lines("Via") != 1 || m.branch() != "z9hG4bKabcdef" {
		t.Errorf("Via = %q, branch %q", m.Values("Via"), m.branch())
	}
	if n, method := m.cseq(); n != 7 || method != "INVITE" || m.tag("From") != "t1" || m.tag("To") != "" {
		t.Errorf("cseq %d %s, tags %q %q", n, method, m.tag("From"), m.tag("To"))
	}
	if a, err := parseAddress(m.Get("from")); err != nil || a.display != `"A, <B>"` || a.uri != "sip:a@192.0.2.1" {
		t.Errorf("From = %+v, %v", a, err)
	}
}

func TestParseRefuses(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"bare LF", "CSeq: 7 INVITE\r\n", "CSeq: 7 INVITE\n", "control character 0x0a"},
		{"bare CR", "CSeq: 7 INVITE\r\n", "CSeq: 7 INVITE\r\r\n", "control character 0x0d"},
		{"NUL", "tag=t1", "tag=\x00", "control character 0x00"},
		{"not UTF-8", "A, ", "\xff", "UTF-8"},
		{"folded", "CSeq: 7", "CSeq:\r\n 7", "folded"},
		{"space before colon", "CSeq:", "CSeq :", "colon"},
		{"no colon", "CSeq: 7 INVITE", "CSeq", "colon"},
		{"two spaces", "INVITE sip", "INVITE  sip", "request line"},
		{"version", "SIP/2.0\r\n", "SIP/7.0\r\n", "request line"},
		{"status", "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0", "SIP/2.0 99 Low", "status line"},
		{"no reason", "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0", "SIP/2.0 200", "status line"},
		{"length too long", "l: 0", "l: 5", "5 announced, 0 there"},
		{"length is a word", "l: 0", "l: no", "not a number"},
		{"no end", "\r\n\r\n", "\r\n", "empty line"},
	}
	for _, c := range cases {
		text := strings.Replace(invite, c.old, c.new, 1)
		if text == invite {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"no To", "t: <sip:+4721000001@192.0.2.2>\r\n", "", "To: 0 times"},
		{"two Call-IDs", "i: x@y", "i: x@y\r\nCall-ID: z", "Call-ID: 2 times"},
		{"empty Call-ID", "i: x@y", "i: ", "Call-ID: empty"},
		{"no tag", ";tag=t1", "", "From: no tag"},
		{"open bracket", "@192.0.2.1>;tag", "@192.0.2.1;tag", "no closing bracket"},
		{"unquoted comma", `"A, <B>"`, "A, B", "needs quotes"},
		{"CSeq method", "7 INVITE", "7 BYE", "another method"},
		{"CSeq zero", "7 INVITE", "0 INVITE", "zero"},
		{"CSeq 2^31", "7 INVITE", "2147483648 INVITE", "below 2^31"},
		{"hops", "Max-Forwards: 70", "Max-Forwards: 256", "Max-Forwards"},
		{"two hops", "Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70", "Max-Forwards: 2 times"},
		{"no Contact", "m: <sip:a@192.0.2.1:5060>\r\n", "", "exactly one"},
		{"tel Contact", "<sip:a@192.0.2.1:5060>", "<tel:+47>", "not a SIP URI"},
		{"branch", "z9hG4bKghijkl", "ghijkl", "cookie"},
		{"branch twice", ";rport", ";branch=1", "given twice"},
		{"Via version", "v: SIP/2.0", "v: SIP/3.0", "not SIP/2.0"},
		{"scheme", "INVITE sip:", "INVITE tel:", "not a SIP URI"},
		{"type without body", "l: 0", "c: application/sdp\r\nl: 0", "no body"},
		{"body without type", "l: 0\r\n\r\n", "l: 2\r\n\r\nhi", "Content-Type: missing"},
		{"bad body", "l: 0\r\n\r\n", "c: application/sdp\r\nl: 5\r\n\r\nv=1\r\n", "version is not 0"},
		{"2xx without tag and contact", "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0", "SIP/2.0 200 OK", "no tag in a 200"},
		{"405 without Allow", "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0", "SIP/2.0 405 No", "Allow: missing"},
		{"empty reason", "INVITE sip:+4721000001@192.0.2.2:5060 SIP/2.0", "SIP/2.0 180 ", "no reason phrase"},
	}
	for _, c := range cases {
		text := strings.Replace(invite, c.old, c.new, 1)
		m, err := Parse([]byte(text))
		if err != nil || text == invite {
			t.Fatalf("%s: replaced %v, %v", c.name, text != invite, err)
		}
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestHostPort(t *testing.T) {
	cases := []struct {
		uri, want string
		tcp       bool
	}{
		{"sip:a@192.0.2.1", "192.0.2.1:5060", false},
		{"sip:a@192.0.2.1:5090;transport=TCP", "192.0.2.1:5090", true},
		{"sip:[2001:db8::1]", "[2001:db8::1]:5060", false},
		{"sip:a:b@[2001:db8::1]:1;x=y?h=v", "[2001:db8::1]:1", false},
		{"sip:a@example.org", "", false},
		{"tel:+47", "", false},
	}
	for _, c := range cases {
		got, tcp, err := hostPort(c.uri)
		if (err != nil) != (c.want == "") || err == nil && got.String() != c.want || tcp != c.tcp {
			t.Errorf("%s = %v, %v, %v", c.uri, got, tcp, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(invite))
	f.Add([]byte("SIP/2.0 200 OK\r\nTo: \"\\\"\" <sip:x>;a=b;tag=1\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n\r\n"))
	f.Add([]byte("A sip: SIP/2.0\r\nContact: <,>,\"\r\nl:0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		m.Check()
		m.title()
		var fields []Field
		for _, f := range m.Fields {
			if f.Name != "Content-Length" && !strings.EqualFold(f.Name, "Content-Length") {
				fields = append(fields, f)
			}
		}
		m.Fields = fields
		again, err := Parse(m.Bytes())
		if err != nil {
			t.Fatalf("own text refused: %v\n%q", err, m.Bytes())
		}
		if !bytes.Equal(again.Body, m.Body) || len(again.Fields) != len(fields)+1 {
			t.Fatalf("%q became %q", b, again.Bytes())
		}
	})
}
