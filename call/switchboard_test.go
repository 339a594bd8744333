package call

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

func TestRefusalsAreToldFromBeginningToEnd(t *testing.T) {
	cases := map[string]struct {
		config Config
		before func(*testing.T, *Switchboard)
		reason string
		retry  int
	}{
		"draining": {Config{}, func(_ *testing.T, b *Switchboard) { b.Drain() }, ReasonOverload, retryLater},
		"full":     {Config{Calls: 1}, func(t *testing.T, b *Switchboard) { admitted(t, b) }, ReasonConcurrencyLimit, retryLater},
		"too fast": {Config{CPS: 1}, func(t *testing.T, b *Switchboard) { admitted(t, b) }, ReasonCPSLimit, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				b := w.board(c.config)
				c.before(t, b)
				w.mu.Lock()
				w.events = nil
				w.mu.Unlock()
				a := &fakeLeg{}
				in := defaultSetup().invite
				in.At = time.Now()
				send, refused := b.Admit(in, a)
				if send != nil || refused == nil || refused.Status != 503 || refused.Reason != c.reason || refused.Retry != c.retry {
					t.Fatalf("refused with %+v", refused)
				}
				wantDid(t, a) // whoever asked refuses the leg himself
				wantTold(t, w, events.CallReceived, events.LegCreated, events.CallRejected, events.LegEnded, events.CallEnded)
				if end := w.end(); end.Status != "rejected" || end.RejectReason != c.reason || end.EndedBy != "limit" {
					t.Errorf("ended %+v", end)
				}
				if d := w.events[0].Data.(events.CallReceivedData); d.Caller != (events.Party{Masked: "+47*****12"}) {
					t.Errorf("a refused caller is told as %+v: it must cost no subject", d.Caller)
				}
				// Live calls are untouched.
				for _, v := range b.Calls() {
					if v.Status != "routing" && v.Status != "ringing" {
						t.Errorf("live call is %s", v.Status)
					}
					b.Hangup(v.ID, ByAPI)
				}
				synctest.Wait()
				time.Sleep(lingerWait + time.Second)
			})
		})
	}
}

func TestCallsASecondRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Reject = routing.NumberUnassigned
		b := w.board(Config{CPS: 2})
		admit := func() bool {
			a := &fakeLeg{}
			in := defaultSetup().invite
			in.At = time.Now()
			send, refused := b.Admit(in, a)
			if send != nil {
				send(Gone{Now()})
			}
			return refused == nil
		}
		for range 2 {
			if !admit() {
				t.Error("a burst of one second must pass")
			}
		}
		if admit() {
			t.Error("the third call in the same instant passed")
		}
		time.Sleep(500 * time.Millisecond)
		if !admit() {
			t.Error("half a second later there is room for one")
		}
		if admit() {
			t.Error("but not for two")
		}
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A stranger costs nothing that a trunk's call could need: addresses can be forged.
func TestStrangersTakeNothingFromTrunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Reject = routing.NoTrunkMatch
		b := w.board(Config{CPS: 1, Calls: 1})
		in := defaultSetup().invite
		in.At, in.Trunk = time.Now(), ""
		for range 3 {
			if send, refused := b.Admit(in, &fakeLeg{}); send != nil || refused == nil || refused.Reason != string(routing.NoTrunkMatch) {
				t.Fatalf("a stranger was refused with %+v", refused)
			}
		}
		wantTold(t, w, slices.Repeat([]string{events.CallReceived, events.LegCreated, events.CallRejected, events.LegEnded, events.CallEnded}, 3)...)
		if end := w.end(); end.Status != "rejected" || end.RejectReason != string(routing.NoTrunkMatch) || end.EndedBy != "flow" {
			t.Errorf("ended %+v", end)
		}
		w.decision.Reject = ""
		_, send := admitted(t, b) // although there is one call a second only
		send(Cancelled{At: Now()})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHangupByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		a, send := admitted(t, b)
		id := b.Calls()[0].ID
		if b.Hangup("call_unknown", ByAPI) {
			t.Error("hung up a call that is not there")
		}
		if !b.Hangup(id, ByAPI) {
			t.Error("did not find the call")
		}
		synctest.Wait()
		if b.Hangup(id, ByAPI) {
			t.Error("hung up a call that has ended")
		}
		wantDid(t, a, "hangup 480")
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	var c Config
	c.Defaults()
	faults := 0
	report := func(string, string) { faults++ }
	c.Validate(report)
	if faults != 0 || c.Calls != 500 || c.CPS != 50 {
		t.Errorf("defaults %+v have %d faults", c, faults)
	}
	Config{Calls: -1, CPS: -1}.Validate(report)
	if faults != 2 {
		t.Errorf("%d faults, want 2", faults)
	}
}

func TestTowardsCaller(t *testing.T) {
	cases := []struct{ in, out Cause }{
		{Cause{Status: 486, Remote: true}, Cause{Status: 486, Remote: true}},
		{Cause{}, Cause{Status: 480, Q850: 20}},
		{Cause{Status: 408}, Cause{Status: 502, Q850: 27}},
		{Cause{Status: 408, Remote: true}, Cause{Status: 480, Remote: true}},
		{Cause{Status: 302, Remote: true}, Cause{Status: 480, Q850: 20, Remote: true}},
		{Cause{Status: 407, Remote: true}, Cause{Status: 502, Q850: 21, Remote: true}},
		{Cause{Status: 503, Q850: 34, Remote: true}, Cause{Status: 500, Q850: 34, Remote: true}},
		{Cause{Status: 487, Q850: 31, Remote: true}, Cause{Status: 480, Q850: 31, Remote: true}},
		{Cause{Status: 408, Q850: 102, Remote: true}, Cause{Status: 480, Q850: 102, Remote: true}},
		{Cause{Status: 503}, Cause{Status: 503}},
	}
	for _, c := range cases {
		if got := c.in.TowardsCaller(); got != c.out {
			t.Errorf("%+v goes out as %+v, want %+v", c.in, got, c.out)
		} else if again := got.TowardsCaller(); again != got {
			t.Errorf("%+v twice: %+v", c.in, again)
		}
	}
}
