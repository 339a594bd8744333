package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dial rings destinations.
type Dial struct {
	Strategy string        `yaml:"strategy"` // sequential (default) | simultaneous | round-robin | weighted | percentage
	Timeout  Duration      `yaml:"timeout"`  // ring time of each target without its own; zero: 30 s
	Targets  []Destination `yaml:"targets"`

	// ConnectTimeout is how long an address may leave the INVITE without any
	// response; zero: 3 s.
	ConnectTimeout Duration `yaml:"connect_timeout"`

	Failover []string `yaml:"failover" json:",omitempty"` // how an attempt has to come out for the hunt to go on: declined, busy, no-answer, unreachable, full; empty: all
	Redial   bool     `yaml:"redial" json:",omitempty"`   // who declined or was busy in this call is tried again
	Sticky   bool     `yaml:"sticky" json:",omitempty"`   // who answered this caller here before is tried first
	Music    string   `yaml:"music" json:",omitempty"`    // prompt for a caller who was answered by a step before, instead of a ringback tone
}

// dialStep is a compiled dial.
type dialStep struct {
	strategy string
	targets  []target
	shares   []candidate // of the targets
	failover []RingResult
	redial   bool
	sticky   bool
	survey   bool   // one stands behind it
	key      string // what its turns are counted under, or its shares drawn by
	music    []string
}

func (b *builder) dial(d Dial, path string) node {
	b.fault(checkWord(d.Strategy, strategies), "%s.strategy", path)
	if len(d.Targets) == 0 {
		b.fault("is empty: a dial step needs somebody to ring", "%s.targets", path)
	}
	s := &dialStep{strategy: cmp.Or(d.Strategy, Sequential), redial: d.Redial, sticky: d.Sticky, failover: allResults}
	s.targets = b.destinationsOf(d, path+".targets")
	s.shares = b.shares(d, s.targets, path)
	s.key = b.choosing.key(s.strategy, s.shares)
	if len(d.Failover) > 0 {
		s.failover = b.failover(d.Failover, path)
	}
	if d.Music != "" {
		b.refer("prompt", d.Music, path+".music", b.hasPrompt, b.promptIDs)
		s.music = []string{d.Music}
	}
	return s
}

func (b *builder) failover(words []string, path string) (out []RingResult) {
	known := make([]string, len(allResults))
	for i, r := range allResults {
		known[i] = string(r)
	}
	for i, word := range words {
		at := fmt.Sprintf("%s.failover[%d]", path, i)
		if word == "" {
			b.fault("is missing", "%s", at)
		}
		b.fault(checkWord(word, known), "%s", at)
		if slices.Contains(out, RingResult(word)) {
			b.fault("is in the list already", "%s", at)
		}
		out = append(out, RingResult(word))
	}
	return out
}

// destinationsOf compiles the targets of a dial; path is that of the list.
func (b *builder) destinationsOf(d Dial, path string) (out []target) {
	ring := b.ring(d.Timeout, defaultRing, strings.TrimSuffix(path, ".targets"))
	for i, spec := range d.Targets {
		at := fmt.Sprintf("%s[%d]", path, i)
		own := b.ring(spec.Timeout, ring, at)
		before := len(out)
		switch {
		case spec.URI != "" && spec.Number != "", spec.User != "" && spec.URI+spec.Number != "":
			b.fault("is one of: a uri, a number with a trunk, a user of a trunk", "%s", at)
		case spec.User != "":
			out = append(out, b.registered(spec, own, at)...)
		case spec.URI != "":
			out = append(out, b.direct(spec, own, at))
		case spec.Number != "" || spec.Trunk != "":
			out = append(out, b.through(spec, own, at)...)
		default:
			b.fault("is empty: a uri, a number with a trunk, or a user of a trunk", "%s", at)
		}
		b.bound(out[before:], spec, at)
	}
	b.connect(d.ConnectTimeout, out, strings.TrimSuffix(path, ".targets"))
	return out
}

// shares are the targets with what each is given of the calls. Each destination
// makes one target, unless it is faulty.
func (b *builder) shares(d Dial, targets []target, path string) []candidate {
	out := make([]candidate, len(targets))
	total := 0
	for i, spec := range d.Targets {
		at := fmt.Sprintf("%s.targets[%d]", path, i)
		share := spec.Weight
		if spec.Weight != 0 && d.Strategy != Weighted {
			b.fault("belongs to the strategy weighted", "%s.weight", at)
		} else if spec.Weight < 0 || spec.Weight > maxWeight {
			b.fault(fmt.Sprintf("is not 0 to %d", maxWeight), "%s.weight", at)
		}
		if d.Strategy == Percentage {
			share = spec.Percent
		} else if spec.Percent != 0 {
			b.fault("belongs to the strategy percentage", "%s.percent", at)
		}
		if spec.Percent < 0 || spec.Percent > 100 {
			b.fault("is not 0 to 100", "%s.percent", at)
		}
		if total += share; i < len(out) {
			out[i] = candidate{targets[i].Identity(), share}
		}
	}
	switch {
	case len(d.Targets) == 0:
	case d.Strategy == Percentage && total != 100:
		b.fault(fmt.Sprintf("the percents of its targets are %d together, not 100", total), "%s.targets", path)
	case d.Strategy == Weighted && total == 0:
		b.fault("none of its targets has a weight", "%s.targets", path)
	}
	return out
}

func (s *dialStep) run(w *Walk, o Outcome) Instruction {
	switch o := o.(type) {
	case Fact:
		if w.local.phase == phaseTurn {
			w.local.number = o.Number
		} else {
			w.local.text = o.ID
		}
	case Rung:
		return w.rung(o, s.survey)
	}
	if w.local.phase < phaseTurn && s.strategy == RoundRobin {
		w.local.phase = phaseTurn
		return Want{Step: w.at(), Kind: FactTurn, Key: s.key}
	}
	if w.local.phase < phaseSticky && s.sticky && w.facts.caller != 0 {
		w.local.phase = phaseSticky
		return Want{Step: w.at(), Kind: FactSticky, Key: w.state.flow.id}
	}
	return w.ring(s.ordered(w), s)
}

// Phases of a dial step.
const (
	phaseTurn = iota + 1
	phaseSticky
	phaseRing
)

// ordered is the targets in the order of the strategy.
func (s *dialStep) ordered(w *Walk) []target {
	by := chance{
		draw: w.facts.request.Draw, turn: w.local.number, caller: w.facts.caller,
		key: s.key, sticky: w.local.text,
	}
	if s.strategy != Sequential && s.strategy != Simultaneous {
		w.look("strategy", Chosen, by.told(s.strategy))
	}
	out := make([]target, 0, len(s.targets))
	for _, i := range ordered(s.strategy, s.shares, by) {
		out = append(out, s.targets[i])
	}
	switch {
	case !s.sticky:
	case w.facts.caller == 0:
		w.look("sticky", Missed, "the caller is not known")
	case by.sticky == "" || len(out) == 0 || out[0].Identity() != by.sticky:
		w.look("sticky", Missed, nobodyAnswered)
	default:
		w.look("sticky", Chosen, "has answered this caller before: "+out[0].text)
	}
	return out
}

const nobodyAnswered = "nobody of them has answered this caller before"

func (c chance) told(strategy string) string { return strategy + ", " + c.words(strategy) }

// words are what an order went by.
func (c chance) words(strategy string) string {
	switch {
	case strategy == RoundRobin:
		return fmt.Sprintf("turn %d", c.turn)
	case strategy == Percentage && c.caller != 0:
		return "by the caller"
	}
	return "by the draw of the call"
}

// ring dials who may be dialled; nil: nobody.
func (w *Walk) ring(targets []target, s *dialStep) Instruction {
	r := Ring{
		Step: w.at(), Strategy: s.strategy, Together: s.strategy == Simultaneous, Failover: slices.Clone(s.failover), Redial: s.redial, Keep: s.survey,
		Whisper: w.whispered(), Screen: w.screened(),
	}
	for _, p := range w.prompts(s.music) {
		r.Music = p
	}
	w.local.phase = phaseRing
	for _, t := range targets {
		if was, reached := w.state.reached[t.Identity()]; reached && !s.redial {
			w.look("target", Skipped, t.text+": "+said[was])
			continue
		}
		r.Targets = append(r.Targets, t.Target.clone())
		w.local.ids = append(slices.Clip(w.local.ids), t.Identity())
		w.look("target", Chosen, t.text)
	}
	if len(r.Targets) == 0 {
		w.result("nobody")
		return nil
	}
	return r
}

// said is why somebody is not dialled again.
var said = map[RingResult]string{Declined: "has declined this call already", Busy: "was busy in this call already"}

// rung notes how a dialling came out. Whoever declined or is busy is not dialled
// again in this call.
func (w *Walk) rung(o Rung, survey bool) Instruction {
	w.result(string(o.Result))
	reached := maps.Clone(w.state.reached)
	if reached == nil {
		reached = map[string]RingResult{}
	}
	for _, t := range o.Trials {
		if (t.Result == Declined || t.Result == Busy) && t.Target >= 0 && t.Target < len(w.local.ids) {
			reached[w.local.ids[t.Target]] = t.Result
		}
	}
	w.state.reached = reached
	if o.Result != Talked {
		return nil
	}
	if w.state.talked = true; survey {
		return nil
	}
	return Hang{Step: w.at()}
}
