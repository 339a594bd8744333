package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringdown/privacy"
)

// maxLooks is how many instructions one check of the invariants looks at.
const maxLooks = 2_000_000

// Violations checks the invariants: every way that a call can take, for a year
// from then on. A fault names the invariant and tells a call that breaks it, in
// words. A table without invariants has none. With numbers, E.164 with the +, only
// calls of these are looked at: what a change of them needs.
//
// Calls that are refused before their flow begins, by attestation or a limit,
// are not looked at, and neither is what a hook names at the time of a call.
func (t *Table) Violations(from time.Time, only ...string) []Fault {
	if t == nil || len(t.invariants) == 0 {
		return nil
	}
	broken := map[*invariant]string{}
	e := explorer{left: maxLooks}
	t.probes(from, only, func(p probe) bool {
		var about []*invariant
		for _, v := range t.invariants {
			if _, known := broken[v]; !known && v.about(&p) {
				about = append(about, v)
			}
		}
		if len(about) == 0 {
			return len(broken) < len(t.invariants)
		}
		e.stop, e.visit = false, func(m moment) bool {
			about = slices.DeleteFunc(about, func(v *invariant) bool {
				what := v.broken(m)
				if what != "" {
					broken[v] = p.words(m.trail) + ": " + what
				}
				return what != ""
			})
			return len(about) == 0
		}
		if m, begun := t.decide(&p); begun {
			e.explore(m, p.at, "")
		}
		return e.left >= 0
	})
	var out []Fault
	for _, v := range t.invariants {
		path := "invariants." + v.id
		switch words, is := broken[v]; {
		case is:
			out = append(out, Fault{path, "does not hold: " + words})
		case e.left < 0:
			out = append(out, Fault{path, fmt.Sprintf("cannot be checked: calls can take more than %d steps in all", maxLooks)})
		}
	}
	return out
}

// broken says how an instruction breaks an invariant; empty: it does not.
func (v *invariant) broken(m moment) string {
	switch {
	case len(v.TargetsWithin) > 0:
		return v.outside(m)
	case v.RecordedOnly != "":
		return v.unasked(m)
	case v.RingsNobody:
		if r, ok := m.next.(Ring); ok && len(r.Targets) > 0 {
			return r.Step + " rings " + r.Targets[0].words()
		}
	case len(v.Reaches) > 0:
		return v.unreached(m)
	}
	return ""
}

// outside finds a target that is of another country.
func (v *invariant) outside(m moment) string {
	r, ok := m.next.(Ring)
	if !ok {
		return ""
	}
	for _, t := range r.Targets {
		n := t.called()
		if iso := n.ground(); n != 0 && !v.within[iso] {
			if iso == "" {
				iso = "no known country"
			}
			return fmt.Sprintf("%s rings %s, which is of %s, not of %s", r.Step, n, iso, strings.Join(v.TargetsWithin, ", "))
		}
	}
	return ""
}

// words name a target without showing a number or a user.
func (t Target) words() string {
	if n := t.called(); n != 0 {
		return n.String()
	}
	if t.User != "" {
		return "the phones of a user of trunk " + t.Trunk
	}
	u, _ := parseURI(t.URI)
	return "an address at " + u.place()
}

// unasked finds talk that would be recorded without the consent that it takes.
func (v *invariant) unasked(m moment) string {
	switch i := m.next.(type) {
	case Ring:
	case Control:
		if i.What != "start" && i.What != "resume" {
			return ""
		}
	default:
		return ""
	}
	policy, has := m.walk.Recording(), m.walk.Consent()
	switch {
	case policy.Mode == DoNotRecord, !m.walk.MayRecord(), v.RecordedOnly == ConsentOptIn && has == OptedIn, v.RecordedOnly == ConsentAnnounced && (has == OptedIn || has == Announced):
		return ""
	}
	if has == NoConsent {
		has = "no consent"
	}
	return fmt.Sprintf("the talk is recorded (%s) with %s, where it takes %s", policy.words(), has, v.RecordedOnly)
}

// unreached finds a way that ends without having come to anything wanted.
func (v *invariant) unreached(m moment) string {
	end := ""
	switch i := m.next.(type) {
	case Refuse:
		end = "the call is refused: " + string(i.Reason)
	case Hang:
		end = "the call is ended"
	case End:
		end = "the flow is through"
	default:
		return ""
	}
	for i, word := range reachWords {
		if m.reached[i] && slices.Contains(v.Reaches, word) {
			return ""
		}
	}
	return end + " without having come to a " + strings.Join(v.Reaches, " or ")
}

// words tell a call to a person: who calls which number when, and what happened
// until now.
func (p *probe) words(t *trail) string {
	who := "a caller of no known country"
	switch iso := p.caller.number.ground(); {
	case p.caller.number == 0:
		who = "a caller without a number"
	case p.caller.private:
		who = "a caller who withholds his number"
	case iso != "":
		who = "a caller of " + iso
	}
	if p.caller.number != 0 && !p.caller.private {
		who += " (" + p.caller.number.String() + ")"
	}
	if a := p.caller.attested; a.Verstat != "" {
		who += ", " + a.Verstat
	}
	words := fmt.Sprintf("%s calls %s of account %s by trunk %s at %s", who, privacy.E164(p.row.number.e164()), p.entry.account.id, p.trunk.id, p.at.UTC().Format("Mon 2006-01-02 15:04Z"))
	if happened := t.words(); happened != "" {
		words += ", " + happened
	}
	return words
}
