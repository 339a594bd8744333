package outbox

import (
	"encoding/binary"
	"errors"
	"time"

	"ringdown/events"
)

// What a record of the log is: its first byte. The numbers stand on disks.
const (
	kindStart = 1 // begins each segment
	kindEvent = 2
	kindBeat  = 3
)

// fence says how many records of a segment count; those behind them were
// written, but could not be made sure of and stand again elsewhere or nowhere.
type fence struct{ segment, records uint64 }

// start is the first record of a segment.
type start struct {
	process bool // the first segment of a process: beats before it are not ours
	at      time.Time
	fences  []fence
}

// entry is an event as the log holds it. What the ledger needs stands in front
// of the envelope, so that a scan parses no JSON.
type entry struct {
	account, call, kind string // kind is the event's type
	recording           string // empty but in recording.*
	seq                 uint64
	at                  time.Time // milliseconds
	steady              time.Time // at, by the process's clock that nobody sets; see Outbox.steady
	body                []byte    // the envelope
}

var errRecord = errors.New("outbox: record malformed")

func (s start) append(b []byte) []byte {
	b = append(b, kindStart, 0)
	if s.process {
		b[len(b)-1] = 1
	}
	b = binary.AppendVarint(b, s.at.UnixMilli())
	b = binary.AppendUvarint(b, uint64(len(s.fences)))
	for _, f := range s.fences {
		b = binary.AppendUvarint(b, f.segment)
		b = binary.AppendUvarint(b, f.records)
	}
	return b
}

func appendBeat(b []byte, at time.Time) []byte {
	return binary.AppendVarint(append(b, kindBeat), at.UnixMilli())
}

func (e entry) append(b []byte) []byte {
	b = append(b, kindEvent)
	b = binary.AppendUvarint(b, e.seq)
	b = binary.AppendVarint(b, e.at.UnixMilli())
	b = binary.AppendVarint(b, e.steady.UnixMilli())
	for _, s := range []string{e.account, e.call, e.kind, e.recording} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, e.body...)
}

// parse reads one record: a start, an entry or a time.Time (a beat). The body
// of an entry aliases b.
func parse(b []byte) (any, error) {
	if len(b) == 0 {
		return nil, errRecord
	}
	c := &fields{b: b[1:]}
	var v any
	switch b[0] {
	case kindStart:
		s := start{process: c.byte() == 1, at: c.time()}
		for n := c.uint(); n > 0 && !c.bad; n-- {
			s.fences = append(s.fences, fence{c.uint(), c.uint()})
		}
		v = s
	case kindBeat:
		v = c.time()
	case kindEvent:
		e := entry{seq: c.uint(), at: c.time(), steady: c.time()}
		e.account, e.call, e.kind, e.recording = c.string(), c.string(), c.string(), c.string()
		e.body = c.b
		c.bad = c.bad || e.seq == 0 || events.Subject(events.Event{Account: e.account, Call: e.call, Type: e.kind}) == ""
		v = e
	default:
		return nil, errRecord
	}
	if c.bad {
		return nil, errRecord
	}
	return v, nil
}

// fields takes values off the front of b; bad stays set after the first miss.
type fields struct {
	b   []byte
	bad bool
}

func (c *fields) take(n int) {
	if n <= 0 {
		c.bad, c.b = true, nil
		return
	}
	c.b = c.b[n:]
}

func (c *fields) byte() (v byte) {
	if len(c.b) == 0 {
		c.bad = true
		return 0
	}
	v, c.b = c.b[0], c.b[1:]
	return v
}

func (c *fields) uint() uint64 {
	v, n := binary.Uvarint(c.b)
	c.take(n)
	return v
}

func (c *fields) time() time.Time {
	v, n := binary.Varint(c.b)
	c.take(n)
	return time.UnixMilli(v)
}

func (c *fields) string() string {
	n := c.uint()
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return ""
	}
	s := string(c.b[:n])
	c.b = c.b[n:]
	return s
}
