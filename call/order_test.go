package call

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// TestControl: orders reach the relay and the legs of a live call, and whoever gave
// one is told what became of it, also when the call is not there any more.
func TestControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		set := defaultSetup()
		set.walk(t, `[{"dial":{"targets":[{"uri":"sip:one@127.0.0.1"}]}}]`)
		w.decision = set.decision
		w.decision.Sounds.MusicOnHold = "wait.wav"
		board := w.board(Config{})
		_, fromCaller := admitted(t, board)
		id := board.Calls()[0].ID
		order := func(o Order) error { return board.Control(t.Context(), id, o, ByAPI) }
		var early NotNow
		if err := order(StopPlaying{}); !errors.As(err, &early) {
			t.Error("before the answer:", err)
		}
		b := w.b(0)
		b.send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		fromCaller(Acked{At: Now()})
		synctest.Wait()
		for _, o := range []Order{
			PutOnHold{media.Caller, true}, PutOnHold{media.Caller, false}, MuteParty{media.Callee, true},
			PlayTo{Side: media.Caller, Prompt: "goodbye"}, StopPlaying{},
		} {
			if err := order(o); err != nil {
				t.Errorf("%T: %v", o, err)
			}
		}
		var refused NotNow
		if err := order(TransferTo{media.Callee, routing.Destination{URI: "sip:201@pbx"}}); !errors.As(err, &refused) || refused.Why != string(routing.TransferNotAllowed) {
			t.Error("without anybody who decides:", err)
		}
		if err := order(ConnectTo{media.Callee, id, media.Caller}); err != nil {
			t.Error("with itself:", err) // it is taken, and the call does not let go of itself
		}
		if got := board.Calls()[0].Transfers; got != 0 {
			t.Error("the call has taken its own party over")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := board.Control(ctx, "call_unknown", StopPlaying{}, ByAPI); !errors.Is(err, ErrNotLive) {
			t.Error("no such call:", err)
		}
		fromCaller(Bye{At: Now()})
		b.send(Gone{Now()})
		fromCaller(Gone{Now()})
		synctest.Wait()
		if err := order(StopPlaying{}); !errors.Is(err, ErrNotLive) {
			t.Error("after the end:", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, want := range []string{"apart: true", "apart: false", "mute the callee: true"} {
			found := false
			for _, said := range w.keys {
				found = found || said == want
			}
			if !found {
				t.Errorf("the relay was not told %q, only %q", want, w.keys)
			}
		}
		if len(w.played) != 2 {
			t.Errorf("%d sounds were played", len(w.played))
		}
	})
}

// Who gives an order to a call that breaks is told so: the order that broke it, and
// those that come while its legs go.
func TestOrdersOfABrokenCallAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ports := w.board(Config{}).ports
		ports.TransferTo = func(*routing.Table, routing.Destination) routing.Transferred { panic("injected") }
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		a, send := admitted(t, b)
		w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		send(Acked{At: Now()})
		synctest.Wait()
		a.mu.Lock()
		a.keep = true
		a.mu.Unlock()
		id := b.Calls()[0].ID
		order := func(o Order) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return b.Control(ctx, id, o, ByAPI)
		}
		if err := order(TransferTo{Side: media.Callee, To: routing.Destination{URI: "sip:201@pbx"}}); !errors.Is(err, ErrNotLive) {
			t.Error("the order that broke it:", err)
		}
		if err := order(StopPlaying{}); !errors.Is(err, ErrNotLive) {
			t.Error("one behind it:", err)
		}
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
