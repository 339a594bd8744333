package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringdown/configs"
	"ringdown/routing"
)

// numbered is a tracking number as programs get it, and as a change of the
// directory has it: the keys are those of the configuration.
type numbered struct {
	Number      string            `json:"number"`
	Account     string            `json:"account,omitempty"`
	Flow        string            `json:"flow,omitempty"`
	Pool        string            `json:"pool,omitempty"`
	State       string            `json:"state,omitempty"`
	ValidFrom   routing.Instant   `json:"valid_from,omitzero"`
	ValidUntil  routing.Instant   `json:"valid_until,omitzero"`
	Trunks      []string          `json:"trunks,omitempty"`
	Regulatory  string            `json:"regulatory_ref,omitempty"`
	Attribution map[string]string `json:"attribution,omitempty"`

	raw json.RawMessage // as a node wrote it, other keys and all
}

func numberedOf(n routing.TrackingNumber) numbered {
	return numbered{Number: n.Number, Account: n.Account, Flow: n.Flow, Pool: n.Pool, State: n.State, ValidFrom: n.ValidFrom,
		ValidUntil: n.ValidUntil, Trunks: n.Trunks, Regulatory: n.Regulatory, Attribution: n.Attribution}
}

// numberSource adds the flags that say where numbers are read: --url asks a
// running node, --config alone reads the file.
func (o *options) numberSource() func(ctx context.Context) (iter.Seq2[numbered, error], error) {
	address := o.String("url", "", "`URL` of a running node to ask")
	config := o.String("config", "", "configuration `FILE`: without --url its own numbers")
	return func(ctx context.Context) (iter.Seq2[numbered, error], error) {
		if *config == "" || *address != "" {
			c, err := findNode(*address, *config)
			if err != nil {
				return nil, err
			}
			return c.numbers(ctx), o.notePools(ctx, c)
		}
		c, err := configs.Load(*config)
		if err != nil {
			return nil, err
		}
		return func(yield func(numbered, error) bool) {
			for n := range c.Table().Holdings() {
				if !yield(numberedOf(n), nil) {
					return
				}
			}
		}, nil
	}
}

// notePools says that a node's list does not have what only its pools list.
func (o *options) notePools(ctx context.Context, c *client) error {
	var status struct {
		Counts map[string]int `json:"counts"`
	}
	err := c.read(ctx, http.MethodGet, "/v1/directory", nil, &status)
	if n := status.Counts["pools"]; err == nil && n > 0 {
		fmt.Fprintf(o.s.err, "numbers that only a pool lists are not shown, and there %s; --config FILE alone shows those of a file\n", isOrAre(n, "pool"))
	}
	return err
}

func isOrAre(n int, what string) string {
	if n == 1 {
		return "is 1 " + what
	}
	return "are " + count(n, what)
}

// numbers goes through the numbers of a node, page by page.
func (c *client) numbers(ctx context.Context) iter.Seq2[numbered, error] {
	return func(yield func(numbered, error) bool) {
		for after := ""; ; {
			var page struct {
				Numbers []json.RawMessage `json:"numbers"`
				Next    string            `json:"next"`
			}
			query := url.Values{"limit": {"1000"}}
			if after != "" {
				query.Set("after", after)
			}
			if err := c.read(ctx, http.MethodGet, "/v1/numbers", query, &page); err != nil {
				yield(numbered{}, err)
				return
			}
			for _, raw := range page.Numbers {
				n := numbered{raw: raw}
				if err := json.Unmarshal(raw, &n); err != nil {
					yield(n, fmt.Errorf("the answer of %s cannot be read: %w", c.base.Host, err))
					return
				}
				if !yield(n, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}

func runNumbersList(ctx context.Context, args []string, s stdio) int {
	o := newOptions("numbers list", s)
	account := o.String("account", "", "only those of this account, by its `ID`")
	flow := o.String("flow", "", "only those that start this flow, by its `ID`")
	state := o.String("state", "", "only those in this `STATE`")
	asJSON, source := o.forPrograms(), o.numberSource()
	return o.run(args, nil, func([]string) error {
		all, err := source(ctx)
		if err != nil {
			return err
		}
		table := [][]string{{"NUMBER", "ACCOUNT", "FLOW", "POOL", "STATE", "FROM", "UNTIL", "ATTRIBUTION"}}
		out := json.NewEncoder(s.out) // a line each: there may be a million
		out.SetEscapeHTML(false)
		for n, err := range all {
			switch {
			case err != nil:
				return err
			case *account != "" && n.Account != *account, *flow != "" && n.Flow != *flow, *state != "" && n.state() != *state:
				continue
			case *asJSON:
				if err := out.Encode(n); err != nil {
					return err
				}
				continue
			}
			table = append(table, []string{n.Number, n.Account, n.Flow, n.Pool, n.state(), n.ValidFrom.String(), n.ValidUntil.String(), attributed(n.Attribution)})
		}
		if *asJSON {
			return nil
		}
		return rows(s.out, "There is no such number.", table)
	})
}

func (n numbered) state() string {
	if n.State == "" {
		return routing.Active
	}
	return n.State
}

func attributed(m map[string]string) string {
	var all []string
	for k, v := range m {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// numbersReport is what numbers check has found.
type numbersReport struct {
	OK       bool           `json:"ok"`
	Table    string         `json:"config_version"`
	Numbers  int            `json:"numbers"`
	Refusing map[string]int `json:"refusing"` // by state
	Faults   configs.Faults `json:"faults"`
	Idle     []string       `json:"unreachable_flows"`
	Dead     []string       `json:"numbers_without_a_way"`
	Lost     []lostCall     `json:"lost_calls"`
}

func runNumbersCheck(_ context.Context, args []string, s stdio) int {
	o := newOptions("numbers check", s)
	file := o.String("config", "", "configuration `FILE`")
	asJSON := o.forPrograms()
	return o.run(args, nil, func([]string) error {
		if *file == "" {
			return usagef("--config FILE is missing")
		}
		c, err := configs.Load(*file)
		var wrong configs.Faults // overlapping validities, references to nothing
		if errors.As(err, &wrong) && !*asJSON {
			fmt.Fprintln(s.err, wrong)
			return errSaid
		}
		if err != nil {
			return err
		}
		r := checkNumbers(c.Table(), time.Now())
		for _, w := range c.Warnings() {
			if strings.HasPrefix(w.Path, "numbers[") || strings.HasPrefix(w.Path, "pools.") {
				r.Faults = append(r.Faults, w)
			}
		}
		if *asJSON {
			err = writeJSON(s.out, r)
		} else {
			err = r.write(s)
		}
		if err == nil && !r.OK {
			return errSaid
		}
		return err
	})
}

// lostCall is a call of a flow that comes to nothing.
type lostCall struct {
	Flow string `json:"flow"`
	Text string `json:"text"`
}

// lost walks the flows that numbers start, every way that a call can take in the
// year from then on, and tells for each that has one a call that nobody and
// nothing takes. Only calls of the numbers that can be called are looked at.
func lost(t *routing.Table, flows, called []string, from time.Time) []lostCall {
	out, ofCheck := []lostCall{}, map[string]string{}
	if len(called) == 0 {
		return out
	}
	put := map[string]routing.Invariant{}
	for i, flow := range flows {
		id := fmt.Sprintf("numbers-check-%d", i)
		ofCheck["invariants."+id] = flow
		put[id] = routing.Invariant{When: routing.InvariantWhen{Flows: []string{flow}},
			Reaches: []string{routing.ReachTarget, routing.ReachVoicemail, routing.ReachReject, routing.ReachHangup}}
	}
	asking, faults := t.Apply(routing.Change{Put: routing.Spec{Invariants: put}})
	if len(faults) > 0 { // of ids that stand in the table already, and of nothing else
		return append(out, lostCall{Text: faults[0].Path + ": " + faults[0].Msg})
	}
	for _, f := range asking.Violations(from, called...) {
		if flow, ours := ofCheck[f.Path]; ours {
			out = append(out, lostCall{flow, f.Msg})
		}
	}
	return out
}

// checkNumbers asks of each number whether a call to it comes to anything: there
// must be a trunk that it may be called through, and its flow must lead somewhere.
func checkNumbers(t *routing.Table, from time.Time) numbersReport {
	r := numbersReport{Table: t.Version(), Refusing: map[string]int{}, Faults: configs.Faults{}, Idle: append([]string{}, t.Idle()...), Dead: []string{}}
	started, called := map[string]bool{}, []string(nil)
	in := map[string]bool{}
	for _, id := range t.Trunks() {
		spec, _ := t.Trunk(id)
		in[id] = spec.CallsIn()
	}
	for n := range t.Holdings() {
		r.Numbers++
		if n.State != "" && n.State != routing.Active {
			r.Refusing[n.State]++
			continue
		}
		ways := n.Trunks
		if len(ways) == 0 {
			ways = t.Trunks()
		}
		if !slices.ContainsFunc(ways, func(id string) bool { return in[id] }) {
			r.Dead = append(r.Dead, n.Number)
			continue
		}
		started[n.Flow], called = true, append(called, n.Number)
	}
	r.Lost = lost(t, slices.Sorted(maps.Keys(started)), called, from)
	r.OK = r.found() == 0
	return r
}

func (r numbersReport) found() int {
	return len(r.Faults) + len(r.Dead) + len(r.Idle) + len(r.Lost)
}

// write tells people. The numbers themselves are what they ask for: they are the
// account's own, and go to the terminal only.
func (r numbersReport) write(s stdio) error {
	for _, f := range r.Faults {
		fmt.Fprintln(s.out, f)
	}
	for _, n := range r.Dead {
		fmt.Fprintf(s.out, "%s: nobody can call it: no trunk that it may be called through takes calls\n", n)
	}
	for _, l := range r.Lost {
		fmt.Fprintf(s.out, "flow %s: %s\n", l.Flow, l.Text)
	}
	for _, id := range r.Idle {
		fmt.Fprintf(s.out, "flow %s: unreachable, no number starts it and nothing leads to it\n", id)
	}
	for _, state := range []string{routing.Suspended, routing.Unassigned, routing.PortedOut, routing.Quarantined} {
		if n := r.Refusing[state]; n > 0 {
			fmt.Fprintf(s.out, "%s %s\n", count(n, "number"), state)
		}
	}
	verdict := "all well"
	if !r.OK {
		verdict = count(r.found(), "thing") + " to look at"
	}
	_, err := fmt.Fprintf(s.out, "%s checked, table %s: %s\n", count(r.Numbers, "number"), r.Table, verdict)
	return err
}
