package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

// What phones say of their codecs, for [phone.says].
const (
	saysPCMU  = "0"
	saysPCMA  = "8"
	saysOpus  = "96\r\na=rtpmap:96 opus/48000/2"
	saysG722  = "9"
	saysKeys  = "0 101\r\na=rtpmap:101 telephone-event/8000"
	saysOpusK = "96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000"
)

// says is a description of a phone with these formats.
func (p *phone) says(formats string) []byte {
	at := p.rtp.AddrPort()
	return fmt.Appendf(nil, "v=0\r\no=x 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP %[3]s\r\n", at.Addr(), at.Port(), formats)
}

func codecs(names ...string) media.Source {
	return media.Source{Terms: media.Terms{Speech: media.Speech{Codecs: names}}}
}

func passOnly() media.Source {
	return media.Source{Terms: media.Terms{Speech: media.Speech{PassOnly: true}}}
}

// formatsOf is the formats line of a description of ours, with its rtpmaps.
func formatsOf(t *testing.T, body []byte) string {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	var s []string
	for _, pt := range d.Types() {
		name := "?"
		for _, f := range d.Formats() {
			if f.PT == pt {
				name = f.Name
			}
		}
		s = append(s, fmt.Sprintf("%d:%s", pt, name))
	}
	return strings.Join(s, " ")
}

// agree makes a call between phones that say these formats, the callee behind a
// trunk with those terms, and returns what each was told.
func (w *world) agree(caller, callee string, src media.Source) (toCallee, toCaller string) {
	w.t.Helper()
	if _, err := w.relay.Offer(media.Caller, w.caller.says(caller), media.Source{}); err != nil {
		w.t.Fatal(err)
	}
	offer, err := w.relay.Over(media.Callee, w.callee.rtp.AddrPort().Addr(), src)
	if err != nil {
		w.t.Fatal(err)
	}
	w.callee.ours = led(w.t, offer)
	answer, err := w.relay.Answer(media.Callee, w.callee.says(callee), src)
	if err != nil {
		w.t.Fatal(err)
	}
	w.caller.ours = led(w.t, answer)
	return formatsOf(w.t, offer), formatsOf(w.t, answer)
}

// received is what a phone got since it was asked last, as RTP.
func (w *world) received(p *phone) (all []media.Packet) {
	w.t.Helper()
	synctest.Wait()
	for _, buf := range p.rtp.Drain() {
		h, ok := parseRTP(buf)
		if !ok {
			w.t.Fatalf("no RTP: %x", buf)
		}
		all = append(all, media.Packet{PT: h.pt, Marker: h.marker, Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Payload: buf[h.start:h.end]})
	}
	return all
}

// steady checks that packets are one stream without a seam, in a format, and
// returns its sound at 8000 Hz.
func steady(t *testing.T, all []media.Packet, f media.Format, step uint32) (sound []int16) {
	t.Helper()
	dec, err := codec.NewDecoder(f, 8000)
	if err != nil {
		t.Fatal(err)
	}
	down, err := codec.NewResampler(dec.Rate(), 8000)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 5760)
	for i, p := range all {
		if p.PT != f.PT || p.SSRC != all[0].SSRC || p.Seq != all[0].Seq+uint16(i) || p.TS != all[0].TS+step*uint32(i) {
			t.Fatalf("packet %d: type %d, number %d, at %d, of %d", i, p.PT, p.Seq-all[0].Seq, p.TS-all[0].TS, p.SSRC)
		}
		n, err := dec.Decode(pcm, p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		sound = down.Append(sound, pcm[:n])
	}
	return sound
}

func hears(t *testing.T, sound []int16, hz, most float64) {
	t.Helper()
	if len(sound) < 2400 {
		t.Fatalf("only %d samples", len(sound))
	}
	if share := mediatest.Goertzel(sound[800:], 8000, hz); share < most {
		t.Errorf("%.3f of the sound is the tone of %.0f Hz, want %.2f", share, hz, most)
	}
}

var (
	opusAt96  = media.Format{PT: 96, Name: "OPUS", Clock: 48000, Channels: 2}
	pcmuAt0   = media.Format{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}
	pcmaAt8   = media.Format{PT: 8, Name: "PCMA", Clock: 8000, Channels: 1}
	g722At9   = media.Format{PT: 9, Name: "G722", Clock: 8000, Channels: 1}
	everybody = []struct {
		says   string
		format media.Format
		name   string
		step   uint32
	}{{saysPCMU, pcmuAt0, "PCMU", 160}, {saysPCMA, pcmaAt8, "PCMA", 160}, {saysG722, g722At9, "G722", 160}, {saysOpus, opusAt96, "OPUS", 960}}
)

// A callee behind a trunk with codecs of its own is offered them behind the
// caller's, and both hear each other, each in his own codec; the tap has what
// each has sent.
func TestConvertsWhereLegsDisagree(t *testing.T) {
	for _, callee := range everybody[1:] {
		inWorld(t, mediatest.Link{}, func(w *world) {
			t := w.t
			tap := newListener(w.t)
			w.relay.Tap(tap)
			toCallee, toCaller := w.agree(saysPCMU, callee.says, codecs("PCMU", callee.name))
			if want := fmt.Sprintf("0:PCMU %d:%s", callee.format.PT, callee.name); toCallee != want || toCaller != "0:PCMU" {
				t.Errorf("the callee was offered %s, want %s; the caller was answered %s", toCallee, want, toCaller)
			}
			w.sing(w.caller, 50)
			got := w.received(w.callee)
			if len(got) != 50 {
				t.Fatalf("%d of 50 packets arrived", len(got))
			}
			hears(t, steady(t, got, callee.format, callee.step), 440, 0.9)

			enc, err := codec.NewEncoder(callee.format, codec.Rate(callee.format))
			if err != nil {
				t.Fatal(err)
			}
			w.sends(w.callee, callee.format, enc, 50)
			got = w.received(w.caller)
			hears(t, steady(t, got, pcmuAt0, 160), 1000, 0.9)
			if n := len(tap.packets[media.Callee]); n != 50 || tap.packets[media.Callee][9].PT != callee.format.PT || tap.packets[media.Caller][9].PT != 0 {
				t.Errorf("the tap has %d packets of the callee, not as he sent them", n)
			}
			found := false
			for _, f := range tap.formats[media.Callee] {
				found = found || f.PT == callee.format.PT && f.Name == callee.name
			}
			if !found {
				t.Errorf("the tap was told that the callee sends %+v", tap.formats[media.Callee])
			}
			stats := w.relay.Close()
			wantDrops(t, stats.Caller, nil)
			wantDrops(t, stats.Callee, nil)
			if stats.Caller.Packets != 50 || stats.Callee.Packets != 50 {
				t.Errorf("counted %d and %d packets", stats.Caller.Packets, stats.Callee.Packets)
			}
		})
	}
}

// sends lets a phone send n packets of 1000 Hz in a codec.
func (w *world) sends(p *phone, f media.Format, enc codec.Encoder, n int) {
	w.t.Helper()
	up, err := codec.NewResampler(8000, enc.Rate())
	if err != nil {
		w.t.Fatal(err)
	}
	tone := mediatest.Tone{Hz: 1000, PT: mediatest.PCMU}
	for i := range n {
		pkt := tone.Next()
		frame := up.Append(nil, mediatest.Decode(0, pkt[12:]))
		head := []byte{0x80, f.PT, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}
		binary.BigEndian.PutUint16(head[2:], uint16(i))
		binary.BigEndian.PutUint32(head[4:], uint32(i*f.Clock/50))
		p.rtp.WriteToUDPAddrPort(enc.Encode(head, frame), p.ours)
		time.Sleep(mediatest.Frame)
	}
	synctest.Wait()
}

// Where the legs agree nothing is decoded: the bytes are the sender's, whatever
// the trunk could be offered beside.
func TestAgreedCodecsPassUntouched(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		if toCallee, toCaller := w.agree(saysPCMU, "0 8", codecs("PCMA", "PCMU")); toCallee != "0:PCMU 8:PCMA" || toCaller != "0:PCMU" {
			t.Errorf("offered %s, answered %s", toCallee, toCaller)
		}
		sent := w.sing(w.caller, 5)
		got := w.received(w.callee)
		for i, p := range got {
			if string(p.Payload) != string(sent[i][12:]) || p.SSRC != w.caller.tone.SSRC || p.PT != 0 {
				t.Errorf("packet %d is another one", i)
			}
		}
		if len(got) != 5 {
			t.Errorf("%d packets", len(got))
		}
		// He was offered PCMA too, and takes to it: that is converted.
		w.callee.tone.PT = mediatest.PCMA
		w.sing(w.callee, 30)
		hears(t, steady(t, w.received(w.caller), pcmuAt0, 160), 1000, 0.95)
	})
}

// Codecs that nobody may convert are refused as ever.
func TestNothingIsConvertedUnasked(t *testing.T) {
	for name, src := range map[string]media.Source{"off": passOnly(), "a list without it": codecs("PCMU")} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			t := w.t
			if _, err := w.relay.Offer(media.Caller, w.caller.says(saysPCMU), media.Source{}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.relay.Answer(media.Callee, w.callee.says(saysPCMA), src); !errors.Is(err, sdp.ErrUnacceptable) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		if _, err := w.relay.Offer(media.Caller, w.caller.says("18"), media.Source{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.relay.Over(media.Callee, w.callee.rtp.AddrPort().Addr(), codecs("PCMA")); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("an offer without a codec that may be offered: %v", err)
		}
		if _, err := w.relay.Answer(media.Callee, w.callee.says(saysPCMA), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("G.729 converted: %v", err)
		}
		if _, err := w.relay.Offer(media.Caller, w.caller.says(saysPCMU), codecs("PCMA")); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("the caller's trunk allows what he does not speak: %v", err)
		}
	})
}

// The trunk's packet time holds for what is sent to it, also in one codec.
func TestPacketTimeOfTheTrunk(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		src := media.Source{Terms: media.Terms{Speech: media.Speech{PacketTime: 40 * time.Millisecond}}}
		w.agree(saysPCMU, saysPCMU, src)
		if body := string(w.relay.Told(media.Callee)); !strings.Contains(body, "a=ptime:40\r\n") {
			t.Errorf("the callee is told\n%s", body)
		}
		w.sing(w.caller, 40)
		got := w.received(w.callee)
		if len(got) != 20 || len(got[3].Payload) != 320 {
			t.Fatalf("%d packets of %d bytes", len(got), len(got[0].Payload))
		}
		hears(t, steady(t, got, pcmuAt0, 320), 440, 0.98)
		w.sing(w.callee, 5)
		if got := w.received(w.caller); len(got) != 5 || len(got[0].Payload) != 160 {
			t.Errorf("the caller gets %d packets of other lengths", len(got))
		}
	})
}

// Long packets are cut, and all parts arrive, in order.
func TestLongPacketsAreCut(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		w.agree(saysOpus, saysPCMU, codecs("PCMU"))
		enc, _ := codec.NewEncoder(opusAt96, 8000)
		tone := mediatest.Tone{Hz: 440}
		for i := range 20 {
			var pcm []int16
			for range 3 {
				pcm = append(pcm, mediatest.Decode(0, tone.Next()[12:])...)
			}
			head := []byte{0x80, 96, 0, byte(i), 0, 0, 0, 0, 0, 0, 0, 7}
			binary.BigEndian.PutUint32(head[4:], uint32(i)*2880)
			w.caller.rtp.WriteToUDPAddrPort(enc.Encode(head, pcm), w.caller.ours)
			time.Sleep(60 * time.Millisecond)
		}
		got := w.received(w.callee)
		if len(got) != 60 {
			t.Fatalf("%d packets of 60", len(got))
		}
		hears(t, steady(t, got, pcmuAt0, 160), 440, 0.9)
		if n := w.counted().Caller.Packets; n != 60 {
			t.Errorf("%d packets counted", n)
		}
	})
}

// Keys cross a conversion, in the receiver's number and clock.
func TestKeysCrossAConversion(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		t := w.t
		toCallee, toCaller := w.agree(saysKeys, saysOpusK, codecs("OPUS"))
		if toCaller != "0:PCMU 101:TELEPHONE-EVENT" {
			t.Errorf("offered %s, answered %s", toCallee, toCaller)
		}
		w.sing(w.caller, 3)
		ts := w.caller.tone.TS
		for i := range 3 {
			pkt := []byte{0x80, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 10, 0, byte(160 * (i + 1) >> 8)}
			pkt = append(pkt[:14], byte((160*(i+1))>>8), byte(160*(i+1)))
			binary.BigEndian.PutUint16(pkt[2:], w.caller.tone.Seq+uint16(i))
			binary.BigEndian.PutUint32(pkt[4:], ts)
			binary.BigEndian.PutUint32(pkt[8:], w.caller.tone.SSRC)
			w.caller.rtp.WriteToUDPAddrPort(pkt, w.caller.ours)
			time.Sleep(mediatest.Frame)
		}
		got := w.received(w.callee)
		if len(got) != 6 {
			t.Fatalf("%d packets", len(got))
		}
		for i, p := range got[3:] {
			if p.PT != 97 || p.TS != got[0].TS+3*960 || int(binary.BigEndian.Uint16(p.Payload[2:])) != 960*(i+1) || p.Seq != got[0].Seq+uint16(3+i) {
				t.Errorf("key packet %d: type %d at %d, %x", i, p.PT, p.TS-got[0].TS, p.Payload)
			}
		}
	})
}
