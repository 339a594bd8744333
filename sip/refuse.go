package sip

import (
	"bytes"
	"fmt"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// refuse examines a request in the order of RFC 3261 8.2 and returns the status
// it must get, 0 when it may be served.
func (e *Endpoint) refuse(in *incoming, merged bool) (status int, headers []gosip.Header) {
	switch {
	case in.SipVersion != "SIP/2.0":
		return 505, nil
	case !methods[in.Method] && !e.mayRegister(in):
		return 405, []gosip.Header{allowHeader()}
	case in.Recipient.Scheme != "sip" && !isTelCall(in):
		return 416, nil
	case len(in.Recipient.Headers) > 0: // RFC 3261 19.1.1: not in a Request-URI
		return 400, nil
	case in.toTag == "" && (merged || e.isLoop(in)):
		return 482, nil
	case in.toTag == "" && (in.MaxForwards() == nil || in.MaxForwards().Val() == 0):
		return 483, nil
	}
	if unknown := required(in.Request); unknown != "" {
		return 420, []gosip.Header{gosip.NewHeader("Unsupported", unknown)}
	}
	if in.Method != gosip.INVITE && in.Method != gosip.UPDATE && in.Method != gosip.PRACK {
		return 0, nil
	}
	if in.toTag == "" && in.IsInvite() {
		if _, ok := contactOf(in.Request); !ok {
			return 400, nil
		}
		if s := sessionOf(e.deps.Policy(in.trunk)); s.tooShort(in) {
			return 422, []gosip.Header{s.minHeader()}
		}
	}
	if h := in.GetHeader("content-encoding"); h != nil && !strings.EqualFold(h.Value(), "identity") {
		return 415, []gosip.Header{gosip.NewHeader("Accept-Encoding", "identity"), acceptHeader()}
	}
	if len(in.Body()) > 0 && !isSDP(in.Request) {
		return 415, []gosip.Header{acceptHeader()}
	}
	return 0, nil
}

// isTelCall reports a call to a telephone number as such: RFC 3966, which some
// trunks write into the Request-URI (RFC 3261 19.1.6).
func isTelCall(in *incoming) bool {
	return in.Recipient.Scheme == "tel" && in.IsInvite() && in.toTag == ""
}

// isLoop reports whether a request of ours has come back: a branch of this
// endpoint among its Vias.
func (e *Endpoint) isLoop(in *incoming) bool {
	for _, h := range in.GetHeaders("via") {
		if via, ok := h.(*gosip.ViaHeader); ok {
			if b, _ := via.Params.Get("branch"); strings.HasPrefix(b, branchID+e.instance) {
				return true
			}
		}
	}
	return false
}

func isSDP(m interface {
	ContentType() *gosip.ContentTypeHeader
}) bool {
	ct := m.ContentType()
	if ct == nil {
		return false
	}
	mediaType, _, _ := strings.Cut(ct.Value(), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), sdpType)
}

// contactOf returns the remote target a message offers.
func contactOf(m interface {
	GetHeaders(string) []gosip.Header
}) (gosip.Uri, bool) {
	for _, name := range []string{"contact", "m"} {
		for _, h := range m.GetHeaders(name) {
			if c, ok := h.(*gosip.ContactHeader); ok {
				uri := *c.Address.Clone()
				uri.Headers = nil
				return uri, !uri.Wildcard && uri.Scheme == "sip" && uri.Host != ""
			}
		}
	}
	return gosip.Uri{}, false
}

// refuseBytes drops a message that no parser may or could read. A request of a
// trunk with an honest mistake is told so: 400, made of its own lines, which
// the screen has found free of control characters.
func (e *Endpoint) refuseBytes(b []byte, from *hop, fault string) {
	e.count.drop(fault)
	e.door.strike(from.network, from.addr.Addr(), b, banMalformed)
	if _, known := from.trunk(); !known || !answerable(fault) {
		return
	}
	if res := badRequest(b); res != nil && from.writeBytes(res) == nil {
		e.count.add(e.count.responses, "4xx")
	}
}

// badRequest makes the answer to a request that cannot be parsed: 400, or 416
// when it is the scheme that is foreign. nil when it is no request, an ACK, or
// too broken to be answered.
func badRequest(b []byte) []byte {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return nil
	}
	start, rest := cutLine(b[:i+2])
	if bytes.HasPrefix(start, []byte("SIP/")) || bytes.HasPrefix(start, []byte("ACK ")) || !bytes.Contains(start, []byte(" SIP/")) {
		return nil
	}
	status := 400
	if foreignScheme(start) {
		status = 416
	}
	out := fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, phrase(status))
	seen := map[string]bool{}
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		name, value, ok := cutHeader(line)
		if !ok {
			return nil
		}
		full := longName(name)
		if full == "" || full != "Via" && seen[full] {
			continue
		}
		seen[full] = true
		out = append(append(out, full...), ": "...)
		out = append(out, bytes.Join(bytes.Fields(value), []byte(" "))...)
		if full == "To" && !bytes.Contains(value, []byte("tag=")) {
			out = append(append(out, ";tag="...), newTag()...)
		}
		out = append(out, "\r\n"...)
	}
	if len(seen) != 5 {
		return nil
	}
	return append(out, "Content-Length: 0\r\n\r\n"...)
}

// foreignScheme reports whether a request line names a well-formed scheme that
// is not SIP's.
func foreignScheme(start []byte) bool {
	fields := bytes.Split(start, []byte(" "))
	if len(fields) != 3 {
		return false
	}
	scheme, _, ok := bytes.Cut(fields[1], []byte(":"))
	if !ok || len(scheme) == 0 || is(scheme, "sip") || is(scheme, "sips") {
		return false
	}
	for i, c := range scheme {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// longName returns the full name of the headers that a response gives back.
func longName(name []byte) string {
	for _, n := range []struct{ long, short string }{{"Via", "v"}, {"From", "f"}, {"To", "t"}, {"Call-ID", "i"}, {"CSeq", ""}} {
		if strings.EqualFold(string(name), n.long) || n.short != "" && strings.EqualFold(string(name), n.short) {
			return n.long
		}
	}
	return ""
}
