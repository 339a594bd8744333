package relay

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
	"ringdown/media/sound"
)

// What a party writes into its a=fmtp makes no copy of a sound of its own, as far
// as it changes nothing of what is sent, and few as far as it does.
func TestFmtpMakesFewForms(t *testing.T) {
	s := sound.New(8000, make([]int16, 8000))
	form := func(f media.Format, params string) *sound.Encoded {
		f.Params = params
		tongue := tongue{own: f, rate: codec.Rate(f)}
		return tongue.encoded(s)
	}
	for _, f := range []media.Format{
		{Name: "PCMU", Clock: 8000, Channels: 1}, {Name: "G722", Clock: 8000, Channels: 1}, {PT: 111, Name: "OPUS", Clock: 48000, Channels: 2},
	} {
		first := form(f, "")
		for i := range 20 {
			if first == nil || form(f, fmt.Sprintf("x=%d", i)) != first {
				t.Fatalf("%s with x=%d is another form", f.Name, i)
			}
		}
	}
	forms := map[*sound.Encoded]bool{}
	for i := range 48 {
		forms[form(media.Format{PT: 111, Name: "OPUS", Clock: 48000, Channels: 2}, fmt.Sprintf("maxaveragebitrate=%d; cbr=%d", 1000*i, i%2))] = true
	}
	delete(forms, nil)
	if len(forms) > sound.MostForms-2 {
		t.Errorf("%d forms of Opus", len(forms))
	}
}

// Somebody who takes another codec in the middle of a sound is sent it from there
// on, and nothing of what was before is encoded for him; with its next round he
// shares what all are sent.
func TestLateListenerEncodesForHimself(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		id := w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 2*time.Second)}, Loop: true})
		time.Sleep(time.Second)
		alaw := []byte("v=0\r\nc=IN IP4 " + phoneIP + "\r\nm=audio 5000 RTP/AVP 8\r\n")
		if _, err := w.relay.Answer(media.Callee, alaw, media.Source{}); err != nil {
			t.Fatal(err)
		}
		w.listen(w.callee, true)
		cue := func() (c cue) {
			w.relay.mu.Lock()
			defer w.relay.mu.Unlock()
			return **w.relay.players[1].find(id)
		}
		time.Sleep(500 * time.Millisecond)
		c := cue()
		if _, ok := c.frames.Frame(1); ok || !c.alone {
			t.Errorf("frames before the one he joined at are encoded: %v, alone %v", ok, c.alone)
		}
		w.listen(w.callee, true).share(t, 700, 0.97, 1)
		time.Sleep(time.Second)
		if c = cue(); c.alone {
			t.Error("alone in the next round too")
		}
		w.listen(w.callee, true).share(t, 700, 0.97, 1)
	})
}

// A sound that plays is converted for a new codec before the packet path is locked.
func TestRetuneFindsTheSoundConverted(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 5*time.Second)}, Loop: true})
		r := w.relay
		r.mu.Lock()
		s := r.players[1].instead.sound
		r.mu.Unlock()
		r.nego.Lock()
		defer r.nego.Unlock()
		d, err := r.parse(w.callee.says(saysOpus), media.Source{}, sdp.AnyKind)
		if err != nil {
			t.Fatal(err)
		}
		leg := &r.legs[1]
		leg.desc, leg.sent = d, w.callee.says(saysOpus)
		r.warm()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := len(s.At(48000))
		runtime.ReadMemStats(&after)
		if more := after.TotalAlloc - before.TotalAlloc; n != 5*48000 || more > 5*48000 {
			t.Errorf("%d samples at 48 kHz, which took %d bytes once warm", n, more)
		}
	})
}
