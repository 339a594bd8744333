package call

import "sync"

// Line is where a leg's signals go: to one call, until the leg goes over to
// another. Signals of a line that leads nowhere wait in it, so that none is
// lost or told to a call that the leg has left. Its methods may be called by
// many goroutines.
type Line struct {
	mu      sync.Mutex
	call    *Call
	leg     LegID
	waiting []Signal
}

// NewLine returns a line that leads nowhere yet.
func NewLine() *Line { return &Line{} }

// Send delivers a signal. It does not wait. Who is brought by a signal to a call
// that has left already is turned away.
func (l *Line) Send(s Signal) {
	if c := l.deliver(s); c != nil {
		c.refuseLate([]letter{{s: s}})
	}
}

// deliver returns the call that did not take the signal.
func (l *Line) deliver(s Signal) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call == nil {
		l.waiting = append(l.waiting, s)
		return nil
	}
	if l.call.post(l.leg, s) {
		return nil
	}
	return l.call
}

// connect makes the line lead to a call and delivers what has waited.
func (l *Line) connect(c *Call, leg LegID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call, l.leg = c, leg
	for _, s := range l.waiting {
		c.post(leg, s)
	}
	l.waiting = nil
}

// cut takes the line away from its call, along with those of its signals that
// the call has not handled. It is for the call's own goroutine.
func (l *Line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call != nil {
		l.waiting = append(l.call.withdraw(l.leg), l.waiting...)
		l.call = nil
	}
}

// withdraw takes the letters of a leg out of the mailbox and the batch.
func (c *Call) withdraw(leg LegID) (out []Signal) {
	keep := func(all []letter) (rest []letter) {
		for _, l := range all {
			if l.from == leg {
				out = append(out, l.s)
			} else {
				rest = append(rest, l)
			}
		}
		return rest
	}
	c.batch = keep(c.batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mailbox = keep(c.mailbox)
	return out
}

// Claim is one call's wish for a leg of another. It is answered once.
type Claim struct {
	call  ID
	reply func(Given) (taken bool) // false: the call that asked is over
}

// Refuse answers the claim by no. It is for whoever finds that there is no call
// to ask, and does not wait.
func (c Claim) Refuse() { c.reply(Given{At: Now(), Refused: true}) }
