package routing

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyFlow draws a list of steps, branches nested to a depth.
func anyFlow(t *rapid.T, depth int, inOption bool) Flow {
	var out Flow
	for i := range rapid.IntRange(1, 4).Draw(t, "steps") {
		out = append(out, anyStep(t, depth, inOption, i > 0 && out[i-1].Dial != nil))
		switch out[i].kind() {
		case "redirect", "reject", "hangup", "voicemail":
			return out
		}
	}
	return out
}

var anyTarget = rapid.Custom(func(t *rapid.T) Destination {
	return Destination{URI: fmt.Sprintf("sip:%s@127.0.0.1", rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "user"))}
})

func anyStep(t *rapid.T, depth int, inOption, behindDial bool) Step {
	word := func(s string) *string { return &s }
	kinds := []string{"dial", "dial", "greeting", "whisper", "screen", "tag", "record", "redirect", "reject", "hangup", "voicemail", "recording"}
	if inOption {
		kinds = append(kinds, "consent")
	}
	if behindDial {
		kinds = append(kinds, "survey", "survey")
	}
	if depth > 0 {
		kinds = append(kinds, "menu", "menu", "hook", "schedule")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "greeting":
		return Step{Greeting: &Greeting{Played: Played{Prompt: "goodbye"}, Notice: rapid.Bool().Draw(t, "notice")}}
	case "whisper":
		return Step{Whisper: &Whisper{Off: true}}
	case "screen":
		return Step{Screen: &Screen{}}
	case "tag":
		return Step{Tag: map[string]string{"k": "v"}}
	case "record":
		return Step{Record: word(rapid.SampledFrom(recordWords).Draw(t, "what"))}
	case "recording":
		return Step{Recording: &RecordingPolicy{Mode: RecordFromAnswer, Consent: rapid.SampledFrom(consents).Draw(t, "consent")}}
	case "consent":
		return Step{Consent: word(rapid.SampledFrom([]string{OptIn, OptOut}).Draw(t, "choice"))}
	case "redirect":
		return Step{Redirect: &Redirected{Flow: rapid.SampledFrom([]string{"sales", "other", "third"}).Draw(t, "to")}}
	case "reject":
		return Step{Reject: &Rejected{}}
	case "hangup":
		return Step{Hangup: &Hangup{}}
	case "voicemail":
		return Step{Voicemail: &Voicemail{}}
	case "survey":
		return Step{Survey: &Survey{Tries: 2}}
	case "schedule":
		return Step{Schedule: &Schedule{Calendar: "office", Open: anyFlow(t, depth-1, inOption), Closed: anyFlow(t, depth-1, inOption)}}
	case "hook":
		return Step{Hook: &Hook{Subject: "hooks.any", Flows: []string{"other"}, Fallback: anyFlow(t, depth-1, inOption)}}
	case "menu":
		m := &Menu{Played: Played{Prompt: "rate"}, Tries: 2, Options: map[Keys]Flow{"1": anyFlow(t, depth-1, true), "12": anyFlow(t, depth-1, true)}}
		if rapid.Bool().Draw(t, "default") {
			m.Default = anyFlow(t, depth-1, inOption)
		}
		return Step{Menu: m}
	}
	return Step{Dial: &Dial{
		Targets:  rapid.SliceOfNDistinct(anyTarget, 1, 3, func(d Destination) string { return d.URI }).Draw(t, "targets"),
		Strategy: rapid.SampledFrom([]string{Sequential, Simultaneous, RoundRobin}).Draw(t, "strategy"),
		Redial:   rapid.IntRange(0, 9).Draw(t, "redial") == 0, Sticky: rapid.Bool().Draw(t, "sticky"),
	}}
}

// anyTable draws a table that has no faults.
func anyTable(t *rapid.T) *Table {
	s := good()
	s.Calendars = map[string]Calendar{"office": {Zone: "Europe/Oslo", Open: []OpenHours{{Days: []string{"mon-fri"}, From: "08:00", Until: "16:00"}}}}
	for _, id := range []string{"sales", "other", "third"} {
		s.Flows[id] = anyFlow(t, 2, false)
	}
	table, faults := NewTable(s)
	if faults != nil {
		t.Skip(faults)
	}
	return table
}

// anyOutcome draws what may become of an instruction.
func anyOutcome(t *rapid.T, i Instruction, at time.Time) Outcome {
	now := When{at}
	switch i := i.(type) {
	case Say:
		return Said{now, rapid.Bool().Draw(t, "complete"), rapid.Bool().Draw(t, "failed")}
	case Gather:
		return Gathered{When: now, Keys: rapid.SampledFrom([]string{"", "1", "12", "7", "5"}).Draw(t, "keys")}
	case Ring:
		r := Rung{When: now, Result: rapid.SampledFrom(allResults).Draw(t, "result")}
		if i.Keep && rapid.Bool().Draw(t, "talked") {
			r.Result = Talked
		}
		for n := range i.Targets {
			r.Trials = append(r.Trials, Trial{n, rapid.SampledFrom(allResults).Draw(t, "trial")})
		}
		return r
	case Ask:
		r := Replied{When: now, Reply: HookReply{Refuse: rapid.IntRange(0, 5).Draw(t, "refuse") == 0}}
		if rapid.Bool().Draw(t, "flow") {
			r.Reply.Flow = "other"
		}
		if rapid.Bool().Draw(t, "silent") {
			r.Err = "timeout"
		}
		return r
	case Want:
		return Fact{When: now, Number: rapid.Uint64().Draw(t, "number"), ID: "sip:b@127.0.0.1"}
	case Message:
		return Messaged{When: now, Left: rapid.Bool().Draw(t, "left")}
	}
	return Done{now}
}

// Whatever comes of its instructions, a walk ends; each instruction has its step;
// nobody who declined or was busy is rung again; a clone goes the same way; and
// the table is as it was.
func TestAnyWalk(t *testing.T) {
	walked := 0
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		walked++
		request := Request{Trunk: "carrier-a", From: "+4791234567", To: "+4721000001", At: walkStart, Draw: rapid.Uint64().Draw(t, "draw")}
		d := table.Decide(request)
		before := d.Text()
		w, i := d.Walk, d.First
		no := map[string]bool{}
		at := walkStart
		for n := 0; ; n++ {
			if n > maxSteps*maxTries {
				t.Fatal("the walk does not end")
			}
			if _, over := i.(End); over {
				break
			}
			if StepOf(i) == "" {
				t.Fatalf("%#v has no step", i)
			}
			if r, ok := i.(Ring); ok {
				redial := table.redials(r.Step)
				for _, target := range r.Targets {
					if no[target.Identity()] && !redial {
						t.Fatalf("%s rings %s again", r.Step, target.URI)
					}
				}
				if len(r.Targets) == 0 {
					t.Fatal("rings nobody")
				}
			}
			switch i.(type) {
			case Refuse, Hang:
				if _, over := w.Next(Done{When{at}}).(End); !over {
					t.Fatal("goes on behind its end")
				}
				i = End{}
				continue
			}
			at = at.Add(time.Second)
			o := anyOutcome(t, i, at)
			if r, ok := o.(Rung); ok {
				for _, trial := range r.Trials {
					if trial.Result == Declined || trial.Result == Busy {
						no[i.(Ring).Targets[trial.Target].Identity()] = true
					}
				}
			}
			clone := w.Clone()
			i = w.Next(o)
			if j := clone.Next(o); !reflect.DeepEqual(i, j) || !reflect.DeepEqual(w.Stepped(), clone.Stepped()) {
				t.Fatalf("a clone goes another way: %#v, %#v", i, j)
			}
		}
		again := table.Decide(request)
		again.Tour(Assume{Tree: true}, at)
		if v := again.Tour(Assume{}, at); v == nil {
			t.Fatal("nothing to be told")
		}
		if d := table.Decide(request); d.Text() != before {
			t.Fatal("walking changed the table")
		}
	})
	if walked < 20 {
		t.Errorf("only %d tables without faults", walked)
	}
}

// redials reports whether the dial step at a path rings people again.
func (t *Table) redials(path string) (redial bool) {
	for _, f := range t.flows.all {
		if f != nil {
			f.steps.each(func(s stage) {
				if d, ok := s.node.(*dialStep); ok && s.path == path {
					redial = d.redial
				}
			})
		}
	}
	return redial
}

// An entry is complete when it can mean nothing else any more.
func TestGatherTake(t *testing.T) {
	menu := Gather{Keys: 2, Among: []string{"1", "12", "*"}}
	code := Gather{Keys: 4, End: "#"}
	for _, tt := range []struct {
		gather     Gather
		entry, key string
		now        string
		over       bool
	}{
		{menu, "", "1", "1", false},
		{menu, "1", "2", "12", true},
		{menu, "1", "3", "13", true},
		{menu, "", "*", "*", true},
		{menu, "", "9", "9", true},
		{code, "", "4", "4", false},
		{code, "471", "1", "4711", true},
		{code, "47", "#", "47", true},
		{Gather{Keys: 1}, "", "#", "#", true},
	} {
		if now, over := tt.gather.Take(tt.entry, tt.key); now != tt.now || over != tt.over {
			t.Errorf("%q and %q: %q, %v; want %q, %v", tt.entry, tt.key, now, over, tt.now, tt.over)
		}
	}
}
