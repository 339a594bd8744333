package call

import (
	"time"

	"ringdown/media"
	"ringdown/routing"
)

const (
	timerHidden Timer = "hidden" // keys were hidden for long enough

	// hideMost is how long keys stay hidden that nobody shows again, after the code
	// was pressed last.
	hideMost = 2 * time.Minute
)

// hiding is whose keys the other party and the recording do not get, by a code.
type hiding struct {
	of    [2]bool // by side
	until time.Time
}

// hide keeps a side's keys from the other party. Said again, it lasts anew.
func (m *machine) hide(at time.Time, side media.Side) {
	m.hidden.of[side-1], m.hidden.until = true, at.Add(hideMost)
	m.do(doSuppress{side, hiddenAs(m.decision.Codes)}, doTimer{timerHidden, hideMost})
}

// show ends that.
func (m *machine) show(side media.Side) {
	if !m.hidden.of[side-1] {
		return
	}
	m.hidden.of[side-1] = false
	m.do(doSuppress{side, media.PassDigits})
	if m.hidden.of == [2]bool{} {
		m.do(doStopTimer{timerHidden})
	}
}

// showAll shows the keys of both: who asked for the hiding, or whose keys they
// were, has left, or nobody has ended it in time.
func (m *machine) showAll() {
	m.show(media.Caller)
	m.show(media.Callee)
}

// hiddenEnough shows keys that nobody has shown, unless they were hidden anew.
func (m *machine) hiddenEnough(at time.Time) {
	if m.state == inProgress && !at.Before(m.hidden.until) {
		m.showAll()
	}
}

// hiddenAs is what is heard in the place of a hidden key.
func hiddenAs(c routing.StarCodes) media.Suppression {
	switch c.HiddenAs {
	case routing.HiddenAsTone:
		return media.ToneDigits
	case routing.HiddenAsNothing:
		return media.DropDigits
	}
	return media.SilenceDigits
}
