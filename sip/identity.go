package sip

import (
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// Who calls, as each trunk is shown it. A call of ours goes on from a number
// that was called, so every INVITE has two numbers to tell of: the caller's and
// the tracking number. routing.Identity says which goes where; a caller who
// withholds his number stays nobody for every trunk that is not trusted to keep
// the secret, and such a trunk hears of the tracking number neither.

// shown writes the identity headers of one INVITE.
type shown struct {
	dial   *call.Dial
	policy routing.Trunk
	host   string    // ours, in every URI that names a number
	target gosip.Uri // where the INVITE goes
}

// withheld reports a caller who is nobody to this trunk: he asked for it, or has
// no number to show.
func (s *shown) withheld() bool { return s.dial.From == "" }

// trusted reports a trunk that keeps what is marked as private.
func (s *shown) trusted() bool { return s.policy.Identity.Trust == routing.TrustBoth }

// number writes the URI of one of the two numbers as the trunk knows it.
func (s *shown) number(e164 string) gosip.Uri {
	uri := gosip.Uri{Scheme: "sip", User: userPart(s.policy.NumberFormat.Write(e164)), Host: s.host}
	if routing.On(s.policy.Identity.UserPhone) {
		uri.UriParams = gosip.HeaderParams{{K: "user", V: "phone"}}
	}
	return uri
}

// from is the From header (RFC 3261 20.20; nobody: RFC 3323 4.1.1.3).
func (s *shown) from(tag string) *gosip.FromHeader {
	h := &gosip.FromHeader{Params: gosip.HeaderParams{{K: "tag", V: tag}}}
	switch {
	case s.withheld():
		h.DisplayName = "Anonymous"
		h.Address = gosip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}
	case s.policy.Identity.From == routing.ShowNumber && s.dial.Number != "":
		h.Address = s.number(s.dial.Number)
	default:
		h.DisplayName = s.display()
		h.Address = s.number(s.dial.From)
	}
	return h
}

// display is the caller's name, where it may go along: without what would end
// the quotes around it.
func (s *shown) display() string {
	if !routing.On(s.policy.Identity.Display) || s.withheld() {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return -1
		}
		return r
	}, printable(s.dial.Display))
	return strings.TrimSpace(name)
}

// headers are all beside From: who asserts, who diverted, what is private.
func (s *shown) headers() []gosip.Header {
	id := s.policy.Identity
	var out []gosip.Header
	add := func(name, value string) { out = append(out, gosip.NewHeader(name, value)) }
	if who := s.asserts(id.Asserted); who != "" {
		add("P-Asserted-Identity", s.nameAddr(who))
	}
	if routing.On(id.RemotePartyID) {
		asserted := id.Asserted
		if asserted == "" || asserted == routing.ShowNobody {
			asserted = routing.ShowCaller
		}
		if who := s.asserts(asserted); who != "" {
			add("Remote-Party-ID", s.nameAddr(who)+";party=calling;screen=yes;privacy="+privacyOf(s.withheld()))
		}
	}
	if s.withheld() {
		add("Privacy", "id")
	}
	if s.withheld() && !s.trusted() || s.dial.Number == "" {
		return out
	}
	if routing.On(id.Diversion) {
		add("Diversion", diversion(s.number(s.dial.Number), s.dial.Diverted.Count))
	}
	if routing.On(id.HistoryInfo) {
		add("History-Info", historyInfo(s.number(s.dial.Number), s.target))
	}
	return out
}

// asserts is the number that is asserted, empty when none may be.
func (s *shown) asserts(word string) string {
	switch {
	case s.withheld() && !s.trusted():
		return ""
	case word == routing.ShowNumber:
		return s.dial.Number
	case word == routing.ShowCaller && s.withheld():
		return s.dial.Withheld
	case word == routing.ShowCaller:
		return s.dial.From
	}
	return ""
}

// nameAddr writes a number with, for the caller's own, his name.
func (s *shown) nameAddr(e164 string) string {
	uri := s.number(e164)
	value := "<" + uri.String() + ">"
	if name := s.display(); name != "" && e164 == s.dial.From {
		return `"` + name + `" ` + value
	}
	return value
}

func privacyOf(withheld bool) string {
	if withheld {
		return "full"
	}
	return "off"
}
