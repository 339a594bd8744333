package relay

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"ringdown/media"
	"ringdown/media/digits"
	"ringdown/media/mediatest"
)

const eventPT = 101

// keypad is a description of a phone that takes events, or does not.
func (p *phone) keypad(events bool) []byte {
	at := p.rtp.AddrPort()
	types, lines := "0 8", ""
	if events {
		types, lines = "0 8 101", "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
	}
	return fmt.Appendf(nil, "v=0\r\no=x 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP %[3]s\r\n%[4]s", at.Addr(), at.Port(), types, lines)
}

// connectKeys makes a call of two phones that take events or do not.
func (w *world) connectKeys(callerEvents, calleeEvents bool, caller, callee media.DigitTerms) {
	w.t.Helper()
	offer, err := w.relay.Offer(media.Caller, w.caller.keypad(callerEvents), media.Source{Terms: media.Terms{Digits: caller}})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.relay.Answer(media.Callee, w.callee.keypad(calleeEvents), media.Source{Terms: media.Terms{Digits: callee}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.callee.ours, w.caller.ours = led(w.t, offer), led(w.t, answer)
}

// press sends keys as events, in the place of sound, and a little sound behind each.
func (w *world) press(p *phone, keys string) {
	w.t.Helper()
	all, err := media.ParseKeys(keys)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range all {
		var s digits.Sender
		s.Add(media.Press{Digit: d})
		ts := p.tone.TS
		for at := int64(0); s.Busy(); at += int64(mediatest.Frame) {
			f, _ := s.Next(at, 8000, mediatest.Frame)
			p.rtp.WriteToUDPAddrPort(rtpPacket(eventPT, f.First, p.tone.Seq, ts, p.tone.SSRC, f.Payload[:]), p.ours)
			p.tone.Seq++
			p.tone.TS += mediatest.Samples
			time.Sleep(mediatest.Frame)
		}
		w.sing(p, 3)
	}
}

// chime sends keys as tones of 80 ms with as much silence behind.
func (w *world) chime(p *phone, keys string) {
	for _, pcm := range chimed(keys) {
		w.say(p, pcm)
	}
	w.settle()
}

// chimed are the packets of keys as tones of 80 ms with as much silence behind.
func chimed(keys string) (packets [][]int16) {
	all, _ := media.ParseKeys(keys)
	for _, d := range all {
		tone := digits.NewTone(media.Press{Digit: d, For: 80 * time.Millisecond}, mediatest.Rate)
		pcm := make([]int16, 70) // not on the edge of a packet
		for range 9 {
			frame := make([]int16, mediatest.Samples)
			tone.Read(frame)
			pcm = append(pcm, frame...)
			packets = append(packets, pcm[:mediatest.Samples])
			pcm = pcm[mediatest.Samples:]
		}
	}
	return packets
}

// say sends a packet of sound.
func (w *world) say(p *phone, pcm []int16) {
	t := &p.tone
	p.rtp.WriteToUDPAddrPort(rtpPacket(mediatest.PCMU, false, t.Seq, t.TS, t.SSRC, mediatest.Encode(mediatest.PCMU, pcm)), p.ours)
	t.Seq++
	t.TS += mediatest.Samples
	time.Sleep(mediatest.Frame)
}

func rtpPacket(pt uint8, marker bool, seq uint16, ts, ssrc uint32, payload []byte) []byte {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

// heardKeys is what a phone makes of the packets it got: keys said as events, and
// keys that sound.
func (w *world) heardKeys(packets [][]byte) (events, tones string) {
	var r digits.Receiver
	var d digits.Detector
	var e, s strings.Builder
	write := func(to *strings.Builder, changes []digits.Change) {
		for _, c := range changes {
			if k, ok := c.Digit.Key(); ok && !c.Ended {
				to.WriteByte(k)
			}
		}
	}
	for i, b := range packets {
		h, ok := parseRTP(b)
		if !ok {
			w.t.Fatalf("packet %d is broken", i)
		}
		if h.pt == eventPT {
			changes, _ := r.Packet(nil, digits.Arrival{Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Marker: h.marker, At: int64(i) * int64(mediatest.Frame)}, 8000, b[h.start:h.end])
			write(&e, changes)
		} else {
			write(&s, d.Hear(nil, mediatest.Decode(h.pt, b[h.start:h.end])))
		}
	}
	return e.String(), s.String()
}

// wantSeamless checks that packets are one stream: one source, sequence numbers
// without a gap, timestamps that never step back.
func (w *world) wantSeamless(packets [][]byte) {
	w.t.Helper()
	for i := 1; i < len(packets); i++ {
		a, _ := parseRTP(packets[i-1])
		b, _ := parseRTP(packets[i])
		if a.ssrc != b.ssrc || b.seq != a.seq+1 || int32(b.ts-a.ts) < 0 || b.ts-a.ts > 8000 {
			w.t.Errorf("packet %d (source %d, number %d, time %d, type %d) follows (%d, %d, %d, type %d)", i, b.ssrc, b.seq, b.ts, b.pt, a.ssrc, a.seq, a.ts, a.pt)
		}
	}
}

// told lists notices of a kind: the keys, or the numbers of the codes.
func (w *world) told(kind media.NoticeKind, side media.Side) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s strings.Builder
	for _, n := range w.notices {
		if n.Kind != kind || n.Side != side {
			continue
		}
		if k, ok := n.Press.Digit.Key(); kind == media.Coded {
			fmt.Fprint(&s, n.Code)
		} else if ok {
			s.WriteByte(k)
		} else {
			s.WriteString("<" + n.Press.Digit.String() + ">")
		}
	}
	return s.String()
}
