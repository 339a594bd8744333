package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ringdown/configs"
	"ringdown/routing"
)

func runRouteExplain(_ context.Context, args []string, s stdio) int {
	o := newOptions("route explain", s)
	file := o.String("config", "", "configuration `FILE`")
	from := o.String("from", "", "`CALLER` as the trunk writes it; empty: withheld")
	to := o.String("to", "", "called `NUMBER` as the trunk writes it")
	at := o.String("at", "", "decide as at this `TIME`, RFC 3339; now when not given")
	trunk := o.String("trunk", "", "`ID` of the trunk the call comes by; not needed when there is only one")
	source := o.String("source", "", "`ADDRESS` the call comes from, instead of --trunk")
	assumed := newAssumptions(o)
	asJSON := o.forPrograms()
	return o.run(args, nil, func([]string) error {
		if *file == "" || *to == "" {
			return usagef("--config FILE and --to NUMBER are needed")
		}
		request := routing.Request{From: *from, To: *to, At: time.Now()}
		if *at != "" {
			t, err := time.Parse(time.RFC3339, *at)
			if err != nil {
				return usagef("--at %q is not a time in RFC 3339, for example 2026-01-31T12:00:00Z", *at)
			}
			request.At = t
		}
		assume, err := assumed.fill(&request)
		if err != nil {
			return err
		}
		c, err := configs.Load(*file)
		if err != nil {
			return err
		}
		if request.Trunk, err = cameBy(c.Table(), *trunk, *source); err != nil {
			return err
		}
		d := c.Table().Decide(request)
		way := d.Tour(assume, request.At)
		if *asJSON {
			e := decisionJSON(request.Trunk, d)
			e.Walk = visitJSON(way)
			err = writeJSON(s.out, e)
		} else {
			err = writeDecision(s.out, d, way)
		}
		if err == nil && d.Reject != "" {
			return errSaid
		}
		return err
	})
}

// cameBy finds the trunk of the call to explain.
func cameBy(t *routing.Table, trunk, source string) (string, error) {
	all := t.Trunks()
	switch {
	case trunk != "" && source != "":
		return "", usagef("--trunk and --source say the same thing twice: give one")
	case source != "":
		a, err := netip.ParseAddr(source)
		if err != nil {
			return "", usagef("--source is not an IP address")
		}
		id, _ := t.TrunkOf(a) // none: the decision says so
		return id, nil
	case trunk == "" && len(all) == 1:
		return all[0], nil
	case trunk == "":
		return "", usagef("there are %s: say by which the call comes, --trunk %s", count(len(all), "trunk"), strings.Join(all, " or --trunk "))
	case !slices.Contains(all, trunk):
		return "", usagef("there is no trunk %q; there is %s", trunk, strings.Join(all, ", "))
	}
	return trunk, nil
}

// writeDecision tells the decision, each rule that was looked at, who would ring,
// and how the call goes on.
func writeDecision(w io.Writer, d routing.Decision, way *routing.Visit) error {
	var b strings.Builder
	b.WriteString(d.Text())
	for i, t := range d.Targets {
		if i == 0 {
			b.WriteString("would ring\n")
		}
		by := ""
		if t.Trunk != "" {
			by = ", by trunk " + t.Trunk
		}
		fmt.Fprintf(&b, "  %d  %s%s, for %s\n", i+1, t.URI, by, t.Timeout)
		for _, p := range t.Places[min(1, len(t.Places)):] {
			fmt.Fprintf(&b, "     or %s\n", p.URI)
		}
	}
	writeTour(&b, way)
	_, err := io.WriteString(w, b.String())
	return err
}

// explained is what programs get of a decision; the caller stays masked.
type explained struct {
	OK            bool              `json:"ok"`
	RejectReason  routing.Reason    `json:"reject_reason,omitempty"`
	ConfigVersion string            `json:"config_version"`
	Trunk         string            `json:"trunk,omitempty"`
	Caller        string            `json:"caller"`
	Number        string            `json:"tracking_number,omitempty"`
	Account       string            `json:"account,omitempty"`
	Agency        string            `json:"agency,omitempty"`
	Flow          string            `json:"flow,omitempty"`
	Strategy      string            `json:"strategy,omitempty"`
	Targets       []explainedTarget `json:"targets"`
	Recording     explainedPolicy   `json:"recording"`
	Attribution   map[string]string `json:"attribution,omitempty"`
	Trace         []explainedLook   `json:"trace"`
	Walk          *visited          `json:"walk,omitempty"`
}

type explainedTarget struct {
	URI       string           `json:"uri"`
	Trunk     string           `json:"trunk,omitempty"`
	TimeoutMS int64            `json:"timeout_ms"`
	Places    []explainedPlace `json:"places,omitempty"` // of the trunk, when it has several; one of them takes the call
}

type explainedPlace struct {
	URI      string `json:"uri"`
	Priority int    `json:"priority"`
	Weight   int    `json:"weight"`
}

type explainedPolicy struct {
	Mode      string `json:"mode"`
	Channels  string `json:"channels,omitempty"`
	OnFailure string `json:"on_failure,omitempty"`
	From      string `json:"from"`
	Consent   string `json:"consent,omitempty"`
}

type explainedLook struct {
	What   string `json:"what"`
	Result string `json:"result"`
	Text   string `json:"text"`
}

func decisionJSON(trunk string, d routing.Decision) explained {
	e := explained{
		OK: d.Reject == "", RejectReason: d.Reject, ConfigVersion: d.Version, Trunk: trunk, Caller: d.Caller.String(), Number: d.Number,
		Account: d.Account, Agency: d.Agency, Flow: d.Flow, Strategy: d.Strategy, Attribution: d.Attribution,
		Recording: explainedPolicy(d.Recording), Targets: []explainedTarget{}, Trace: []explainedLook{},
	}
	for _, t := range d.Targets {
		e.Targets = append(e.Targets, targetJSON(t))
	}
	for _, l := range d.Trace {
		e.Trace = append(e.Trace, explainedLook(l))
	}
	return e
}

func targetJSON(t routing.Target) explainedTarget {
	target := explainedTarget{URI: t.URI, Trunk: t.Trunk, TimeoutMS: t.Timeout.Milliseconds()}
	for _, p := range t.Places {
		if len(t.Places) == 1 {
			break // it is the URI
		}
		target.Places = append(target.Places, explainedPlace(p))
	}
	return target
}
