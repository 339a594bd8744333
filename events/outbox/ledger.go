package outbox

import (
	"errors"
	"maps"
	"slices"
	"time"

	"ringdown/events"
)

// ErrEnded refuses a second call.ended: there is exactly one.
var ErrEnded = errors.New("outbox: call has ended already")

// errTold says that a recording.completed is in the log already: the recorder
// tells it once more when it was killed before it had given the file its name.
var errTold = errors.New("outbox: end of recording is told already")

// grace is how long, in the events' own time, a call that has ended and whose
// recordings are closed is still remembered: nothing is said of it any more,
// and who spoke after all is looked up in the log.
const grace = 30 * time.Second

// ledger knows the last number given in each call that may still speak. It is
// pure: no clock but the events', no disk. One goroutine uses it.
type ledger struct {
	calls map[string]state
	most  int       // calls at a time since the map was made
	now   time.Time // the latest time an event or beat told
	gone  []leaving // calls that may be forgotten, about in the order of their times
	undo  []undo
}

type state struct {
	account    string
	seq        uint64
	first      uint64 // segment of its first event: it is kept while the call is open
	ended      bool
	recordings []string // open ones
	completed  []string // those whose recording.completed is told
	last       time.Time
}

type leaving struct {
	call string
	last time.Time
}

type undo struct {
	call string
	old  state
	had  bool
}

func newLedger() *ledger { return &ledger{calls: make(map[string]state)} }

func (s state) closed() bool { return s.ended && len(s.recordings) == 0 }

// apply takes e, whose number is given, as the latest of its call.
func (l *ledger) apply(e entry, segment uint64) {
	old, had := l.calls[e.call]
	l.undo = append(l.undo, undo{e.call, old, had})
	s := old
	if !had {
		s.account, s.first = e.account, segment
	}
	s.seq = max(s.seq, e.seq)
	if e.at.After(s.last) {
		s.last = e.at
	}
	switch e.kind {
	case events.CallEnded, events.SIPSourceBanned, events.ConfigChanged, events.ConfigRefused: // those that the node tells of itself are alone
		s.ended = true
	case events.RecordingStarted:
		if e.recording != "" && !slices.Contains(s.recordings, e.recording) {
			s.recordings = append(slices.Clip(s.recordings), e.recording)
		}
	case events.RecordingCompleted, events.RecordingFailed:
		s.recordings = slices.DeleteFunc(slices.Clone(s.recordings), func(r string) bool { return r == e.recording })
		if e.kind == events.RecordingCompleted {
			s.completed = append(slices.Clip(s.completed), e.recording)
		}
	}
	l.calls[e.call] = s
	l.tell(e.at)
	if s.closed() {
		l.gone = append(l.gone, leaving{e.call, s.last})
	}
}

// tell moves the clock.
func (l *ledger) tell(at time.Time) {
	if at.After(l.now) {
		l.now = at
	}
}

// settle keeps what was applied; rollback takes it back to the last settle.
func (l *ledger) settle() { l.undo = l.undo[:0] }

func (l *ledger) rollback() {
	for _, u := range slices.Backward(l.undo) {
		if u.had {
			l.calls[u.call] = u.old
		} else {
			delete(l.calls, u.call)
		}
	}
	l.undo = l.undo[:0]
}

// forget drops calls that were closed longer than grace ago.
func (l *ledger) forget() {
	n := 0
	for _, g := range l.gone {
		if l.now.Sub(g.last) < grace {
			break
		}
		n++
		// A later event of the call has put it behind in the list again.
		if s, ok := l.calls[g.call]; ok && s.closed() && !s.last.After(g.last) {
			delete(l.calls, g.call)
		}
	}
	l.gone = slices.Delete(l.gone, 0, n)
	l.shrink()
}

// shrink makes the map anew when most of it is empty: maps never get smaller.
func (l *ledger) shrink() {
	if l.most = max(l.most, len(l.calls)); l.most < 1024 || len(l.calls) > l.most/8 {
		return
	}
	calls := make(map[string]state, len(l.calls))
	maps.Copy(calls, l.calls)
	l.calls, l.most = calls, len(calls)
}

// oldest returns the first segment an open call needs, or limit.
func (l *ledger) oldest(limit uint64) uint64 {
	for _, s := range l.calls {
		if !s.closed() {
			limit = min(limit, s.first)
		}
	}
	return limit
}
