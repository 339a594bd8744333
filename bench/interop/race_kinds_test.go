//go:build interop

package interop

import (
	"context"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// races are the moments that make ghost legs elsewhere.
var races = []race{
	{name: "CANCEL crosses 200", net: 61, callee: answersSoon, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		pause(ctx, 150*time.Millisecond)
		d.Hangup(ctx) // CANCEL, or BYE when the answer was faster
		d.Wait(ctx)
	}},
	{name: "BYE crosses BYE", net: 62, callee: answersAndHangsUp, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		if d.Answered(ctx) == nil {
			wait(ctx, 400*time.Millisecond)
			pause(ctx, 40*time.Millisecond)
			d.Hangup(ctx)
		}
		d.Wait(ctx)
	}},
	{name: "re-INVITE crosses re-INVITE", net: 63, callee: func(ctx context.Context, r *rounds, i int, in *siptest.Incoming) {
		if d := answers(r, i, in); d != nil {
			wait(ctx, 200*time.Millisecond)
			renegotiate(ctx, d, i)
			d.Wait(ctx)
		}
	}, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		if d.Answered(ctx) == nil {
			wait(ctx, 200*time.Millisecond)
			renegotiate(ctx, d, i+1)
			wait(ctx, 3*time.Second)
			d.Hangup(ctx)
		}
		d.Wait(ctx)
	}},
	{name: "lost ACK", net: 64, callee: answersSoon, steer: func(r *rounds, caller bool, w way, m *peeked, i int) bool {
		if !caller || w != toNode || m.method != "ACK" {
			return false
		}
		return i%4 == 0 || r.first(i%4, m, "ack")
	}, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		if d.Answered(ctx) == nil && i%4 != 0 {
			wait(ctx, 8*time.Second) // the fourth 200 comes after 7.5 s
			d.Hangup(ctx)
		}
		d.Wait(ctx)
	}, judge: func(t *testing.T, i int, o *observed, s *story) {
		if by := s.last("call.ended").EndedBy; i%4 == 0 && !o.answered.IsZero() && by != "no-ack" {
			t.Errorf("call %d (%s): never acknowledged, ended by %s", i, s.id, by)
		}
	}},
	{name: "200 after the CANCEL", net: 65, callee: func(ctx context.Context, r *rounds, i int, in *siptest.Incoming) {
		in.IgnoreCancel()
		in.Ring()
		select {
		case <-in.Cancelled():
		case <-ctx.Done():
			return
		}
		pause(ctx, 3*time.Second)
		if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
			r.answered(i, d)
			d.Wait(ctx)
		}
	}, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		wait(ctx, 100*time.Millisecond)
		d.Cancel()
		d.Wait(ctx)
	}, judge: func(t *testing.T, i int, o *observed, s *story) {
		if !o.answered.IsZero() {
			t.Errorf("call %d (%s): the caller was told of an answer he had given up on", i, s.id)
		}
	}},
	{name: "lost BYE", net: 66, callee: answersAndStays, steer: func(r *rounds, caller bool, w way, m *peeked, i int) bool {
		switch i % 3 {
		case 0: // the caller's first three
			return caller && w == toNode && m.method == "BYE" && r.first(3, m, "bye")
		case 1: // ours to the callee, the first three
			return !caller && w == fromNode && m.method == "BYE" && r.first(3, m, "bye")
		}
		// every word of the callee after our BYE: his phone has lost its power
		return !caller && w == toNode && m.status == "200" && m.about == "BYE"
	}, caller: func(ctx context.Context, r *rounds, i int, d *siptest.Dialog) {
		if d.Answered(ctx) == nil {
			wait(ctx, 300*time.Millisecond)
			d.Hangup(ctx)
		}
		d.Wait(ctx)
	}},
}

func answers(r *rounds, i int, in *siptest.Incoming) *siptest.Dialog {
	in.Ring()
	d, err := in.Answer(siptest.AnswerOptions{})
	if err != nil {
		return nil
	}
	r.answered(i, d)
	return d
}

// answersSoon answers inside the window in which the caller may give up.
func answersSoon(ctx context.Context, r *rounds, i int, in *siptest.Incoming) {
	in.Ring()
	pause(ctx, 150*time.Millisecond)
	if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
		r.answered(i, d)
		d.Wait(ctx)
	}
}

func answersAndStays(ctx context.Context, r *rounds, i int, in *siptest.Incoming) {
	if d := answers(r, i, in); d != nil {
		d.Wait(ctx)
	}
}

func answersAndHangsUp(ctx context.Context, r *rounds, i int, in *siptest.Incoming) {
	if d := answers(r, i, in); d != nil {
		wait(ctx, 400*time.Millisecond)
		pause(ctx, 40*time.Millisecond)
		d.Hangup(ctx)
		d.Wait(ctx)
	}
}

// renegotiate offers another codec than the one agreed on, at the moment the
// other side does so too, and once more after a 491 (RFC 3261 14.1).
func renegotiate(ctx context.Context, d *siptest.Dialog, i int) {
	codec := "8 PCMA"
	if i%2 == 0 {
		codec = "0 PCMU"
	}
	for range 2 {
		pause(ctx, 20*time.Millisecond)
		r, err := d.Request(ctx, "INVITE", description(codec))
		if err != nil || r.Status != 491 {
			return
		}
		pause(ctx, 2*time.Second)
	}
}

func description(codec string) []byte {
	pt, name := codec[:1], codec[2:]
	return []byte("v=0\r\no=- 77 " + pt + " IN IP4 127.0.63.9\r\ns=-\r\nc=IN IP4 127.0.63.9\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP " + pt + "\r\na=rtpmap:" + pt + " " + name + "/8000\r\n")
}
