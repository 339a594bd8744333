package call

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// talkingCall brings a call to the point where both talk, and returns both legs.
func talkingCall(t *testing.T, w *world, b *Switchboard) (a, callee *fakeLeg) {
	t.Helper()
	n := len(w.legs)
	a, send := admitted(t, b)
	callee = w.b(n)
	callee.send(Answered{At: Now(), Body: []byte("answer")})
	synctest.Wait()
	send(Acked{At: Now()})
	synctest.Wait()
	return a, callee
}

func allow(r routing.Referral) routing.Transferred {
	if r.Replaces {
		return routing.Transferred{}
	}
	return routing.Transferred{Targets: []routing.Target{{URI: "sip:201@pbx", Trunk: "pbx", Timeout: 15 * time.Second}}}
}

// names is what sip would do for a REFER that names another leg of ours.
func names(l *fakeLeg) ReferTo {
	return ReferTo{User: "201", Replaces: "x;to-tag=1;from-tag=2", Named: func(c Claimed) { l.send(c) }}
}

// eventsOf returns the types told of each call, in the order the calls came.
func eventsOf(w *world, call string) (all []string, end *events.CallEndedData) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Call != call {
			continue
		}
		all = append(all, e.Type)
		if d, ok := e.Data.(events.CallEndedData); ok {
			end = &d
		}
	}
	return all, end
}

// A leg goes from one call to another: what it says afterwards is told to the
// call it is in, what it said just before is not lost, and both calls end once.
func TestLegGoesOverToAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		b := w.board(Config{})
		a1, b1 := talkingCall(t, w, b)
		first := string(b.Calls()[0].ID)
		a2, b2 := talkingCall(t, w, b)
		b1.send(Referred{Now(), 1, names(a2)})
		synctest.Wait()
		if got := b2.done(); !slices.Equal(got, []string{`offer "invite callee told callee"`}) {
			t.Fatalf("the leg that goes over did %q", got)
		}
		wantDid(t, a2, `answer "relayed answer"`, "hangup 200")
		b2.send(Accepted{At: Now(), Body: []byte("their answer")})
		synctest.Wait()
		wantDid(t, b1, "refer 1 100", "refer 1 200", "hangup 200")
		if live := b.Calls(); len(live) != 1 || string(live[0].ID) != first || live[0].Transfers != 1 {
			t.Errorf("live: %+v", live)
		}
		time.Sleep(time.Minute)
		b2.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		b2.send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := a1.done(); got[len(got)-1] != "hangup 200" {
			t.Errorf("the caller did %q", got)
		}
		told, end := eventsOf(w, first)
		if end == nil || end.EndedBy != "callee" || end.Transfers != 1 || end.TalkMS < 60_000 {
			t.Errorf("end %+v of %s", end, strings.Join(told, " "))
		}
		if n := len(w.told()); n != 0 && strings.Count(strings.Join(w.told(), " "), "call.ended") != 2 {
			t.Errorf("events %s", strings.Join(w.told(), " "))
		}
		if s := b.Stats(); s.Stray != 0 || s.Panics != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What a leg said while it was being given is told to the call that gets it.
func TestWordsOnTheWayAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		b := w.board(Config{})
		_, b1 := talkingCall(t, w, b)
		a2, b2 := talkingCall(t, w, b)
		// In the mailbox of the second call, in this order: the claim, and right
		// behind it the goodbye of the very leg that is claimed.
		b1.send(Referred{Now(), 1, ReferTo{User: "201", Replaces: "x;to-tag=1;from-tag=2", Named: func(c Claimed) {
			a2.send(c)
			b2.send(Bye{Now(), Cause{Status: 200, Remote: true}})
			b2.mu.Lock()
			b2.keep = true // it is going by itself
			b2.mu.Unlock()
			b2.send(Gone{Now()})
		}}})
		synctest.Wait()
		if got := b1.done(); !slices.Equal(got, []string{"refer 1 100", "refer 1 480"}) {
			t.Errorf("the referrer did %q", got)
		}
		if live := b.Calls(); len(live) != 1 {
			t.Errorf("live: %+v", live)
		}
		b.StopAll(ByOperator)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := b.Stats(); s.Stray != 0 {
			t.Errorf("%d signals out of place", s.Stray)
		}
	})
}

// The call that asked is over before the leg comes: the leg is hung up, and
// nothing of either call stays.
func TestLegComesToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		b := w.board(Config{})
		a1, b1 := talkingCall(t, w, b)
		a2, b2 := talkingCall(t, w, b)
		var late Claimed
		b1.send(Referred{Now(), 1, ReferTo{User: "201", Replaces: "x;to-tag=1;from-tag=2", Named: func(c Claimed) { late = c }}})
		synctest.Wait()
		a1.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		a1.send(Gone{Now()})
		synctest.Wait()
		if live := b.Calls(); len(live) != 1 {
			t.Fatalf("live: %+v", live)
		}
		a2.send(late)
		synctest.Wait()
		if got := b2.done(); len(got) != 1 || got[0] != "hangup 480" {
			t.Errorf("the leg that came to nobody did %q", got)
		}
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Two calls that claim each other's leg at once both keep what they have.
func TestTwoCallsClaimEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		b := w.board(Config{})
		a1, b1 := talkingCall(t, w, b)
		a2, b2 := talkingCall(t, w, b)
		b1.send(Referred{Now(), 1, names(a2)})
		b2.send(Referred{Now(), 1, names(a1)})
		synctest.Wait()
		for _, l := range []*fakeLeg{b1, b2} {
			if got := l.done(); !slices.Equal(got, []string{"refer 1 100", "refer 1 481"}) {
				t.Errorf("a referrer did %q", got)
			}
		}
		if live := b.Calls(); len(live) != 2 {
			t.Errorf("live: %+v", live)
		}
		b.StopAll(ByOperator)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A newcomer by Replaces speaks through his line, what he said before he was
// taken too; each segment has its recording, and the second names the first.
func TestNewcomerTakesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		w.decision.Recording.Mode = recordFromAnswer
		b := w.board(Config{})
		a, callee := talkingCall(t, w, b)
		newcomer := &fakeLeg{}
		line := NewLine()
		newcomer.send = line.Send
		callee.send(Replaced{At: Now(), Leg: newcomer, Line: line, Trunk: "pbx", Body: []byte("their offer")})
		synctest.Wait()
		wantDid(t, newcomer, `answer "to their offer"`)
		wantDid(t, callee, "hangup 200")
		line.Send(Acked{At: Now()})
		line.Send(Bye{Now(), Cause{Status: 200, Remote: true}})
		line.Send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := a.done(); got[len(got)-1] != "hangup 200" {
			t.Errorf("the caller did %q", got)
		}
		if len(w.recs) != 2 || w.recs[0].times != 1 || w.recs[1].times != 1 || w.tapped != 2 {
			t.Fatalf("%d recordings, tapped %d times", len(w.recs), w.tapped)
		}
		one, two := w.recs[0].info, w.recs[1].info
		if one.Segment != 1 || one.Previous != "" || two.Segment != 2 || two.Previous != "rec_1" || one.Subject != two.Subject ||
			one.Caller != two.Caller || one.Callee == two.Callee || two.Callee == "" {
			t.Errorf("recordings of\n%+v\n%+v", one, two)
		}
		if end := w.end(); end.EndedBy != "callee" || end.Transfers != 1 {
			t.Errorf("end %+v", end)
		}
	})
}

// A panic while a transfer is going on ends the call with everybody in it.
func TestPanicDuringATransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = func(routing.Referral) routing.Transferred { panic("injected") }
		b := w.board(Config{})
		a, callee := talkingCall(t, w, b)
		newcomer := &fakeLeg{}
		line := NewLine()
		newcomer.send = line.Send
		callee.send(Replaced{At: Now(), Leg: newcomer, Line: line, Body: []byte("their offer")})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, l := range []*fakeLeg{a, callee, newcomer} {
			if got := l.done(); len(got) == 0 || got[len(got)-1] != "hangup 500" {
				t.Errorf("a leg did %q", got)
			}
		}
		if w.end() == nil || b.Stats().Panics != 1 {
			t.Errorf("end %+v", w.end())
		}
	})
}

// A panic before a newcomer is one of the call's legs does not leave him there.
func TestPanicBeforeANewcomerIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		_, callee := talkingCall(t, w, b)
		b.mu.Lock()
		for _, c := range b.calls {
			c.machine.mint = func() string { panic("injected") }
		}
		b.mu.Unlock()
		newcomer := &fakeLeg{}
		callee.send(Replaced{At: Now(), Leg: newcomer, Line: NewLine(), Body: []byte("their offer")})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := newcomer.done(); len(got) != 1 {
			t.Errorf("the newcomer did %q", got)
		}
		if w.end() == nil || b.Stats().Panics != 1 {
			t.Errorf("end %+v", w.end())
		}
	})
}

// A leg that goes over to another call goes on counting with the calls of its
// trunk, though the call it was dialled for is over; when it hangs up its place is free.
func TestLegTakesItsPlaceAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		w.decision.Targets[0].Trunk = "pbx"
		ports := w.board(Config{}).ports
		ports.Limits = func(trunk string) routing.Limits { return routing.Limits{Calls: 10} }
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		held := func(want int) {
			t.Helper()
			b.mu.Lock()
			defer b.mu.Unlock()
			if n := len(b.places.held[place{limitTrunk, "pbx"}]); n != want {
				t.Errorf("%d places of the trunk are held, want %d", n, want)
			}
		}
		_, b1 := talkingCall(t, w, b)
		a2, b2 := talkingCall(t, w, b)
		held(2)
		b1.send(Referred{Now(), 1, names(a2)})
		synctest.Wait()
		b2.send(Accepted{At: Now(), Body: []byte("their answer")})
		synctest.Wait()
		held(1) // b1 has left
		b2.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		b2.send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		held(0)
	})
}

// A caller who has given his place holds none of his trunk's any more, nor does
// who has it now hold one of that trunk; the call itself goes on counting.
func TestCallerWhoLeftHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		ports := w.board(Config{}).ports
		ports.Limits = func(trunk string) routing.Limits { return routing.Limits{Calls: 10} }
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		held := func() (carrier, pbx, node int) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.places.held[place{limitTrunk, "carrier"}]), len(b.places.held[place{limitTrunk, "pbx"}]), len(b.places.held[place{kind: limitNode}])
		}
		a, callee := talkingCall(t, w, b)
		if carrier, pbx, node := held(); carrier != 1 || pbx != 0 || node != 1 {
			t.Errorf("held: carrier %d, pbx %d, node %d", carrier, pbx, node)
		}
		line := NewLine()
		newcomer := &fakeLeg{send: line.Send}
		a.send(Replaced{At: Now(), Leg: newcomer, Line: line, Trunk: "pbx", Body: []byte("their offer")})
		synctest.Wait()
		if carrier, pbx, node := held(); carrier != 0 || pbx != 1 || node != 1 {
			t.Errorf("after the transfer: carrier %d, pbx %d, node %d", carrier, pbx, node)
		}
		callee.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		callee.send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if carrier, pbx, node := held(); carrier+pbx+node != 0 {
			t.Errorf("at the end: carrier %d, pbx %d, node %d", carrier, pbx, node)
		}
	})
}

// A node that goes does not wait for the ACK that a call's end waits for: the
// end is told before the outbox is emptied, and once.
func TestLetGoTellsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		a, _ := admitted(t, b)
		a.keep = true
		w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		w.b(0).send(Bye{Now(), Cause{Status: 200, Remote: true}})
		w.b(0).send(Gone{Now()})
		synctest.Wait()
		live, _ := talkingCall(t, w, b)
		if w.end() != nil || len(b.Calls()) != 1 {
			t.Fatalf("end %+v, %d calls", w.end(), len(b.Calls()))
		}
		b.LetGo()
		synctest.Wait()
		if end := w.end(); end == nil || end.Status != "completed" || end.BillableMS != 0 {
			t.Errorf("end %+v", end)
		}
		if got := live.done(); len(got) != 1 || len(b.Calls()) != 1 {
			t.Errorf("a call that is live did %q", got)
		}
		b.StopAll(ByOperator)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := b.Stats(); s.Stray != 0 || s.Outcomes["completed"] != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Who comes to a call that has left, though one of its legs has not, is turned
// away: nobody waits at a door behind which nobody is.
func TestComingToACallThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		a, callee := talkingCall(t, w, b)
		callee.mu.Lock()
		callee.keep = true
		callee.mu.Unlock()
		a.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		a.send(Gone{Now()})
		time.Sleep(lingerWait + time.Second)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		newcomer := &fakeLeg{}
		callee.send(Replaced{At: Now(), Leg: newcomer, Line: NewLine(), Body: []byte("their offer")})
		wantDid(t, newcomer, "hangup 480")
		refused := false
		callee.send(Claimed{At: Now(), Claim: Claim{"call_2", func(g Given) bool { refused = g.Refused; return true }}})
		if !refused {
			t.Error("a claim was not answered")
		}
	})
}

// A leg that is given to a call in the very moment it leaves is taken by it and
// hung up, or not taken; it is never lost in between.
func TestLegGivenToALeavingCall(t *testing.T) {
	b := newWorld().board(Config{})
	for range 300 {
		c := newCall(b, "call_1", defaultSetup().invite, refusedLeg{}, nil)
		l, taken := &fakeLeg{}, make(chan bool)
		go func() { taken <- c.post("", Given{At: Now(), Leg: l}) }()
		c.leave()
		if got := <-taken; got != (len(l.done()) == 1) {
			t.Fatalf("taken %v, and the leg did %q", got, l.done())
		}
	}
}
