package render

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"
)

// mixer writes what both lanes have made, interleaved or mixed.
type mixer struct {
	w       io.Writer
	mono    bool
	total   int64 // samples of each channel
	written int64
	clock   time.Duration
	buf     []byte
}

func newMixer(w io.Writer, channels string, total int64) *mixer {
	return &mixer{w: w, mono: channels == Mono, total: total}
}

// advance moves the clock on: packets that have waited long enough sound, and
// what is long past becomes silence, so that neither side is ever far ahead.
func (m *mixer) advance(ctx context.Context, lanes [2]*lane, now time.Duration) error {
	for {
		step := min(now, m.clock+time.Second)
		m.clock = max(m.clock, step)
		for _, l := range lanes {
			l.release(m.clock)
			l.silence(samples(max(m.clock-settled, 0)))
		}
		if err := m.flush(lanes); err != nil {
			return err
		}
		if m.clock >= now || m.written == m.total {
			return ctx.Err()
		}
	}
}

// finish sounds what still waits and fills both sides up to the end.
func (m *mixer) finish(ctx context.Context, lanes [2]*lane) error {
	end := time.Duration(m.total/Rate+1)*time.Second + settled
	if err := m.advance(ctx, lanes, end); err != nil {
		return err
	}
	for _, l := range lanes {
		l.release(math.MaxInt64)
		l.silence(m.total)
	}
	return m.flush(lanes)
}

// flush writes the samples that both lanes have.
func (m *mixer) flush(lanes [2]*lane) error {
	n := min(len(lanes[0].out), len(lanes[1].out))
	keep := int(min(int64(n), m.total-m.written))
	m.buf = m.buf[:0]
	for i, left := range lanes[0].out[:keep] {
		right := lanes[1].out[i]
		if m.mono {
			left = int16(min(max(int32(left)+int32(right), math.MinInt16), math.MaxInt16))
		}
		m.buf = binary.LittleEndian.AppendUint16(m.buf, uint16(left))
		if !m.mono {
			m.buf = binary.LittleEndian.AppendUint16(m.buf, uint16(right))
		}
	}
	for _, l := range lanes {
		l.out = append(l.out[:0], l.out[n:]...)
	}
	m.written += int64(keep)
	if len(m.buf) == 0 {
		return nil
	}
	if _, err := m.w.Write(m.buf); err != nil {
		return fmt.Errorf("wav: %w", err)
	}
	return nil
}

// header writes what stands before the samples: RIFF, or RF64 (EBU Tech 3306)
// when the sizes do not fit 32 bits.
func (m *mixer) header() error {
	channels := 2
	if m.mono {
		channels = 1
	}
	if _, err := m.w.Write(wavHeader(channels, m.total)); err != nil {
		return fmt.Errorf("wav: %w", err)
	}
	return nil
}

func wavHeader(channels int, total int64) []byte {
	le := binary.LittleEndian
	data := total * int64(channels) * 2
	const format = 8 + 16 // the fmt chunk
	const ds64 = 8 + 28
	size := 4 + format + 8 + data
	big := size > math.MaxUint32
	var b []byte
	if big {
		b = append(b, "RF64\xff\xff\xff\xffWAVEds64"...)
		b = le.AppendUint32(b, ds64-8)
		b = le.AppendUint64(b, uint64(size+ds64))
		b = le.AppendUint64(b, uint64(data))
		b = le.AppendUint64(b, uint64(total))
		b = le.AppendUint32(b, 0) // no table
	} else {
		b = append(b, "RIFF"...)
		b = le.AppendUint32(b, uint32(size))
		b = append(b, "WAVE"...)
	}
	b = append(b, "fmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, 1) // PCM
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, Rate)
	b = le.AppendUint32(b, uint32(Rate*channels*2))
	b = le.AppendUint16(b, uint16(channels*2))
	b = le.AppendUint16(b, 16)
	b = append(b, "data"...)
	if big {
		return append(b, "\xff\xff\xff\xff"...)
	}
	return le.AppendUint32(b, uint32(data))
}
