package call

import (
	"errors"
	"fmt"

	"ringdown/events"
)

// Cause says why a leg or a call ended. It is the only currency for endings
// between rooms; sip/status.go is the only place that turns it into SIP and back.
type Cause struct {
	Status int    // SIP status code: 486; 200 for a normal end by BYE; 0 when SIP had no word in it
	Q850   int    // ITU-T Q.850 cause, 0 when unknown
	Text   string // reason phrase in our words, never the peer's text
	Remote bool   // told by the peer; otherwise our own decision
	Reason string // reject_reason when we refused; empty otherwise
	By     Ender  // who ended it, when somebody did
	Retry  int    // Retry-After in seconds for a refusal, 0: none
	Warn   int    // Warning code of RFC 3261 20.43 for a refusal, 0: none
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
)

// Refusal reasons that the switchboard itself gives; the others come from routing.
const (
	ReasonOverload            = "overload"
	ReasonConcurrencyLimit    = "concurrency-limit"
	ReasonCPSLimit            = "cps-limit"
	ReasonRecordingImpossible = "recording-impossible"
)

// event is the cause as events show it.
func (c Cause) event() events.Cause {
	source := "local"
	if c.Remote {
		source = "remote"
	}
	return events.Cause{SIPStatus: c.Status, SIPReason: c.Text, Q850: c.Q850, Q850Text: q850Text[c.Q850], Source: source}
}

// q850Text names the causes of ITU-T Q.850 that calls here can end with.
var q850Text = map[int]string{
	1: "unallocated number", 16: "normal call clearing", 17: "user busy", 18: "no user responding",
	19: "no answer from user", 20: "subscriber absent", 21: "call rejected", 22: "number changed",
	26: "non-selected user clearing", 27: "destination out of order", 28: "invalid number format",
	31: "normal, unspecified", 34: "no circuit available", 38: "network out of order",
	41: "temporary failure", 42: "switching equipment congestion", 47: "resource unavailable",
	55: "incoming calls barred", 58: "bearer capability not available", 63: "service not available",
	65: "bearer capability not implemented", 88: "incompatible destination", 102: "recovery on timer expiry",
	111: "protocol error", 127: "interworking, unspecified",
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

// towardsCaller is what the caller's side hears of a failure on the other: the
// destination's authentication, redirection and overload are not the caller's
// business, and a 503 would make his carrier believe that we are down (RFC 3261 16.7).
func towardsCaller(c Cause) Cause {
	switch {
	case c.Status == 0:
		c.Status, c.Q850 = 480, 20
	case c.Status == 408 && !c.Remote:
		c.Status, c.Q850 = 502, 27
	case !c.Remote:
	case c.Status >= 300 && c.Status < 400:
		c.Status, c.Q850 = 480, 20
	case c.Status == 401, c.Status == 407, c.Status == 403:
		c.Status, c.Q850 = 502, 21
	case c.Status == 503:
		c.Status, c.Q850 = 500, 41
	}
	return c
}
