package relay

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// converted is a call between a caller of PCMU and a callee of Opus.
func converted(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysPCMU, saysOpus, codecs("OPUS", "PCMU"))
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(w.callee), opusAt96, 960), 440, 0.9)
		f(w)
	})
}

// A hold and its end in a call that is converted ask nobody, and what was agreed
// on goes on where it stopped.
func TestHoldOfAConvertedCall(t *testing.T) {
	converted(t, func(w *world) {
		t := w.t
		for _, side := range []struct {
			of   media.Side
			p    *phone
			says string
			want string
		}{{media.Caller, w.caller, saysPCMU, "0:PCMU"}, {media.Callee, w.callee, saysOpus, "96:OPUS"}} {
			held, err := w.relay.Reoffer(side.of, side.p.says(side.says+"\r\na=sendonly"))
			if err != nil {
				t.Fatalf("hold of the %s: %v", side.of, err)
			}
			if !w.relay.Holds(side.of) {
				t.Errorf("the %s does not hold", side.of)
			}
			back, err := w.relay.Reoffer(side.of, side.p.says(side.says))
			if err != nil {
				t.Fatalf("resumption of the %s: %v", side.of, err)
			}
			if a, b := formatsOf(t, held), formatsOf(t, back); a != side.want || b != side.want {
				t.Errorf("the %s was answered %s and %s", side.of, a, b)
			}
		}
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(w.callee), opusAt96, 960), 440, 0.9)
	})
}

// A party who comes to a codec of the other one is passed through again, and one
// that leaves it is converted, when the other declines to follow.
func TestCodecChangesInACall(t *testing.T) {
	converted(t, func(w *world) {
		t := w.t
		answer, err := w.relay.Reoffer(media.Callee, w.callee.says("96 0\r\na=rtpmap:96 opus/48000/2"))
		if err != nil || formatsOf(t, answer) != "0:PCMU" {
			t.Fatalf("%v, %s", err, formatsOf(t, answer))
		}
		sent := w.sing(w.caller, 10)
		got := w.received(w.callee)
		if len(got) != 10 || string(got[9].Payload) != string(sent[9][12:]) || got[9].SSRC != w.caller.tone.SSRC {
			t.Fatalf("%d packets, not as they were sent", len(got))
		}

		// The caller leaves PCMU; the callee is asked first, declines, and is left be.
		if _, err := w.relay.Reoffer(media.Caller, w.caller.says(saysG722)); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Fatalf("G.722 without asking: %v", err)
		}
		ask, err := w.relay.Ask(media.Caller, w.caller.says(saysG722))
		if err != nil || formatsOf(t, ask) != "96:OPUS 0:PCMU" {
			t.Fatalf("%v, asked %s", err, formatsOf(t, ask))
		}
		if answer, err = w.relay.Settle(media.Callee, nil); err != nil || formatsOf(t, answer) != "9:G722" {
			t.Fatalf("declined: %v, %s", err, formatsOf(t, answer))
		}
		enc, _ := codec.NewEncoder(g722At9, 16000)
		w.sends(w.caller, g722At9, enc, 40)
		hears(t, steady(t, w.received(w.callee), opusAt96, 960), 1000, 0.9)

		// Taken back: within a second PCMU passes as before, and when G.722 comes
		// again the converted stream goes on where it was.
		w.relay.Undo(media.Caller)
		sent = w.sing(w.caller, 60)
		got = w.received(w.callee)
		if last := got[len(got)-1]; string(last.Payload) != string(sent[59][12:]) || last.SSRC != w.caller.tone.SSRC || got[0].PT != 96 {
			t.Errorf("after Undo %d packets, the last %+v", len(got), last)
		}
		at := 0
		for at+1 < len(got) && got[at+1].PT == 96 {
			at++
		}
		w.sends(w.caller, g722At9, enc, 2)
		again := w.received(w.callee)
		if len(again) != 2 || again[0].SSRC != got[at].SSRC || again[0].Seq != got[at].Seq+1 || again[0].TS-got[at].TS != uint32(60-at)*960 {
			t.Errorf("then %+v after %+v, the last of %d", again[0], got[at], at+1)
		}
	})
}

// A declined offer that cannot be converted is an error and changes nothing.
func TestDeclinedForGood(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysPCMU, saysPCMU, passOnly())
		if _, err := w.relay.Ask(media.Caller, w.caller.says(saysG722)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.relay.Settle(media.Callee, nil); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("declined: %v", err)
		}
		sent := w.sing(w.caller, 3)
		if got := w.received(w.callee); len(got) != 3 || string(got[0].Payload) != string(sent[0][12:]) {
			t.Errorf("%d packets afterwards", len(got))
		}
	})
}

// Who takes a party's place may speak another codec.
func TestSuccessorOfAnotherCodec(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree("0 96\r\na=rtpmap:96 opus/48000/2", saysPCMU, media.Source{})
		other := w.phone("10.3.0.1", 6000, 700)
		offer, err := w.relay.Invite(media.Callee, netip.Addr{}, codecs("OPUS", "G722"), nil)
		if err != nil || formatsOf(t, offer) != "96:OPUS 9:G722" {
			t.Fatalf("%v, offered %s", err, formatsOf(t, offer))
		}
		other.ours = led(t, offer)
		again, err := w.relay.Replace(media.Callee, other.says(saysG722), codecs("OPUS", "G722"))
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 0 {
			t.Fatal("the caller is not asked for G.722")
		}
		// Until he has answered, and when he keeps to his own, he is converted.
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(other), g722At9, 160), 440, 0.9)
		if _, err = w.relay.Take(media.Caller, w.caller.says(saysPCMU), media.Source{}); err != nil {
			t.Fatal(err)
		}
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(other), g722At9, 160), 440, 0.9)
	})
}

// The same codec under another number asks nobody: the number is changed, either
// way, and nothing else.
func TestSuccessorOfAnotherNumber(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysOpus, saysOpus, media.Source{})
		other := w.phone("10.3.0.1", 6000, 700)
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil); err != nil {
			t.Fatal(err)
		}
		again, err := w.relay.Replace(media.Callee, other.says("111\r\na=rtpmap:111 opus/48000/2"), media.Source{})
		if err != nil || len(again) != 0 {
			t.Fatalf("%v; the caller is asked again: %q", err, again)
		}
		other.ours = w.callee.ours
		enc, _ := codec.NewEncoder(opusAt96, 48000)
		w.sends(w.caller, opusAt96, enc, 5)
		got := w.received(other)
		if len(got) != 5 {
			t.Fatalf("%d packets", len(got))
		}
		for i, p := range got {
			if p.PT != 111 || p.SSRC != 0x01020304 || p.Seq != uint16(i) {
				t.Errorf("packet %d: %+v", i, p)
			}
		}
		there := opusAt96
		there.PT = 111
		w.sends(other, there, enc, 5)
		if got = w.received(w.caller); len(got) != 5 || got[4].PT != 96 {
			t.Errorf("back: %d packets", len(got))
		}
	})
}

// A caller without an offer, and a callee who answers ours in a codec of its own.
func TestConvertedDelayedOffer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		if _, err := w.relay.Open(); err != nil {
			t.Fatal(err)
		}
		offer, err := w.relay.Over(media.Callee, w.callee.rtp.AddrPort().Addr(), codecs("OPUS", "PCMA"))
		if err != nil || formatsOf(t, offer) != "8:PCMA 96:OPUS 101:TELEPHONE-EVENT" {
			t.Fatalf("%v, offered %s", err, formatsOf(t, offer))
		}
		w.callee.ours = led(t, offer)
		toCaller, err := w.relay.Answer(media.Callee, w.callee.says(saysOpus), codecs("OPUS", "PCMA"))
		if err != nil || formatsOf(t, toCaller) != "96:OPUS 8:PCMA 0:PCMU" {
			t.Fatalf("%v, the caller is offered %s", err, formatsOf(t, toCaller))
		}
		w.caller.ours = led(t, toCaller)
		if again, err := w.relay.Take(media.Caller, w.caller.says(saysPCMU), media.Source{}); err != nil || len(again) > 0 {
			t.Fatalf("%v, the callee is asked again: %q", err, again)
		}
		w.sing(w.caller, 40)
		hears(t, steady(t, w.received(w.callee), opusAt96, 960), 440, 0.9)
	})
}

// Loss on the way to us is made up for, reordering is put right, and both are
// counted as what they were.
func TestConversionOfALossyStream(t *testing.T) {
	inWorld(t, mediatest.Link{Jitter: 30 * time.Millisecond, Loss: 0.03}, func(w *world) {
		t := w.t
		w.agree(saysPCMU, saysPCMA, codecs("PCMA"))
		w.sing(w.caller, 400)
		time.Sleep(time.Second)
		stats := w.counted()
		went, late := stats.Caller.Packets, stats.Caller.Drops[media.DropLate]
		if went < 385 || went > 400 || late == 0 || late > 12 {
			t.Errorf("%d of 400 packets went out, %d were too late", went, late)
		}
	})
}

func TestConvertingAllocatesNothing(t *testing.T) {
	inEngine(t, "portable", mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysPCMU, saysG722, codecs("G722"))
		w.sing(w.caller, 5)
		r := w.relay
		r.mu.Lock()
		defer r.mu.Unlock()
		l := &r.lanes[index(media.Caller)]
		var tones [260][]byte
		for i := range tones {
			tones[i] = w.caller.tone.Next()
		}
		buf, i := make([]byte, maxDatagram), 0
		if n := testing.AllocsPerRun(200, func() {
			p := &l.packet
			p.buf = buf[:copy(buf, tones[i])]
			p.header, _ = parseRTP(p.buf)
			p.at += 20e6
			if l.convert.pass(p) != forward {
				t.Fatal("nothing came")
			}
			i++
		}); n > 0 {
			t.Errorf("%v allocations a packet", n)
		}
	})
}

// What is converted is decrypted before and encrypted behind, also a packet that
// is sent beside the one in hand.
func TestConversionBetweenEncryptedLegs(t *testing.T) {
	for _, ms := range []time.Duration{10, 40} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			t := w.t
			a, b := w.keyed(w.caller, secure.AES128CM80, "RTP/SAVP"), w.keyed(w.callee, secure.AES256GCM, "")
			callee := srtp(media.SRTPRequire)
			callee.Terms.Speech.PacketTime = ms * time.Millisecond
			if err := w.dial(a, b, srtp(media.SRTPRequire), callee); err != nil {
				t.Fatal(err)
			}
			a.sings(40)
			got := b.hears()
			if want := int(800 / ms); len(got) != want {
				t.Fatalf("%d packets of %d ms, want %d", len(got), ms, want)
			}
			var all []media.Packet
			for _, pkt := range got {
				h, ok := parseRTP(pkt)
				if !ok || h.end-h.start != int(ms)*8 {
					t.Fatalf("not a packet of %d ms: %x", ms, pkt)
				}
				all = append(all, media.Packet{PT: h.pt, Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Payload: pkt[h.start:h.end]})
			}
			hears(t, steady(t, all, pcmuAt0, uint32(ms)*8), 440, 0.98)
		})
	}
}

// Somebody who takes a place by an offer of his own, and a callee who makes the
// offer in place of an answer, are converted too.
func TestOthersOffersAreConverted(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysPCMU, saysPCMU, media.Source{})
		other := w.phone("10.3.0.1", 6000, 700)
		answer, again, err := w.relay.ReplaceBy(media.Callee, other.says(saysOpus), media.Source{})
		if err != nil || formatsOf(t, answer) != "96:OPUS" {
			t.Fatalf("%v, answered %s", err, formatsOf(t, answer))
		}
		if len(again) == 0 || formatsOf(t, again) != "96:OPUS 0:PCMU" {
			t.Errorf("the caller is asked: %s", formatsOf(t, again))
		}
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(other), opusAt96, 960), 440, 0.9)
	})
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		if _, err := w.relay.Offer(media.Caller, w.caller.says(saysPCMU), media.Source{}); err != nil {
			t.Fatal(err)
		}
		toCaller, toCallee, err := w.relay.Join(media.Callee, w.callee.says(saysOpus), media.Source{})
		if err != nil || formatsOf(t, toCaller) != "0:PCMU" || formatsOf(t, toCallee) != "96:OPUS" {
			t.Fatalf("%v", err)
		}
		w.caller.ours, w.callee.ours = led(t, toCaller), led(t, toCallee)
		w.sing(w.caller, 30)
		hears(t, steady(t, w.received(w.callee), opusAt96, 960), 440, 0.9)
	})
}
