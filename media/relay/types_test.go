package relay

import (
	"slices"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// byTurns is a path whose caller sends another payload type in each packet.
func byTurns(t *testing.T) (r *Relay, deliver func(), at func() int64) {
	t.Helper()
	r, in, pkt, src := path(t)
	types := "AVP 0 8 9 13 96\na=rtpmap:96 opus/48000/2\n"
	if _, err := r.Offer(media.Caller, []byte("c=IN IP4 10.1.0.1\nm=audio 4000 RTP/"+types), media.Source{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Answer(media.Callee, []byte("c=IN IP4 10.2.0.1\nm=audio 5000 RTP/"+types), media.Source{}); err != nil {
		t.Fatal(err)
	}
	n, now := 0, time.Now()
	buf := make([]byte, len(pkt), maxDatagram)
	deliver = func() {
		n++
		now = now.Add(mediatest.Frame)
		copy(buf, pkt)
		buf[1] = [...]uint8{0, 13, 8, 77, 9}[n%5]
		buf[3] = byte(n)
		in.deliver(buf, src, now)
	}
	return r, deliver, func() int64 { return r.clock(now) }
}

// Who changes the payload type with every packet has no codec built for each.
func TestTypesByTurnsDoNotAllocate(t *testing.T) {
	t.Run("heard", func(t *testing.T) {
		r, deliver, _ := byTurns(t)
		r.Suppress(media.Caller, media.SilenceDigits)
		r.Tap(&deaf{})
		for range 50 {
			deliver()
		}
		if n := testing.AllocsPerRun(200, deliver); n != 0 {
			t.Errorf("%v allocations a packet", n)
		}
		if n := slices.IndexFunc(r.lanes[0].digits.tone.voices[:], func(v hearing) bool { return v.format.Name == "" }); n != 3 {
			t.Errorf("%d codecs are heard, want 3", n)
		}
	})
	t.Run("mixed into", func(t *testing.T) {
		r, deliver, at := byTurns(t)
		deliver()
		if _, err := r.Play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 10*time.Second)}, Under: true, Loop: true}); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		r.players[1].turn(at() + hearFirst)
		r.mu.Unlock()
		for _, pt := range []uint8{0, 8, 9, 96, 0, 8} {
			if tongue := &r.players[1].tongue; !tongue.listen(pt) || tongue.mixed.PT != pt {
				t.Fatalf("type %d cannot be mixed into", pt)
			}
		}
		listen := func() {
			for _, pt := range []uint8{0, 8, 9, 96} {
				r.players[1].tongue.listen(pt)
			}
		}
		if n := testing.AllocsPerRun(50, listen); n != 0 {
			t.Errorf("%v allocations for four packets", n)
		}
	})
}

// What a key was heard in is not forgotten over a packet that cannot be heard, and
// what waits for the tap is silent in its own codec.
func TestKeyAmongOtherTypes(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connectKeys(false, false, media.DigitTerms{}, media.DigitTerms{})
		w.sing(w.caller, 10)
		w.relay.Suppress(media.Caller, media.SilenceDigits)
		w.chimeBy(w.caller, "47", func(i int) uint8 { return []uint8{mediatest.PCMU, mediatest.PCMA}[i%2] })
		w.sing(w.caller, 10)
		sound := slices.DeleteFunc(w.callee.rtp.Drain(), func(b []byte) bool { return b[1]&0x7f == 13 })
		if _, tones := w.heardKeys(sound); tones != "" {
			t.Errorf("the callee hears %q", tones)
		}
		if got := w.told(media.Pressed, media.Caller); got != "" {
			t.Errorf("the call is told %q without having asked for tones", got)
		}
		w.relay.Close()
		all := slices.DeleteFunc(tap.packets[media.Caller], func(p media.Packet) bool { return p.PT == 13 })
		if len(all) != 38 {
			t.Errorf("the tap has %d packets of sound, want 38", len(all))
		}
		for i, p := range all[10 : len(all)-10] {
			if isLoud(mediatest.Decode(p.PT, p.Payload)) {
				t.Errorf("packet %d in the tap, of type %d, is not silent", i, p.PT)
			}
		}
	})
}

// chimeBy is chime with a payload type for each packet, and one between them that
// nobody knows.
func (w *world) chimeBy(p *phone, keys string, pt func(i int) uint8) {
	w.t.Helper()
	for i, pcm := range chimed(keys) {
		t := &p.tone
		p.rtp.WriteToUDPAddrPort(rtpPacket(pt(i), false, t.Seq, t.TS, t.SSRC, mediatest.Encode(pt(i), pcm)), p.ours)
		t.Seq++
		p.rtp.WriteToUDPAddrPort(rtpPacket(13, false, t.Seq, t.TS, t.SSRC, []byte{70}), p.ours)
		t.Seq++
		t.TS += mediatest.Samples
		time.Sleep(mediatest.Frame)
	}
	w.settle()
}
