package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringdown/call"
	"ringdown/configs"
	"ringdown/events"
	"ringdown/privacy/keys"
	"ringdown/routing"
)

func runRouteReplay(ctx context.Context, args []string, s stdio) int {
	o := newOptions("route replay", s)
	draft := o.String("config", "", "the draft: a configuration `FILE`")
	file := o.String("events", "", "events as JSON lines from this `FILE` (- is standard input) instead of a node")
	address := o.String("url", "", "`URL` of the node whose calls are tried; default: that of the draft")
	account, from, asJSON := o.ofAccount(), o.from(), o.forPrograms()
	return o.run(args, nil, func([]string) error {
		if *draft == "" {
			return usagef("--config FILE is missing: the draft to try past calls on")
		}
		start, err := from()
		if err != nil {
			return err
		}
		c, err := configs.Load(*draft)
		if err != nil {
			return err
		}
		r := replaying{table: c.Table(), since: start, account: *account, open: map[string]*pastCall{}}
		r.Draft, r.Calls = c.Table().Version(), []replayed{}
		if k, err := keys.Open(c.Keys, keys.Options{ReadOnly: true}); err == nil { // without them by the class of the caller
			defer k.Close()
			r.keys = k
		}
		if *file != "" {
			err = r.file(*file, s.in)
		} else {
			err = r.node(ctx, *address, *draft)
		}
		if err != nil {
			return err
		}
		slices.SortFunc(r.Calls, func(x, y replayed) int { return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Call, y.Call)) })
		if *asJSON {
			err = writeJSON(s.out, &r.replayReport)
		} else {
			_, err = io.WriteString(s.out, r.text())
		}
		if err == nil && len(r.Calls) > 0 {
			return errSaid
		}
		return err
	})
}

// replayReport is what a replay found.
type replayReport struct {
	Draft    string         `json:"config_version"` // of the draft
	Replayed int            `json:"replayed"`
	Changed  int            `json:"changed"`
	Certain  int            `json:"certain"` // of these, those for which nothing had to be assumed
	ByKind   map[string]int `json:"by_kind,omitempty"`
	Skipped  map[string]int `json:"skipped,omitempty"` // by why
	Calls    []replayed     `json:"calls"`             // those that change
}

type replayed struct {
	Call        string               `json:"call"`
	Time        time.Time            `json:"time"`
	Account     string               `json:"account"`
	Number      string               `json:"tracking_number,omitempty"`
	Caller      string               `json:"caller"` // masked
	Differences []routing.Difference `json:"differences"`
	Assumed     []string             `json:"assumed,omitempty"`
}

// replaying folds events into calls and tries each on the draft when it is over.
type replaying struct {
	replayReport
	table   *routing.Table
	keys    *keys.Store // nil: callers are known by their class only
	since   time.Time
	account string
	open    map[string]*pastCall
}

// pastCall is a call of which not all events have come yet.
type pastCall struct {
	received events.CallReceivedData
	at       time.Time
	past     routing.Past
	tags     map[string]map[string]string // by step
}

func (r *replaying) file(name string, in io.Reader) error {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			if err := r.add(line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
	}
	return lines.Err()
}

func (r *replaying) node(ctx context.Context, address, draft string) error {
	c, err := findNode(address, draft)
	if err != nil {
		return err
	}
	return c.events(ctx, "/v1/events", filterQuery(r.account, r.since), func(raw json.RawMessage) error { return r.add(raw) })
}

// add takes the next event. Those of a call come in order.
func (r *replaying) add(raw json.RawMessage) error {
	e, err := events.Decode(raw)
	if err != nil {
		return err
	}
	raw, _ = e.Data.(json.RawMessage)
	if e.Type == events.CallReceived {
		c := &pastCall{at: e.Time}
		if err := json.Unmarshal(raw, &c.received); err != nil {
			return err
		}
		if !e.Time.Before(r.since) && (r.account == "" || e.Account == r.account) {
			r.open[e.Call] = c
		}
		return nil
	}
	c := r.open[e.Call]
	if c == nil {
		return nil
	}
	switch e.Type {
	case events.CallRouted:
		return fold(raw, func(d *events.CallRoutedData) {
			c.past.Recording, c.past.Policy, c.past.Caps, c.past.First = d.RecordingMode, d.Consent, d.Caps, pastDirections(d.Destinations)
			c.asked(d.Draw, d.Class, d.Trace)
		})
	case events.CallRejected:
		return fold(raw, func(d *events.CallRejectedData) {
			c.past.Reject = routing.Reason(d.RejectReason)
			c.asked(d.Draw, d.Class, d.Trace)
		})
	case events.CallStepped:
		return fold(raw, func(d *events.CallSteppedData) { c.step(e.Time, d) })
	case events.CallScreened:
		return fold(raw, func(d *events.CallScreenedData) {
			c.past.Screened = routing.Verdict{Result: d.Verdict, Rule: d.Rule, Of: d.Of, List: d.List}
		})
	case events.CallTagged:
		return fold(raw, func(d *events.CallTaggedData) {
			if c.tags == nil {
				c.tags = map[string]map[string]string{}
			}
			c.tags[d.Step] = d.Tags
		})
	case events.ConsentAnnounced, events.ConsentGranted, events.ConsentRefused:
		return fold(raw, func(d *events.ConsentData) { c.past.Consent = d.Outcome })
	case events.CallEnded:
		delete(r.open, e.Call)
		if err := fold(raw, func(d *events.CallEndedData) { c.past.Lost = d.EndedBy == string(call.ByNodeLoss) }); err != nil {
			return err
		}
		r.try(e, c)
	}
	return nil
}

// fold reads a payload.
func fold[T any](raw json.RawMessage, into func(*T)) error {
	d := new(T)
	if err := json.Unmarshal(raw, d); err != nil {
		return err
	}
	into(d)
	return nil
}

// asked takes over what a decision rested on.
func (c *pastCall) asked(draw string, class *events.CallerClass, trace []events.Look) {
	if n, err := strconv.ParseUint(draw, 16, 64); err == nil {
		c.past.Request.Draw = n
	}
	if class != nil {
		c.past.Request.Class = &routing.CallerClass{Withheld: class.Withheld, Country: class.Country, Area: class.Area, Lists: class.Lists}
		c.past.Request.Private = class.Withheld
	}
	for _, l := range trace {
		c.past.Looks = append(c.past.Looks, l.Text)
	}
}

func (c *pastCall) step(at time.Time, d *events.CallSteppedData) {
	s := routing.PastStep{At: at, Step: d.Step, Kind: d.Kind, Result: d.Result, Choice: d.Choice, Sticky: d.Sticky, Reply: d.Reply, Flow: d.Flow,
		Directions: pastDirections(d.Destinations), Recording: d.Recording, Policy: d.Consent, Consent: c.past.Consent}
	if d.Reply != "" {
		s.Tags = c.tags[d.Step]
	}
	if d.Number != nil {
		s.Number = *d.Number
	}
	for _, t := range d.Trials {
		s.Trials = append(s.Trials, routing.Trial{Target: t.Target, Result: routing.RingResult(t.Result)})
	}
	for _, l := range d.Trace {
		c.past.Looks = append(c.past.Looks, l.Text)
	}
	c.past.Steps = append(c.past.Steps, s)
}

func pastDirections(all []events.Destination) (out []routing.Direction) {
	for _, d := range all {
		out = append(out, routing.Direction(d))
	}
	return out
}

// ofTheMoment are the reasons that no table decides about: what the node bore then.
var ofTheMoment = []string{"concurrency-limit", "cps-limit", "overload", "recording-impossible", "auth-failed"}

// try decides the call again.
func (r *replaying) try(e events.Event, c *pastCall) {
	skip := ""
	switch {
	case c.received.TrackingNumber == "":
		skip = "the number called was not ours, and events do not tell it"
	case c.past.Request.Class == nil:
		skip = "its events are older than what a replay needs"
	case slices.Contains(ofTheMoment, string(c.past.Reject)):
		skip = "refused by what the node bore then"
	}
	if skip != "" {
		if r.Skipped == nil {
			r.Skipped = map[string]int{}
		}
		r.Skipped[skip]++
		return
	}
	q := &c.past.Request
	q.Trunk, q.To, q.At, q.Headers = c.received.Trunk, r.dialled(&c.received), c.at, c.received.Attributes
	q.From = r.reveal(e.Account, c.received.Caller)
	if a := c.received.Attestation; a != nil {
		q.Attested = routing.Attested{Verstat: a.Verstat, Attest: a.Attest, OrigID: a.OrigID, Reason: a.Reason}
	}
	r.Replayed++
	differences, assumed := r.table.Replay(c.past)
	if len(differences) == 0 {
		return
	}
	r.Changed++
	if len(assumed) == 0 {
		r.Certain++
	}
	if r.ByKind == nil {
		r.ByKind = map[string]int{}
	}
	for _, d := range differences {
		r.ByKind[d.What]++
	}
	r.Calls = append(r.Calls, replayed{e.Call, c.at, e.Account, c.received.TrackingNumber, c.received.Caller.Masked, differences, assumed})
}

// dialled is the tracking number as its trunk would write it.
func (r *replaying) dialled(d *events.CallReceivedData) string {
	spec, _ := r.table.Trunk(d.Trunk)
	return spec.NumberFormat.Strip + d.TrackingNumber
}

// reveal opens the caller's number where our keys can; it goes nowhere but into
// the decision. Empty: the decision goes by his class.
func (r *replaying) reveal(account string, p events.Party) string {
	if r.keys == nil || p.Sealed == "" {
		return ""
	}
	clear, err := r.keys.OpenField(account, p.Subject, p.Sealed)
	if err != nil {
		return "" // erased, or of another node
	}
	var fields callerFields
	if json.Unmarshal(clear, &fields) != nil || !strings.HasPrefix(fields.Number, "+") {
		return ""
	}
	return fields.Number
}

// text tells the report to a person.
func (r *replayReport) text() string {
	var b strings.Builder
	for _, c := range r.Calls {
		fmt.Fprintf(&b, "%s  %s  %s to %s of account %s\n", c.Call, c.Time.UTC().Format("2006-01-02 15:04:05Z"), clean(c.Caller), clean(c.Number), clean(c.Account))
		for _, d := range c.Differences {
			fmt.Fprintf(&b, "  %-11s  %s -> %s\n               because %s\n", d.What, clean(d.Was), clean(d.Is), clean(d.Why))
		}
		for _, a := range c.Assumed {
			fmt.Fprintf(&b, "  %-11s  %s\n", "assumed", clean(a))
		}
	}
	fmt.Fprintf(&b, "%s on table %s: ", count(r.Replayed, "call"), r.Draft)
	if r.Changed == 0 {
		b.WriteString("nothing would change\n")
	} else {
		var kinds []string
		for _, what := range []string{"refusal", "destination", "price", "recording", "consent", "cap"} {
			if n := r.ByKind[what]; n > 0 {
				kinds = append(kinds, fmt.Sprintf("%s %d", what, n))
			}
		}
		fmt.Fprintf(&b, "%d would change (%s), %d of them for certain\n", r.Changed, strings.Join(kinds, ", "), r.Certain)
	}
	for _, why := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "%s not tried: %s\n", count(r.Skipped[why], "call"), why)
	}
	return b.String()
}
