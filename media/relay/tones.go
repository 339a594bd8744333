package relay

import (
	"math"
	"slices"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/digits"
)

// lookBack is how long the tap waits for packets of a sender whose tones are
// kept from it: by then a tone that began in them is known for a key.
const lookBack = 80 * time.Millisecond

// Figures of listening.
const (
	heldMost  = 16                                        // packets that wait for the tap
	voiceMost = 4                                         // codecs that are spoken here
	lateMost  = 64                                        // places by which a packet is late, and not of another stream
	pauseMost = 60 * time.Millisecond                     // without sound, until a key that sounded is over
	heardMost = int(codec.MaxFrame/time.Millisecond) * 48 // samples of a packet, at the highest rate
)

// What stands in for a key in the mode [media.ToneDigits]: about -20 dBm0.
const standInHz, standInAmp = 400.0, 1600.0

// toneEar listens for keys in one party's sound, and makes silence of them.
type toneEar struct {
	k        *keys
	formats  []media.Format // what the sender's payload types mean
	voice    *hearing       // of the last packet of sound; nil: none came
	voices   [voiceMost]hearing
	detector digits.Detector
	keep     bool // the key that sounds, or sounded last, is not for the receiver

	ssrc, next uint32 // of the stream, and the timestamp behind its newest packet
	seq        uint16 // of its newest packet
	frame      int    // samples of the packet in hand, or of the last one, at 8 kHz; 0: none came
	dark       uint32 // timestamp of the newest packet whose sound was replaced
	darkened   bool   // there was one in this stream
	phase      int    // of the tone that stands in, in samples
	pcm        [heardMost]int16
	narrow     [heardMost]int16
	out        [maxDatagram]byte

	held  [heldMost]heldPacket // for the tap, a ring
	first int                  // the oldest of them
	count int
}

// hearing is one codec of a sender, under whatever payload types.
type hearing struct {
	format media.Format  // that came last in it; without a name the place is free
	in     codec.Decoder // nil: it cannot be had
	coder  codec.Encoder
	down   *codec.Resampler // to 8 kHz
}

// heldPacket waits for the tap.
type heldPacket struct {
	media.Packet
	room  []byte // of its payload, kept for the next
	frame int    // samples, at 8 kHz
	at    int64
	blank bool // its payload is silent already
	late  bool // it came behind later ones, or twice: it adds no time to them
	alone bool // as of packet
}

// pass listens to a packet and makes it silent when a key sounds in it that the
// receiver is not to get. While keys are kept from the tap, that gets it later.
func (e *toneEar) pass(p *packet) media.Drop {
	h := &p.header
	if !e.tune(h.pt) {
		return forward
	}
	if e.late(h) {
		return e.passLate(p)
	}
	n, err := e.voice.in.Decode(e.pcm[:], p.buf[h.start:h.end])
	if err != nil || n == 0 {
		return forward
	}
	clock := e.voice.format.Clock
	if h.ssrc != e.ssrc {
		e.darkened = false
	}
	if ahead := max(int64(int32(h.ts-e.next)), -int64(int32(h.ts-e.next))); h.ssrc != e.ssrc || ahead > ticks(pauseMost, clock) {
		e.detector.Reset(nil)
	}
	sound := e.voice.down.Append(e.narrow[:0], e.pcm[:n])
	e.ssrc, e.seq, e.next = h.ssrc, h.seq, h.ts+uint32(int64(n)*int64(clock)/int64(e.voice.in.Rate()))
	e.frame = len(sound)
	e.hold(p, false)
	e.hear(sound, p.at)
	if !e.silences() {
		return forward
	}
	e.dark, e.darkened = h.ts, true
	return e.silence(p)
}

// late reports whether a packet was heard already or comes behind others that
// were sent after it.
func (e *toneEar) late(h *header) bool {
	behind := int16(e.seq - h.seq)
	return e.frame > 0 && h.ssrc == e.ssrc && behind >= 0 && behind < lateMost && int32(h.ts-e.next) < 0
}

// passLate takes a packet whose sound the ear has heard, or has gone past: to hear
// it now would break what sounds. It is silent as those around it are.
func (e *toneEar) passLate(p *packet) media.Drop {
	h := &p.header
	newest := e.frame
	defer func() { e.frame = newest }()
	if length := codec.Length(e.voice.format, p.buf[h.start:h.end]); length > 0 {
		e.frame = int(length * digits.Rate / time.Second)
	}
	e.hold(p, true)
	if !e.silences() && (!e.darkened || int32(h.ts-e.dark) > 0) {
		return forward
	}
	if p.copied {
		e.blank(&e.held[(e.first+e.count-1)%heldMost])
	}
	return e.silence(p)
}

// ticks is how many of a clock a duration has.
func ticks(d time.Duration, clock int) int64 { return int64(d) * int64(clock) / int64(time.Second) }

// tune makes the ear hear a payload type; false when that is no sound that is
// spoken here, and what it heard before stays. What a codec needs is made once,
// however often the type changes.
func (e *toneEar) tune(pt uint8) bool {
	if e.voice != nil && e.voice.format.PT == pt {
		return true
	}
	i := slices.IndexFunc(e.formats, func(f media.Format) bool { return f.PT == pt })
	if i < 0 || !codec.Known(e.formats[i]) {
		return false
	}
	f := e.formats[i]
	for i := range e.voices {
		v := &e.voices[i]
		switch v.format.Name {
		case f.Name:
		case "":
			v.begin(f)
		default:
			continue
		}
		if v.in != nil {
			v.format, e.voice = f, v
		}
		return v.in != nil
	}
	return false
}

// begin makes what a format needs, which stays without its decoder when that fails.
func (v *hearing) begin(f media.Format) {
	v.format = f
	in, err := codec.NewDecoder(f, digits.Rate)
	if err != nil {
		return
	}
	if v.coder, err = codec.NewEncoder(f, digits.Rate); err != nil {
		return
	}
	if v.down, err = codec.NewResampler(in.Rate(), digits.Rate); err == nil {
		v.in = in
	}
}

// hear looks for keys in samples and takes each to where presses go.
func (e *toneEar) hear(pcm []int16, at int64) {
	var room [8]digits.Change
	for _, c := range e.detector.Hear(room[:0], pcm) {
		if c.Ended {
			continue
		}
		e.keep = e.k.mode != media.PassDigits
		if e.k.terms.Hears(media.BySound) {
			e.keep = e.k.pressed(media.Press{Digit: c.Digit}, media.BySound, at) || e.keep
		}
		if e.keep {
			e.blankHeld()
		}
	}
}

// silences reports whether what sounds at this moment is not for the receiver: a
// key that is kept from him, or what may turn out to be one.
func (e *toneEar) silences() bool {
	if e.detector.Held() {
		return e.keep
	}
	return e.detector.Suspects() && (e.k.mode != media.PassDigits || e.k.converts(media.BySound) || e.k.codes.Holds())
}

// silence replaces the sound of a packet where it stands.
func (e *toneEar) silence(p *packet) media.Drop {
	h := &p.header
	payload, ok := e.write(e.k.mode == media.ToneDigits, e.frame)
	if !ok || h.start+len(payload) > cap(p.buf) {
		return media.DropDigit
	}
	p.buf = p.buf[:h.start+len(payload)]
	p.buf[0] &^= 0x20 // padding, if it had any, is gone
	copy(p.buf[h.start:], payload)
	h.end = len(p.buf)
	return forward
}

// write makes a payload of the last packet's codec that holds silence, or the tone
// that stands in for a key, for so many samples at 8 kHz. It is valid until the next.
func (e *toneEar) write(tone bool, samples int) (payload []byte, ok bool) {
	rate := e.voice.coder.Rate()
	n := samples * rate / digits.Rate
	pcm := e.pcm[:n]
	clear(pcm)
	if tone {
		for i := range pcm {
			pcm[i] = int16(standInAmp * math.Sin(2*math.Pi*standInHz*float64(e.phase+i)/float64(rate)))
		}
		e.phase = (e.phase + n) % rate
	}
	frame := rate / 100 // 10 ms, which every codec takes
	if e.voice.coder.Fits(time.Duration(n) * time.Second / time.Duration(rate)) {
		frame = n
	}
	payload = e.out[:0]
	for ; len(pcm) >= frame && frame > 0; pcm = pcm[frame:] {
		payload = e.voice.coder.Encode(payload, pcm[:frame])
	}
	return payload, len(payload) > 0 && len(pcm) == 0
}

// standIn turns an event's packet into sound of the stream around it, one frame
// for each that the event grew by; false: there is none now.
func (e *toneEar) standIn(p *packet, clock int) bool {
	h := &p.header
	if e.voice == nil || e.frame == 0 || h.ssrc != e.ssrc || clock != e.voice.format.Clock || h.end-h.start < 4 {
		return false
	}
	grown := h.ts + uint32(p.buf[h.start+2])<<8 + uint32(p.buf[h.start+3])
	step := uint32(int64(e.frame) * int64(clock) / digits.Rate)
	if more := int32(grown - e.next); more < int32(step) || more > 1<<16 {
		return false
	}
	payload, ok := e.write(e.k.mode == media.ToneDigits, e.frame)
	if !ok || h.start+len(payload) > cap(p.buf) {
		return false
	}
	h.pt, h.ts, h.marker = e.voice.format.PT, e.next, false
	p.buf = p.buf[:h.start+len(payload)]
	p.buf[0] &^= 0x20
	p.buf[1] = h.pt
	p.buf[4], p.buf[5], p.buf[6], p.buf[7] = byte(h.ts>>24), byte(h.ts>>16), byte(h.ts>>8), byte(h.ts)
	copy(p.buf[h.start:], payload)
	h.end = len(p.buf)
	e.next += step
	return true
}
