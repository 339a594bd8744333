package sip

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// Every message that leaves is built here from scratch. Nothing of one side's
// message reaches the other: what passes is what call.Dial and the methods of
// call.Leg carry, and each of those values goes through userPart, parseTarget
// or is a body. Towards the same side only the headers that RFC 3261 8.2.6 and
// 12.1 demand are given back (Via, From, To, Call-ID, CSeq, Record-Route).

const (
	allowed  = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK, REFER"
	sdpType  = "application/sdp"
	branchID = gosip.RFC3261BranchMagicCookie
)

// methods that we understand; a label elsewhere is bounded by it.
var methods = map[gosip.RequestMethod]bool{
	gosip.INVITE: true, gosip.ACK: true, gosip.BYE: true, gosip.CANCEL: true,
	gosip.OPTIONS: true, gosip.UPDATE: true, gosip.INFO: true, gosip.PRACK: true, gosip.REFER: true,
}

// newTag returns 80 random bits, for tags and Call-IDs (RFC 3261 19.3 asks for 32).
func newTag() string { return rand.Text()[:16] }

// userPart turns a number or name of ours into the user part of a URI: what
// RFC 3261 25.1 allows unescaped stays, everything else is escaped, so that no
// byte of it can end the URI, the header or the line.
func userPart(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.!~*'()&=+$", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

var errTarget = errors.New("target is not a sip: URI that can be dialled")

// parseTarget reads a destination's URI. Errors do not repeat it: it may name a person.
func parseTarget(s string) (gosip.Uri, error) {
	var uri gosip.Uri
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`<>"\`, s[i]) >= 0 {
			return uri, errTarget
		}
	}
	if err := gosip.ParseUri(s, &uri); err != nil {
		return uri, errTarget
	}
	if uri.Scheme != "sip" || !isHost(strings.Trim(uri.Host, "[]")) || uri.Port < 0 || uri.Port > 65535 || uri.HierarhicalSlashes {
		return uri, errTarget
	}
	uri.Headers, uri.Password = nil, ""
	return uri, nil
}

// withoutParams is the form of a URI for From and To (RFC 3261 19.1.1, table 1).
func withoutParams(uri gosip.Uri) gosip.Uri {
	out := gosip.Uri{Scheme: uri.Scheme, User: uri.User, Host: uri.Host}
	if v, ok := uri.UriParams.Get("user"); ok {
		out.UriParams = gosip.HeaderParams{{K: "user", V: v}}
	}
	return out
}

// newRequest builds a request that leaves through h.
func newRequest(method gosip.RequestMethod, to gosip.Uri, h *hop, branch string, forwards int) *gosip.Request {
	req := gosip.NewRequest(method, *to.Clone())
	req.SetTransport(strings.ToUpper(h.network))
	req.SetDestination(h.addr.String())
	req.AppendHeader(h.via(branch))
	req.AppendHeader(maxForwards(forwards))
	return req
}

// setBody gives m a description, or says that there is none.
func setBody(m gosip.Message, body []byte) {
	if len(body) > 0 {
		ct := gosip.ContentTypeHeader(sdpType)
		m.AppendHeader(&ct)
	}
	m.SetBody(body)
	if m.ContentLength() == nil {
		none := gosip.ContentLengthHeader(0)
		m.AppendHeader(&none)
	}
}

// respond builds the response to in (RFC 3261 8.2.6). The To tag is already on
// the request, but for those refused before anything was made of them. What is
// given back is the request's own, to be read and not changed.
func respond(in *incoming, status int, body []byte, headers ...gosip.Header) *gosip.Response {
	res := gosip.NewResponse(status, phrase(status))
	res.SipVersion = "SIP/2.0"
	from, to, id, cseq := in.From(), in.To(), in.CallID(), in.CSeq()
	if to != nil && status != 100 && !to.Params.Has("tag") {
		to.Params.Add("tag", newTag())
	}
	routes := status > 100 && status < 300 && in.Method != gosip.REGISTER // 12.1.1
	for _, h := range in.Headers() {
		switch h.(type) {
		case *gosip.ViaHeader:
			res.AppendHeader(h)
		case *gosip.RecordRouteHeader:
			if routes {
				res.AppendHeader(h)
			}
		}
	}
	if from != nil {
		res.AppendHeader(from)
	}
	if to != nil {
		res.AppendHeader(to)
	}
	if id != nil {
		res.AppendHeader(id)
	}
	if cseq != nil {
		res.AppendHeader(cseq)
	}
	if status == 100 {
		if h := in.GetHeader("timestamp"); h != nil { // 8.2.6.1
			res.AppendHeader(h)
		}
	}
	for _, h := range headers {
		if h != nil {
			res.AppendHeader(h)
		}
	}
	setBody(res, body)
	return res
}

func allowHeader() gosip.Header  { return gosip.NewHeader("Allow", allowed) }
func acceptHeader() gosip.Header { return gosip.NewHeader("Accept", sdpType) }

var errEgress = errors.New("message not sent: a header holds a line end or a control character")

// serialise writes m to buf and looks at the bytes once more before they go: as
// many lines as headers, no control character outside the body, no NUL inside
// it. sipgo writes what it is given, CR and LF included. The bytes are buf's.
func serialise(buf *bytes.Buffer, m gosip.Message) ([]byte, error) {
	buf.Reset()
	m.StringWrite(buf)
	b := buf.Bytes()
	want := 1
	if h, ok := m.(interface{ Headers() []gosip.Header }); ok {
		want += len(h.Headers())
	}
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || bytes.IndexByte(body, 0) >= 0 || len(body) != len(m.Body()) {
		return nil, errEgress
	}
	lines := 0
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		lines++
		if len(line) == 0 || line[0] == ' ' || line[0] == '\t' || hasControl(line) {
			return nil, errEgress
		}
	}
	if lines != want {
		return nil, errEgress
	}
	return b, nil
}

func hasControl(line []byte) bool {
	for _, c := range line {
		if isControl(rune(c)) {
			return true
		}
	}
	return false
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
