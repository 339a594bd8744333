// Package ear listens to one party on its way to a tap and knows when it was last
// heard to speak. It decodes what it hears and keeps nothing of it.
package ear

import (
	"math"
	"sync/atomic"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
)

const (
	// loudest of what counts as a quiet room, in dB below full scale: comfort noise
	// and a phone on a table are below it, somebody who speaks softly is not.
	quiet = -48.0
	// above is by how much speech stands out of the noise that there is, in dB.
	above = 9.0
	// rise is how fast the ear gets used to a noise, in dB a packet: a tone that goes
	// on, as behind a line that was given up, is no speech after a few seconds.
	rise = 0.2
	// enough is how many loud packets in a row are speech and not a click.
	enough = 3
	// longest is a packet's sound in samples, at the rate it is decoded at.
	longest = 48000 * 120 / 1000
)

// Ear is a [media.Tap] that passes on what it is given. As of any tap its methods
// are called for one side at a time; Spoke may be called from anywhere.
type Ear struct {
	to    media.Tap
	from  media.Side
	reads [128]codec.Decoder // by payload type; nil: not heard
	pcm   [longest]int16
	floor float64 // of the noise, in dB
	loud  int     // packets in a row
	spoke atomic.Int64
}

// New returns an ear for one side of a tap.
func New(from media.Side, to media.Tap) *Ear { return &Ear{to: to, from: from, floor: quiet - above} }

// Formats implements [media.Tap].
func (e *Ear) Formats(side media.Side, formats []media.Format) {
	if side == e.from {
		e.reads = [128]codec.Decoder{}
		for _, f := range formats {
			if d, err := codec.NewDecoder(f, 8000); err == nil && f.PT < 128 {
				e.reads[f.PT] = d
			}
		}
	}
	e.to.Formats(side, formats)
}

// Packet implements [media.Tap].
func (e *Ear) Packet(p media.Packet) {
	if p.Side == e.from {
		e.hear(p)
	}
	e.to.Packet(p)
}

// Missed passes on what was not heard.
func (e *Ear) Missed(side media.Side, packets uint64, from, to time.Time) {
	if g, ok := e.to.(media.Gapped); ok {
		g.Missed(side, packets, from, to)
	}
}

// Spoke is when somebody was heard to speak last; zero: nobody was.
func (e *Ear) Spoke() time.Time {
	if at := e.spoke.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

func (e *Ear) hear(p media.Packet) {
	d := e.reads[p.PT&0x7f]
	if d == nil {
		return // comfort noise, a key, or what we cannot read
	}
	n, err := d.Decode(e.pcm[:], p.Payload)
	if err != nil || n == 0 {
		return
	}
	level := levelOf(e.pcm[:n])
	if level < max(quiet, e.floor+above) {
		e.loud = 0
	} else if e.loud++; e.loud >= enough {
		e.spoke.Store(p.Arrival.UnixNano())
	}
	e.floor = min(e.floor+rise, level)
}

// levelOf is the loudness of samples in dB below a full square wave.
func levelOf(pcm []int16) float64 {
	sum := 0.0
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if sum == 0 {
		return -127
	}
	return max(-127, 10*math.Log10(sum/float64(len(pcm))/(32768*32768)))
}
