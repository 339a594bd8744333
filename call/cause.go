package call

import (
	"errors"
	"fmt"

	"ringdown/events"
)

// Cause says why a leg or a call ended. It is the only currency for endings
// between rooms; causes.go is the only table between its codes, sip/status.go the
// only place that turns it into headers and back.
type Cause struct {
	Status   int         // SIP status code: 486; 200 for a normal end by BYE; 0 when SIP had no word in it
	Q850     int         // ITU-T Q.850 cause, 0 when unknown
	Text     string      // reason phrase in our words, never the peer's text
	Remote   bool        // told by the peer; otherwise our own decision
	Reason   string      // reject_reason when we refused; empty otherwise
	By       Ender       // who ended it, when somebody did
	Limit    string      // whose limit was reached, when one was: node, trunk, agency, account, number, destination
	Retry    int         // Retry-After in seconds for a refusal, 0: none
	Redirect *Redirected // of a 3xx: where the peer says to go instead
	Pass     bool        // the caller may be told that
	Warn     int         // Warning code of RFC 3261 20.43 for a refusal, 0: none
}

// Redirected is what a 3xx says. It holds personal data and is never logged.
type Redirected struct {
	To []string // sip: URIs, best first
}

func (c Cause) String() string { return fmt.Sprintf("%d %s", c.Status, c.Text) }

// Error lets a port refuse with a Cause of its own: wrapped in whatever error,
// it decides how the call ends. Any other error counts as 500.
func (c Cause) Error() string { return c.String() }

// causeOf finds the cause in err; fallback names the status when there is none.
func causeOf(err error, status int, text string) Cause {
	var c Cause
	if errors.As(err, &c) {
		return c
	}
	return Cause{Status: status, Text: text}
}

// Ender is who ended a call: ended_by in the events.
type Ender string

const (
	ByCaller   Ender = "caller"
	ByCallee   Ender = "callee"
	ByAPI      Ender = "api"
	ByFlow     Ender = "flow"
	ByLimit    Ender = "limit"
	ByNoACK    Ender = "no-ack"
	ByTimer    Ender = "session-timer"
	ByNodeLoss Ender = "node-loss"
	ByOperator Ender = "operator"
	ByMedia    Ender = "media-timeout"
	ByGuard    Ender = "fraud-guard"
)

// event is the cause as events show it.
func (c Cause) event() events.Cause {
	source := "local"
	if c.Remote {
		source = "remote"
	}
	return events.Cause{SIPStatus: c.Status, SIPReason: c.Text, Q850: c.Q850, Q850Text: q850Codes[c.Q850].text, Source: source}
}

// rank orders the failures of several attempts: which of them is the truth the
// caller should hear. A person's answer outweighs silence, silence a fault.
func rank(c Cause) int {
	switch {
	case c.Status == 0:
		return 0
	case c.Status >= 600:
		return 4
	case c.Status == 486:
		return 3
	case c.Status == 480:
		return 2
	}
	return 1
}
