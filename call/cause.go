package call

import "fmt"

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
}

func (c Cause) String() string {
	return fmt.Sprintf("%d %s", c.Status, c.Text)
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
