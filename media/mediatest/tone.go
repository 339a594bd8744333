package mediatest

import (
	"fmt"
	"math"
	"time"

	"github.com/pion/rtp"
	"github.com/zaf/g711"
)

const (
	Rate    = 8000 // of all sounds here, in Hz
	Frame   = 20 * time.Millisecond
	Samples = 160 // in a frame
)

// Payload types of RFC 3551 that a [Tone] can speak and [Decode] can hear.
const (
	PCMU = 0
	PCMA = 8
)

// Tone is a phone that sings one note: a sine as RTP packets of 20 ms. The
// fields may be changed between packets. Not safe for concurrent use.
type Tone struct {
	Hz   float64
	Peak float64 // of 32767; 0 means 8000
	PT   uint8   // PCMU or PCMA
	SSRC uint32
	Seq  uint16 // of the next packet
	TS   uint32 // of the next packet

	sung int // samples so far
}

// Next returns the next packet as it stands on the wire. The first one carries
// the marker bit.
func (t *Tone) Next() []byte {
	first := t.sung == 0
	p := rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: first, PayloadType: t.PT,
			SequenceNumber: t.Seq, Timestamp: t.TS, SSRC: t.SSRC,
		},
		Payload: Encode(t.PT, t.Sing(Samples)),
	}
	t.Seq++
	t.TS += Samples
	b, err := p.Marshal()
	if err != nil {
		panic(fmt.Sprintf("mediatest: tone: %v", err)) // a header we made ourselves
	}
	return b
}

// Sing returns the next n samples without making a packet of them.
func (t *Tone) Sing(n int) []int16 {
	peak := t.Peak
	if peak == 0 {
		peak = 8000
	}
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(peak * math.Sin(2*math.Pi*t.Hz*float64(t.sung)/Rate))
		t.sung++
	}
	return out
}

// Encode turns samples into a G.711 payload; other payload types panic, as a
// test asks for them by mistake only.
func Encode(pt uint8, samples []int16) []byte {
	code := g711.EncodeUlawFrame
	switch pt {
	case PCMU:
	case PCMA:
		code = g711.EncodeAlawFrame
	default:
		panic(fmt.Sprintf("mediatest: payload type %d is not G.711", pt))
	}
	out := make([]byte, len(samples))
	for i, s := range samples {
		out[i] = code(s)
	}
	return out
}

// Decode is the inverse of [Encode].
func Decode(pt uint8, payload []byte) []int16 {
	code := g711.DecodeUlawFrame
	switch pt {
	case PCMU:
	case PCMA:
		code = g711.DecodeAlawFrame
	default:
		panic(fmt.Sprintf("mediatest: payload type %d is not G.711", pt))
	}
	out := make([]int16, len(payload))
	for i, b := range payload {
		out[i] = code(b)
	}
	return out
}
