package call

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// screened is a world whose calls are rung at so many at once, each of whom is asked.
func screened(n int) *world {
	w := newWorld()
	r := routing.Ring{Together: true, Redial: true, Failover: hunting, Whisper: &routing.Whispered{Prompts: []routing.Prompt{{File: "hi.wav"}}},
		Screen: &routing.Screened{Accept: "1", Within: 5 * time.Second}}
	for range n {
		r.Targets = append(r.Targets, w.decision.Targets[0])
	}
	w.decision.Targets, w.decision.First = r.Targets, r
	return w
}

// TestMovedOutOfItsRoom: of two who listen the one who accepts is offered the call's
// media and seated there; the other's dialog is ended, and no relay is left open.
func TestMovedOutOfItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := screened(3)
		board := w.board(Config{})
		a, fromCaller := admitted(t, board)
		if len(w.rooms) != 3 || string(w.b(0).dial.Body) != "relayed said by caller" {
			t.Fatalf("%d rooms, the offer is %q", len(w.rooms), w.b(0).dial.Body)
		}
		for i := range 2 {
			w.b(i).send(Answered{At: Now(), Body: []byte("answer")})
			synctest.Wait()
		}
		press := func(room int) {
			w.rooms[room](media.Notice{At: time.Now(), Kind: media.Pressed, Side: media.Callee, Press: media.Press{Digit: 1}})
			synctest.Wait()
		}
		press(1)
		did(t, w.b(1), `offer "invite callee told callee"`)
		press(0)
		w.b(1).send(Accepted{At: Now(), Body: []byte("moved")})
		synctest.Wait()
		time.Sleep(time.Millisecond)
		synctest.Wait()
		did(t, w.b(0), "hangup 200")
		did(t, w.b(2), "hangup 200")
		did(t, a, `answer "relayed moved"`)
		fromCaller(Acked{At: Now()})
		fromCaller(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
		fromCaller(Gone{Now()})
		w.b(0).send(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.relays != 4 || w.closed != 4 {
			t.Errorf("%d relays, %d closed", w.relays, w.closed)
		}
		if end := w.end(); end.Status != "completed" || end.TalkMS != end.BillableMS {
			t.Errorf("%+v", end)
		}
		events := strings.Join(w.told(), " ")
		if strings.Count(events, "leg.accepted") != 2 || strings.Count(events, "call.answered") != 1 {
			t.Errorf("events: %s", events)
		}
	})
}

// TestNoRoom: who can be given no anteroom is one way that cannot be taken.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := screened(2)
		w.roomErr = errors.New("no ports")
		board := w.board(Config{})
		_, fromCaller := admitted(t, board)
		fromCaller(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if end := w.end(); end == nil || end.Status != "failed" || w.relays != w.closed {
			t.Errorf("%+v, %d relays, %d closed", end, w.relays, w.closed)
		}
	})
}
