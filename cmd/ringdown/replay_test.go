package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/configs"
	"ringdown/events"
	"ringdown/privacy"
	"ringdown/privacy/keys"
	"ringdown/routing"
)

// replayConfig is an office with hours and a holiday, with an area whose callers
// have a flow of their own.
const replayConfig = `node: {id: edge-1, data_dir: DIR}
trunks:
  - {id: carrier, sources: [192.0.2.0/24], targets: [{uri: "sip:192.0.2.9"}]}
accounts: [{id: demo, recording: {mode: record-from-answer, consent: announced}, limits: {calls: 50}}]
areas: {berlin: ["+4930"]}
calendars:
  office: {zone: Europe/Oslo, open: [{days: [mon-fri], from: "08:00", until: "16:00"}], holidays: [{yearly: 12-24}]}
flows:
  sales:
    - geo: {cases: [{areas: [berlin], steps: [{recording: {consent: opt-in}}, {dial: {targets: [{number: "+4930123456", trunk: carrier}]}}]}]}
    - schedule:
        calendar: office
        open: [{dial: {targets: [{number: "+4791234567", trunk: carrier}]}}]
        closed: [{dial: {targets: [{number: "+4722000000", trunk: carrier}]}}]
numbers:
  - {number: "+4721000001", account: demo, flow: sales}
`

// history is what a node would have told of some calls decided by a table: by
// day, hour and caller.
func history(t *testing.T, table *routing.Table, k *keys.Store, calls []string) (lines []byte, ids []string) {
	t.Helper()
	for _, c := range calls {
		when, from, _ := strings.Cut(c, " ")
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			t.Fatal(err)
		}
		id := events.NewID("call", at)
		ids = append(ids, id)
		d := table.Decide(routing.Request{Trunk: "carrier", From: from, To: "+4721000001", At: at, Draw: 7})
		caller := events.Party{Masked: privacy.E164(from).String()}
		if from != "" && k != nil {
			if caller.Subject, err = k.Subject("demo", privacy.E164(from)); err != nil {
				t.Fatal(err)
			}
			if caller.Sealed, err = k.SealField("demo", caller.Subject, []byte(`{"number":"`+from+`"}`)); err != nil {
				t.Fatal(err)
			}
		}
		class := &events.CallerClass{Withheld: d.Class.Withheld, Country: d.Class.Country, Area: d.Class.Area, Lists: d.Class.Lists}
		var trace []events.Look
		for _, l := range d.Trace {
			trace = append(trace, events.Look(l))
		}
		var there []events.Destination
		for _, target := range d.Targets {
			there = append(there, events.Destination{Check: target.Check(), Class: target.Class(), Trunk: target.Trunk})
		}
		data := []struct {
			kind string
			data any
		}{
			{events.CallReceived, events.CallReceivedData{Trunk: "carrier", Transport: "udp", Direction: "inbound", Caller: caller, TrackingNumber: "+4721000001"}},
			{events.CallRouted, events.CallRoutedData{ConfigVersion: d.Version, Flow: d.Flow, Strategy: d.Strategy, Targets: len(d.Targets), RecordingMode: d.Recording.Mode,
				RecordingFrom: d.Recording.From, Trace: trace, Draw: routing.Chance(7), Class: class, Consent: d.Recording.Consent, Caps: d.Caps(), Destinations: there}},
			{events.CallStepped, events.CallSteppedData{Step: routing.StepOf(d.First), Kind: "dial", Result: "talked", Destinations: there,
				Recording: d.Walk.Recording().Mode, Consent: d.Walk.Recording().Consent}},
			{events.CallEnded, events.CallEndedData{Status: "completed", EndedBy: "caller"}},
		}
		for i, e := range data {
			b, err := events.Encode(events.Event{Account: "demo", Call: id, Type: e.kind, Seq: uint64(i + 1), Time: at, Data: e.data}, "edge-1")
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, b...), '\n')
		}
	}
	return lines, ids
}

// A mistake planted in a draft is found by replay with exactly the calls that it
// would have met.
func TestReplayFindsPlantedMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	current := strings.ReplaceAll(replayConfig, "DIR", dir)
	c, err := configs.Load(write("current.yaml", current))
	if err != nil {
		t.Fatal(err)
	}
	calls := []string{
		"2026-11-16T09:00:00Z +4740000012", // open
		"2026-11-16T19:00:00Z +4740000012", // closed
		"2026-12-23T09:00:00Z +4740000012", // open, the day before the holiday
		"2026-12-24T09:00:00Z +4740000013", // the holiday
		"2026-12-24T10:00:00Z +493012345",  // the holiday, from Berlin
		"2026-11-16T09:30:00Z +4940123456", // open, from Hamburg
		"2026-11-16T09:40:00Z ",            // open, withheld
	}
	k, err := keys.Open(c.Keys, keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines, ids := history(t, c.Table(), k, calls)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	past := write("past.jsonl", string(lines))
	for _, test := range []struct {
		name, old, new string
		want           map[int]string // by call: what changes
		words          string
	}{
		{"nothing", "", "", nil, "7 calls on table " + c.Table().Version() + ": nothing would change\n"},
		{"holiday off by one", "yearly: 12-24", "yearly: 12-23", map[int]string{2: "destination", 3: "destination"},
			"because schedule: calendar office is holiday: 23 December, it is Wed 23 December 10:00 in Europe/Oslo"},
		{"lost target", `        closed: [{dial: {targets: [{number: "+4722000000", trunk: carrier}]}}]` + "\n", "", map[int]string{1: "destination", 3: "destination"}, "by carrier) -> nobody\n"},
		{"another country", "+4722000000", "+4687000000", map[int]string{1: "destination price", 3: "destination price"}, "price        NO -> SE"},
		{"an area lost", `["+4930"]`, `["+4931"]`, map[int]string{4: "destination price consent"}, "because geo: the caller is of DE, case 1 is for berlin"},
		{"recording dropped", "record-from-answer", "do-not-record", map[int]string{0: "recording", 1: "recording", 2: "recording", 3: "recording", 4: "recording", 5: "recording", 6: "recording"},
			"recording    record-from-answer -> do-not-record"},
		{"less room", "calls: 50", "calls: 5", map[int]string{0: "cap", 1: "cap", 2: "cap", 3: "cap", 4: "cap", 5: "cap", 6: "cap"}, "cap          account_calls 50 -> account_calls 5"},
		{"consent dropped for one prefix", `{recording: {consent: opt-in}}, {dial: {targets: [{number: "+4930`, `{dial: {targets: [{number: "+4930`, map[int]string{4: "consent"}, "consent      needs opt-in -> needs announced"},
		{"suspended", "flow: sales}", "flow: sales, state: suspended}", map[int]string{0: "refusal", 1: "refusal", 2: "refusal", 3: "refusal", 4: "refusal", 5: "refusal", 6: "refusal"},
			"refusal      none -> number-suspended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			draft := write("draft.yaml", strings.Replace(current, test.old, test.new, 1))
			var out, errs bytes.Buffer
			code := run([]string{"route", "replay", "--config", draft, "--events", past}, stdio{nil, &out, &errs, false})
			if want := min(len(test.want), 1); code != want {
				t.Errorf("exit %d, want %d: %s", code, want, errs.String())
			}
			if !strings.Contains(out.String(), test.words) {
				t.Errorf("%q is not in\n%s", test.words, out.String())
			}
			if strings.Contains(out.String(), "+4740000012") || strings.Contains(out.String(), "+4791234567") {
				t.Errorf("shows a number:\n%s", out.String())
			}
			out.Reset()
			run([]string{"route", "replay", "--config", draft, "--events", past, "--json"}, stdio{nil, &out, &errs, false})
			var report replayReport
			if err := json.Unmarshal(out.Bytes(), &report); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, c := range report.Calls {
				var kinds []string
				for _, d := range c.Differences {
					kinds = append(kinds, d.What)
				}
				got[c.Call] = strings.Join(kinds, " ")
			}
			for i, id := range ids {
				if got[id] != test.want[i] {
					t.Errorf("call %d (%s): %q, want %q", i, calls[i], got[id], test.want[i])
				}
			}
			if report.Replayed != len(calls) || report.Changed != len(test.want) {
				t.Errorf("%+v", report)
			}
		})
	}
}

// Without the keys a caller is known by his class: what the draft asks beyond it
// is assumed, and said.
func TestReplayByTheClass(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	current := strings.ReplaceAll(replayConfig, "DIR", dir)
	if err := os.WriteFile(path, []byte(current), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := history(t, c.Table(), nil, []string{"2026-12-24T09:00:00Z +493012345", "2026-12-24T09:00:00Z +4740000012"})
	if err := os.WriteFile(path, []byte(strings.Replace(current, "12-24", "12-23", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run([]string{"route", "replay", "--config", path, "--events", "-"}, stdio{bytes.NewReader(lines), &out, &errs, false}); code != failed {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	for _, want := range []string{"destination", "assumed      the area of the caller", "1 would change (destination 1), 0 of them for certain"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestReplayUsage(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"route", "replay"}, stdio{nil, &out, &errs, false}); code != misuse || !strings.Contains(errs.String(), "--config FILE is missing") {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(replayConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	errs.Reset()
	in := strings.NewReader("\nno event\n")
	if code := run([]string{"route", "replay", "--config", path, "--events", "-"}, stdio{in, &out, &errs, false}); code != failed || !strings.Contains(errs.String(), "line 2: ") {
		t.Errorf("exit %d: %s", code, fmt.Sprint(errs.String()))
	}
}
