package siptest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media/mediatest"
)

func TestAnswered(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{Display: `Ali "A"`, Fields: []Field{{"X-Probe", "1"}}})
		if err := b.Acked(w.ctx); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if err := a.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.ended(a, "local")
		w.ended(b, "remote")
		w.wantFlow(w.alice, `
			> INVITE 1
			< 100 to INVITE 1
			< 180 to INVITE 1
			< 200 to INVITE 1
			> ACK 1
			> BYE 2
			< 200 to BYE 2
			`)
		for name, h := range map[string]struct {
			heard  Heard
			signal Source
		}{"alice": {a.Heard(), Noise(2)}, "bob": {b.Heard(), Noise(1)}} {
			m := Match(h.heard.Samples, h.signal.Render(100))
			if m.Correlation < 0.99 || m.Delay != 0 && m.Delay != -FrameSize { // the first frame may overtake the 200
				t.Errorf("%s heard %+v", name, m)
			}
			if h.heard.Packets < 99 || h.heard.Missing != 0 || h.heard.Sources != 1 || h.heard.Gap > Frame {
				t.Errorf("%s heard %d packets, %d missing, %d sources, gap %v",
					name, h.heard.Packets, h.heard.Missing, h.heard.Sources, h.heard.Gap)
			}
		}
		if got := a.Said(); got < 99 || got > 102 {
			t.Errorf("alice said %d frames in 2 s", got)
		}
	})
}

func TestCalleeHangsUp(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{})
		if err := b.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.ended(a, "remote")
		w.ended(b, "local")
	})
}

func TestByeCrossingBye(t *testing.T) {
	inBubble(t, mediatest.Link{Delay: 20 * time.Millisecond}, func(w *world) {
		a, b := w.call(CallOptions{})
		pass(time.Second)
		done := make(chan error, 2)
		go func() { done <- a.Hangup(w.ctx) }()
		go func() { done <- b.Hangup(w.ctx) }()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		w.ended(a, "local")
		w.ended(b, "local")
	})
}

func TestDeclined(t *testing.T) {
	for _, status := range []int{404, 486, 503, 603} {
		inBubble(t, mediatest.Link{}, func(w *world) {
			w.bob.OnInvite(func(in *Incoming) { in.Decline(status, Field{"Retry-After", "5"}) })
			a, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var refused *Refused
			if err := a.Answered(w.ctx); !errors.As(err, &refused) || refused.Status != status {
				t.Fatalf("answered: %v, want a refusal with %d", err, status)
			}
			if e := w.ended(a, "refused"); e.Status != status {
				t.Errorf("end = %+v", e)
			}
			all := a.Responses()
			if got := all[len(all)-1].Get("Retry-After"); got != "5" {
				t.Errorf("Retry-After = %q", got)
			}
			pass(time.Second) // the ACK stops the repetition, or it would be seen
			synctest.Wait()
		})
	}
}

func TestCancelledWhileRinging(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		w.bob.OnInvite(func(in *Incoming) { in.Ring() })
		ctx, giveUp := context.WithCancel(w.ctx)
		a, err := w.alice.Call(ctx, w.bob.URI(), CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Ringing(w.ctx); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Second)
		giveUp()
		w.ended(a, "cancelled")
		synctest.Wait()
		w.wantFlow(w.alice, `
			> INVITE 1
			< 100 to INVITE 1
			< 180 to INVITE 1
			> CANCEL 1
			< 200 to CANCEL 1
			< 487 to INVITE 1
			> ACK 1
			`)
	})
}

func TestCancelWaitsForProvisional(t *testing.T) { // RFC 3261 9.1
	inBubble(t, mediatest.Link{}, func(w *world) {
		w.alice.Drop(In, 1, Answers(100, "INVITE"))
		rang := make(chan struct{})
		w.bob.OnInvite(func(in *Incoming) {
			<-rang
			in.Ring()
		})
		a, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		a.Cancel()
		pass(200 * time.Millisecond)
		for _, r := range w.alice.Trace() {
			if r.Out && r.Message.Method == "CANCEL" {
				t.Fatal("CANCEL before any response")
			}
		}
		close(rang)
		w.ended(a, "cancelled")
	})
}

func TestAnswerCrossesCancel(t *testing.T) {
	inBubble(t, mediatest.Link{Delay: 10 * time.Millisecond}, func(w *world) {
		got := make(chan *Dialog, 1)
		w.bob.OnInvite(func(in *Incoming) {
			in.IgnoreCancel()
			in.Ring()
			<-in.Cancelled()
			d, err := in.Answer(AnswerOptions{})
			if err != nil {
				t.Errorf("answer: %v", err)
			}
			got <- d
		})
		a, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Ringing(w.ctx); err != nil {
			t.Fatal(err)
		}
		a.Cancel()
		w.ended(<-got, "remote") // ACK, then BYE
		w.ended(a, "local")
	})
}

func TestAnswerAfterCancelIsRefused(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		answer := make(chan error, 1)
		w.bob.OnInvite(func(in *Incoming) {
			in.Ring()
			<-in.Cancelled()
			_, err := in.Answer(AnswerOptions{})
			answer <- err
		})
		a, _ := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
		if err := a.Ringing(w.ctx); err != nil {
			t.Fatal(err)
		}
		a.Cancel()
		if err := <-answer; !errors.Is(err, ErrDecided) {
			t.Errorf("answer after CANCEL: %v", err)
		}
		w.ended(a, "cancelled")
	})
}

func TestNobodyThere(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		start := time.Now()
		a, err := w.alice.Call(w.ctx, "sip:nobody@192.0.2.9", CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Answered(w.ctx); !errors.Is(err, ErrTimeout) {
			t.Fatalf("answered: %v", err)
		}
		if d := time.Since(start); d != 32*time.Second {
			t.Errorf("gave up after %v, want 64*T1", d)
		}
		if n := len(w.alice.Trace()); n != 7 { // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
			t.Errorf("%d transmissions, want 7", n)
		}
	})
}

func TestEarlyMedia(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		got := make(chan *Incoming, 1)
		w.bob.OnInvite(func(in *Incoming) {
			in.Progress(AnswerOptions{})
			got <- in
		})
		a, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		in := <-got
		pass(time.Second)
		if h := a.Heard(); h.Packets < 49 {
			t.Errorf("heard %d packets before the answer", h.Packets)
		}
		if _, err := in.Answer(AnswerOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := a.Answered(w.ctx); err != nil {
			t.Fatal(err)
		}
		if err := a.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDelayedOffer(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{Delayed: true})
		if err := b.Acked(w.ctx); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if a.Heard().Packets < 49 || b.Heard().Packets < 49 {
			t.Errorf("heard %d and %d packets", a.Heard().Packets, b.Heard().Packets)
		}
		if err := a.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHold(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{})
		pass(time.Second)
		hold := WriteSDP(w.alice.MediaAddr(), []uint8{0, 8, DTMF}, "sendonly", 2)
		r, err := a.Request(w.ctx, "INVITE", hold)
		if err != nil || r.Status != 200 {
			t.Fatalf("hold: %v, %v", r, err)
		}
		answer, err := ParseSDP(r.Body)
		if err != nil || answer.Direction != "recvonly" {
			t.Fatalf("answer to hold: %+v, %v", answer, err)
		}
		before := b.Said()
		pass(time.Second)
		if now := b.Said(); now > before+1 {
			t.Errorf("bob said %d frames while held", now-before)
		}
		if h := b.Heard(); h.Packets < 98 {
			t.Errorf("bob heard %d packets in 2 s", h.Packets)
		}
		b.OnOffer(func(*Message) (int, []byte) { return 488, nil })
		if r, err := a.Request(w.ctx, "UPDATE", hold); err != nil || r.Status != 488 {
			t.Fatalf("refused offer: %v, %v", r, err)
		}
		if r, err := a.Request(w.ctx, "INFO", nil); err != nil || r.Status != 200 {
			t.Fatalf("info: %v, %v", r, err)
		}
		if err := b.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestManyCallsOnOneSocket(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		var all []*Dialog
		for range 10 {
			a, _ := w.call(CallOptions{})
			all = append(all, a)
		}
		for _, a := range all {
			if err := a.Hangup(w.ctx); err != nil {
				t.Error(err)
			}
		}
		pass(2 * time.Minute)
		w.alice.mu.Lock()
		defer w.alice.mu.Unlock()
		if n := len(w.alice.dialogs) + len(w.alice.clients); n != 0 {
			t.Errorf("%d things remembered for ever", n)
		}
	})
}

func TestOptionsAndClose(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{})
		if r, err := a.Request(w.ctx, "OPTIONS", nil); err != nil || r.Get("Allow") == "" {
			t.Errorf("options: %v, %v", r, err)
		}
		w.alice.Close()
		if e, _ := a.Wait(w.ctx); !errors.Is(e.Err, ErrClosed) {
			t.Errorf("end = %+v", e)
		}
		if _, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{}); !errors.Is(err, ErrClosed) {
			t.Errorf("call after close: %v", err)
		}
		b.Abandon()
		w.ended(b, "abandoned")
	})
}
