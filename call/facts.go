package call

import (
	"context"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// timerHook bounds what a hook may take.
const timerHook Timer = "hook"

// Question is what the owner of a number is asked about a call, and what he may be
// told: the hook's own settings say what of it goes out.
type Question struct {
	Hook        *routing.Hooked
	Call        ID
	Account     string
	Agency      string
	Flow, Step  string
	At          time.Time
	Trunk       string
	Party       events.Party // the caller, masked, with his subject id
	Caller      string       // E.164; empty: withheld
	Number      string       // tracking number, E.164
	Attribution map[string]string
	Tags        map[string]string
	Consent     string // a word of routing.Walk
}

// Wanted is whose answerer is asked for, and where.
type Wanted struct {
	Account string
	Subject string // the caller; empty: he is not known
	Key     string // of the step
}

type (
	// doAsk asks a hook aside; the answer is HookSaid.
	doAsk struct {
		number   int
		hook     *routing.Hooked
		step     string
		deadline time.Duration
	}
	// doWant asks for a fact; the answer is Knew.
	doWant struct {
		kind routing.FactKind
		key  string
		over time.Duration
	}
	// doStick remembers who answers this caller at a step.
	doStick struct{ key, identity string }
)

func (doAsk) isAction()   {}
func (doWant) isAction()  {}
func (doStick) isAction() {}

type (
	// HookSaid is a hook's reply, or a word for why there is none.
	HookSaid struct {
		At
		Number int
		Reply  routing.HookReply
		Err    string
	}
	// Knew is the answer to a question for a fact.
	Knew struct {
		At
		Number uint64
		ID     string
	}
)

// ask asks a hook. Its deadline is ours too: a hook that does not come back in time
// holds nobody.
func (m *machine) ask(at time.Time, i routing.Ask) {
	d := &m.desk
	m.become(attending)
	d.doing, d.asked, d.patience = i, d.asked+1, at.Add(i.Deadline)
	m.do(doAsk{d.asked, i.Hook, i.Step, i.Deadline}, doTimer{timerHook, i.Deadline})
}

func (m *machine) hookSaid(s HookSaid) {
	if _, asking := m.desk.doing.(routing.Ask); !asking || s.Number != m.desk.asked {
		return // it comes too late
	}
	m.do(doStopTimer{timerHook})
	m.replied(s.Time, routing.Replied{When: routing.When{Time: s.Time}, Reply: s.Reply, Err: s.Err})
}

// hookDue is the end of a hook's time, unless it was being stopped as it fired.
func (m *machine) hookDue(at time.Time) {
	if _, asking := m.desk.doing.(routing.Ask); asking && !at.Before(m.desk.patience) {
		m.replied(at, routing.Replied{When: routing.When{Time: at}, Err: "timeout"})
	}
}

func (m *machine) replied(at time.Time, o routing.Replied) {
	m.desk.doing = nil
	m.goOn(at, o)
}

// want asks for a fact, which is answered at once.
func (m *machine) want(at time.Time, i routing.Want) {
	m.become(attending)
	m.desk.doing = i
	if i.Kind == routing.FactSticky {
		m.flow.sticky = i.Key
	}
	m.do(doWant{i.Kind, i.Key, i.Over})
}

func (m *machine) knew(s Knew) {
	i, wanting := m.desk.doing.(routing.Want)
	if !wanting {
		return
	}
	m.desk.doing = nil
	m.noteFact(i.Kind, s)
	m.goOn(s.Time, routing.Fact{When: routing.When{Time: s.Time}, Number: s.Number, ID: s.ID})
}

// stick remembers who has answered this caller, for a step that asks for it.
func (m *machine) stickTo(l *leg) {
	if m.flow.sticky != "" && l != nil && l.target >= 0 {
		m.do(doStick{m.flow.sticky, m.target(l.target).Identity()})
	}
}

// ask puts the question aside.
func (c *Call) ask(a doAsk) {
	if c.ports.Ask == nil {
		c.post("", HookSaid{At: At{c.now()}, Number: a.number, Err: "unreachable"})
		return
	}
	m := c.machine
	q := Question{
		Hook: a.hook, Call: c.id, Account: c.account, Agency: m.decision.Agency, Flow: m.decision.Flow, Step: a.step, At: c.now(),
		Trunk: m.invite.Trunk, Party: m.caller, Number: m.decision.Number, Attribution: m.decision.Attribution,
	}
	if !m.invite.Party.Private {
		q.Caller = m.decision.Caller.Reveal()
	}
	if w := m.decision.Walk; w != nil {
		q.Flow, q.Tags, q.Consent = w.Flow(), w.Tags(), w.Consent()
	}
	ctx, cancel := context.WithTimeout(c.ctx, a.deadline)
	c.unasked = cancel
	c.aside.Go(func() {
		defer cancel()
		reply, why := c.ports.Ask(ctx, q)
		c.post("", HookSaid{At{c.now()}, a.number, reply, why})
	})
}

// want looks a fact up. One that cannot be known is zero: the flow goes on as for a
// caller who was never here.
func (c *Call) want(a doWant) Signal {
	out := Knew{At: At{c.now()}}
	memory := c.ports.Memory
	switch {
	case a.kind == routing.FactRepeats:
		out.Number = c.board.repeated(c, a.key, a.over)
	case memory == nil:
	case a.kind == routing.FactTurn:
		out.Number = memory.Turn(c.account, a.key)
	case a.kind == routing.FactSticky:
		out.ID = memory.Answered(c.wanted(a.key))
	}
	return out
}

func (c *Call) wanted(key string) Wanted {
	w := Wanted{Account: c.account, Subject: c.machine.caller.Subject, Key: key}
	if c.machine.decision.Caller.IsZero() { // a withheld caller has a new subject in each call
		w.Subject = ""
	}
	return w
}

func (c *Call) stick(a doStick) {
	if c.ports.Memory != nil {
		c.ports.Memory.Stick(c.wanted(a.key), a.identity)
	}
}
