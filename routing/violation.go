package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringdown/privacy"
)

// maxLooks is how many calls and instructions one check of the invariants looks at.
const maxLooks = 2_000_000

// Violations checks the invariants: every way that a call can take, for a year
// from then on. A fault names the invariant and tells a call that breaks it, in
// words; or it says that, and why, not all ways could be gone: what holds of the
// others is no answer. A table without invariants has none. With numbers, E.164
// with the +, only calls of these are looked at: what a change of them needs.
//
// Calls that are refused before their flow begins, by attestation or a limit,
// are not looked at, and neither is whom a hook names at the time of a call.
func (t *Table) Violations(from time.Time, only ...string) []Fault {
	if t == nil || len(t.invariants) == 0 {
		return nil
	}
	p := proving{table: t, explorer: explorer{left: maxLooks, tags: t.mentions.replied()}, broken: map[*invariant]string{}}
	for g := range t.groups(from, only) {
		if p.group(g); len(p.broken) == len(t.invariants) || p.left < 0 {
			break
		}
	}
	if p.left < 0 && p.cannot == "" {
		p.cannot = fmt.Sprintf("calls can take more than %d steps in all", maxLooks)
	}
	var out []Fault
	for _, v := range t.invariants {
		path := "invariants." + v.id
		switch words, is := p.broken[v]; {
		case is:
			out = append(out, Fault{path, "does not hold: " + words})
		case p.cannot != "":
			out = append(out, Fault{path, "cannot be checked: " + p.cannot})
		}
	}
	return out
}

// proving is one check of the invariants under way.
type proving struct {
	explorer
	table  *Table
	broken map[*invariant]string // in words
}

// group looks at the calls of a group. When none of them is let in, nothing is
// known of those that will be.
func (p *proving) group(g group) {
	if g.cannot != "" {
		p.unsaid(g, g.cannot)
	}
	if g.callers == nil {
		return
	}
	begun := false
	for c := range g.probes() {
		if begun = p.probe(c) || begun; len(p.broken) == len(p.table.invariants) || p.left < 0 {
			return
		}
	}
	if !begun && !p.anybody(g) && p.left >= 0 {
		p.unsaid(g, "no call that was tried is let in")
	}
}

// unsaid notes why not all calls of a group were looked at.
func (p *proving) unsaid(g group, why string) {
	if p.cannot == "" {
		p.cannot = fmt.Sprintf("%s: %s of account %s", why, privacy.E164(g.row.number.e164()), g.entry.account.id)
	}
}

// probe looks at a call, and reports whether it was let in.
func (p *proving) probe(c probe) (begun bool) {
	var about []*invariant
	for _, v := range p.table.invariants {
		if _, known := p.broken[v]; !known && v.about(&c) {
			about = append(about, v)
		}
	}
	if len(about) == 0 {
		return false
	}
	return p.goes(c, func(m moment) bool {
		about = slices.DeleteFunc(about, func(v *invariant) bool {
			what := v.broken(m)
			if what != "" {
				p.broken[v] = c.words(m.trail) + ": " + what
			}
			return what != ""
		})
		return len(about) == 0
	})
}

// goes visits the ways of a call until that is enough, and reports whether it was
// let in.
func (p *proving) goes(c probe, visit func(moment) (stop bool)) (begun bool) {
	p.left--
	m, decided := p.table.decide(&c)
	if !decided {
		return false
	}
	p.visit = func(m moment) bool {
		begun = begun || m.letIn()
		return visit(m)
	}
	p.explore(m, c.at)
	return begun
}

// anybody reports whether any call of a group is let in, whatever the invariants
// are about.
func (p *proving) anybody(g group) bool {
	for c := range g.probes() {
		if p.goes(c, moment.letIn) {
			return true
		}
		if p.left < 0 {
			return false
		}
	}
	return false
}

// broken says how an instruction breaks an invariant; empty: it does not.
func (v *invariant) broken(m moment) string {
	switch {
	case len(v.TargetsWithin) > 0:
		return v.outside(m)
	case v.RecordedOnly != "":
		return v.unasked(m)
	case v.RingsNobody:
		if r, ok := m.next.(Ring); ok && len(r.Targets) > 0 && !m.named() {
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
	if !ok || m.named() {
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

// unasked finds talk that would be recorded without the consent that it takes. A
// recording that is resumed was begun under what held before.
func (v *invariant) unasked(m moment) string {
	policy, has := m.walk.Recording(), m.walk.Consent()
	records := policy.Mode != DoNotRecord && m.walk.MayRecord()
	switch i := m.next.(type) {
	case Ring:
	case Control:
		switch i.What {
		case "start":
		case "resume":
			records = m.recorded
		default:
			return ""
		}
	default:
		return ""
	}
	switch {
	case !records, v.RecordedOnly == ConsentOptIn && has == OptedIn, v.RecordedOnly == ConsentAnnounced && (has == OptedIn || has == Announced):
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
		if !m.letIn() {
			return ""
		}
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
	case p.caller.word != "":
		who = "a caller whose address is no number"
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
		if a.Attest != "" {
			who += " " + a.Attest
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.caller.headers)) {
		who += ", with header " + name
	}
	words := fmt.Sprintf("%s calls %s of account %s by trunk %s at %s", who, privacy.E164(p.row.number.e164()), p.entry.account.id, p.trunk.id, p.at.UTC().Format("Mon 2006-01-02 15:04Z"))
	if happened := t.words(); happened != "" {
		words += ", " + happened
	}
	return words
}
