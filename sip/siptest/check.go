package siptest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Check reports everything about a single message that no careful sender would
// do; what depends on other messages is judged by the phone. RFC 3261 8.1.1,
// 8.2.6, 12.1, 20.
func (m *Message) Check() error {
	var all []error
	fail := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }

	for _, name := range [...]string{"From", "To", "Call-ID", "CSeq"} {
		if n := m.Lines(name); n != 1 {
			fail("%s: %d times, must be once", name, n)
		}
	}
	for _, name := range [...]string{"Max-Forwards", "Content-Length", "Content-Type", "Expires", "Min-SE", "Session-Expires"} {
		if n := m.Lines(name); n > 1 {
			fail("%s: %d times", name, n)
		}
	}
	m.checkVia(fail)
	m.checkParties(fail)
	n, method := m.cseq()
	switch {
	case method == "":
		fail("CSeq: not a number below 2^31 and a method")
	case n == 0:
		fail("CSeq: zero")
	case m.IsRequest() && method != m.Method:
		fail("CSeq: names another method than the request line")
	}
	if m.IsRequest() {
		m.checkRequest(fail)
	} else {
		m.checkResponse(method, fail)
	}
	m.checkBody(fail)
	return errors.Join(all...)
}

func (m *Message) checkVia(fail func(string, ...any)) {
	all := m.Values("Via")
	if len(all) == 0 {
		fail("Via: none")
	}
	for _, s := range all {
		v, err := parseVia(s)
		if err != nil {
			fail("Via: %w", err)
			continue
		}
		if b := v.params["branch"]; !strings.HasPrefix(b, "z9hG4bK") || len(b) < len("z9hG4bK")+4 {
			fail("Via: branch without the cookie z9hG4bK and something after it")
		}
	}
}

func (m *Message) checkParties(fail func(string, ...any)) {
	for _, name := range [...]string{"From", "To"} {
		a, err := parseAddress(m.Get(name))
		if err != nil {
			fail("%s: %w", name, err)
			continue
		}
		if d := a.display; d != "" && d[0] != '"' && !isDisplay(d) {
			fail("%s: display name needs quotes", name)
		}
	}
	if m.tag("From") == "" {
		fail("From: no tag")
	}
	if m.Get("Call-ID") == "" {
		fail("Call-ID: empty")
	}
	for _, s := range m.Values("Contact") {
		if a, err := parseAddress(s); err != nil {
			fail("Contact: %w", err)
		} else if !strings.HasPrefix(a.uri, "sip:") && !strings.HasPrefix(a.uri, "sips:") {
			fail("Contact: not a SIP URI")
		}
	}
}

func isDisplay(s string) bool {
	for word := range strings.FieldsSeq(s) {
		if !isToken(word) {
			return false
		}
	}
	return true
}

func (m *Message) checkRequest(fail func(string, ...any)) {
	if !strings.HasPrefix(m.URI, "sip:") && !strings.HasPrefix(m.URI, "sips:") {
		fail("request line: not a SIP URI")
	}
	if n, err := strconv.ParseUint(m.Get("Max-Forwards"), 10, 8); err != nil || n > 255 {
		fail("Max-Forwards: not a number of at most 255")
	}
	if (m.Method == "INVITE" || m.Method == "UPDATE") && len(m.Values("Contact")) != 1 {
		fail("Contact: must be exactly one in %s", m.Method)
	}
	if m.Method == "CANCEL" && len(m.Values("Via")) != 1 {
		fail("Via: more than one in CANCEL")
	}
	if (m.Method == "ACK" || m.Method == "BYE") && m.tag("To") == "" {
		fail("To: no tag in %s", m.Method)
	}
}

func (m *Message) checkResponse(method string, fail func(string, ...any)) {
	if m.Status > 100 && m.tag("To") == "" {
		fail("To: no tag in a %d", m.Status)
	}
	if method == "INVITE" && m.Status/100 == 2 && len(m.Values("Contact")) != 1 {
		fail("Contact: must be exactly one in a 2xx to INVITE")
	}
	if m.Reason == "" {
		fail("status line: no reason phrase")
	}
	if m.Status == 405 && m.Lines("Allow") == 0 {
		fail("Allow: missing in a 405")
	}
}

func (m *Message) checkBody(fail func(string, ...any)) {
	kind := m.Get("Content-Type")
	switch {
	case len(m.Body) > 0 && kind == "":
		fail("Content-Type: missing though there is a body")
	case len(m.Body) == 0 && kind != "":
		fail("Content-Type: there though there is no body")
	case strings.EqualFold(kind, "application/sdp"):
		if _, err := ParseSDP(m.Body); err != nil {
			fail("body: %w", err)
		}
	}
}
