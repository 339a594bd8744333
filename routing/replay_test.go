package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// living walks a call as its machine does and keeps what its events tell of it.
// What becomes of an instruction is asked of then; nil: the caller leaves in it.
func living(table *Table, q Request, then func(i Instruction, at time.Time) Outcome) Past {
	d := table.Decide(q)
	p := Past{Request: q, Reject: d.Reject, Recording: d.Recording.Mode, Policy: d.Recording.Consent, Caps: d.Caps(), First: directionsOf(d.Targets)}
	p.see(d.Trace)
	w, i := d.Walk, d.First
	var facts PastStep
	record := ""
	told := func(at time.Time, steps ...Stepped) {
		for _, s := range steps {
			facts.At, facts.Step, facts.Kind, facts.Result, facts.Choice, facts.Consent = at, s.Step, s.Kind, s.Result, s.Choice, p.Consent
			p.see(s.Looks)
			p.Steps = append(p.Steps, facts)
			facts = PastStep{}
		}
	}
	for at := q.At; ; at = at.Add(time.Minute) {
		if w == nil {
			return p
		}
		told(at, w.Stepped()...)
		p.Screened = w.Verdict()
		switch i := i.(type) {
		case Refuse:
			p.Reject = i.Reason
			return p
		case Hang, End:
			return p
		case Ring:
			facts.Directions, facts.Recording, facts.Policy = directionsOf(i.Targets), w.Recording().Mode, w.Recording().Consent
			switch {
			case record == "stop":
				facts.Recording = DoNotRecord
			case record == "start" && facts.Recording == OnDemand:
				facts.Recording = RecordFromAnswer
			}
		case Told:
			p.Consent = i.Consent
		case Control:
			if i.What == "start" || i.What == "stop" {
				record = i.What
			}
		}
		o := then(i, at.Add(time.Minute))
		if o == nil {
			s, _ := w.Under()
			if s.Result = unfinished; facts.Directions != nil {
				s.Result = string(Talked)
			}
			told(at, s)
			return p
		}
		switch o := o.(type) {
		case Fact:
			if want := i.(Want); want.Kind == FactSticky {
				if facts.Sticky = ""; o.ID != "" {
					facts.Sticky = Check(o.ID)
				}
			} else {
				facts.Number = o.Number
			}
		case Replied:
			facts.Flow, facts.Reply = o.Reply.Flow, o.Err
			switch {
			case o.Err != "":
			case o.Reply.Refuse:
				facts.Reply = "refuse"
			case o.Reply.Flow != "":
				facts.Reply = "flow"
			case len(o.Reply.Targets) > 0:
				facts.Reply = "targets"
			default:
				facts.Reply = "nothing"
			}
		case Rung:
			facts.Trials = o.Trials
		}
		i = w.Next(o)
	}
}

func (p *Past) see(looks []Look) {
	for _, l := range looks {
		p.Looks = append(p.Looks, l.Text)
	}
}

// directionsOf is as events keep them: none is nil.
func directionsOf(all []Target) []Direction {
	if len(all) == 0 {
		return nil
	}
	return directions(all)
}

// Whatever became of a call, the table that decided it decides it again as it was,
// and nothing has to be assumed for that.
func TestReplayOfAnyWalk(t *testing.T) {
	walked := 0
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		walked++
		q := Request{Trunk: "carrier-a", From: "+4791234567", To: "+4721000001", At: walkStart, Draw: rapid.Uint64().Draw(t, "draw")}
		p := living(table, q, func(i Instruction, at time.Time) Outcome {
			if rapid.IntRange(0, 7).Draw(t, "leaves") == 0 {
				switch i.(type) {
				case Say, Gather, Ring, Message, Ask:
					return nil
				}
			}
			return anyOutcome(t, i, at)
		})
		if out, assumed := table.Replay(p); len(out)+len(assumed) > 0 {
			t.Fatalf("of %+v\ndiffers %+v\nassumed %q", p.Steps, out, assumed)
		}
	})
	if walked < 20 {
		t.Errorf("only %d tables without faults", walked)
	}
}

// replaySpec is a menu, a round robin, a hook, a voicemail and screening.
func replaySpec() Spec {
	s := good()
	to := func(user string) Destination { return Destination{URI: "sip:" + user + "@127.0.0.1"} }
	s.Lists = map[string]NumberList{"nuisance": {Numbers: []string{"+4790000009"}}}
	s.Accounts[0].Recording.Consent = ConsentOptIn
	s.Accounts[0].Screening = &Screening{Block: []string{"nuisance"}, Repeat: Repeat{Calls: 3, Within: Seconds(3600), Then: ScreenChallenge}}
	s.Flows["sales"] = Flow{
		{Match: &Match{Cases: []MatchCase{{CallerPrefixes: []string{"+4930"}, Steps: Flow{{Recording: &RecordingPolicy{Consent: ConsentAnnounced}}}}}}},
		{Menu: &Menu{Played: Played{Prompt: "rate"}, Options: map[Keys]Flow{
			"1": {{Dial: &Dial{Strategy: RoundRobin, Targets: []Destination{to("a"), to("b")}}}},
			"2": {{Dial: &Dial{Sticky: true, Targets: []Destination{to("c"), to("d")}}}},
			"3": {{Hook: &Hook{Subject: "hooks.any", Flows: []string{"night"}}}},
		}}},
		{Voicemail: &Voicemail{}},
	}
	s.Flows["night"] = Flow{{Dial: &Dial{Targets: []Destination{to("n")}}}}
	return s
}

// scripted answers the instructions of a call in order; where it ends the caller leaves.
func scripted(t *testing.T, all ...Outcome) func(Instruction, time.Time) Outcome {
	return func(i Instruction, at time.Time) Outcome {
		switch i.(type) {
		case Told, Label, Control:
			return Done{When{at}}
		}
		if len(all) == 0 {
			return nil
		}
		o := all[0]
		all = all[1:]
		switch o := o.(type) {
		case Gathered:
			o.When = When{at}
			return o
		case Fact:
			o.When = When{at}
			return o
		case Rung:
			o.When = When{at}
			return o
		case Replied:
			o.When = When{at}
			return o
		case Messaged:
			o.When = When{at}
			return o
		}
		t.Fatalf("%T is not for a script", o)
		return nil
	}
}

// What a draft changes is found where the call of then comes through it, by what the
// caller pressed, whose turn it was, who had answered him before and what the hook
// said; and nothing else is.
func TestReplay(t *testing.T) {
	const berlin, oslo = "+493012345678", "+4722123456"
	first, menu := Fact{Number: 1}, func(key string) Gathered { return Gathered{Keys: key} }
	sales := func(s *Spec) Flow { return s.Flows["sales"] }
	for _, tt := range []struct {
		name    string
		from    string
		past    []Outcome
		change  func(s *Spec)
		want    string // what, was and is
		assumed string
	}{
		{"the option he chose", oslo, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) { sales(s)[1].Menu.Options["1"] = sales(s)[1].Menu.Options["2"] }, "destination sip (B), sip (A) -> sip (C), sip (D)", "the fact that"},
		{"the option he did not choose", oslo, []Outcome{first, menu("1"), Fact{Number: 7}}, func(s *Spec) { sales(s)[1].Menu.Options["2"] = Flow{{Hangup: &Hangup{}}} }, "", ""},
		{"an option lost", oslo, []Outcome{first, menu("1"), Fact{Number: 7}}, func(s *Spec) { delete(sales(s)[1].Menu.Options, "1") },
			"destination sip (B), sip (A) -> voicemail", "that nothing else is pressed in flows.sales[1].menu"},
		{"whose turn it was", oslo, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) { sales(s)[1].Menu.Options["1"][0].Dial.Strategy = Sequential }, "destination sip (B), sip (A) -> sip (A), sip (B)", ""},
		{"who had answered him", oslo, []Outcome{first, menu("2"), Fact{ID: "sip:d@127.0.0.1"}},
			func(s *Spec) { sales(s)[1].Menu.Options["2"][0].Dial.Sticky = false }, "destination sip (D), sip (C) -> sip (C), sip (D)", ""},
		{"nobody had", oslo, []Outcome{first, menu("2"), Fact{}}, func(s *Spec) { sales(s)[1].Menu.Options["2"][0].Dial.Sticky = false }, "", ""},
		{"behind who was busy", oslo, []Outcome{first, menu("1"), Fact{Number: 7}, Rung{Result: Busy, Trials: []Trial{{0, Busy}, {1, Busy}}}, Messaged{Left: true}},
			func(s *Spec) {
				s.Flows["sales"] = append(sales(s)[:2:2], Step{Dial: &Dial{Targets: []Destination{{URI: "sip:e@127.0.0.1"}}}}, sales(s)[2])
			}, "destination voicemail -> sip (E)", ""},
		{"the voicemail lost", oslo, []Outcome{first, menu("1"), Fact{Number: 7}, Rung{Result: NoAnswer}, Messaged{Left: true}},
			func(s *Spec) { s.Flows["sales"] = sales(s)[:2] }, "destination voicemail -> nobody", ""},
		{"he left in the menu", oslo, []Outcome{first}, func(s *Spec) { sales(s)[1].Menu.Options["1"] = Flow{{Hangup: &Hangup{}}} }, "", ""},
		{"the menu he left in lost", oslo, []Outcome{first}, func(s *Spec) {
			s.Flows["sales"] = Flow{{Dial: &Dial{Targets: []Destination{{URI: "sip:e@127.0.0.1"}}}}}
		}, "destination nobody -> sip (E)", "stays"},
		{"a step before the menu", oslo, []Outcome{first, menu("1"), Fact{Number: 7}}, func(s *Spec) {
			s.Flows["sales"] = append(Flow{{Greeting: &Greeting{Played: Played{Prompt: "goodbye"}}}}, sales(s)...)
		}, "", ""},
		{"what the hook said", oslo, []Outcome{first, menu("3"), Replied{Reply: HookReply{Flow: "night"}}},
			func(s *Spec) { s.Flows["night"][0].Dial.Targets[0].URI = "sip:m@127.0.0.1" }, "destination sip (N) -> sip (M)", ""},
		{"a flow the hook may not name any more", oslo, []Outcome{first, menu("3"), Replied{Reply: HookReply{Flow: "night"}}},
			func(s *Spec) { sales(s)[1].Menu.Options["3"][0].Hook.Flows = []string{"sales"} }, "destination sip (N) -> voicemail", ""},
		{"a hook that named somebody", oslo, []Outcome{first, menu("3"), Replied{Reply: HookReply{Targets: []Destination{{URI: "sip:x@127.0.0.1"}}}}},
			func(s *Spec) { s.Flows["night"] = Flow{{Hangup: &Hangup{}}} }, "", ""},
		{"he left before his menu began", oslo, nil, func(s *Spec) { s.Flows["sales"] = Flow{{Hangup: &Hangup{}}} }, "", ""},
		{"its hook lost", oslo, []Outcome{first, menu("3"), Replied{Reply: HookReply{Targets: []Destination{{URI: "sip:x@127.0.0.1"}}}}},
			func(s *Spec) { sales(s)[1].Menu.Options["3"] = sales(s)[1].Menu.Options["1"] }, "destination sip (X) -> sip (A), sip (B)", "the fact that"},
		{"consent dropped for one prefix", berlin, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) { sales(s)[0].Match.Cases[0].Steps[0].Recording.Consent = ConsentAlways }, "consent needs announced -> needs always", ""},
		{"and no other is met", oslo, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) { sales(s)[0].Match.Cases[0].Steps[0].Recording.Consent = ConsentAlways }, "", ""},
		{"recording stopped", oslo, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) {
				word := "stop"
				s.Flows["sales"] = slices.Insert(sales(s), 1, Step{Record: &word})
			}, "recording record-from-answer -> do-not-record", "that flows.sales[2].menu comes out as flows.sales[1].menu did"},
		{"premium", oslo, []Outcome{first, menu("1"), Fact{Number: 7}},
			func(s *Spec) {
				sales(s)[1].Menu.Options["1"] = Flow{{Dial: &Dial{Targets: []Destination{{Number: "+4782012345", Trunk: "carrier-b"}}}}}
			}, "destination sip (B), sip (A) -> NO premium (P by carrier-b); price sip -> NO premium", ""},
		{"on the block list", oslo, []Outcome{first, menu("1"), Fact{Number: 7}}, func(s *Spec) { s.Lists["nuisance"] = NumberList{Numbers: []string{oslo}} }, "refusal none -> blocked-caller", ""},
		{"off the block list", "+4790000009", nil, func(s *Spec) { s.Accounts[0].Screening.Block = nil }, "refusal blocked-caller -> none", "that nothing is pressed"},
		{"too often", oslo, []Outcome{Fact{Number: 3}, menu("1"), Fact{Number: 7}}, func(s *Spec) { s.Accounts[0].Screening.Repeat = Repeat{Calls: 2, Within: Seconds(3600)} }, "refusal none -> repeat-rate", ""},
		{"not too often", oslo, []Outcome{Fact{Number: 2}, menu("1"), Fact{Number: 7}}, func(s *Spec) { s.Accounts[0].Screening.Repeat = Repeat{Calls: 2, Within: Seconds(3600)} }, "", ""},
		{"the key that he was asked for", oslo, []Outcome{Fact{Number: 4}, menu("8"), menu("1"), Fact{Number: 7}}, nil, "", ""},
		{"another key", oslo, []Outcome{Fact{Number: 4}, menu("5"), menu("5")}, nil, "", ""},
		{"asked no more", oslo, []Outcome{Fact{Number: 4}, menu("5"), menu("5")}, func(s *Spec) { s.Accounts[0].Screening.Repeat = Repeat{} }, "refusal challenge-failed -> none", "that nothing is pressed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			build := func(change func(*Spec)) *Table {
				s := replaySpec()
				if change != nil {
					change(&s)
				}
				table, faults := NewTable(s)
				if faults != nil {
					t.Fatal(faults)
				}
				return table
			}
			now := build(nil)
			p := living(now, Request{Trunk: "carrier-a", From: tt.from, To: "+4721000001", At: walkStart, Draw: 7}, scripted(t, tt.past...))
			if out, assumed := now.Replay(p); len(out) > 0 {
				t.Errorf("the same table: %+v, assumed %q", out, assumed)
			}
			out, assumed := build(tt.change).Replay(p)
			var words []string
			for _, d := range out {
				words = append(words, d.What+" "+d.Was+" -> "+d.Is)
			}
			got := strings.Join(words, "; ")
			for _, user := range []string{"a", "b", "c", "d", "e", "m", "n", "x"} {
				got = strings.ReplaceAll(got, Check("sip:"+user+"@127.0.0.1"), strings.ToUpper(user))
			}
			got = strings.ReplaceAll(got, Check("number +4782012345"), "P")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s\nassumed %q\nof %+v", got, tt.want, assumed, p.Steps)
			}
			if said := strings.Join(assumed, "; "); len(out) > 0 && (tt.assumed == "") != (said == "") || !strings.Contains(said, tt.assumed) {
				t.Errorf("assumed %q", said)
			}
		})
	}
}
