package call

import (
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// verifyWait bounds how long the certificate behind an Identity header may hold
// a call: it rings nowhere meanwhile.
const verifyWait = 2 * time.Second

// Verified is what the Identity headers of the call amount to (RFC 8224).
type Verified struct {
	At
	Attested routing.Attested
}

// doVerify asks Ports.Verify aside; the answer is Verified.
type doVerify struct{}

func (doVerify) isAction() {}

// inScreening waits for the caller's PASSporT to be verified. Whatever else
// comes first ends the wait: the call is routed as far as is known, so that its
// events are told, and then hears what came.
func (m *machine) inScreening(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Verified:
		m.attested = s.Attested
	case Timeout:
		if s.Timer != timerVerify {
			return false
		}
		m.attested = unverified
	case Cancelled, Bye, Gone, Stop, Lost:
		m.attested = unverified
		m.held = append(m.held, letter{from, s})
	default:
		return false
	}
	m.do(doStopTimer{timerVerify})
	m.route()
	return true
}

// unverified is the verdict when nobody could give one in time.
var unverified = routing.Attested{Verstat: "No-TN-Validation", Reason: "not-verified-in-time"}

func (m *machine) route() {
	m.become(routingSt)
	m.do(doRoute{})
}

// release gives the call what came while it was being screened.
func (m *machine) release() {
	held := m.held
	m.held = nil
	for _, l := range held {
		m.dispatch(l.from, l.s)
	}
}

func (c *Call) verify() {
	c.aside.Go(func() {
		c.post("", Verified{At{c.now()}, c.ports.Verify(c.ctx, c.machine.invite)})
	})
}

// attestation is a verdict as events show it; nil: nobody looked.
func attestation(a routing.Attested) *events.Attestation {
	if a.Verstat == "" {
		return nil
	}
	return &events.Attestation{Verstat: a.Verstat, Attest: a.Attest, OrigID: a.OrigID, Reason: a.Reason}
}
