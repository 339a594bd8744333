package format

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"ringdown/media"
)

// Cursor walks the records of one segment's plaintext.
type Cursor struct {
	rest  []byte
	first bool
}

// Walk starts at the first record of a segment. The plaintext must stay as it
// is as long as the records are used: payloads alias it.
func Walk(plain []byte) *Cursor { return &Cursor{rest: plain, first: true} }

// Next returns the next record, io.EOF after the last one, or ErrRecord, after
// which the rest of the segment has no meaning.
func (c *Cursor) Next() (Record, error) {
	if len(c.rest) == 0 || c.rest[0] == byte(TypePad) {
		return nil, c.padding()
	}
	if len(c.rest) < recordHeader {
		return nil, c.fail("header is cut")
	}
	n := int(binary.BigEndian.Uint16(c.rest[1:]))
	if len(c.rest) < recordHeader+n {
		return nil, c.fail("body of %d bytes is cut", n)
	}
	typ, body := Type(c.rest[0]), c.rest[recordHeader:recordHeader+n]
	c.rest = c.rest[recordHeader+n:]
	if c.first != (typ == TypeHead) {
		return nil, c.fail("head is not the first record, or not the only one")
	}
	c.first = false
	r, err := Parse(typ, body)
	if err != nil {
		c.rest = nil
	}
	return r, err
}

// Audio returns the next record when it is one of audio, and takes it. false
// changes nothing: Next says what comes. Unlike Next it does not allocate.
func (c *Cursor) Audio() (Audio, bool) {
	if c.first || len(c.rest) < recordHeader || Type(c.rest[0]) != TypeAudio {
		return Audio{}, false
	}
	n := int(binary.BigEndian.Uint16(c.rest[1:]))
	if len(c.rest) < recordHeader+n {
		return Audio{}, false
	}
	in := input{b: c.rest[recordHeader : recordHeader+n]}
	a := in.audio()
	if in.bad {
		return Audio{}, false
	}
	c.rest = c.rest[recordHeader+n:]
	return a, true
}

// padding checks that nothing hides behind the last record.
func (c *Cursor) padding() error {
	for _, b := range c.rest {
		if b != 0 {
			return c.fail("padding is not zero")
		}
	}
	if c.first {
		return c.fail("segment is empty")
	}
	c.rest = nil
	return io.EOF
}

func (c *Cursor) fail(text string, args ...any) error {
	c.rest, c.first = nil, false
	return fmt.Errorf("%s: %w", fmt.Sprintf(text, args...), ErrRecord)
}

// Parse reads one record's body.
func Parse(typ Type, body []byte) (Record, error) {
	in := &input{b: body}
	var r Record
	switch typ {
	case TypeAudio:
		r = in.audio()
	case TypeGap:
		r = Gap{Side: in.side(0), Cause: Cause(in.u8()), From: in.time(), To: in.time(), Packets: in.u32()}
	case TypeMark:
		r = Mark{Kind: MarkKind(in.u8()), Side: in.side(0), At: in.time(), Count: in.u32(), Ref: in.text()}
	case TypeMeta:
		r = in.meta()
	case TypeAnchor:
		r = in.anchor()
	case TypeEnd:
		r = in.end()
	case TypeHead:
		r = Head{At: in.time()}
	default:
		return Unknown{Type: typ, Body: body}, nil
	}
	if in.bad || len(in.b) > 0 {
		return nil, fmt.Errorf("record of type %d with %d bytes: %w", typ, len(body), ErrRecord)
	}
	return r, nil
}

// input takes fields off the front of a body; once it ran out it stays bad.
type input struct {
	b   []byte
	bad bool
}

func (in *input) take(n int) []byte {
	if len(in.b) < n {
		in.bad = true
		in.b = nil
		return make([]byte, n)
	}
	out := in.b[:n]
	in.b = in.b[n:]
	return out
}

func (in *input) u8() uint8   { return in.take(1)[0] }
func (in *input) u16() uint16 { return binary.BigEndian.Uint16(in.take(2)) }
func (in *input) u32() uint32 { return binary.BigEndian.Uint32(in.take(4)) }
func (in *input) u64() uint64 { return binary.BigEndian.Uint64(in.take(8)) }

func (in *input) text() string { return string(in.take(int(in.u8()))) }

func (in *input) time() time.Duration {
	hi := in.u16()
	return time.Duration(uint64(hi)<<32|uint64(in.u32())) * time.Microsecond
}

// side reads a party; none is the least value that is allowed.
func (in *input) side(none media.Side) media.Side {
	s := media.Side(in.u8())
	if s < none || s > media.Callee {
		in.bad = true
	}
	return s
}

func (in *input) audio() Audio {
	a := Audio{Side: in.side(media.Caller)}
	pt := in.u8()
	a.PT, a.Marker = pt&0x7F, pt&0x80 != 0
	a.Seq, a.TS, a.SSRC, a.At = in.u16(), in.u32(), in.u32(), in.time()
	a.Payload = in.take(len(in.b))
	return a
}

func (in *input) meta() Record {
	whole := in.b
	switch in.u8() {
	case metaFormats:
		f := Formats{Side: in.side(media.Caller), More: in.u8() == 1, At: in.time()}
		for range in.u8() {
			if in.bad {
				break
			}
			f.Set = append(f.Set, media.Format{PT: in.u8(), Clock: int(in.u32()), Channels: int(in.u8()), Name: in.text(), Params: in.text()})
		}
		return f
	case metaAbout:
		return About{Recording: in.text(), Call: in.text(), Account: in.text(), Node: in.text(), Mode: in.text(), Channels: in.text()}
	case metaPlace:
		return Place{Segment: int(in.u16()), Previous: in.text(), Caller: in.text(), Callee: in.text()}
	case metaPurpose:
		return Purpose{Source: in.text(), Mailbox: in.text()}
	default:
		in.b = nil
		return Unknown{Type: TypeMeta, Body: whole}
	}
}

func (in *input) anchor() Anchor {
	a := Anchor{At: in.time(), Wall: time.UnixMicro(int64(in.u64())).UTC(), Segments: in.u64()}
	copy(a.Root[:], in.take(len(a.Root)))
	return a
}

func (in *input) end() End {
	e := End{Reason: Reason(in.u8()), Duration: in.time(), Gaps: in.u32(), Pauses: in.u32(), Paused: in.time()}
	for _, t := range []*Totals{&e.Caller, &e.Callee} {
		*t = Totals{Packets: in.u64(), Bytes: in.u64(), Dropped: in.u64(), Ignored: in.u64(), Digits: in.u64()}
	}
	return e
}
