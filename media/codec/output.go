package codec

import (
	"encoding/binary"
	"slices"
	"time"

	"ringdown/media"
)

// output is the sending half of a Converter: sound that waits for its packet to
// be full, and the numbers of the next one. Lengths are samples of the encoder.
type output struct {
	voice, event, cn media.Format // what the receiver takes; without a name: not at all
	rate             int
	size             int   // samples in a packet
	frameNS          int64 // the same as time
	ssrc             uint32
	seq              uint16
	ts               uint32 // of the first sample in ready
	ready            []int16
	marked           bool // the next packet begins a talk

	at     int64 // when ready last became empty: what is sent then is on time
	sent   bool
	made   int // samples of noise since the sender's last packet
	noise  Noise
	theirs uint32 // a timestamp of the sender's sound, and
	ours   uint32 // what it became

	dialTheirs, dialOurs uint32 // of the event that goes on
	dialed               bool
}

func (o *output) begin(t Terms, voice media.Format, rate int, frame time.Duration) {
	o.voice, o.rate, o.size, o.frameNS = voice, rate, samples(frame, rate), int64(frame)
	o.ssrc, o.seq, o.ts, o.marked = t.SSRC, t.Seq, t.TS, true
	o.ready = make([]int16, 0, samples(MaxFrame, rate)+2*o.size)
	o.event = beside(t.Out, "TELEPHONE-EVENT", voice.Clock)
	o.cn = beside(t.Out, "CN", voice.Clock)
}

// beside finds a format by name, the one in the clock of the speech first.
func beside(fs []media.Format, name string, clock int) (found media.Format) {
	for _, f := range fs {
		if f.Name == name && (found.Name == "" || f.Clock == clock && found.Clock != clock) {
			found = f
		}
	}
	return found
}

// ticks turns samples into the RTP clock.
func (o *output) ticks(samples int) uint32 {
	return uint32(int64(samples) * int64(o.voice.Clock) / int64(o.rate))
}

// header appends that of the next packet.
func (o *output) header(dst []byte, pt uint8, marker bool, ts uint32) []byte {
	if marker {
		pt |= 0x80
	}
	dst = append(dst, 0x80, pt)
	dst = binary.BigEndian.AppendUint16(dst, o.seq)
	dst = binary.BigEndian.AppendUint32(dst, ts)
	dst = binary.BigEndian.AppendUint32(dst, o.ssrc)
	o.seq++
	return dst
}

// frame appends a packet of the sound that is ready. What the encoder finds not
// worth sending (DTX) is passed over.
func (o *output) frame(dst []byte, enc Encoder, now int64) ([]byte, bool) {
	for len(o.ready) >= o.size {
		head := len(dst)
		dst = o.header(dst, o.voice.PT, o.marked, o.ts)
		body := len(dst)
		dst = enc.Encode(dst, o.ready[:o.size])
		o.ts += o.ticks(o.size)
		o.ready = slices.Delete(o.ready, 0, o.size)
		if o.made > 0 {
			o.at += o.frameNS
		} else {
			o.at, o.sent = now, true
		}
		if len(dst) > body {
			o.marked = false
			return dst, true
		}
		o.seq--
		o.marked = true
		dst = dst[:head]
	}
	return dst, false
}

// missing is what the packet that is begun lacks.
func (o *output) missing() int {
	if n := len(o.ready) % o.size; n > 0 {
		return o.size - n
	}
	return 0
}

func (o *output) silence(n int) {
	at := len(o.ready)
	o.ready = slices.Grow(o.ready, n)[:at+n]
	clear(o.ready[at:])
}

// skip leaves a gap; ready is empty then.
func (o *output) skip(n int) {
	o.ts += o.ticks(n)
	o.marked = true
}

// behind is how much sound our stream lacks, by the time since it last had some.
func (o *output) behind(now int64) int64 {
	if !o.sent {
		return 0
	}
	return min(max(now-o.at-o.frameNS, 0), int64(30*time.Second)) * int64(o.rate) / int64(time.Second)
}

// rest says that what comes from now on is of our making.
func (o *output) rest(now int64) {
	if !o.sent {
		o.at, o.sent = now, true
	}
}

// due is how many packets are to be made up by now.
func (o *output) due(now int64) int {
	n := int((now - o.at) / o.frameNS)
	if !o.sent || n <= 0 {
		return 0
	}
	return min(n, 3)
}

// moment is which of our timestamps one of the sender's is; known says that it
// is in the clock of his speech, whose rate is clock. Otherwise it is now.
func (o *output) moment(theirs uint32, known bool, clock int) uint32 {
	off := int64(int32(theirs - o.theirs))
	if !known || !o.sent || off < -int64(clock) || off > 30*int64(clock) {
		return o.ts + o.ticks(len(o.ready))
	}
	return o.ours + uint32(off*int64(o.voice.Clock)/int64(clock))
}
