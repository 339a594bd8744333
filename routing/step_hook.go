package routing

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Hook asks the owner of the account what is to become of the call: to go on with
// one of the flows named here, to ring destinations, to refuse, or, saying none of
// these, to go on behind it; and to tag it in any case. When he says nothing in
// time, or what he may not, the fallback is walked.
type Hook struct {
	URL      string   `yaml:"url" json:",omitempty"`      // https://…; http only to this machine
	Subject  string   `yaml:"subject" json:",omitempty"`  // of NATS request-reply, instead of a url
	Deadline Duration `yaml:"deadline" json:",omitempty"` // PT2S (default), PT0.1S to PT10S
	Secret   Secret   `yaml:"secret" json:",omitzero"`    // that question and answer are signed with
	Send     []string `yaml:"send" json:",omitempty"`     // what he is told beyond ids: caller, number, attribution
	Flows    []string `yaml:"flows" json:",omitempty"`    // ids of those that he may go on with
	Timeout  Duration `yaml:"timeout" json:",omitempty"`  // ring time of each destination that he names without one; PT30S (default)
	Fallback Flow     `yaml:"fallback" json:",omitempty"`
}

const (
	mostAnswered = 16 // destinations in an answer
	maxSubject   = 255
)

type hookStep struct {
	hook     *Hooked
	deadline time.Duration
	ring     time.Duration
	flows    []*flow
	fallback *block // nil: goes on behind it
}

func (b *builder) hook(spec Hook, path string) node {
	switch {
	case (spec.URL == "") == (spec.Subject == ""):
		b.fault("is exactly one of: a url, a subject", "%s", path)
	case spec.URL != "":
		b.fault(checkHookURL(spec.URL), "%s.url", path)
	default:
		b.fault(checkSubject(spec.Subject), "%s.subject", path)
	}
	for i, word := range spec.Send {
		b.fault(checkWord(word, HookSends), "%s.send[%d]", path, i)
	}
	s := &hookStep{
		hook:     &Hooked{URL: spec.URL, Subject: spec.Subject, Secret: spec.Secret, Send: slices.Clone(spec.Send)},
		deadline: b.lasting(spec.Deadline, 2*time.Second, 100*time.Millisecond, 10*time.Second, path+".deadline"),
		ring:     b.ring(spec.Timeout, defaultRing, path),
	}
	for i, id := range spec.Flows {
		b.refer("flow", id, fmt.Sprintf("%s.flows[%d]", path, i), b.hasFlow, b.flowIDs)
		if f := b.flows[id]; f != nil {
			s.flows = append(s.flows, f)
		}
	}
	if spec.Fallback != nil {
		s.fallback = b.block(spec.Fallback, path+".fallback")
	}
	return s
}

// checkHookURL wants TLS for whatever leaves this machine.
func checkHookURL(s string) string {
	u, err := url.Parse(s)
	const not = `is not a URL such as "https://hooks.example/call"`
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return not
	case u.User != nil:
		return "holds a password or a name; sign with a secret instead"
	case u.Fragment != "":
		return "holds a fragment (#…), which is not sent"
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http":
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsLoopback() {
			return ""
		}
		return "is not encrypted: https, or an address of this machine"
	}
	return not
}

// checkSubject wants a subject of NATS without wildcards.
func checkSubject(s string) string {
	for _, token := range strings.Split(s, ".") {
		if token == "" || strings.Trim(strings.ToLower(token), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return "is not a subject: words of letters, digits, - and _, with dots between them"
		}
		if looksLikeNumber(token) {
			return "holds what looks like a telephone number; subjects are shown"
		}
	}
	first, _, _ := strings.Cut(strings.ToLower(s), ".")
	switch {
	case first == "ringdown" || strings.HasPrefix(first, "_"): // a question would stand among the events, or in somebody's inbox
		return "begins with ringdown or _, which are the node's and the broker's own"
	case len(s) > maxSubject:
		return fmt.Sprintf("is longer than %d bytes", maxSubject)
	}
	return ""
}

func (s *hookStep) ways() ([]way, bool) {
	if s.fallback == nil {
		return nil, true
	}
	return []way{{"fallback", s.fallback}}, true // an answer that says nothing goes on behind it
}

func (s *hookStep) run(w *Walk, o Outcome) Instruction {
	switch o := o.(type) {
	case Began:
		return Ask{Step: w.at(), Hook: s.hook, Deadline: s.deadline}
	case Replied:
		return s.replied(w, o)
	case Done: // the tags are noted
		return s.follow(w, w.local.reply)
	case Rung:
		return w.rung(o, false)
	}
	return nil
}

// replied checks an answer whole, before any of it is done.
func (s *hookStep) replied(w *Walk, o Replied) Instruction {
	if o.Err != "" {
		return s.fail(w, o.Err, "the hook gave no answer: "+o.Err)
	}
	r := &hookAnswer{refuse: o.Reply.Refuse}
	if why := s.read(w, o.Reply, r); why != "" {
		return s.fail(w, "invalid", "the hook's answer "+why)
	}
	w.local.reply = r
	if said := w.label(o.Reply.Tags); said != nil {
		return said
	}
	return s.follow(w, r)
}

// hookAnswer is an answer that was read: never changed afterwards.
type hookAnswer struct {
	refuse  bool
	flow    *flow
	targets []target
}

// read says what is wrong with an answer; empty: nothing.
func (s *hookStep) read(w *Walk, from HookReply, into *hookAnswer) string {
	ways := 0
	for _, there := range []bool{from.Flow != "", len(from.Targets) > 0, from.Refuse} {
		if there {
			ways++
		}
	}
	if ways > 1 {
		return "says more than one of: a flow, targets, a refusal"
	}
	for _, f := range checkTags(from.Tags) {
		return "has a fault in tags" + f.Path + ": " + f.Msg
	}
	if from.Flow != "" {
		at := slices.IndexFunc(s.flows, func(f *flow) bool { return f.id == from.Flow })
		if at < 0 {
			return "names a flow that is not one of the step's"
		}
		into.flow = s.flows[at]
	}
	if len(from.Targets) > mostAnswered {
		return fmt.Sprintf("names more than %d targets", mostAnswered)
	}
	ring := s.ring
	if from.Timeout != 0 {
		ring = min(max(from.Timeout, minRing), maxRing)
	}
	targets, texts, faults := w.table.Directions(from.Targets, ring)
	if len(faults) > 0 {
		return "has " + faults[0].Path + ": " + faults[0].Msg
	}
	for i, t := range targets {
		into.targets = append(into.targets, target{t, texts[i]})
	}
	return ""
}

// follow does what the answer says.
func (s *hookStep) follow(w *Walk, r *hookAnswer) Instruction {
	switch {
	case r.refuse:
		w.result("refused")
		w.look("hook", Chosen, "refuses the call")
		return Refuse{Step: w.at(), Reason: RejectedByHook}
	case r.flow != nil:
		w.redirect(r.flow)
		return nil
	case len(r.targets) > 0:
		w.look("hook", Chosen, "names "+plural(len(r.targets), "target"))
		return w.ring(r.targets, &dialStep{strategy: Sequential, failover: allResults})
	}
	w.result("went on")
	w.look("hook", Missed, "names nobody")
	return nil
}

func (s *hookStep) fail(w *Walk, word, text string) Instruction {
	w.result(word)
	w.look("hook", Missed, text)
	if s.fallback != nil {
		w.enter(s.fallback)
	}
	return nil
}
