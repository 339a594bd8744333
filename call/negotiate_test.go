package call

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// inCall is a call that stands, with both its legs.
type inCall struct {
	*world
	board      *Switchboard
	a, b       *fakeLeg
	fromCaller func(Signal)
}

func standing(t *testing.T, f func(c *inCall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := &inCall{world: w, board: w.board(Config{})}
		c.a, c.fromCaller = admitted(t, c.board)
		c.b = w.b(0)
		c.b.send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		c.fromCaller(Acked{At: Now()})
		synctest.Wait()
		f(c)
		c.fromCaller(Bye{Now(), Cause{}})
		c.fromCaller(Gone{Now()})
		if err := c.board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// say lets a leg signal and waits for what comes of it.
func (c *inCall) say(l *fakeLeg, s Signal) {
	if l == c.a {
		c.fromCaller(s)
	} else {
		l.send(s)
	}
	synctest.Wait()
}

func did(t *testing.T, l *fakeLeg, want ...string) {
	t.Helper()
	l.mu.Lock()
	got := l.did
	l.did = nil
	l.mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("leg did %q, want %q", got, want)
	}
}

func TestNewCodecIsAskedOfTheOtherLeg(t *testing.T) {
	standing(t, func(c *inCall) {
		did(t, c.a, `answer "relayed answer"`)
		c.say(c.b, Offered{Now(), 7, []byte("new codec")})
		did(t, c.a, `offer "asked new codec"`)
		c.say(c.b, Offered{Now(), 8, []byte("hold")})
		did(t, c.b, `refuse 8 491`)
		c.say(c.a, Accepted{Now(), []byte("yes")})
		did(t, c.b, `update 7 "settled yes"`)

		c.say(c.a, Offered{Now(), 1, []byte("new codec")})
		did(t, c.b, `offer "asked new codec"`)
		c.say(c.b, Declined{Now(), Cause{Status: 606}})
		did(t, c.a, `refuse 1 488`)

		c.say(c.a, Offered{Now(), 2, []byte("new codec")})
		c.say(c.b, Accepted{Now(), []byte("bad")})
		did(t, c.a, `refuse 2 488`)
		did(t, c.b, `offer "asked new codec"`, `offer "presented to the callee"`)
		c.say(c.b, Accepted{Now(), []byte("as before")})

		c.say(c.a, Offered{Now(), 3, []byte("bad")})
		did(t, c.a, `refuse 3 488`)
		did(t, c.b)
	})
}

func TestReinviteWithoutAnOffer(t *testing.T) {
	standing(t, func(c *inCall) {
		did(t, c.a, `answer "relayed answer"`)
		c.say(c.a, Offered{Now(), 1, nil})
		did(t, c.a, `update 1 "presented to the caller"`)
		c.say(c.a, Accepted{Now(), []byte("less")})
		did(t, c.b, `offer "less"`)
		c.say(c.b, Accepted{Now(), []byte("fine")})
		c.say(c.b, Offered{Now(), 1, nil})
		did(t, c.b, `update 1 "presented to the callee"`)
		c.say(c.b, Accepted{Now(), []byte("bad")}) // the session stays
		c.say(c.a, Offered{Now(), 2, []byte("x")})
		did(t, c.a, `update 2 "again x"`)
		c.say(c.a, Withdrawn{Now(), 2})
		if c.undone != 1 {
			t.Errorf("taken back %d times", c.undone)
		}
	})
}

func TestHoldIsSeenAndTold(t *testing.T) {
	standing(t, func(c *inCall) {
		c.holding = media.Callee
		c.say(c.b, Offered{Now(), 1, []byte("hold")})
		if v := c.board.Calls()[0]; !slices.Equal(v.Held, []string{"callee"}) || v.Status != "in-progress" {
			t.Errorf("view %+v", v)
		}
		time.Sleep(3 * time.Second)
		c.mu.Lock()
		c.holding = 0
		c.mu.Unlock()
		c.say(c.b, Offered{Now(), 2, []byte("resume")})
		if v := c.board.Calls()[0]; v.Held != nil {
			t.Errorf("view %+v", v)
		}
		time.Sleep(time.Second)
		c.say(c.b, Bye{Now(), Cause{}})
		if end := c.end(); end == nil || end.HoldMS != 3000 || end.TalkMS != 4000 {
			t.Errorf("end %+v", end)
		}
		if told := c.told(); !slices.Contains(told, events.CallHeld) || !slices.Contains(told, events.CallResumed) {
			t.Errorf("told %v", told)
		}
	})
}

// delayed runs a call whose caller makes no offer up to the 200.
func delayed(t *testing.T, answer Answered, f func(w *world, a, b *fakeLeg, send func(Signal))) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		board := w.board(Config{})
		a := &fakeLeg{}
		send, refused := board.Admit(Invite{At: time.Now(), Trunk: "carrier", Transport: "udp", To: "21000001", MaxForwards: 69}, a)
		if refused != nil {
			t.Fatal(refused)
		}
		a.send = send
		synctest.Wait()
		b := w.b(0)
		if string(b.dial.Body) != "opened" {
			t.Errorf("dialled with %q", b.dial.Body)
		}
		answer.At = Now()
		b.send(answer)
		synctest.Wait()
		f(w, a, b, send)
		send(Gone{Now()})
		b.send(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCallerWithoutAnOffer(t *testing.T) {
	delayed(t, Answered{Body: []byte("answer")}, func(w *world, a, b *fakeLeg, send func(Signal)) {
		did(t, a, `answer "relayed answer"`)
		send(Acked{At: Now(), Body: []byte("mine")})
		time.Sleep(2 * time.Second)
		send(Bye{Now(), Cause{}})
		synctest.Wait()
		did(t, b, `hangup 200`)
		if end := w.end(); end == nil || end.BillableMS != 2000 || end.Status != "completed" {
			t.Errorf("end %+v", end)
		}
	})
	delayed(t, Answered{Body: []byte("answer")}, func(w *world, a, b *fakeLeg, send func(Signal)) {
		send(Acked{At: Now(), Body: []byte("bad")})
		synctest.Wait()
		did(t, b, `hangup 488`)
		if end := w.end(); end == nil || end.BillableMS != 0 || end.Status != "failed" {
			t.Errorf("end %+v", end)
		}
	})
}

func TestNeitherMakesTheOffer(t *testing.T) {
	delayed(t, Answered{Body: []byte("theirs"), Offer: true}, func(w *world, a, b *fakeLeg, send func(Signal)) {
		did(t, a, `answer "relayed theirs"`)
		did(t, b)
		send(Acked{At: Now(), Body: []byte("mine")})
		synctest.Wait()
		did(t, b, `update 0 "relayed mine"`)
	})
	delayed(t, Answered{Body: []byte("theirs"), Offer: true}, func(w *world, a, b *fakeLeg, send func(Signal)) {
		send(Acked{At: Now(), Body: []byte("bad")})
		synctest.Wait()
		did(t, b, `hangup 488`)
	})
}

func TestCalleeMakesTheOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		board := w.board(Config{})
		a, send := admitted(t, board)
		w.b(0).send(Answered{Now(), []byte("theirs"), true})
		synctest.Wait()
		did(t, w.b(0), `update 0 "joining theirs"`)
		did(t, a, `answer "joined theirs"`)
		send(Bye{Now(), Cause{}})
		send(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
