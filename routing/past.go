package routing

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Check is the check sum of a target's identity, as events show it.
func (t Target) Check() string { return Check(t.Identity()) }

// Check is a check sum of a target's identity, of 16 bits: enough to see that a
// call would go to somebody else, far too little to find out who it is. It may
// stand in an event.
func Check(identity string) string {
	sum := sha256.Sum256([]byte("ringdown destination\n" + identity))
	return hex.EncodeToString(sum[:2])
}

// Class is the price class of a target, as far as it can be told by the number
// that is rung: its country, or that it has none, with "premium" behind it where
// calls to it cost more than those to its country; "sip" for an address that is no
// number.
func (t Target) Class() string {
	n := t.called()
	if n == 0 {
		return "sip"
	}
	class := cmp.Or(n.ground(), "no country")
	if isPremium(n) {
		class += " premium"
	}
	return class
}

// Caps are the limits that hold for a call, by whose they are: how many calls at
// a time, how many a second, and for how many seconds it may talk, ring and be
// without an answer.
func (d Decision) Caps() map[string]int64 {
	caps := map[string]int64{}
	enter := func(name string, n int64) {
		if n != 0 {
			caps[name] = n
		}
	}
	for _, of := range [...]struct {
		name   string
		limits Limits
	}{{"number", d.OfNumber}, {"account", d.OfAccount}, {"agency", d.OfAgency}} {
		enter(of.name+"_calls", int64(of.limits.Calls))
		enter(of.name+"_cps", int64(of.limits.CPS))
	}
	enter("talk_s", int64(d.Spans.Talk.For.Seconds()))
	enter("ring_s", int64(d.Spans.Ring.For.Seconds()))
	enter("pre_answer_s", int64(d.Spans.PreAnswer.For.Seconds()))
	return caps
}

// Chance writes the draw of a request as events show it.
func Chance(draw uint64) string { return fmt.Sprintf("%016x", draw) }

// called is the number that a target rings; zero: a SIP address that is none.
func (t Target) called() number {
	s := t.Number
	if s == "" {
		u, msg := parseURI(t.URI)
		if msg != "" {
			return 0
		}
		s = u.user
	}
	digits, plus := strings.CutPrefix(s, "+")
	if n, ok := parseE164(digits); ok && plus {
		return n
	}
	return 0
}
