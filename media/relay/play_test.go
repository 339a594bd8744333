package relay

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// heard is what arrived at a phone, checked to be one stream.
type heard struct {
	packets []rtp.Packet
	sound   []int16
}

// listen takes what arrived. In one stream every packet has the SSRC of the first,
// the number after the one before, and a timestamp that goes on; with one false
// only the headers are read.
func (w *world) listen(p *phone, one bool) (h heard) {
	w.t.Helper()
	synctest.Wait()
	for i, d := range p.rtp.Drain() {
		var pkt rtp.Packet
		if err := pkt.Unmarshal(d); err != nil {
			w.t.Fatalf("packet %d: %v", i, err)
		}
		if i > 0 && one {
			last := h.packets[i-1]
			if pkt.SSRC != last.SSRC || pkt.SequenceNumber != last.SequenceNumber+1 || int32(pkt.Timestamp-last.Timestamp) <= 0 {
				w.t.Errorf("packet %d is %d/%d/%x behind %d/%d/%x", i,
					pkt.SequenceNumber, pkt.Timestamp, pkt.SSRC, last.SequenceNumber, last.Timestamp, last.SSRC)
			}
		}
		h.packets = append(h.packets, pkt)
		h.sound = append(h.sound, mediatest.Decode(pkt.PayloadType, pkt.Payload)...)
	}
	return h
}

func (h heard) share(t *testing.T, hz, least, most float64) {
	t.Helper()
	if s := mediatest.Goertzel(h.sound, mediatest.Rate, hz); s < least || s > most {
		t.Errorf("%.0f Hz has %.3f of the sound, want %v to %v", hz, s, least, most)
	}
}

func (w *world) play(order media.Play) int {
	w.t.Helper()
	id, err := w.relay.Play(order)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// played takes the one notice that a sound is over.
func (w *world) played() media.Playback {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []media.Playback
	w.notices = slices.DeleteFunc(w.notices, func(n media.Notice) bool {
		if n.Kind == media.Played {
			all = append(all, *n.Playback)
		}
		return n.Kind == media.Played
	})
	if len(all) != 1 {
		w.t.Fatalf("%d sounds are over: %+v", len(all), all)
	}
	return all[0]
}

// file writes a WAV file of a note and returns its path.
func file(t *testing.T, hz float64, length time.Duration) string {
	t.Helper()
	tone := mediatest.Tone{Hz: hz}
	pcm := tone.Sing(int(length * mediatest.Rate / time.Second))
	n := uint32(2 * len(pcm))
	b := append([]byte("RIFF"), le32(36+n)...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	b = append(b, le32(n)...)
	for _, s := range pcm {
		b = append(b, byte(s), byte(s>>8))
	}
	path := filepath.Join(t.TempDir(), "note.wav")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func le32(n uint32) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }

// A sound to a party whose other side says nothing: packets of ours on our clock.
func TestPlayIntoSilence(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		id := w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 500*time.Millisecond)}, For: "greeting"})
		time.Sleep(time.Second)
		h := w.listen(w.callee, true)
		h.share(t, 700, 0.98, 1)
		if n := len(h.packets); n != 25 || !h.packets[0].Marker || h.packets[1].Marker || h.packets[0].PayloadType != 0 {
			t.Fatalf("%d packets, the first %+v", n, h.packets[0].Header)
		}
		if d := h.packets[24].Timestamp - h.packets[0].Timestamp; d != 24*160 {
			t.Errorf("24 frames later the timestamp is %d on", d)
		}
		if w.caller.rtp.Waiting() != 0 || tap.count(media.Caller)+tap.count(media.Callee) != 0 {
			t.Error("somebody else got the sound")
		}
		got := w.played()
		if got.ID != id || !got.Complete || got.Heard != 500*time.Millisecond || got.Times != 1 || got.End != media.PlayFinished || got.For != "greeting" || len(got.Hash) != 16 {
			t.Errorf("played %+v", got)
		}
		if _, ok := w.relay.Stop(id); ok {
			t.Error("it can be stopped though it is over")
		}
		if w.relay.lanes[0].user() || len(w.pool.beat.fast) != 0 {
			t.Error("a lane without sound is still a matter of ours")
		}
	})
}

// A sound instead of talk, between talk: one stream, and the talk behind it sounds as before.
func TestPlayInsteadOfTalk(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		before := w.sing(w.caller, 20)
		if h := w.listen(w.callee, true); len(h.packets) != len(before) {
			t.Fatalf("%d packets before the sound", len(h.packets))
		}
		w.sing(w.caller, 1)
		id := w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 5*time.Second)}, Loop: true})
		w.sing(w.caller, 50)
		done, ok := w.relay.Stop(id)
		if !ok || done.Complete || done.End != media.PlayStopped || done.Heard < 950*time.Millisecond || done.Heard > 1050*time.Millisecond {
			t.Errorf("stopped %v: %+v", ok, done)
		}
		during := w.listen(w.callee, true)
		heard{sound: during.sound[6*160 : 46*160]}.share(t, 700, 0.98, 1)
		w.sing(w.caller, 1)
		w.callee.rtp.Drain()
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 900, 100*time.Millisecond)}})
		w.sing(w.caller, 30)
		after := w.listen(w.callee, true)
		if n := len(after.packets); n < 29 || n > 31 {
			t.Errorf("%d packets of sound and talk behind it", n)
		}
		heard{sound: after.sound[10*160:]}.share(t, 440, 0.99, 1)
		first, last := after.packets[0], after.packets[len(after.packets)-1]
		if first.SSRC != 4000 || last.SSRC != 4000 || len(during.packets) > 0 && during.packets[0].SSRC != 4000 {
			t.Error("the sound is another source")
		}
		if off := int(last.Timestamp-first.Timestamp) - 160*(len(after.packets)-1); off < 0 || off > 400 {
			t.Errorf("the timestamps are %d ticks off the clock", off)
		}
		if n := tap.count(media.Caller); n != 20+1+50+1+30 {
			t.Errorf("the tap has %d packets", n)
		}
		if s := w.relay.Close(); s.Caller.Drops[media.DropReplaced] < 50 || s.Caller.Packets+s.Caller.Drops[media.DropReplaced] != 102 {
			t.Errorf("%+v", s.Caller)
		}
	})
}

// A sound under talk changes what is heard and nothing of the stream.
func TestPlayUnderTalk(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		w.callee.rtp.Drain()
		w.play(media.Play{To: media.Callee, Sound: media.Sound{Beep: true}, Under: true, Level: true, For: "beep"})
		time.Sleep(5 * time.Millisecond)
		sent := w.sing(w.caller, 30)
		arrived := w.callee.rtp.Drain()
		if len(arrived) != len(sent) {
			t.Fatalf("%d packets became %d", len(sent), len(arrived))
		}
		mixed := 0
		for i := range sent {
			if !slices.Equal(sent[i][:12], arrived[i][:12]) || len(sent[i]) != len(arrived[i]) {
				t.Errorf("packet %d has another header or length", i)
			}
			if !slices.Equal(sent[i], arrived[i]) {
				mixed++
			}
		}
		if mixed < 10 || mixed > 11 { // 200 ms
			t.Errorf("%d packets were changed", mixed)
		}
		sound, err := mediatest.Hear(arrived[1:10])
		if err != nil {
			t.Fatal(err)
		}
		both := heard{sound: sound}
		both.share(t, 1400, 0.05, 0.5)
		both.share(t, 440, 0.5, 0.95)
		if got := w.played(); !got.Complete || got.Heard < 200*time.Millisecond || got.Heard > 220*time.Millisecond {
			t.Errorf("played %+v", got)
		}
		if s := mediatest.Goertzel(tap.sound(media.Caller), mediatest.Rate, 440); s < 0.99 {
			t.Errorf("the tap hears only %.2f of the caller", s)
		}
		if w.sing(w.caller, 60); w.relay.lanes[0].user() {
			t.Error("the lane still has a stage")
		}
	})
}

// Under talk that pauses the sound goes on in packets of ours.
func TestPlayUnderSilence(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		w.callee.rtp.Drain()
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, time.Second)}, Under: true})
		w.sing(w.caller, 10)
		time.Sleep(500 * time.Millisecond)
		w.caller.tone.TS += 4000
		w.sing(w.caller, 40)
		h := w.listen(w.callee, true)
		if n := len(h.packets); n < 10+19+40 || n > 10+22+40 {
			t.Errorf("%d packets", n)
		}
		heard{sound: h.sound[12*160 : 28*160]}.share(t, 700, 0.9, 1) // it swells
		heard{sound: h.sound[len(h.sound)-10*160:]}.share(t, 440, 0.95, 1)
		if got := w.played(); !got.Complete || got.Heard < time.Second || got.Heard > time.Second+20*time.Millisecond {
			t.Errorf("played %+v", got)
		}
	})
}

func TestBeepEvery15Seconds(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 5)
		w.callee.rtp.Drain()
		id := w.play(media.Play{To: media.Callee, Sound: media.Sound{Beep: true}, Under: true, Level: true, Every: 15 * time.Second})
		began := w.caller.tone.TS
		user, turns := 0, 0
		var arrived [][]byte
		for range 50 * 50 {
			w.sing(w.caller, 1)
			arrived = append(arrived, w.callee.rtp.Drain()...)
			w.relay.mu.Lock()
			if turns++; w.relay.lanes[0].user() {
				user++
			}
			w.relay.mu.Unlock()
		}
		var starts []int
		last := -100
		for _, d := range arrived {
			sound, err := mediatest.Hear([][]byte{d})
			if err != nil {
				t.Fatal(err)
			}
			if mediatest.Goertzel(sound, mediatest.Rate, 1400) < 0.06 {
				continue
			}
			var p rtp.Packet
			p.Unmarshal(d)
			at := int(p.Timestamp-began) / 160
			if at-last > 20 {
				starts = append(starts, at)
			}
			last = at
		}
		if len(starts) != 4 {
			t.Fatalf("beeps begin at frames %v", starts)
		}
		for i, at := range starts {
			if off := at - i*750 - starts[0]; off < -1 || off > 1 {
				t.Errorf("beep %d begins %d frames off", i, off)
			}
		}
		if done, ok := w.relay.Stop(id); !ok || done.Times != 4 || !done.Complete || done.Heard < 800*time.Millisecond || done.Heard > 880*time.Millisecond {
			t.Errorf("stopped: %+v", done)
		}
		if user > turns/20 {
			t.Errorf("the lane was ours for %d of %d frames", user, turns)
		}
	})
}

func TestPlayRefusesAndReplaces(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		beep := media.Play{To: media.Callee, Sound: media.Sound{Beep: true}}
		if _, err := w.relay.Play(beep); err != errNoCall {
			t.Errorf("before a description: %v", err)
		}
		w.connect(media.Source{}, media.Source{})
		for _, of := range []media.Sound{{}, {Ringback: "xx"}, {File: "/does/not/exist.wav"}} {
			if _, err := w.relay.Play(media.Play{To: media.Callee, Sound: of}); err == nil {
				t.Errorf("%+v plays", of)
			}
		}
		first := w.play(media.Play{To: media.Callee, Sound: media.Sound{Ringback: "us"}, Loop: true})
		time.Sleep(100 * time.Millisecond)
		second := w.play(media.Play{To: media.Callee, Sound: media.Sound{Ringback: "de"}, Loop: true, Barge: true})
		if got := w.played(); got.ID != first || got.End != media.PlayReplaced || got.Complete {
			t.Errorf("played %+v", got)
		}
		w.relay.mu.Lock()
		w.relay.bargeIn(media.Caller) // not the listener
		w.relay.bargeIn(media.Callee)
		w.relay.mu.Unlock()
		if got := w.played(); got.ID != second || got.End != media.PlayBarged {
			t.Errorf("played %+v", got)
		}
		w.play(media.Play{To: media.Caller, Sound: media.Sound{Ringback: "de"}, Loop: true})
		w.relay.Close()
		if _, err := w.relay.Play(beep); err != errClosed {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A sound mixed while another plays instead of talk is heard with it.
func TestBeepOverMusic(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 5*time.Second)}, Loop: true})
		time.Sleep(300 * time.Millisecond)
		w.listen(w.callee, true)
		w.play(media.Play{To: media.Callee, Sound: media.Sound{Beep: true}, Under: true, Level: true})
		time.Sleep(180 * time.Millisecond)
		h := w.listen(w.callee, true)
		h.share(t, 700, 0.6, 0.95)
		h.share(t, 1400, 0.05, 0.5)
		time.Sleep(200 * time.Millisecond)
		w.listen(w.callee, true)
		time.Sleep(300 * time.Millisecond)
		w.listen(w.callee, true).share(t, 700, 0.97, 1)
	})
}

// While nobody has answered the caller hears a tone of ours, and then who answers.
func TestRingbackBeforeAnybodyAnswers(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		if _, err := w.relay.Await(media.Caller); err != errNoCall {
			t.Errorf("before an offer: %v", err)
		}
		w.offer(media.Source{})
		alone, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours = led(t, alone)
		id := w.play(media.Play{To: media.Caller, Sound: media.Sound{Ringback: "de"}, Loop: true})
		time.Sleep(6 * time.Second)
		h := w.listen(w.caller, true)
		if n := len(h.packets); n < 298 || n > 302 || !h.packets[0].Marker {
			t.Errorf("%d packets in six seconds", n)
		}
		heard{sound: h.sound[:45*160]}.share(t, 425, 0.95, 1)
		for _, v := range h.sound[60*160 : 240*160] {
			if v > 8 || v < -8 {
				t.Fatalf("%d in the pause", v)
			}
		}
		heard{sound: h.sound[255*160 : 290*160]}.share(t, 425, 0.95, 1)
		if done, ok := w.relay.Stop(id); !ok || !done.Complete || done.Heard < 5900*time.Millisecond {
			t.Errorf("stopped %+v", done)
		}
		w.answer(w.callee, media.Source{})
		w.sing(w.callee, 20)
		after := w.listen(w.caller, true)
		after.share(t, 1000, 0.99, 1)
		if len(after.packets) != 20 || w.relay.lanes[1].sound != nil {
			t.Errorf("%d packets of who answered, stage %v", len(after.packets), w.relay.lanes[1].sound)
		}
	})
}

func TestSoundStageDoesNotAllocate(t *testing.T) {
	r, in, pkt, src := path(t)
	note := file(t, 700, 10*time.Second)
	deliver := func() { in.deliver(slices.Clone(pkt), src, time.Now()) }
	deliver()
	count := func(name string, f func()) {
		t.Helper()
		f()
		if n := testing.AllocsPerRun(50, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	buf := make([]byte, len(pkt), maxDatagram)
	under := func() { copy(buf, pkt); in.deliver(buf, src, time.Now()) }
	id, err := r.Play(media.Play{To: media.Callee, Sound: media.Sound{File: note}, Under: true, Loop: true})
	if err != nil {
		t.Fatal(err)
	}
	p := r.players[1]
	r.mu.Lock()
	p.turn(r.clock(time.Now()))
	r.mu.Unlock()
	count("under talk", under)
	r.Stop(id)
	if _, err = r.Play(media.Play{To: media.Callee, Sound: media.Sound{File: note}, Loop: true}); err != nil {
		t.Fatal(err)
	}
	at := r.clock(time.Now()) + hearFirst
	frame := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		at += frameTime
		p.turn(at)
	}
	for range 500 {
		frame() // once round: every frame is encoded
	}
	count("instead of talk", frame)
	count("dropped for a sound", under)
}
