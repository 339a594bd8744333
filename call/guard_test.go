package call

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ringdown/events"
	"ringdown/routing"
)

// guardedBoard is a board whose guard says of each target what rule says.
func guardedBoard(w *world, rule func(routing.Target) routing.Ruling) *Switchboard {
	ports := w.board(Config{}).ports
	ports.Guard = func(_ *routing.Table, g routing.Guarded, to routing.Target) routing.Ruling {
		if g.Account != "demo" || g.Number == "" {
			panic("the guard does not know whose call it is")
		}
		r := rule(to)
		r.Target = to.Identity()
		return r
	}
	return NewSwitchboard(Config{}, ports, w.board(Config{}).log)
}

// What the guard refuses is not dialled, told of without the number, and passed
// over; when nothing else is left the call is over, ended by the guard.
func TestGuardRefusesAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		bad := routing.Target{Number: "+882161234567", URI: "sip:+882161234567@127.0.0.1", Trunk: "pbx", Timeout: 20 * time.Second}
		w.decision.Targets = []routing.Target{bad, w.decision.Targets[0]}
		b := guardedBoard(w, func(to routing.Target) routing.Ruling {
			if to.Number == "" {
				return routing.Ruling{}
			}
			return routing.Ruling{Refused: true, Rule: routing.RulePremium, Class: routing.ClassPremium, Text: "the number costs more than its country"}
		})
		_, first := admitted(t, b)
		synctest.Wait()
		if l := w.b(0); l == nil || l.dial.Target.Number != "" {
			t.Fatal("the hunt did not go on at the next destination")
		}
		first(Cancelled{At: Now()})
		first(Gone{Now()})
		synctest.Wait()
		w.mu.Lock()
		w.decision.Targets = w.decision.Targets[:1]
		w.mu.Unlock()
		a, second := admitted(t, b)
		synctest.Wait()
		wantDid(t, a, "hangup 480")
		second(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		var suspected, failed, ended int
		for _, e := range w.events {
			text, err := json.Marshal(e.Data)
			if err != nil || strings.Contains(string(text), "882161234567") {
				t.Errorf("%s holds the number, or nothing: %s %v", e.Type, text, err)
			}
			switch d := e.Data.(type) {
			case events.FraudSuspectedData:
				suspected++
				if d.Rule != "premium" || d.Class != "premium" || d.Trunk != "pbx" || d.Text == "" {
					t.Errorf("suspected %+v", d)
				}
			case events.LegFailedData:
				if d.Reason == ReasonFraudGuard {
					failed++
				}
			case events.CallEndedData:
				if d.EndedBy == string(ByGuard) && d.BillableMS == 0 && d.Status == "failed" {
					ended++
				}
			}
		}
		if suspected != 2 || failed != 2 || ended != 1 {
			t.Errorf("%d suspected, %d failed, %d ended by the guard", suspected, failed, ended)
		}
	})
}

// Calls abroad cost by the minute, live ones too, until the window has slid past
// them; what is over holds nothing.
func TestSpendOfAnAccount(t *testing.T) {
	g := newGuard()
	abroad := routing.Ruling{Class: routing.ClassInternational, Units: 1, Spend: routing.Limit{Most: 10, Within: time.Hour}, Target: "x"}
	at := func(m int) time.Time { return zero.Add(time.Duration(m) * time.Minute) }
	pass := func(leg LegID, m int) bool { return !g.pass(holder{"c1", leg}, "demo", abroad, at(m)).Refused }
	if !pass("b1", 0) || !pass("b2", 0) {
		t.Fatal("the first two are refused")
	}
	if !pass("b3", 3) { // 2 begun, 6 minutes: 8 spent
		t.Error("refused though there is room")
	}
	if pass("b4", 4) { // 3 begun, 8 and 1 minutes
		t.Error("let out above what may be spent")
	}
	if home := g.pass(holder{"c2", "b1"}, "demo", routing.Ruling{Class: routing.ClassDomestic, Spend: abroad.Spend, Target: "y"}, at(4)); home.Refused {
		t.Error("calls at home cost nothing")
	}
	if other := g.pass(holder{"c3", "b1"}, "other", abroad, at(4)); other.Refused {
		t.Error("another account pays for it")
	}
	g.done("c1", "b1", at(5))
	g.done("c1", "b1", at(5))
	g.done("c1", "", at(5))
	g.done("c3", "", at(5))
	if len(g.live) != 0 {
		t.Errorf("%d legs spend that are over", len(g.live))
	}
	if pass("b5", 60) {
		t.Error("what was spent five minutes after the beginning is forgotten an hour after that")
	}
	if !pass("b6", 66) {
		t.Error("what was spent more than an hour ago counts")
	}
}

// An account may call so many new destinations in a time, and those it knows as
// often as it likes; a refused one is not known by having been refused.
func TestNewDestinations(t *testing.T) {
	g := newGuard()
	to := func(target string, m int) bool {
		r := routing.Ruling{Class: routing.ClassDomestic, Fresh: routing.Limit{Most: 2, Within: time.Hour}, Target: target}
		return !g.pass(holder{"c", "b1"}, "demo", r, zero.Add(time.Duration(m)*time.Minute)).Refused
	}
	for i, c := range []struct {
		target string
		minute int
		want   bool
	}{{"a", 0, true}, {"b", 1, true}, {"c", 2, false}, {"a", 3, true}, {"c", 4, false}, {"b", 5, true}, {"c", 61, true}, {"d", 62, true}, {"e", 63, false}} {
		if got := to(c.target, c.minute); got != c.want {
			t.Errorf("%d: %s at %d: %v", i, c.target, c.minute, got)
		}
	}
}

// Whatever order attempts begin and end in, from many calls at once: no account
// spends more than it may, and nothing is left when all are over.
func TestGuardIsNeverPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, most := newGuard(), rapid.IntRange(1, 6).Draw(t, "most")
		r := routing.Ruling{Units: 1, Spend: routing.Limit{Most: most, Within: time.Hour}}
		var passed int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range rapid.IntRange(1, 12).Draw(t, "calls") {
			over := rapid.Bool().Draw(t, "over")
			all.Go(func() {
				id := ID(string(rune('a' + i)))
				if !g.pass(holder{id, "b1"}, "demo", r, zero).Refused {
					mu.Lock()
					passed++
					mu.Unlock()
				}
				if over {
					g.done(id, "", zero)
				}
			})
		}
		all.Wait()
		if passed > most || passed == 0 {
			t.Fatalf("%d let out, %d allowed", passed, most)
		}
		for i := range 12 {
			g.done(ID(string(rune('a'+i))), "", zero)
		}
		if len(g.live) != 0 {
			t.Fatalf("%d are left", len(g.live))
		}
	})
}

// A call that breaks spends no more.
func TestBrokenCallSpendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.panicIn = "dial"
		b := guardedBoard(w, func(routing.Target) routing.Ruling {
			return routing.Ruling{Units: 1, Class: routing.ClassInternational, Spend: routing.Limit{Most: 9, Within: time.Hour}}
		})
		_, send := admitted(t, b)
		synctest.Wait()
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.Stats().Panics != 1 || len(b.guard.live) != 0 {
			t.Errorf("%d panics, %d still spend", b.Stats().Panics, len(b.guard.live))
		}
	})
}

// A blocked caller makes events and costs nothing, also when he was answered to
// be asked for a key.
func TestScreenedOutCostsNothing(t *testing.T) {
	table, faults := routing.NewTable(routing.Spec{
		Trunks:    []routing.Trunk{{ID: "carrier", Sources: []string{"127.0.0.0/8"}, NumberFormat: routing.NumberFormat{Country: "NO"}}},
		Lists:     map[string]routing.NumberList{"nuisance": {Prefixes: []string{"+4799"}}},
		Screening: &routing.Screening{Block: []string{"nuisance"}},
		Accounts:  []routing.Account{{ID: "demo"}},
		Numbers:   []routing.TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales"}},
		Flows:     map[string]routing.Flow{"sales": {{Dial: &routing.Dial{Targets: []routing.Destination{{URI: "sip:a@127.0.0.1"}}}}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	m := newMachine(defaultSetup().invite, nil, time.Hour, func() string { return "leg" })
	m.step("", Started{At{zero}})
	out, _ := m.step("", Routed{At: At{zero}, Decision: table.Decide(routing.Request{Trunk: "carrier", To: "21000001", From: "+4799999912"})})
	var told []string
	for _, a := range out {
		if p, ok := a.(doPublish); ok {
			told = append(told, p.kind)
			if d, ok := p.data.(events.CallScreenedData); ok && d != (events.CallScreenedData{Verdict: "refused", Rule: "block-list", Of: "table", List: "nuisance"}) {
				t.Errorf("screened %+v", d)
			}
			if d, ok := p.data.(events.CallRejectedData); ok && (d.RejectReason != ReasonBlockedCaller || d.Cause.SIPStatus != 607) {
				t.Errorf("rejected %+v", d)
			}
		}
	}
	if want := []string{events.CallReceived, events.LegCreated, events.CallScreened, events.CallRejected, events.LegEnded, events.CallEnded}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	// One that was answered first, and talked to.
	m = machineIn(t, inProgress)
	m.acked = true
	d := events.CallEndedData{Status: "rejected"}
	m.endedAt = zero.Add(time.Minute)
	if m.bill(&d); d.BillableMS != 0 || d.TalkMS != 60_000 {
		t.Errorf("billed %d of %d", d.BillableMS, d.TalkMS)
	}
}

// A leg that was let out and not dialled, because its destination is full or the
// dial fails, costs nothing: not its beginning, and not the minutes of the call that
// goes on without it.
func TestLegThatIsNotDialledCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialErr error
	}{{"full", nil}, {"cannot be dialled", errors.New("injected")}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				abroad := w.decision.Targets[0]
				w.decision.Targets = []routing.Target{abroad, abroad}
				if w.dialErr = c.dialErr; c.dialErr == nil {
					w.decision.Targets[0].Limits = routing.Limits{CPS: 1}
				}
				b := guardedBoard(w, func(routing.Target) routing.Ruling {
					return routing.Ruling{Units: 1, Class: routing.ClassInternational, Spend: routing.Limit{Most: 99, Within: time.Hour}}
				})
				spent := func() int { return b.guard.spent.sum(windowKey{of: "demo"}, time.Now(), time.Hour) }
				_, first := admitted(t, b)
				synctest.Wait()
				if c.dialErr != nil {
					if spent() != 0 || len(b.guard.live) != 0 {
						t.Errorf("%d spent, %d spend", spent(), len(b.guard.live))
					}
					first(Gone{Now()})
					return
				}
				_, second := admitted(t, b) // its first target has had its call of this second
				synctest.Wait()
				if spent() != 2 || len(b.guard.live) != 2 {
					t.Errorf("two legs are out, %d spent, %d spend", spent(), len(b.guard.live))
				}
				time.Sleep(5 * time.Second)
				for _, send := range []func(Signal){first, second} {
					send(Cancelled{At: Now()})
					send(Gone{Now()})
				}
				if err := b.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if spent() != 4 || len(b.guard.live) != 0 { // two begun, two minutes begun
					t.Errorf("afterwards %d spent, %d spend", spent(), len(b.guard.live))
				}
			})
		})
	}
}

// What comes up in a call is asked of the table that decided it, whatever table is in
// use by then.
func TestCallKeepsItsTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		table, faults := routing.NewTable(routing.Spec{Trunks: []routing.Trunk{{ID: "pbx", DelayedOffer: true}}})
		if faults != nil {
			t.Fatal(faults)
		}
		w.decision.Table = table
		w.decision.Targets[0].Trunk = "pbx"
		ports := w.board(Config{}).ports
		var asked *routing.Table
		ports.Guard = func(of *routing.Table, _ routing.Guarded, _ routing.Target) routing.Ruling {
			asked = of
			return routing.Ruling{}
		}
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		_, send := admitted(t, b)
		synctest.Wait()
		l := w.b(0)
		if l == nil || asked != table {
			t.Fatal("the guard was not asked by the call's table")
		}
		if l.dial.Policy == nil {
			t.Fatal("nothing says how the call's table has the trunk spoken to")
		}
		if p, ok := l.dial.Policy("pbx"); !ok || !p.DelayedOffer {
			t.Errorf("the trunk is spoken to as %+v", p)
		}
		send(Cancelled{At: Now()})
		send(Gone{Now()})
		l.send(Failed{At{time.Now()}, Cause{Status: 487}})
		l.send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
