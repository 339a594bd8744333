package sip

import (
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// maxDisplay is how much of a display name is kept.
const maxDisplay = 128

// invite tells the call layer of a new call.
func (e *Endpoint) invite(in *incoming, at time.Time) call.Invite {
	policy, _ := e.deps.Policy(in.trunk)
	forwards := 0
	if mf := in.MaxForwards(); mf != nil {
		forwards = int(mf.Val()) - 1
	}
	return call.Invite{
		At: at, Source: in.src, Transport: in.from.network, Trunk: in.trunk,
		Party: party(in.Request, policy.Identity), To: e.called(in, policy),
		Diverted: diverted(in.Request), Headers: e.crossing(in.Request, policy.Headers.In),
		MaxForwards: forwards, SIPCallID: in.CallID().Value(), Body: append([]byte(nil), in.Body()...),
		Identity: e.identities(in.Request),
	}
}

// party is who calls. The numbers a trunk asserts go before From when it is
// believed (RFC 3325 5): P-Asserted-Identity, the caller's own wish
// (P-Preferred-Identity) and, where the trunk speaks it, Remote-Party-ID. A
// caller is private when he asked for it, whoever says so, or has no name to show.
func party(req *gosip.Request, id routing.Identity) call.Party {
	from := req.From()
	p := call.Party{User: uriUser(from.Address), Display: from.DisplayName}
	p.Private = anonymous(from)
	if id.Believes() {
		names := []string{"p-asserted-identity", "p-preferred-identity"}
		if routing.On(id.RemotePartyID) {
			names = append(names, "remote-party-id")
		}
		for _, name := range names {
			if who := asserted(req, name); who != nil {
				p.User, p.Display = uriUser(who.Address), who.DisplayName
				if privacy, _ := who.Params.Get("privacy"); name == "remote-party-id" && privacy != "" && !strings.EqualFold(privacy, "off") {
					p.Private = true
				}
				break
			}
		}
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

// asserted returns the first identity in a header that names a user, or nil.
func asserted(req *gosip.Request, name string) *gosip.FromHeader {
	for value := range headerValues(req, name) {
		id := &gosip.FromHeader{}
		var err error
		id.DisplayName, err = gosip.ParseAddressValue(value, &id.Address, &id.Params)
		if who, said := id.Params.Get("party"); said && !strings.EqualFold(who, "calling") {
			continue // of a Remote-Party-ID: somebody else
		}
		if err == nil && uriUser(id.Address) != "" {
			return id
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

// plainUser takes the parameters off a user part (;npdi, ;isub, …; RFC 3966, RFC
// 4694) but for the number that completes it, and undoes escapes, unless one
// hides something that could not stand there plainly.
func plainUser(s string) string {
	s, params, _ := strings.Cut(s, ";")
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		v, global := strings.CutPrefix(strings.Replace(strings.ToUpper(v), "%2B", "+", 1), "+")
		if strings.EqualFold(k, "phone-context") && global && v != "" && strings.Trim(v, "0123456789") == "" {
			return unescaped(s) + ";phone-context=+" + v
		}
	}
	return unescaped(s)
}

func unescaped(s string) string {
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
