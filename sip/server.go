package sip

import (
	"sync"
	"sync/atomic"
	"time"

	"ringdown/call"

	gosip "github.com/emiago/sipgo/sip"
)

// server is a request we answer (RFC 3261 17.2, RFC 6026 7.1). The 100 of timer
// 1xx is not here: a leg gives it at once. A send that fails changes no state
// (RFC 6026 7.1): the peer asks again and is answered again.
type server struct {
	t          *transactions
	hop        *hop
	key, merge txKey
	invite     bool
	tag        string                           // of ours, in To
	cancel     atomic.Pointer[func(call.Cause)] // the leg of an INVITE, told of a CANCEL
	accepted   atomic.Bool                      // answered 2xx: the ACK is the dialog's

	mu     sync.Mutex
	state  txState
	last   []byte        // the response that is repeated
	pace   time.Duration // to its next repetition: timer G
	repeat *time.Timer
}

func (s *server) reliable() bool { return s.hop.stream != nil }

// respond sends a response, if the state allows one: b is its bytes.
func (s *server) respond(status int, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == txAccepted && status >= 200 && status < 300: // the leg repeats it until its ACK comes
	case s.state > txProceeding:
		return
	case status < 200:
		s.state, s.last = txProceeding, b
	case s.invite && status < 300:
		s.state, s.last = txAccepted, nil // a repeated INVITE is absorbed from now on
		s.t.afterAll.add(s, dueLinger)    // L
	default:
		s.state, s.last = txCompleted, b
		s.complete()
	}
	if status >= 200 {
		s.cancel.Store(nil) // it means nothing any more, and would hold the leg
	}
	s.hop.writeBytes(b)
	if s.state == txCompleted && !s.invite && s.reliable() { // J is 0
		s.end()
	}
}

// complete starts the timers of a final response other than an INVITE's 2xx.
func (s *server) complete() {
	if s.invite && !s.reliable() { // G
		s.pace = t1
		s.repeat = time.AfterFunc(s.pace, s.again)
	}
	if s.invite || !s.reliable() {
		s.t.afterAll.add(s, dueLinger) // H, J
	}
}

// again repeats a refusal whose ACK did not come.
func (s *server) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != txCompleted {
		return
	}
	s.hop.writeBytes(s.last)
	s.pace = min(2*s.pace, t2)
	s.repeat.Reset(s.pace)
}

// Receive takes a repeated request, or the ACK to a refusal.
func (s *server) Receive(req *gosip.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != txProceeding && s.state != txCompleted: // nothing said yet, or nothing to be said again
	case !req.IsAck():
		if s.last != nil {
			s.hop.writeBytes(s.last)
		}
	case s.state == txCompleted && s.invite:
		s.state, s.last = txConfirmed, nil
		s.stopRepeat()
		if s.reliable() { // I is 0
			s.end()
			return
		}
		s.t.afterT4.add(s, dueLinger) // I
	}
}

// due is the end of its lingering: whichever of H, I, J and L comes first.
func (s *server) due(deadline) { s.Terminate() }

// Terminate ends the transaction without a word.
func (s *server) Terminate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
}

func (s *server) end() {
	if s.state == txTerminated {
		return
	}
	s.state, s.last = txTerminated, nil
	s.cancel.Store(nil)
	s.stopRepeat()
	s.t.forget(s)
}

func (s *server) stopRepeat() {
	if s.repeat != nil {
		s.repeat.Stop()
		s.repeat = nil
	}
}
