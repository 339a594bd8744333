package recorder

import (
	"io"
	"slices"
	"strconv"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
)

// Bounds of what a manifest lists; the counts go on.
const (
	maxSpans  = 1000
	maxCodecs = 16
)

// summary counts what is in a part. The live writer and the reading of a file
// feed it with the same records, so both come to the same.
type summary struct {
	about    format.About
	place    format.Place
	purpose  format.Purpose
	zero     time.Time // wall clock of the recording's time zero
	caller   format.Totals
	callee   format.Totals
	codecs   [2][]string
	formats  [2][]media.Format
	gaps     uint32
	degraded bool // a gap that is no pause
	pauses   []Span
	paused   time.Duration
	pauseN   uint32
	last     time.Duration // arrival of the last audio
	end      *format.End
}

// Span is a stretch of a recording in milliseconds from its beginning.
type Span struct {
	From int64 `json:"from_ms"`
	To   int64 `json:"to_ms"`
}

func (s *summary) of(side media.Side) *format.Totals {
	if side == media.Caller {
		return &s.caller
	}
	return &s.callee
}

// segment counts all records of a segment's plaintext, padded or not. What is
// malformed is passed over and reported.
func (s *summary) segment(plain []byte) error {
	for c := format.Walk(plain); ; {
		if a, ok := c.Audio(); ok {
			s.audio(a)
			continue
		}
		rec, err := c.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.record(rec)
	}
}

func (s *summary) record(r format.Record) {
	switch r := r.(type) {
	case format.Audio:
		s.audio(r)
	case format.Formats:
		s.describe(r)
	case format.About:
		s.about = r
	case format.Place:
		s.place = r
	case format.Purpose:
		s.purpose = r
	case format.Anchor:
		if s.zero.IsZero() {
			s.zero = r.Wall.Add(-r.At)
		}
	case format.Gap:
		s.gap(r)
	case format.Mark:
		if r.Kind == format.MarkDigits && r.Side != 0 {
			s.of(r.Side).Digits += uint64(r.Count)
		}
	case format.End:
		s.end = &r
	}
}

func (s *summary) audio(a format.Audio) {
	t := s.of(a.Side)
	t.Packets++
	t.Bytes += uint64(len(a.Payload))
	s.last = max(s.last, a.At)
	name := s.name(a.Side, a.PT)
	if codecs := &s.codecs[a.Side-1]; !slices.Contains(*codecs, name) && len(*codecs) < maxCodecs {
		*codecs = append(*codecs, name)
	}
}

// name is the codec of a payload type; a static type that nobody described is
// called by its number.
func (s *summary) name(side media.Side, pt uint8) string {
	for _, f := range slices.Backward(s.formats[side-1]) { // of several, the last one said
		if f.PT == pt && f.Name != "" {
			return f.Name
		}
	}
	return numbered[pt&0x7F]
}

// numbered is what payload types are called that nobody described.
var numbered = func() (names [128]string) {
	for pt := range names {
		names[pt] = "PT" + strconv.Itoa(pt)
	}
	return names
}()

func (s *summary) describe(f format.Formats) {
	known := &s.formats[f.Side-1]
	if !f.More {
		*known = nil
	}
	*known = append(*known, f.Set...)
}

func (s *summary) gap(g format.Gap) {
	if g.Side != 0 {
		t := s.of(g.Side)
		if g.Cause == format.CauseUndescribed {
			t.Ignored += uint64(g.Packets)
			return
		}
		t.Dropped += uint64(g.Packets)
	}
	s.gaps++
	if g.Cause != format.CausePaused {
		s.degraded = true
		return
	}
	s.pauseN++
	s.paused += g.To - g.From
	if len(s.pauses) < maxSpans {
		s.pauses = append(s.pauses, Span{g.From.Milliseconds(), g.To.Milliseconds()})
	}
}

// finished is the END of a part with this summary.
func (s *summary) finished(reason format.Reason, duration time.Duration) format.End {
	return format.End{
		Reason: reason, Duration: max(duration, 0), Gaps: s.gaps, Pauses: s.pauseN, Paused: s.paused,
		Caller: s.caller, Callee: s.callee,
	}
}
