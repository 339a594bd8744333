package call

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// admitted starts a call in the world and returns its a leg.
func admitted(t *testing.T, b *Switchboard) (*fakeLeg, func(Signal)) {
	t.Helper()
	a := &fakeLeg{}
	in := defaultSetup().invite
	in.At = time.Now()
	send, refused := b.Admit(in, a)
	if refused != nil {
		t.Fatalf("refused: %v", refused)
	}
	a.mu.Lock()
	a.send = send
	a.mu.Unlock()
	synctest.Wait()
	return a, send
}

func wantTold(t *testing.T, w *world, want ...string) {
	t.Helper()
	if got := w.told(); !slices.Equal(got, want) {
		t.Errorf("events\n got %s\nwant %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

func wantDid(t *testing.T, l *fakeLeg, want ...string) {
	t.Helper()
	if got := l.done(); !slices.Equal(got, want) {
		t.Errorf("leg did %q, want %q", got, want)
	}
}

func TestCallFromRingToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Recording.Mode = recordFromAnswer
		w.recordFor, w.diskFor = 3*time.Millisecond, 2*time.Millisecond
		b := w.board(Config{})
		a, send := admitted(t, b)
		callee := w.b(0)
		if got := string(callee.dial.Body); got != "relayed offer" {
			t.Errorf("dialled with %q", got)
		}
		if callee.dial.From != "+4799999912" || callee.dial.MaxForwards != 69 {
			t.Errorf("dialled from %q with max-forwards %d", callee.dial.From, callee.dial.MaxForwards)
		}
		callee.send(Ringing{Now(), 180, nil})
		synctest.Wait()
		if v := b.Calls(); len(v) != 1 || v[0].Status != "ringing" || v[0].Account != "demo" || v[0].Caller != "+47*****12" {
			t.Errorf("live calls: %+v", v)
		}
		callee.send(Answered{At: Now(), Body: []byte("answer")})
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		wantDid(t, a, `progress 180 ""`, `answer "relayed answer"`)
		w.notices(media.Notice{Kind: media.Started, Side: media.Caller, At: time.Now()})
		time.Sleep(time.Minute)
		send(Bye{Now(), Cause{Status: 200, Remote: true}})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTold(t, w, events.CallReceived, events.LegCreated, events.CallRouted, events.LegCreated, events.LegRinging,
			events.CallRinging, events.LegAnswered, events.CallAnswered, events.CallBridged, events.MediaStarted,
			events.LegEnded, events.LegEnded, events.CallEnded)
		end := w.end()
		if end.TalkMS < 60_000 || end.TalkMS > 60_010 || end.BillableMS != end.TalkMS || end.Media.Callee.Drops["source"] != 3 {
			t.Errorf("ended %+v media %+v", end, end.Media)
		}
		if w.relays != 1 || w.closed != 1 || w.tapped != 1 || len(w.recs) != 1 || w.recs[0].times != 1 {
			t.Errorf("relays %d closed %d tapped %d recordings %d", w.relays, w.closed, w.tapped, len(w.recs))
		}
		if w.recs[0].info.Account != "demo" || w.recs[0].info.Subject != "sub_demo" {
			t.Errorf("recording was told %+v", w.recs[0].info)
		}
		wantDid(t, callee, "hangup 200")
		if s := b.Stats(); s.Outcomes["completed"] != 1 || len(s.Live) != 0 || s.Stray != 0 || s.Panics != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestRingTimeoutGoesToTheNextTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Targets = append(w.decision.Targets, w.decision.Targets[0])
		b := w.board(Config{})
		a, send := admitted(t, b)
		w.b(0).send(Ringing{Now(), 180, nil})
		time.Sleep(20*time.Second + time.Millisecond)
		synctest.Wait()
		if w.b(1) == nil {
			t.Fatal("the second target was not dialled")
		}
		w.b(1).send(Failed{Now(), Cause{Status: 486, Remote: true}})
		w.b(1).send(Gone{Now()})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantDid(t, a, `progress 180 ""`, "hangup 486")
		if end := w.end(); end.Status != "busy" || end.BillableMS != 0 || end.RingMS != 20_001 {
			t.Errorf("ended %+v", end)
		}
	})
}

func TestFailuresOfTheWorld(t *testing.T) {
	cases := map[string]struct {
		break_ func(*world)
		status string
		hangup string
	}{
		"route fails":         {func(w *world) { w.routeErr = errors.New("no table") }, "rejected", "hangup 500"},
		"no ports":            {func(w *world) { w.relayErr = Cause{Status: 503, Text: "no ports"} }, "failed", "hangup 503"},
		"relay fails":         {func(w *world) { w.relayErr = errors.New("bind") }, "failed", "hangup 500"},
		"dial fails":          {func(w *world) { w.dialErr = errors.New("no route") }, "failed", "hangup 500"},
		"dial refuses a body": {func(w *world) { w.dialErr = Cause{Status: 488} }, "failed", "hangup 488"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c.break_(w)
				b := w.board(Config{})
				a, send := admitted(t, b)
				send(Gone{Now()})
				if err := b.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if end := w.end(); end == nil || end.Status != c.status || end.BillableMS != 0 {
					t.Errorf("ended %+v", end)
				}
				wantDid(t, a, c.hangup)
				if w.relays != w.closed {
					t.Errorf("%d relays, %d closed", w.relays, w.closed)
				}
			})
		})
	}
}

// A panic in one call ends that call, with its event, and no other.
func TestPanicEndsOneCall(t *testing.T) {
	for _, where := range []string{"route", "dial"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				b := w.board(Config{})
				_, sendHealthy := admitted(t, b)
				w.panicIn = where
				broken, _ := admitted(t, b)
				synctest.Wait()
				if end := w.end(); end == nil || end.Status != "failed" {
					t.Errorf("the broken call ended as %+v", end)
				}
				wantDid(t, broken, "hangup 500")
				if v := b.Calls(); len(v) != 1 {
					t.Errorf("%d live calls, want the healthy one", len(v))
				}
				if s := b.Stats(); s.Panics != 1 {
					t.Errorf("panics %d", s.Panics)
				}
				w.panicIn = ""
				sendHealthy(Cancelled{At: Now()})
				sendHealthy(Gone{Now()})
				if err := b.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// After a panic both legs end, the books are closed, the recording too, and a
// leg that answers in spite of its CANCEL still gets its BYE.
func TestPanicInProgressLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Recording.Mode = recordFromAnswer
		b := w.board(Config{})
		a, send := admitted(t, b)
		callee := w.b(0)
		callee.send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		send(Acked{At: Now()})
		time.Sleep(10 * time.Second)
		callee.keep = true
		send(Offered{Now(), 1, []byte("panic")})
		send(Offered{Now(), 1, []byte("lost with it")})
		synctest.Wait()
		told := w.told()
		if n := len(told); n < 3 || !slices.Equal(told[n-3:], []string{events.LegEnded, events.LegEnded, events.CallEnded}) {
			t.Errorf("events end with %v", told)
		}
		if end := w.end(); end == nil || end.Status != "failed" || end.BillableMS > 10_000 {
			t.Errorf("ended %+v", end)
		}
		callee.send(Answered{At: Now(), Body: nil})
		callee.send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantDid(t, callee, "hangup 500", "hangup 500")
		wantDid(t, a, `answer "relayed answer"`, "hangup 500")
		if w.closed != 1 || w.recs[0].times != 1 {
			t.Errorf("relay closed %d times, recording %d times", w.closed, w.recs[0].times)
		}
	})
}

// A recording that opens after the caller has gone is closed, not leaked.
func TestRecordingOpensTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Recording.Mode = recordFromAnswer
		w.recordFor = time.Minute
		b := w.board(Config{})
		_, send := admitted(t, b)
		w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		time.Sleep(time.Second)
		send(Bye{Now(), Cause{Status: 200}})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.recs) != 1 || w.recs[0].times != 1 {
			t.Errorf("recordings %d, want one, closed once", len(w.recs))
		}
		if end := w.end(); end.Status != "completed" {
			t.Errorf("ended %+v", end)
		}
	})
}

func TestLegThatNeverGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{Calls: 1})
		_, send := admitted(t, b)
		w.b(0).keep = true
		send(Cancelled{At: Now()})
		send(Gone{Now()})
		synctest.Wait()
		if n := len(b.Calls()); n != 0 {
			t.Errorf("%d calls are live after the end", n)
		}
		// Its place is free although the leg is still there.
		_, sendNext := admitted(t, b)
		time.Sleep(lingerWait + time.Second)
		synctest.Wait()
		if s := b.Stats(); s.Live["ended"] != 0 {
			t.Errorf("the call lingers: %+v", s)
		}
		sendNext(Cancelled{At: Now()})
		sendNext(Gone{Now()})
		w.b(1).send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestReofferAndRefusedReoffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		a, send := admitted(t, b)
		w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		send(Offered{Now(), 1, []byte("hold")})
		send(Offered{Now(), 2, []byte("bad")})
		synctest.Wait()
		wantDid(t, a, `answer "relayed answer"`, `update 1 "again hold"`, `refuse 2 488`)
		send(Bye{Now(), Cause{}})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A full mailbox loses progress, never an ending.
func TestFullMailboxKeepsWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.recordFor = time.Hour
		b := w.board(Config{})
		c := newCall(b, "call_x", defaultSetup().invite, &fakeLeg{}, nil)
		for range mailboxSoft + 50 {
			c.post("b1", Ringing{Now(), 180, nil})
		}
		c.post(A, Cancelled{At: Now()})
		got := c.take()
		if len(got) != mailboxSoft+1 {
			t.Fatalf("%d letters, want %d", len(got), mailboxSoft+1)
		}
		if _, ok := got[mailboxSoft].s.(Cancelled); !ok {
			t.Errorf("the CANCEL was dropped")
		}
		if b.Stats().Dropped != 50 {
			t.Errorf("dropped %d, want 50", b.Stats().Dropped)
		}
		c.cancel()
	})
}

func TestWaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		_, send := admitted(t, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait with a live call: %v", err)
		}
		b.StopAll(ByOperator)
		synctest.Wait()
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if end := w.end(); end.Status != "canceled" || end.EndedBy != string(ByOperator) {
			t.Errorf("ended %+v", end)
		}
	})
}
