//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// placed is one call of a round, as the two phones know it.
type placed struct {
	index  int // of its line and of its stamps
	number string
	// When each phone had the answer; zero: it never did. True connected time is
	// bounded by the callee's from above and by the caller's from below.
	caller, callee time.Time
	// Frames each had said when the node was killed. skip is how many of the
	// callee's were said before the caller's answer, which recording need not hold.
	saidCaller, saidCallee, skip int
}

// event is what the judge reads of an envelope.
type event struct {
	ID   string          `json:"id"`
	Type string          `json:"type"`
	Call string          `json:"call"`
	Seq  int             `json:"seq"`
	Data json.RawMessage `json:"data"`
}

// facts are the fields of payloads the judge looks at.
type facts struct {
	TrackingNumber string `json:"tracking_number"`
	BillableMS     int64  `json:"billable_ms"`
	Estimated      bool   `json:"estimated"`
	Recording      string `json:"recording"`
}

// figures are the worst of what was seen; all are 0 in a perfect world except
// the times a restart takes.
type figures struct {
	Calls        int   `json:"calls"`    // received by the node
	Answered     int   `json:"answered"` // as the caller saw it
	Estimated    int   `json:"ended_estimated"`
	Recordings   int   `json:"recordings"`
	OverMS       int64 `json:"worst_overbilled_ms"`   // against the callee's answer: above 0 is a fault
	AboveOwnMS   int64 `json:"worst_above_caller_ms"` // against the moment the caller had the answer
	UnderMS      int64 `json:"worst_underbilled_ms"`
	LostMS       int   `json:"worst_lost_ms"` // of one side of one recording, wherever
	HeadMS       int   `json:"worst_head_ms"` // before the first frame that is there
	HoleMS       int   `json:"worst_hole_ms"` // between frames that are there
	TailMS       int   `json:"worst_tail_ms"` // after the last
	ReadyMS      int64 `json:"worst_ready_ms"`
	FinalsMS     int64 `json:"worst_finals_ms"` // from ready until all ends were told
	faults       []string
	recordingsOf map[string]string // recording id by number
}

// maxKept bounds how many faults are kept in words.
const maxKept = 50

func (f *figures) fault(format string, args ...any) {
	if len(f.faults) < maxKept {
		f.faults = append(f.faults, fmt.Sprintf(format, args...))
	} else if len(f.faults) == maxKept {
		f.faults = append(f.faults, "and more")
	}
}

// merge keeps the worst of two rounds and the sum of their counts.
func (f *figures) merge(g figures) {
	f.Calls += g.Calls
	f.Answered += g.Answered
	f.Estimated += g.Estimated
	f.Recordings += g.Recordings
	f.OverMS, f.AboveOwnMS, f.UnderMS = max(f.OverMS, g.OverMS), max(f.AboveOwnMS, g.AboveOwnMS), max(f.UnderMS, g.UnderMS)
	f.LostMS, f.HeadMS, f.HoleMS, f.TailMS = max(f.LostMS, g.LostMS), max(f.HeadMS, g.HeadMS), max(f.HoleMS, g.HoleMS), max(f.TailMS, g.TailMS)
	f.ReadyMS, f.FinalsMS = max(f.ReadyMS, g.ReadyMS), max(f.FinalsMS, g.FinalsMS)
	for _, text := range g.faults {
		f.fault("%s", text)
	}
}

// story is all events of one call.
type story struct {
	id        string
	events    []event
	number    string
	answered  int
	ended     int
	billable  int64
	estimated bool
	recording string
	sealed    int // recording.completed or .failed
}

// tell groups events by call and reads what the judge needs.
func tell(events []event) (map[string]*story, error) {
	all := map[string]*story{}
	for _, e := range events {
		s := all[e.Call]
		if s == nil {
			s = &story{id: e.Call}
			all[e.Call] = s
		}
		s.events = append(s.events, e)
		var f facts
		if len(e.Data) > 0 {
			if err := json.Unmarshal(e.Data, &f); err != nil {
				return nil, fmt.Errorf("event %s: %w", e.ID, err)
			}
		}
		switch e.Type {
		case "call.received":
			s.number = f.TrackingNumber
		case "call.answered":
			s.answered++
		case "call.ended":
			s.ended++
			s.billable, s.estimated = f.BillableMS, f.Estimated
		case "recording.started":
			s.recording = f.Recording
		case "recording.completed", "recording.failed":
			s.sealed++
		}
	}
	return all, nil
}

// settled says whether every call and recording has come to its end.
func settled(all map[string]*story) bool {
	for _, s := range all {
		if s.ended == 0 || s.recording != "" && s.sealed == 0 {
			return false
		}
	}
	return true
}

// judge holds the events of a round against its calls. dead is when the process
// was gone: no call was connected after it.
func judge(calls []placed, events []event, dead time.Time) (figures, error) {
	f := figures{recordingsOf: map[string]string{}}
	all, err := tell(events)
	if err != nil {
		return f, err
	}
	f.Calls = len(all)
	byNumber := map[string][]*story{}
	for _, s := range all {
		f.sequence(s)
		byNumber[s.number] = append(byNumber[s.number], s)
		if s.estimated {
			f.Estimated++
		}
	}
	for _, c := range calls {
		f.account(c, byNumber[c.number], dead)
		delete(byNumber, c.number)
	}
	for number, rest := range byNumber {
		f.fault("%d calls to %s that nobody placed", len(rest), shorten(number))
	}
	return f, nil
}

// sequence checks one call by itself: one end, and seq without a gap.
func (f *figures) sequence(s *story) {
	slices.SortStableFunc(s.events, func(a, b event) int { return a.Seq - b.Seq })
	for i, e := range s.events {
		switch {
		case e.Seq != i+1 && i > 0 && e.Seq == s.events[i-1].Seq:
			f.fault("%s: seq %d twice", s.id, e.Seq)
		case e.Seq != i+1:
			f.fault("%s: seq %d where %d belongs", s.id, e.Seq, i+1)
		case e.ID != fmt.Sprintf("%s-%d", s.id, e.Seq):
			f.fault("%s: seq %d has another id", s.id, e.Seq)
		}
	}
	if s.events[0].Type != "call.received" {
		f.fault("%s: begins with %s", s.id, s.events[0].Type)
	}
	if s.ended != 1 {
		f.fault("%s: ended %d times", s.id, s.ended)
	}
	if s.recording != "" && s.sealed != 1 {
		f.fault("%s: recording came to %d ends", s.id, s.sealed)
	}
}

// account holds one placed call against what was told of it.
func (f *figures) account(c placed, told []*story, dead time.Time) {
	answered := !c.caller.IsZero()
	if answered {
		f.Answered++
	}
	switch {
	case len(told) > 1:
		f.fault("line %d: called once, told %d times", c.index, len(told))
		return
	case len(told) == 0 && answered:
		f.fault("line %d: answered, and nothing was told", c.index)
	}
	if len(told) == 0 {
		return
	}
	s := told[0]
	if answered && s.answered != 1 {
		f.fault("%s: the caller saw an answer, told %d times", s.id, s.answered)
	}
	most, own := connected(c.callee, dead), connected(c.caller, dead)
	f.OverMS = max(f.OverMS, s.billable-most)
	if s.billable > most {
		f.fault("%s: billed %d ms, connected %d ms", s.id, s.billable, most)
	}
	if answered {
		f.AboveOwnMS = max(f.AboveOwnMS, s.billable-own)
		f.UnderMS = max(f.UnderMS, own-s.billable)
		if s.recording == "" {
			f.fault("%s: answered and not recorded", s.id)
		}
	}
	if s.recording != "" {
		f.Recordings++
		f.recordingsOf[c.number] = s.recording
	}
}

// connected is the time from an answer to the end, rounded up as nobody can bill.
func connected(from, to time.Time) int64 {
	if from.IsZero() || to.Before(from) {
		return 0
	}
	return int64((to.Sub(from) + time.Millisecond - 1) / time.Millisecond)
}

// shorten keeps a number out of the text: only its last two digits.
func shorten(number string) string {
	return "…" + number[max(0, len(number)-2):]
}

const frameMS = 20

// maxLostMS is what a recording may lose to a crash (F-02).
const maxLostMS = 1000

// listen holds a recording against what was said: channel 1 the caller, channel 2
// the callee, each frame once and in order, nothing of anybody else.
func (f *figures) listen(c placed, id string, channels [][]int16) {
	if len(channels) != 2 {
		f.fault("%s: %d channels", id, len(channels))
		return
	}
	f.side(c, id, 0, stamps(channels[0]), 0, c.saidCaller)
	f.side(c, id, 1, stamps(channels[1]), c.skip, c.saidCallee)
}

func (f *figures) side(c placed, id string, side int, heard []found, from, to int) {
	seen := map[int]bool{}
	last := -1
	for _, h := range heard {
		switch {
		case h.call != c.index || h.side != side:
			f.fault("%s: channel %d holds call %d side %d", id, side+1, h.call, h.side)
			continue
		case seen[h.frame]:
			f.fault("%s: channel %d holds frame %d twice", id, side+1, h.frame)
		case h.frame < last:
			f.fault("%s: channel %d has frame %d after %d", id, side+1, h.frame, last)
		}
		seen[h.frame] = true
		last = max(last, h.frame)
	}
	if c.caller.IsZero() || to <= from {
		return // nobody promised that this was recorded
	}
	head, hole, tail := missing(seen, from, to)
	f.HeadMS, f.HoleMS, f.TailMS = max(f.HeadMS, head*frameMS), max(f.HoleMS, hole*frameMS), max(f.TailMS, tail*frameMS)
	lost := (head + hole + tail) * frameMS
	f.LostMS = max(f.LostMS, lost)
	if lost > maxLostMS {
		f.fault("%s: channel %d lost %d ms (%d at the head, %d inside, %d at the end)", id, side+1, lost, head*frameMS, hole*frameMS, tail*frameMS)
	}
}

// missing counts the frames of [from, to) that are not there: before the first
// that is, between, and after the last.
func missing(seen map[int]bool, from, to int) (head, hole, tail int) {
	first, last := to, from-1
	for n := from; n < to; n++ {
		if seen[n] {
			first, last = min(first, n), n
		}
	}
	if last < from {
		return 0, 0, to - from
	}
	for n := first; n <= last; n++ {
		if !seen[n] {
			hole++
		}
	}
	return first - from, hole, to - 1 - last
}
