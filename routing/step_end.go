package routing

import (
	"fmt"
	"slices"
)

// Rejected refuses the call.
type Rejected struct {
	Played
	Reason string `yaml:"reason" json:",omitempty"` // word of the events' reject_reason: rejected (default), …
	Status int    `yaml:"status" json:",omitempty"` // of SIP, 400 to 699; 0: the reason's own
}

// Hangup ends the call well, with a prompt or without.
type Hangup struct{ Played }

// Reasons that a flow may give.
const (
	RejectedByFlow Reason = "rejected"
	ClosedNow      Reason = "closed"
	Unavailable    Reason = "unavailable"
	RejectedByHook Reason = "rejected-by-hook"
)

var rejectReasons = []string{string(RejectedByFlow), string(ClosedNow), string(BlockedCaller), string(AnonymousRefused), string(Unavailable)}

type rejectStep struct {
	ids    []string
	reason Reason
	status int
}

type hangupStep struct{ ids []string }

func (b *builder) reject(spec Rejected, path string) node {
	b.fault(checkWord(spec.Reason, rejectReasons), "%s.reason", path)
	if spec.Status != 0 && (spec.Status < 400 || spec.Status > 699 || slices.Contains(notForRefusal, spec.Status)) {
		b.fault(fmt.Sprintf("is not a code to refuse a call with: 400 to 699, but for %v", notForRefusal), "%s.status", path)
	}
	s := &rejectStep{b.played(spec.Played, "", path), Reason(spec.Reason), spec.Status}
	if s.reason == "" {
		s.reason = RejectedByFlow
	}
	return s
}

// notForRefusal are codes that ask the caller's side for something: it would try
// again with credentials, another format or a timer (RFC 3261 21.4, RFC 4028).
var notForRefusal = []int{401, 407, 415, 420, 421, 422, 423, 469, 481, 487, 489, 491, 494}

func (s *rejectStep) ends() {}

func (s *rejectStep) run(w *Walk, _ Outcome) Instruction {
	w.result(string(s.reason))
	w.look("reject", Chosen, string(s.reason))
	return Refuse{Step: w.at(), Reason: s.reason, Status: s.status, Prompts: w.prompts(s.ids)}
}

func (b *builder) hangup(spec Hangup, path string) node {
	return &hangupStep{b.played(spec.Played, "", path)}
}

func (s *hangupStep) ends() {}

func (s *hangupStep) run(w *Walk, _ Outcome) Instruction {
	return Hang{Step: w.at(), Prompts: w.prompts(s.ids)}
}
