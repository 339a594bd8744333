package sip

import (
	"bytes"
	"strings"
	"testing"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// payloads that must not become a header of their own anywhere: line ends in
// all their forms inside what a header may be made of.
func payloads() (all []string) {
	ends := []string{"\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\x00", "\x0b", "\x0c", "\x1b", "\x7f", "%0d%0a", "%0D%0A", "%250d%250a", "\u2028", "\u0085", "\\r\\n", "\r\n ", "\n\t", "&#13;&#10;", "\xe5\x98\x8a\xe5\x98\x8d"}
	for _, end := range ends {
		for _, rest := range []string{"X-Injected: 1", "Via: SIP/2.0/UDP evil", "To: <sip:evil@evil>", "Content-Length: 0", "X-Injected: 1\r\n\r\nv=0", ">;x=\"", "@evil>", "\"<sip:evil@evil>", ";tag=evil", " SIP/2.0"} {
			all = append(all, "+4790000001"+end+rest)
		}
	}
	return all
}

// headersIn counts header lines as a strict and as an LF-tolerant reader sees them.
func headersIn(raw string) (strict, tolerant int) {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	strict = strings.Count(head, "\r\n")
	tolerant = strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(raw[:len(head)]), "\n")
	return strict, tolerant
}

// A-03 and row 16: what the call layer hands over cannot become a header.
func TestA03Row16Injection(t *testing.T) {
	for _, p := range payloads() {
		bubble(t, func(w *world) {
			d := call.Dial{From: p, MaxForwards: 69, Body: ourSDP}
			d.Target.URI = "sip:" + calleeAddr
			if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err != nil {
				t.Fatal(err)
			}
			inv := w.callee.want("INVITE")
			if s, tol := headersIn(inv.raw); s != 14-1 || tol != s {
				t.Errorf("%q: %d headers, %d for a tolerant reader\n%s", p, s, tol, inv.raw)
			}
			if inv.body != string(ourSDP) || strings.Contains(strings.ToLower(inv.get("From")), "\"<sip:evil") {
				t.Errorf("%q:\n%s", p, inv.raw)
			}
			d.Target.URI = "sip:" + p + "@" + calleeAddr
			if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err == nil {
				if s, tol := headersIn(w.callee.want("INVITE").raw); s != 14-1 || tol != s {
					t.Errorf("target %q passed as %d/%d headers", p, s, tol)
				}
			}
		})
	}
}

// A-03 from the other side: what the caller sends in any header reaches neither
// the callee nor comes back in another shape.
func TestA03CallerHeadersDoNotPass(t *testing.T) {
	for i, h := range []string{
		"X-Secret: canary", "Subject: canary", "User-to-User: canary", "Route: <sip:canary@10.1.0.1;lr>", "Call-Info: <sip:canary@x>",
		"Reason: SIP;cause=200;text=\"canary\"", "P-Asserted-Identity: \"canary\" <sip:canary@10.1.0.1>", "Diversion: <sip:canary@x>",
		"Organization: canary", "User-Agent: canary", "Identity: canary", "Referred-By: <sip:canary@x>", "Warning: 399 x \"canary\"", "Alert-Info: <http://canary>",
	} {
		bubble(t, func(w *world) {
			w.carrier.invite(h)
			w.carrier.want("SIP/2.0 100")
			a := w.admitted()
			a.leg.Progress(180, nil)
			a.leg.Answer(ourSDP)
			for range 2 {
				if m := w.carrier.want("SIP/2.0"); strings.Contains(m.raw, "canary") {
					t.Errorf("%d: given back:\n%s", i, m.raw)
				}
			}
			if _, _, inv := w.dialled(); strings.Contains(inv.raw, "canary") {
				t.Errorf("%d: passed on:\n%s", i, inv.raw)
			}
			if strings.Contains(w.log.String(), "canary") {
				t.Errorf("%d: logged: %s", i, w.log)
			}
		})
	}
}

// Row 16: the last look at the bytes, for what the builders might let through.
func TestRow16SerialiseRefuses(t *testing.T) {
	good := func() *gosip.Request {
		req := gosip.NewRequest(gosip.BYE, gosip.Uri{Scheme: "sip", Host: "h"})
		req.AppendHeader(maxForwards(70))
		setBody(req, ourSDP)
		return req
	}
	if b, err := serialise(new(bytes.Buffer), good()); err != nil || !bytes.HasSuffix(b, ourSDP) {
		t.Fatalf("%v\n%s", err, b)
	}
	for name, spoil := range map[string]func(*gosip.Request){
		"value with CRLF":  func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\r\nY: b")) },
		"value with LF":    func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\nY: b")) },
		"value with CR":    func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\rY: b")) },
		"value with NUL":   func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\x00")) },
		"folded value":     func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\r\n b")) },
		"early end":        func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X", "a\r\n\r\nINVITE")) },
		"name with CRLF":   func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("X: a\r\nY", "b")) },
		"empty name":       func(r *gosip.Request) { r.AppendHeader(gosip.NewHeader("", "\r\nb")) },
		"user with CRLF":   func(r *gosip.Request) { r.Recipient.User = "a\r\nX: b" },
		"method with CRLF": func(r *gosip.Request) { r.Method = "BYE sip:h SIP/2.0\r\nX: b\r\n" },
		"body with NUL":    func(r *gosip.Request) { r.SetBody([]byte("v=0\x00")) },
	} {
		req := good()
		spoil(req)
		if b, err := serialise(new(bytes.Buffer), req); err == nil {
			t.Errorf("%s went out:\n%q", name, b)
		}
	}
}

func TestUserPart(t *testing.T) {
	for in, want := range map[string]string{
		"+4790000001": "+4790000001", "anna.b": "anna.b", "a b": "a%20b", "a@b": "a%40b", "a;b": "a%3Bb", "#31#": "%2331%23", "a%0d": "a%250d", "": "", "å": "%C3%A5",
	} {
		if got := userPart(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPlainUser(t *testing.T) {
	for in, want := range map[string]string{
		"%2B4790000001": "+4790000001", "+47900;phone-context=x": "+47900", "a%0d%0ab": "a%0d%0ab", "a%00": "a%00", "a%": "a%", "a%4": "a%4", "a%zz": "a%zz", "%25": "%25", "%40": "%40", "%61": "a", "": "",
	} {
		if got := plainUser(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestParty(t *testing.T) {
	for _, c := range []struct {
		headers string
		want    call.Party
	}{
		{"From: \"Kari N\" <sip:+4790000001@h>;tag=x", call.Party{User: "+4790000001", Display: "Kari N"}},
		{"From: Kari <sip:%2B4790000001;x=y@h>;tag=x", call.Party{User: "+4790000001", Display: "Kari"}},
		{"From: sip:kari@h;tag=x", call.Party{User: "kari"}},
		{"From: <tel:+4790000001;phone-context=h>;tag=x", call.Party{User: "+4790000001"}},
		{"From: \"Anonymous\" <sip:x@h>;tag=x", call.Party{User: "x", Display: "Anonymous", Private: true}},
		{"From: <sip:anonymous@anonymous.invalid>;tag=x", call.Party{User: "anonymous", Private: true}},
		{"From: <sip:anonymous@h>;tag=x\nP-Asserted-Identity: <tel:+4790000009>", call.Party{User: "+4790000009", Private: true}},
		{"From: <sip:a@h>;tag=x\nP-Asserted-Identity: \"A, B\" <sip:+1@h;a=b,c>, <tel:+2>", call.Party{User: "+1", Display: "A, B"}},
		{"From: <sip:a@h>;tag=x\nP-Asserted-Identity: garbage, <sip:h>, <sip:+3@h>", call.Party{User: "+3"}},
		{"From: <sip:a@h>;tag=x\nP-Asserted-Identity: <sip:\"", call.Party{User: "a"}},
		{"From: <sip:a@h>;tag=x\nPrivacy: none", call.Party{User: "a"}},
		{"From: <sip:a@h>;tag=x\nPrivacy: header;ID", call.Party{User: "a", Private: true}},
		{"From: <sip:a@h>;tag=x\nPrivacy: user", call.Party{User: "a", Private: true}},
		{"From: <sip:a@h>;tag=x\nPrivacy: full, critical", call.Party{User: "a", Private: true}},
		{"From: <sip:a@h>;tag=x\nPrivacy: identity", call.Party{User: "a"}},
		{"From: \"<script>\u2028a\u0085\xff\" <sip:a@h>;tag=x", call.Party{User: "a", Display: "<script> a ?"}},
		{"From: \"" + strings.Repeat("å", 100) + "\" <sip:a@h>;tag=x", call.Party{User: "a", Display: strings.Repeat("å", 64)}},
	} {
		msg, err := gosip.NewParser().ParseSIP(text("INVITE sip:b@h SIP/2.0\n%s\n\n", c.headers))
		if err != nil {
			t.Fatalf("%s: %v", c.headers, err)
		}
		if got := party(msg.(*gosip.Request), routing.Identity{}); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.headers, got, c.want)
		}
	}
}

func TestStatusTables(t *testing.T) {
	for status := range 700 {
		if p := phrase(status); p == "" || strings.ContainsFunc(p, isControl) {
			t.Errorf("%d: %q", status, p)
		}
		if q := call.Q850(status); q < 1 || q > 127 {
			t.Errorf("%d: Q.850 %d", status, q)
		}
		for _, remote := range []bool{false, true} {
			final, retry := finalStatus(call.Cause{Status: status, Remote: remote})
			if final < 400 || final > 699 || final == 503 && retry == 0 {
				t.Errorf("%d remote %v: answered %d, Retry-After %d", status, remote, final, retry)
			}
		}
	}
	if reasonHeader(call.Cause{}, true) != nil {
		t.Error("a Reason out of nothing")
	}
}
