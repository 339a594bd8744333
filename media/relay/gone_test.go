package relay

import (
	"bytes"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// TestHolderIsSilent: a holder that sends neither sound nor reports is on hold,
// not gone, however it says so and whoever it is, with music of ours and without;
// nothing is told of anybody. It has the limit of a hold when the held one is
// silent too.
func TestHolderIsSilent(t *testing.T) {
	old := func(b []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte(sipperIP), []byte("0.0.0.0")), []byte(phoneIP), []byte("0.0.0.0"))
	}
	for name, hold := range map[string]func(p *phone) []byte{
		"sendonly": func(p *phone) []byte { return p.body("a=sendonly\r\n") },
		"inactive": func(p *phone) []byte { return p.body("a=inactive\r\n") },
		"0.0.0.0":  func(p *phone) []byte { return old(p.body("")) },
	} {
		for _, who := range []string{"caller", "callee", "both"} {
			for _, music := range []bool{false, true} {
				t.Run(name+" of "+who+map[bool]string{true: " with music"}[music], func(t *testing.T) {
					inWorld(t, mediatest.Link{}, func(w *world) { w.holdSilently(hold, who, music) })
				})
			}
		}
	}
}

func (w *world) holdSilently(hold func(p *phone) []byte, who string, music bool) {
	short := media.Source{Terms: media.Terms{Watchdog: media.Watchdog{Held: 3 * time.Minute}}}
	w.connect(short, short)
	w.relay.Watch()
	w.duet(5*time.Second, nil)
	held, plays := w.callee, []int(nil)
	for _, side := range []media.Side{media.Caller, media.Callee} {
		p := w.caller
		if side == media.Callee {
			p = w.callee
		}
		if who != side.String() && who != "both" {
			continue
		}
		if side == media.Callee {
			held = w.caller
		}
		if _, err := w.relay.Reoffer(side, hold(p)); err != nil {
			w.t.Fatal(err)
		}
		if music {
			plays = append(plays, w.play(media.Play{To: side.Other(), Sound: media.Sound{Ringback: "de"}, Loop: true}))
		}
	}
	for range 90 {
		w.sing(held, 1)
		time.Sleep(time.Second - mediatest.Frame)
	}
	for _, id := range plays {
		w.relay.Stop(id)
	}
	if got := w.noticed(media.Expired, media.OneWay, media.Silent); len(got) != 0 {
		w.t.Errorf("after 90 s: %v of the %s, limit %q, %+v", got[0].Kind, got[0].Side, got[0].Limit, got[0].Unheard)
	}
	time.Sleep(3*time.Minute + 5*time.Second)
	if got := w.noticed(media.Expired); len(got) != 1 || got[0].Limit != media.HeldLimit {
		w.t.Errorf("in the end: %+v", got)
	}
}

// TestRestIsNoEnd: a party that rests after comfort noise, without reports, is
// neither told of nor gone, whether the other one talks or not.
func TestRestIsNoEnd(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		w.duet(15500*time.Millisecond, nil)
		tone := &w.caller.tone
		w.caller.rtp.WriteToUDPAddrPort(rtpPacket(13, false, tone.Seq, tone.TS, tone.SSRC, []byte{70}), w.caller.ours)
		w.sing(w.callee, 50*90)
		if got := w.noticed(media.Expired, media.OneWay, media.Silent); len(got) != 0 {
			t.Errorf("while the other talks: %+v", got)
		}
		time.Sleep(10 * time.Minute)
		if got := w.noticed(media.Expired); len(got) != 0 {
			t.Errorf("while nobody talks: %+v", got)
		}
		time.Sleep(21 * time.Minute)
		if got := w.noticed(media.Expired); len(got) != 1 || got[0].Limit != media.HeldLimit {
			t.Errorf("in the end: %+v", got)
		}
	})
}

// TestListenerIsToldOf: a party that sends nothing while the other one talks is
// told of, and its call goes on, whether it never began or fell quiet; unless its
// reports have stopped with it.
func TestListenerIsToldOf(t *testing.T) {
	for name, c := range map[string]struct {
		before  time.Duration
		reports bool
		verdict media.Verdict
		ended   bool
	}{
		"never sent":            {0, false, media.NeverSent, false},
		"fell quiet":            {20 * time.Second, false, media.Stopped, false},
		"reported, and is gone": {20 * time.Second, true, media.Stopped, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				w.connect(media.Source{}, media.Source{})
				w.relay.Watch()
				w.duet(c.before, func(i int) {
					if c.reports {
						senderReports(w, nil, []byte{3: byte(i)})
					}
				})
				w.sing(w.caller, 50*120)
				if got := w.noticed(media.OneWay); len(got) != 1 || got[0].Side != media.Callee || got[0].Unheard.Verdict != c.verdict {
					t.Errorf("told %+v", got)
				}
				got := w.noticed(media.Expired)
				if c.ended != (len(got) == 1) || c.ended && (got[0].Side != media.Callee || got[0].Limit != media.SteadyLimit) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// TestWatchdogOfWhoComes: that the party before was gone says nothing of the one
// who has taken its place, who is watched like anybody.
func TestWatchdogOfWhoComes(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		time.Sleep(35 * time.Second)
		if got := w.noticed(media.Expired); len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		heir := w.phone("10.2.0.9", 7000, 700)
		w.replace(heir, "", media.Source{})
		w.caller.tone = mediatest.Tone{Hz: 440, SSRC: 4001}
		for range 50 * 60 {
			w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours)
			heir.rtp.WriteToUDPAddrPort(heir.tone.Next(), heir.ours)
			time.Sleep(mediatest.Frame)
		}
		if got := w.noticed(media.Expired); len(got) != 1 {
			t.Errorf("of those who talk: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := w.noticed(media.Expired); len(got) != 2 || got[1].Limit != media.SteadyLimit {
			t.Errorf("when they are gone: %+v", got)
		}
	})
}

// TestFailedBelow: what the fast path took and could not send is dropped, and not
// also forwarded.
func TestFailedBelow(t *testing.T) {
	inEngine(t, "kernel", mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		w.counted()
		w.kernel.fail.Store(true)
		w.sing(w.caller, 4)
		w.kernel.fail.Store(false)
		w.sing(w.caller, 6)
		f := w.counted().Caller
		wantDrops(t, f, map[media.Drop]uint64{media.DropSend: 4})
		if f.Packets != 16 || f.Bytes != 16*172 {
			t.Errorf("%d packets, %d bytes forwarded", f.Packets, f.Bytes)
		}
	})
}
