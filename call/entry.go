package call

import (
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// timerEntry is how long the caller may take to his first or next key.
const timerEntry Timer = "entry"

// aheadMost is how many keys are kept that a caller presses before he is asked.
const aheadMost = 32

// entry is what the caller presses for a step. It goes to the walk and nowhere
// else: not into an event, a log line or a description of the machine.
type entry struct {
	ahead string // pressed before it was asked for
	step  string // that asked last
	keys  string
	open  bool // keys are being collected
	done  bool // and it is complete: only the prompts go on
	heard bool // the prompts are over, to their end
	over  bool // they are over
	until time.Time
}

// gather plays prompts and collects keys. What was pressed before counts when the
// step lets keys end its prompts: who knows the menu need not wait for it. It does
// not count again for a step that asks once more, nor where the prompts have to be
// heard first.
func (m *machine) gather(at time.Time, g routing.Gather) {
	e := &m.desk.entry
	ahead := e.ahead
	if g.Keep || e.step == g.Step {
		ahead = ""
	}
	*e = entry{step: g.Step, open: true}
	for i := range len(ahead) {
		if e.done {
			e.ahead = ahead[i:]
			break
		}
		e.keys, e.done = g.Take(e.keys, ahead[i:i+1])
	}
	if e.keys != "" || e.done { // he has barged in before the prompts began
		e.over = true
		m.collect(at, g)
		return
	}
	m.speak(at, forMenu, g.Prompts, !g.Keep)
}

// pressedToUs takes a key of the caller while we deal with him, said in whatever
// way: that it is one press and not two the relay knows.
func (m *machine) pressedToUs(at time.Time, n media.Notice) {
	key, ok := n.Press.Digit.Key()
	if !ok || n.Side != media.Caller || m.state != attending {
		return
	}
	e := &m.desk.entry
	switch i := m.desk.doing.(type) {
	case routing.Message:
		m.messageKey(at, string(key), i)
		return
	case routing.Gather:
		if !e.open || e.done {
			break
		}
		if e.keys, e.done = i.Take(e.keys, string(key)); e.over || e.done || !i.Keep {
			m.cutShort(i)
			m.collect(at, i)
		}
		return
	}
	if len(e.ahead) < aheadMost {
		e.ahead += string(key)
	}
}

// cutShort ends the prompts of a menu by a key, unless they are to be heard.
func (m *machine) cutShort(g routing.Gather) {
	e := &m.desk.entry
	if !g.Keep && !e.over {
		m.hush()
		e.over = true
	}
}

// askedFor says that the prompts of a menu are over.
func (m *machine) askedFor(at time.Time, complete bool) {
	e := &m.desk.entry
	e.over, e.heard = true, complete
	m.collect(at, m.desk.doing.(routing.Gather))
}

// collect waits for the next key, or is done. While prompts go on that are to be
// heard it waits for their end.
func (m *machine) collect(at time.Time, g routing.Gather) {
	e := &m.desk.entry
	switch {
	case !e.over:
	case e.done:
		m.gathered(at)
	default:
		wait := g.First
		if e.keys != "" {
			wait = g.Next
		}
		e.until = at.Add(wait)
		m.do(doTimer{timerEntry, wait})
	}
}

// entryDue is the end of the caller's time.
func (m *machine) entryDue(at time.Time) {
	if e := &m.desk.entry; e.open && e.over && !at.Before(e.until) {
		m.gathered(at)
	}
}

// gathered gives the walk what the caller pressed.
func (m *machine) gathered(at time.Time) {
	e := &m.desk.entry
	o := routing.Gathered{When: routing.When{Time: at}, Keys: e.keys, Complete: e.heard}
	e.open, e.keys = false, ""
	m.do(doStopTimer{timerEntry})
	m.goOn(at, o)
}
