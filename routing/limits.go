package routing

import (
	"fmt"
	"time"
)

// Limits bounds the calls of one trunk, agency, account or number. 0: no bound.
type Limits struct {
	Calls int `yaml:"calls"` // live at once
	CPS   int `yaml:"cps"`   // new ones a second, with a burst of one second

	// How long one call may do what. The smallest of all that hold for a call counts.
	Duration  Duration `yaml:"duration"`   // talk: from the answer that the caller was given
	Ring      Duration `yaml:"ring"`       // be rung for, all destinations together
	PreAnswer Duration `yaml:"pre_answer"` // be without an answer: greetings, menus and hunts before it included
}

// TrunkLimits bounds what one trunk may ask of the node.
type TrunkLimits struct {
	Limits
	// Messages is how many SIP messages a second are taken from the trunk, all
	// its addresses together; more are dropped before they are read, without an
	// answer, or wait in their connection. 0: half of what the node takes of all (sip.rate.total).
	Messages int `yaml:"messages"`
}

// DestinationLimits bounds the calls to one destination, from whatever flow they
// are rung: the same number by the same trunk, the same user or the same URI.
type DestinationLimits struct {
	Calls    int      `yaml:"calls"`
	CPS      int      `yaml:"cps"`
	Duration Duration `yaml:"duration"`
}

func (l DestinationLimits) all() Limits {
	return Limits{Calls: l.Calls, CPS: l.CPS, Duration: l.Duration}
}

const (
	maxCalls = 100_000
	maxCPS   = 10_000

	leastSpan    = time.Second
	longestTalk  = 4 * time.Hour // the node ends every call then (C9)
	longestRing  = 10 * time.Minute
	longestUnmet = time.Hour
)

func (b *builder) limits(l Limits, path string) {
	if l.Calls < 0 || l.Calls > maxCalls {
		b.fault("is not 0 to 100000", "%s.limits.calls", path)
	}
	if l.CPS < 0 || l.CPS > maxCPS {
		b.fault("is not 0 to 10000", "%s.limits.cps", path)
	}
	b.fault(checkSpan(l.Duration, longestTalk), "%s.limits.duration", path)
	b.fault(checkSpan(l.Ring, longestRing), "%s.limits.ring", path)
	b.fault(checkSpan(l.PreAnswer, longestUnmet), "%s.limits.pre_answer", path)
}

// checkSpan holds a span to what a timer can keep.
func checkSpan(d Duration, longest time.Duration) string {
	if exact, ok := d.Exact(); !d.IsZero() && (!ok || exact < leastSpan || exact > longest) {
		return fmt.Sprintf("is not %s to %s", Duration{clock: leastSpan}, Duration{clock: longest})
	}
	return ""
}

func (b *builder) trunkLimits(l TrunkLimits, path string) {
	b.limits(l.Limits, path)
	if l.Messages < 0 || l.Messages > 1_000_000 {
		b.fault("is not 0 to 1000000", "%s.limits.messages", path)
	}
}

// Span is how long a call may do something, and who says so.
type Span struct {
	For time.Duration // 0: nobody says anything
	Of  string        // whose limit: number, account, agency, trunk, destination
}

// shorter is the smaller of two spans; of equals the one that was there.
func (s Span) shorter(d Duration, of string) Span {
	if exact, ok := d.Exact(); ok && exact > 0 && (s.For == 0 || exact < s.For) {
		return Span{exact, of}
	}
	return s
}

// Or is the smaller of two spans that are said; of equals the first.
func (s Span) Or(other Span) Span {
	if other.For > 0 && (s.For == 0 || other.For < s.For) {
		return other
	}
	return s
}

// Spans are how long a call may talk, ring and be without an answer.
type Spans struct{ Talk, Ring, PreAnswer Span }

// scope is one place where limits are written. The nearest comes first: of equal
// spans it is the one that is named.
type scope struct {
	name   string
	limits Limits
}

// bound gives the targets of one destination its limits, and holds those of one
// destination that is written in several places together: its calls are counted
// wherever they come from.
func (b *builder) bound(targets []target, spec Destination, path string) {
	limits := spec.Limits.all()
	b.limits(limits, path)
	for i := range targets {
		t := &targets[i]
		t.Limits, t.Talk = limits, t.Talk.shorter(limits.Duration, ScopeDestination)
		if trunk := b.table.trunks[t.Trunk]; trunk != nil {
			t.Talk = t.Talk.Or(trunk.talk())
		}
		t.text += spec.Limits.words()
		first, known := b.destinations[t.Identity()]
		switch {
		case !known:
			b.destinations[t.Identity()] = destination{path, limits}
		case first.limits != limits:
			b.fault("differ from those at "+first.path+", for the same destination", "%s.limits", path)
		}
	}
}

// talk is how long a call by the trunk may last.
func (t *trunk) talk() Span { return Span{}.shorter(t.spec.Limits.Duration, ScopeTrunk) }

// destination is where one was written first.
type destination struct {
	path   string
	limits Limits
}

// words are what a trace says of a destination's limits.
func (l DestinationLimits) words() (text string) {
	if l.Calls > 0 {
		text += ", " + plural(l.Calls, "call") + " at once"
	}
	if l.CPS > 0 {
		text += fmt.Sprintf(", %d a second", l.CPS)
	}
	if exact, ok := l.Duration.Exact(); ok && exact > 0 {
		text += ", " + exact.String() + " at the longest"
	}
	return text
}

// spans are the smallest of all scopes.
func spans(scopes ...scope) (s Spans) {
	for _, l := range scopes {
		s.Talk = s.Talk.shorter(l.limits.Duration, l.name)
		s.Ring = s.Ring.shorter(l.limits.Ring, l.name)
		s.PreAnswer = s.PreAnswer.shorter(l.limits.PreAnswer, l.name)
	}
	return s
}

// limit decides how long the call may last, and takes along how many may be live.
func (w *walk) limit() {
	account := w.called.account
	d := &w.d
	d.OfNumber, d.OfAccount, d.OfAgency = w.called.limits, account.limits, account.agency.limits
	d.Spans = spans(scope{ScopeNumber, d.OfNumber}, scope{ScopeAccount, d.OfAccount}, scope{ScopeAgency, d.OfAgency}, scope{ScopeTrunk, w.trunk.spec.Limits.Limits})
	for _, s := range [...]struct {
		span Span
		text string
	}{{d.Spans.Talk, "the call may last"}, {d.Spans.Ring, "it may ring for"}, {d.Spans.PreAnswer, "it may be without an answer for"}} {
		if s.span.For > 0 {
			w.look("limit", Chosen, fmt.Sprintf("%s %s, says the %s", s.text, s.span.For, s.span.Of))
		}
	}
}

// Whose limit it is: values of limit in the events.
const (
	ScopeNode        = "node"
	ScopeTrunk       = "trunk"
	ScopeAgency      = "agency"
	ScopeAccount     = "account"
	ScopeNumber      = "number"
	ScopeDestination = "destination"
)
