package routing

import "time"

// Hooked is a hook of the table: whom to ask, how it is known who asked, and what
// he is told.
type Hooked struct {
	URL     string   // https: …; empty: Subject
	Subject string   // of NATS request-reply
	Secret  Secret   // that question and answer are signed with; empty: they are not
	Send    []string // what the question tells beyond ids: words of HookSends

	Keep time.Duration // how long a reply counts for calls of the same caller to the same account; 0: for its question only
}

// HookReply is what a hook says: at most one of Flow, Targets and Refuse. None of
// them goes on behind the step. Whether there is such a flow, and whether the
// account may dial such targets, is for the walk to say.
type HookReply struct {
	Flow    string        // id of a flow of the same account
	Targets []Destination // in the order to try
	Timeout time.Duration // ring time of each; zero: the usual
	Refuse  bool
	Tags    map[string]string
}

// What a hook may be told on top of ids, times and tags.
const (
	SendCaller      = "caller"      // the caller's number in the clear, unless it is withheld
	SendNumber      = "number"      // the tracking number
	SendAttribution = "attribution" // of the tracking number
)

// HookSends lists the words of Hooked.Send.
var HookSends = []string{SendCaller, SendNumber, SendAttribution}
