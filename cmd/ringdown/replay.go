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
		r := replaying{table: c.Table(), since: start, account: *account, open: map[string]*call.History{}}
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
	open    map[string]*call.History // calls of which not all events have come yet
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
	data, err := payloadOf(e.Type, raw)
	if data == nil || err != nil {
		return err
	}
	if e.Type == events.CallReceived && !e.Time.Before(r.since) && (r.account == "" || e.Account == r.account) {
		r.open[e.Call] = &call.History{}
	}
	h := r.open[e.Call]
	if h == nil {
		return nil
	}
	if h.Take(e.Time, data); h.Over {
		delete(r.open, e.Call)
		r.try(e, h)
	}
	return nil
}

// payloadOf reads the payloads that tell of a call's way; nil: this one does not.
func payloadOf(kind string, raw json.RawMessage) (any, error) {
	switch kind {
	case events.CallReceived:
		return payload[events.CallReceivedData](raw)
	case events.CallRouted:
		return payload[events.CallRoutedData](raw)
	case events.CallRejected:
		return payload[events.CallRejectedData](raw)
	case events.CallScreened:
		return payload[events.CallScreenedData](raw)
	case events.CallTagged:
		return payload[events.CallTaggedData](raw)
	case events.CallStepped:
		return payload[events.CallSteppedData](raw)
	case events.ConsentAnnounced, events.ConsentGranted, events.ConsentRefused:
		return payload[events.ConsentData](raw)
	case events.CallEnded:
		return payload[events.CallEndedData](raw)
	}
	return nil, nil
}

func payload[T any](raw json.RawMessage) (any, error) {
	var d T
	err := json.Unmarshal(raw, &d)
	return d, err
}

// ofTheMoment are the reasons that no table decides about: what the node bore then.
var ofTheMoment = []string{"concurrency-limit", "cps-limit", "overload", "recording-impossible", "auth-failed"}

// try decides the call again.
func (r *replaying) try(e events.Event, c *call.History) {
	skip := ""
	switch {
	case c.Received.TrackingNumber == "":
		skip = "the number called was not ours, and events do not tell it"
	case c.Past.Request.Class == nil:
		skip = "its events are older than what a replay needs"
	case slices.Contains(ofTheMoment, string(c.Past.Reject)):
		skip = "refused by what the node bore then"
	}
	if skip != "" {
		if r.Skipped == nil {
			r.Skipped = map[string]int{}
		}
		r.Skipped[skip]++
		return
	}
	q := &c.Past.Request
	q.To, q.From = r.dialled(&c.Received), r.reveal(e.Account, c.Received.Caller)
	r.Replayed++
	differences, assumed := r.table.Replay(c.Past)
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
	r.Calls = append(r.Calls, replayed{e.Call, q.At, e.Account, c.Received.TrackingNumber, c.Received.Caller.Masked, differences, assumed})
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
