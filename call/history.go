package call

import (
	"strconv"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// History gathers what the events of one call tell of how it was decided, and what
// became of its steps: what [routing.Table.Replay] takes. Its Request lacks what
// only events of the caller's number can tell.
type History struct {
	Received events.CallReceivedData
	Past     routing.Past
	Over     bool                         // call.ended was told
	tags     map[string]map[string]string // by step
}

// Take takes the payload of the call's next event; one that says nothing about its
// way changes nothing.
func (h *History) Take(at time.Time, data any) {
	p := &h.Past
	switch d := data.(type) {
	case events.CallReceivedData:
		h.Received, p.Request.At = d, at
		p.Request.Trunk, p.Request.Headers = d.Trunk, d.Attributes
		if a := d.Attestation; a != nil {
			p.Request.Attested = routing.Attested{Verstat: a.Verstat, Attest: a.Attest, OrigID: a.OrigID, Reason: a.Reason}
		}
	case events.CallRoutedData:
		p.Recording, p.Policy, p.Caps, p.First = d.RecordingMode, d.Consent, d.Caps, directions(d.Destinations)
		h.asked(d.Draw, d.Class, d.Trace)
	case events.CallRejectedData:
		p.Reject = routing.Reason(d.RejectReason)
		h.asked(d.Draw, d.Class, d.Trace)
	case events.CallScreenedData:
		p.Screened = routing.Verdict{Result: d.Verdict, Rule: d.Rule, Of: d.Of, List: d.List}
	case events.CallTaggedData:
		if h.tags == nil {
			h.tags = map[string]map[string]string{}
		}
		h.tags[d.Step] = d.Tags
	case events.ConsentData:
		p.Consent = d.Outcome
	case events.CallSteppedData:
		h.step(at, d)
	case events.CallEndedData:
		h.Over, p.Lost = true, d.EndedBy == string(ByNodeLoss)
	}
}

// asked takes over what a decision rested on.
func (h *History) asked(draw string, class *events.CallerClass, trace []events.Look) {
	q := &h.Past.Request
	if n, err := strconv.ParseUint(draw, 16, 64); err == nil {
		q.Draw = n
	}
	if class != nil {
		q.Class = &routing.CallerClass{Withheld: class.Withheld, Country: class.Country, Area: class.Area, Lists: class.Lists}
		q.Private = class.Withheld
	}
	h.looked(trace)
}

func (h *History) looked(trace []events.Look) {
	for _, l := range trace {
		h.Past.Looks = append(h.Past.Looks, l.Text)
	}
}

func (h *History) step(at time.Time, d events.CallSteppedData) {
	s := routing.PastStep{
		At: at, Step: d.Step, Kind: d.Kind, Result: d.Result, Choice: d.Choice, Sticky: d.Sticky, Reply: d.Reply, Flow: d.Flow,
		Directions: directions(d.Destinations), Recording: d.Recording, Policy: d.Consent, Consent: h.Past.Consent,
	}
	if d.Number != nil {
		s.Number = *d.Number
	}
	if d.Reply != "" { // a hook's
		s.Tags = h.tags[d.Step]
	}
	for _, t := range d.Trials {
		s.Trials = append(s.Trials, routing.Trial{Target: t.Target, Result: routing.RingResult(t.Result)})
	}
	h.looked(d.Trace)
	h.Past.Steps = append(h.Past.Steps, s)
}

func directions(all []events.Destination) (out []routing.Direction) {
	for _, d := range all {
		out = append(out, routing.Direction(d))
	}
	return out
}
