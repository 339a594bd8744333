package sip

import (
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxDisplay is how much of a display name is kept.
const maxDisplay = 128

// invite tells the call layer of a new call.
func (in *incoming) invite(at time.Time) call.Invite {
	forwards := 0
	if mf := in.MaxForwards(); mf != nil {
		forwards = int(mf.Val()) - 1
	}
	return call.Invite{
		At: at, Source: in.src, Transport: in.from.network, Trunk: in.trunk,
		Party: party(in.Request), To: plainUser(in.Recipient.User),
		MaxForwards: forwards, SIPCallID: in.CallID().Value(), Body: append([]byte(nil), in.Body()...),
	}
}

// party is who calls: P-Asserted-Identity before From, since only trunks come
// here and they are trusted to assert it (RFC 3325); private when the caller
// asked for it or has no name to show.
func party(req *gosip.Request) call.Party {
	from := req.From()
	p := call.Party{User: uriUser(from.Address), Display: from.DisplayName}
	p.Private = anonymous(from)
	if id := asserted(req); id != nil {
		p.User, p.Display = uriUser(id.Address), id.DisplayName
	}
	for _, h := range req.GetHeaders("privacy") {
		for _, v := range strings.FieldsFunc(strings.ToLower(h.Value()), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			p.Private = p.Private || v == "id" || v == "user" || v == "full"
		}
	}
	p.User, p.Display = printable(p.User), printable(p.Display)
	return p
}

func anonymous(from *gosip.FromHeader) bool {
	return strings.EqualFold(from.Address.User, "anonymous") || strings.EqualFold(from.Address.Host, "anonymous.invalid") ||
		strings.EqualFold(strings.Trim(from.DisplayName, `" `), "anonymous")
}

// asserted returns the first asserted identity that names a user, or nil.
func asserted(req *gosip.Request) *gosip.FromHeader {
	for _, h := range req.GetHeaders("p-asserted-identity") {
		rest := h.Value()
		for rest != "" {
			var value string
			value, rest = cutValue(rest)
			id := &gosip.FromHeader{}
			var err error
			id.DisplayName, err = gosip.ParseAddressValue(strings.TrimSpace(value), &id.Address, &id.Params)
			if err == nil && uriUser(id.Address) != "" {
				return id
			}
		}
	}
	return nil
}

// cutValue takes the first value off a list: up to a comma outside quotes and brackets.
func cutValue(s string) (value, rest string) {
	quoted, bracket := false, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// uriUser returns the user part of a sip: URI, or the number of a tel: URI.
func uriUser(uri gosip.Uri) string {
	switch uri.Scheme {
	case "sip", "sips":
		return plainUser(uri.User)
	case "tel":
		return plainUser(uri.Raw())
	}
	return ""
}

// plainUser takes the parameters off a user part and undoes escapes, unless one
// hides something that could not stand there plainly.
func plainUser(s string) string {
	s, _, _ = strings.Cut(s, ";")
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return s
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		c := hi<<4 | lo
		if hi > 15 || lo > 15 || c <= ' ' || c >= 0x7f || c == '%' || c == '@' || c == '<' || c == '>' || c == '"' {
			return s
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String()
}

// unhex returns the value of a hexadecimal digit, 16 or more for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// printable replaces control characters and cuts what is too long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if isControl(r) || r == '\t' || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxDisplay {
		s = strings.ToValidUTF8(s[:maxDisplay], "")
	}
	return strings.TrimSpace(s)
}
