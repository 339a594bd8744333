// Package render turns the records of a recording into sound: it puts the RTP
// time of each side on the recording's one clock, fills what is missing with
// silence, and writes a WAV as long as the call.
//
// It only reads, and it never touches the live path. It knows no key and no
// file: records come from a [format.Reader]. What it cannot decode stays in the
// recording and is named by a [CodecError].
//
// Reading takes two passes. The first learns how each sender's clock runs
// against ours; the second places, decodes and writes. Memory is bounded by ten
// seconds of audio and one number for each second of the call.
package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
)

// Rate is the sample rate of everything written, in Hz.
const Rate = 8000

// Channel layouts.
const (
	Dual = "dual" // caller left, callee right
	Mono = "mono" // both mixed
)

// ErrUnfinished says that a recording has no END: its length is not known.
var ErrUnfinished = errors.New("recording is not finished: its end is missing")

// CodecError says that a side spoke a codec that cannot be decoded here.
type CodecError struct {
	Side  media.Side
	Codec string
}

func (e *CodecError) Error() string {
	return fmt.Sprintf("%s spoke %s: kept in the file, not decodable to WAV", e.Side, e.Codec)
}

// WAV writes a recording as 16-bit PCM at 8 kHz: two channels, the caller
// always first, or one for [Mono]. open is called once a pass and starts at the
// front. The length is that of the call to the sample. Nothing is written
// before it is known that all can be decoded; records that are malformed are
// left silent and make an error after the last byte.
func WAV(ctx context.Context, w io.Writer, open func() (*format.Reader, error), channels string) error {
	if channels != Dual && channels != Mono {
		return fmt.Errorf("channels %q: neither dual nor mono", channels)
	}
	plan, err := survey(ctx, open)
	if err != nil {
		return err
	}
	out := newMixer(w, channels, samples(plan.length))
	if err := out.header(); err != nil {
		return err
	}
	r, err := open()
	if err != nil {
		return err
	}
	if err := plan.play(ctx, r, out); err != nil {
		return err
	}
	if plan.malformed > 0 {
		return fmt.Errorf("%d segments are malformed and silent in the output: %w", plan.malformed, format.ErrRecord)
	}
	return nil
}

// plan is what the first pass learns.
type plan struct {
	length    time.Duration
	clocks    [2][]*clock // of each side, by run
	malformed int
}

// survey is the first pass.
func survey(ctx context.Context, open func() (*format.Reader, error)) (*plan, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	p := &plan{}
	ended := false
	var parties [2]party
	var strange []error
	err = each(ctx, r, &p.malformed, func(rec format.Record) error {
		switch rec := rec.(type) {
		case format.Formats:
			parties[index(rec.Side)].formats.set(rec)
		case format.Audio:
			i := index(rec.Side)
			c := parties[i].formats.codec(rec.PT)
			if !c.readable() && parties[i].report(c.name) {
				strange = append(strange, &CodecError{Side: rec.Side, Codec: c.name})
			}
			if at, ok := parties[i].tracker.place(rec, c.clock); ok {
				p.clocks[i] = learn(p.clocks[i], at, rec.At, c.clock)
			}
		case format.End:
			p.length, ended = max(p.length, rec.Duration), true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !ended {
		return nil, ErrUnfinished
	}
	for _, side := range p.clocks {
		for _, c := range side {
			c.settle()
		}
	}
	return p, errors.Join(strange...)
}

// party is what a pass keeps of one side.
type party struct {
	formats  formats
	tracker  tracker
	reported map[string]bool
}

// report says whether a codec is named for the first time.
func (p *party) report(codec string) bool {
	if p.reported[codec] {
		return false
	}
	if p.reported == nil {
		p.reported = map[string]bool{}
	}
	p.reported[codec] = true
	return true
}

// play is the second pass.
func (p *plan) play(ctx context.Context, r *format.Reader, out *mixer) error {
	var parties [2]party
	lanes := [2]*lane{{clocks: p.clocks[0]}, {clocks: p.clocks[1]}}
	var ignored int // counted in the first pass
	err := each(ctx, r, &ignored, func(rec format.Record) error {
		switch rec := rec.(type) {
		case format.Formats:
			parties[index(rec.Side)].formats.set(rec)
		case format.Audio:
			i := index(rec.Side)
			c := parties[i].formats.codec(rec.PT)
			if at, ok := parties[i].tracker.place(rec, c.clock); ok {
				lanes[i].hold(rec, at, c)
			}
			return out.advance(ctx, lanes, rec.At)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.finish(ctx, lanes)
}

// each calls f for every record, passing over malformed segments.
func each(ctx context.Context, r *format.Reader, malformed *int, f func(format.Record) error) error {
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rec, err := r.Next()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, format.ErrRecord):
			*malformed++
			continue
		case err != nil:
			return err
		}
		if err := f(rec); err != nil {
			return err
		}
	}
}

func index(s media.Side) int { return int(s) - 1 }

// samples is how many samples a time holds, rounded to the nearest.
func samples(d time.Duration) int64 {
	if d < 0 {
		return -samples(-d)
	}
	whole, part := d/time.Second, d%time.Second
	return int64(whole)*Rate + int64((part*Rate+time.Second/2)/time.Second)
}
