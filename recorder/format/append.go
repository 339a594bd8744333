package format

import (
	"encoding/binary"
	"fmt"
	"time"

	"ringdown/media"
)

// Append writes a record as it stands in a segment.
func Append(b []byte, r Record) ([]byte, error) {
	start := len(b)
	b = append(b, byte(r.kind()), 0, 0)
	b = r.body(b)
	n := len(b) - start - recordHeader
	if n > Plain-headSize-recordHeader {
		return b[:start], fmt.Errorf("record of type %d with %d bytes: %w", r.kind(), n, ErrTooLong)
	}
	binary.BigEndian.PutUint16(b[start+1:], uint16(n))
	return b, nil
}

// AudioHeader is the length of an audio record without its payload.
const AudioHeader = recordHeader + audioFixed

// AudioSize is the length of an audio record with that much payload.
func AudioSize(payload int) int { return AudioHeader + payload }

// RecordSize is the length of the record that b begins with, header included.
func RecordSize(b []byte) int { return recordHeader + int(binary.BigEndian.Uint16(b[1:])) }

// PutAudio writes an audio record into b, which must be AudioSize long, without
// allocating. The payload must not be longer than MaxPayload.
func PutAudio(b []byte, a *Audio) {
	b[0] = byte(TypeAudio)
	binary.BigEndian.PutUint16(b[1:], uint16(audioFixed+len(a.Payload)))
	a.put(b[recordHeader:])
}

// AudioTime is the arrival in an audio record that PutAudio wrote.
func AudioTime(record []byte) time.Duration {
	in := &input{b: record[recordHeader+12:]}
	return in.time()
}

func (a *Audio) put(b []byte) {
	b[0] = byte(a.Side)
	b[1] = a.PT & 0x7F
	if a.Marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], a.Seq)
	binary.BigEndian.PutUint32(b[4:], a.TS)
	binary.BigEndian.PutUint32(b[8:], a.SSRC)
	us := micros(a.At)
	binary.BigEndian.PutUint16(b[12:], uint16(us>>32))
	binary.BigEndian.PutUint32(b[14:], uint32(us))
	copy(b[audioFixed:], a.Payload)
}

func (Audio) kind() Type   { return TypeAudio }
func (Gap) kind() Type     { return TypeGap }
func (Mark) kind() Type    { return TypeMark }
func (Formats) kind() Type { return TypeMeta }
func (About) kind() Type   { return TypeMeta }
func (Place) kind() Type   { return TypeMeta }
func (Purpose) kind() Type { return TypeMeta }
func (Anchor) kind() Type  { return TypeAnchor }
func (End) kind() Type     { return TypeEnd }
func (Head) kind() Type    { return TypeHead }

func (u Unknown) kind() Type { return u.Type }

func (a Audio) body(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, audioFixed+len(a.Payload))...)
	a.put(b[start:])
	return b
}

func (g Gap) body(b []byte) []byte {
	b = append(b, byte(g.Side), byte(g.Cause))
	b = appendTime(b, g.From)
	b = appendTime(b, g.To)
	return binary.BigEndian.AppendUint32(b, g.Packets)
}

func (m Mark) body(b []byte) []byte {
	b = append(b, byte(m.Kind), byte(m.Side))
	b = appendTime(b, m.At)
	b = binary.BigEndian.AppendUint32(b, m.Count)
	return appendText(b, m.Ref)
}

// Kinds of META records.
const (
	metaFormats = 1
	metaAbout   = 2
	metaPlace   = 3
	metaPurpose = 4
)

func (f Formats) body(b []byte) []byte {
	more := byte(0)
	if f.More {
		more = 1
	}
	b = append(b, metaFormats, byte(f.Side), more)
	b = appendTime(b, f.At)
	b = append(b, byte(len(f.Set)))
	for _, x := range f.Set {
		b = appendFormat(b, x)
	}
	return b
}

func appendFormat(b []byte, f media.Format) []byte {
	b = append(b, f.PT)
	b = binary.BigEndian.AppendUint32(b, uint32(f.Clock))
	b = append(b, byte(f.Channels))
	b = appendText(b, f.Name)
	return appendText(b, f.Params)
}

func (a About) body(b []byte) []byte {
	b = append(b, metaAbout)
	for _, s := range []string{a.Recording, a.Call, a.Account, a.Node, a.Mode, a.Channels} {
		b = appendText(b, s)
	}
	return b
}

func (p Purpose) body(b []byte) []byte {
	return appendText(appendText(append(b, metaPurpose), p.Source), p.Mailbox)
}

func (p Place) body(b []byte) []byte {
	b = append(b, metaPlace)
	b = binary.BigEndian.AppendUint16(b, uint16(p.Segment))
	for _, s := range []string{p.Previous, p.Caller, p.Callee} {
		b = appendText(b, s)
	}
	return b
}

func (a Anchor) body(b []byte) []byte {
	b = appendTime(b, a.At)
	b = binary.BigEndian.AppendUint64(b, uint64(a.Wall.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, a.Segments)
	return append(b, a.Root[:]...)
}

func (e End) body(b []byte) []byte {
	b = append(b, byte(e.Reason))
	b = appendTime(b, e.Duration)
	b = binary.BigEndian.AppendUint32(b, e.Gaps)
	b = binary.BigEndian.AppendUint32(b, e.Pauses)
	b = appendTime(b, e.Paused)
	for _, t := range []Totals{e.Caller, e.Callee} {
		for _, n := range []uint64{t.Packets, t.Bytes, t.Dropped, t.Ignored, t.Digits} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
	}
	return b
}

func (h Head) body(b []byte) []byte { return appendTime(b, h.At) }

func (u Unknown) body(b []byte) []byte { return append(b, u.Body...) }

// SplitFormats cuts a set of payload types into records that fit a segment.
// Names and parameters longer than 255 bytes lose their end.
func SplitFormats(side media.Side, at time.Duration, set []media.Format) []Formats {
	const room = Plain / 2
	out := []Formats{{Side: side, At: at}}
	used := 0
	for _, f := range set {
		n := len(appendFormat(nil, f))
		last := &out[len(out)-1]
		if used+n > room || len(last.Set) == 255 {
			out = append(out, Formats{Side: side, At: at, More: true})
			last, used = &out[len(out)-1], 0
		}
		last.Set = append(last.Set, f)
		used += n
	}
	return out
}

// micros is d in the 48 bits of a record: never negative, never wrapped.
func micros(d time.Duration) uint64 {
	return uint64(min(max(d.Microseconds(), 0), maxMicros))
}

func appendTime(b []byte, d time.Duration) []byte {
	us := micros(d)
	b = binary.BigEndian.AppendUint16(b, uint16(us>>32))
	return binary.BigEndian.AppendUint32(b, uint32(us))
}

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	b = append(b, byte(len(s)))
	return append(b, s...)
}
