//go:build linux

package main

import (
	"bytes"
	"strconv"
)

// What the load generator says, as text made in advance, and what it must
// understand of the answers. It is no SIP phone: it looks at the lines it needs
// and trusts the rest, which bench calls and the tests of sip judge.

// wording is the text of one side, with holes for what differs between calls.
type wording struct {
	local, remote string // host:port, ours and the node's
	number        string
	sdp           string
}

func newWording(local, remote, number string) wording {
	return wording{local, remote, number, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n" +
		"a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"}
}

// request begins a request of call i: everything up to and with CSeq.
func (w *wording) request(b []byte, method, uri string, i, caller int, toTag string, cseq int) []byte {
	b = append(b, method...)
	b = append(append(append(b, ' '), uri...), " SIP/2.0\r\nVia: SIP/2.0/UDP "...)
	b = append(append(b, w.local...), ";rport;branch=z9hG4bK"...)
	b = append(append(strconv.AppendInt(b, int64(i), 10), '-'), method...)
	b = append(b, "\r\nMax-Forwards: 70\r\nFrom: <sip:+4799"...)
	b = appendPadded(b, caller, 6)
	b = append(append(append(b, '@'), w.local...), ">;tag=f"...)
	b = strconv.AppendInt(b, int64(i), 10)
	b = append(append(b, "\r\nTo: <sip:"...), w.number...)
	b = append(append(append(b, '@'), w.remote...), '>')
	if toTag != "" {
		b = append(append(b, ";tag="...), toTag...)
	}
	b = append(b, "\r\nCall-ID: c"...)
	b = strconv.AppendInt(b, int64(i), 10)
	b = append(b, "@load\r\nCSeq: "...)
	b = append(append(strconv.AppendInt(b, int64(cseq), 10), ' '), method...)
	return append(b, "\r\n"...)
}

func (w *wording) invite(b []byte, i, caller int) []byte {
	b = w.request(b, "INVITE", "sip:"+w.number+"@"+w.remote, i, caller, "", 1)
	b = append(b, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\nSupported: timer, replaces\r\nUser-Agent: bench\r\nP-Asserted-Identity: <sip:+4799"...)
	b = appendPadded(b, caller, 6)
	b = append(append(b, "@carrier.example>\r\n"...), w.contact()...)
	return w.body(b)
}

// bare is a request without a body inside the dialog.
func (w *wording) bare(b []byte, method, uri string, i, caller int, toTag string, cseq int) []byte {
	return append(w.request(b, method, uri, i, caller, toTag, cseq), "Content-Length: 0\r\n\r\n"...)
}

func (w *wording) contact() string { return "Contact: <sip:load@" + w.local + ">\r\n" }

func (w *wording) body(b []byte) []byte {
	b = append(b, "Content-Type: application/sdp\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(w.sdp)), 10)
	return append(append(b, "\r\n\r\n"...), w.sdp...)
}

// response answers a request: its Via, From, To, Call-ID and CSeq come back. A
// To tag is added when tag is not empty.
func (w *wording) response(b, req []byte, status, tag string, sdp bool) []byte {
	b = append(append(append(b, "SIP/2.0 "...), status...), "\r\n"...)
	for line := range bytes.SplitSeq(req, crlf) {
		switch name, _, _ := bytes.Cut(line, []byte(":")); string(name) {
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			b = append(append(b, line...), crlf...)
		case "To":
			b = append(b, line...)
			if tag != "" {
				b = append(append(b, ";tag="...), tag...)
			}
			b = append(b, crlf...)
		case "":
			b = append(b, w.contact()...)
			if sdp {
				return w.body(b)
			}
			return append(b, "Content-Length: 0\r\n\r\n"...)
		}
	}
	return b // no empty line: whatever it was, it is not answered usefully
}

var crlf = []byte("\r\n")

// header returns the value of the first header of that name.
func header(m []byte, name string) []byte {
	for line := range bytes.SplitSeq(m, crlf) {
		if len(line) == 0 {
			return nil
		}
		if n, v, ok := bytes.Cut(line, []byte(":")); ok && string(n) == name {
			return bytes.TrimSpace(v)
		}
	}
	return nil
}

// tagOf is the tag parameter of a From or To.
func tagOf(value []byte) []byte {
	_, rest, ok := bytes.Cut(value, []byte(";tag="))
	if !ok {
		return nil
	}
	tag, _, _ := bytes.Cut(rest, []byte(";"))
	return tag
}

// uriOf is what stands between the angle brackets.
func uriOf(value []byte) []byte {
	_, rest, _ := bytes.Cut(value, []byte("<"))
	uri, _, _ := bytes.Cut(rest, []byte(">"))
	return uri
}

// methodOf is the method of a CSeq.
func methodOf(m []byte) string {
	_, method, _ := bytes.Cut(header(m, "CSeq"), []byte(" "))
	return string(method)
}

// numberIn reads the decimal digits behind a prefix; -1 when there are none.
func numberIn(b []byte, prefix byte) int {
	if len(b) < 2 || b[0] != prefix {
		return -1
	}
	n, digits := 0, 0
	for _, c := range b[1:] {
		if c < '0' || c > '9' || digits == 9 {
			break
		}
		n, digits = 10*n+int(c-'0'), digits+1
	}
	if digits == 0 {
		return -1
	}
	return n
}

// cutByte is bytes.Cut at one byte.
func cutByte(b []byte, c byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

func appendPadded(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for range width - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}
