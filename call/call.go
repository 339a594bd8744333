// Package call is the story itself: a caller's leg, attempts towards
// destinations, a relay between the two and a recording. [Switchboard] admits,
// counts and drains; each call is a pure machine (machine.go) with one goroutine
// and one mailbox around it (this file). Everything it needs of the world is
// [Ports]; it knows no SIP, no socket, no file and no broker.
package call

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// mailboxSoft is the number of waiting signals above which those are dropped
// that only report progress. The rest is bounded by the transactions behind it.
const mailboxSoft = 256

// Call is one live call. Its goroutine is the only one that touches machine and
// what the machine asked for; the mailbox and the view are locked.
type Call struct {
	id    ID
	ports *Ports
	log   *slog.Logger
	now   func() time.Time
	board *Switchboard

	// owned by the goroutine
	machine   *machine
	a         Leg
	legs      map[LegID]Leg
	lines     map[LegID]*Line
	relay     Relay
	rooms     map[LegID]*room
	recording Recording          // tapped
	opened    Recording          // not yet
	letters   map[int]Recording  // of messages, by their number
	listening bool               // the relay gives one of them what the caller says
	ear       Ear                // that hears that too; nil: none does
	unasked   context.CancelFunc // ends the last question to a hook; nil: there was none
	playing   map[sounding]int   // as the relay numbers what plays
	unpressed [2]unpressed       // by side
	out       map[LegID]struct{} // legs that may hold a place of their trunk
	timers    map[Timer]*time.Timer
	account   string
	batch     []letter // taken from the mailbox, not handled yet
	hand      letter   // the one being handled
	done      bool

	ctx    context.Context
	cancel context.CancelFunc
	aside  sync.WaitGroup // recordings being opened and closed

	mu      sync.Mutex
	mailbox []letter
	wake    chan struct{} // capacity 1: something is in the mailbox
	view    View
	closed  bool
}

type letter struct {
	from LegID
	s    Signal
}

// opened carries a new recording into the goroutine together with its signal.
type opened struct {
	Recorded
	rec Recording
}

func newCall(b *Switchboard, id ID, in Invite, a Leg, refuse *Cause) *Call {
	ctx, cancel := context.WithCancel(context.Background()) // cancelled when the call is done
	c := &Call{
		id: id, ports: &b.ports, log: b.log.With("call", string(id)), now: time.Now, board: b,
		machine: newMachine(in, refuse, b.config.maxDuration(), func() string { return events.NewID("leg", time.Now()) }),
		a:       a, legs: map[LegID]Leg{A: a}, lines: map[LegID]*Line{}, timers: map[Timer]*time.Timer{}, account: events.System,
		ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1),
	}
	c.view = View{ID: id, Status: string(received), Received: in.At, Trunk: in.Trunk}
	return c
}

// post puts a signal into the mailbox. It never blocks and may be called from
// anywhere, also after the call is over: then nothing takes it.
func (c *Call) post(from LegID, s Signal) (taken bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	if len(c.mailbox) >= mailboxSoft && dispensable(s) {
		c.mu.Unlock()
		c.board.dropped.Add(1)
		return false
	}
	c.mailbox = append(c.mailbox, letter{from, s})
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

// dispensable signals only report progress: without them a call is poorer, not wrong.
func dispensable(s Signal) bool {
	switch s := s.(type) {
	case Ringing:
		return true
	case Noticed: // a key for the other party, a code and the end for silence are no report
		switch s.Notice.Kind {
		case media.Started, media.Pressed, media.OneWay, media.Silent, media.Quality:
			return true
		}
	}
	return false
}

func (c *Call) take() []letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := c.mailbox
	c.mailbox = nil
	return in
}

// run is the call's goroutine, from Started to the last Gone.
func (c *Call) run() {
	deepen()
	defer c.leave()
	defer func() {
		if r := recover(); r != nil {
			c.crash(r)
		}
	}()
	c.handle("", Started{At{c.now()}})
	for !c.done {
		<-c.wake
		for c.batch = c.take(); len(c.batch) > 0; {
			c.hand, c.batch = c.batch[0], c.batch[1:]
			if c.listening { // what ends a message may depend on it, whatever it is
				c.handle("", c.hearken())
			}
			c.handle(c.hand.from, c.hand.s)
		}
	}
}

// deepen makes the new goroutine's stack as large as a call needs, in one step
// while it is empty and not in several from deep down.
//
//go:noinline
func deepen() (b byte) {
	var room [12 << 10]byte
	for i := 0; i < len(room); i += 4 << 10 {
		b |= room[i]
	}
	return b
}

// handle takes one signal through the machine, and the answers to the
// machine's questions right behind it.
func (c *Call) handle(from LegID, s Signal) {
	if o, ok := s.(opened); ok {
		c.opened, s = o.rec, o.Recorded
	}
	if d, ok := s.(dictated); ok {
		s = c.keepLetter(d)
	}
	if n, ok := s.(Noticed); ok && n.Notice.Kind == media.Expired {
		n.Alive = c.alive()
		s = n
	} else if ok && n.Notice.Playback != nil {
		n.Past = c.playing[sounding{n.Notice.Playback.For, n.Notice.Playback.To, from}] != n.Notice.Playback.ID
		s = n
	}
	actions, known := c.machine.step(from, s)
	if !known {
		c.board.stray.Add(1)
		c.log.Warn("signal out of place", "signal", fmt.Sprintf("%T", s), "leg", string(from), "state", string(c.machine.state))
	}
	for _, a := range actions {
		if answer := c.carryOut(a); answer != nil {
			c.handle("", answer)
		}
	}
	c.freePlaces()
	c.show()
}

// carryOut does one action. A returned signal is the answer to it.
func (c *Call) carryOut(a action) Signal {
	switch a := a.(type) {
	case doVerify:
		c.verify()
	case doRoute:
		return c.route()
	case doOffer:
		return c.offer()
	case doDial:
		c.dial(a)
	case doProgress:
		c.a.Progress(a.status, nil)
	case doEarly:
		body, err := c.relay.Answer(media.Callee, a.body, c.calleeSource(a.leg, false))
		if err != nil { // the caller's own phone rings instead
			c.log.Warn("early media not passed on", "error", err)
			a.status = 180
		}
		c.a.Progress(a.status, body)
	case doAgree:
		return c.agree(a)
	case doRecord:
		c.record(a)
	case doTap:
		c.tap(a.pausedBy)
	case doAwait:
		c.await()
	case doPlay:
		return c.play(a)
	case doStopPlay:
		return c.stopPlay(a)
	case doSilence:
		c.relay.Silence(a.side)
	case doAnswer:
		c.a.Answer(a.body)
		c.relay.Watch()
	case doSpare:
		c.relay.Spare(a.side, a.heard)
	case doHangup:
		if l := c.legs[a.leg]; l != nil {
			l.Hangup(a.cause)
		}
	case doAdopt:
		c.legs[a.leg] = a.dial
	case doTimer:
		c.stopTimers(a.timer)
		c.timers[a.timer] = time.AfterFunc(a.after, func() { c.post("", Timeout{At{c.now()}, a.timer}) })
	case doStopTimer:
		c.stopTimers(a.timer)
	case doPublish:
		c.publish(a)
	case doCloseRelay:
		var stats media.Stats
		if c.relay != nil {
			stats = c.relay.Close()
			c.tellSilence(&stats)
			c.tellUnpressed()
		}
		return Closed{At{c.now()}, stats}
	case doCloseRecording:
		c.closeRecording(a)
	case doFinish:
		c.done = true
	default:
		return c.negotiate(a)
	}
	return nil
}

func (c *Call) route() Signal {
	in := c.machine.invite
	d, err := c.ports.Route(c.ctx, routing.Request{
		Trunk: in.Trunk, From: in.Party.User, To: in.To, At: in.At, Draw: rand.Uint64(), Attested: c.machine.attested,
		Private: in.Party.Private, Headers: in.attributes(),
	})
	if d.Account != "" {
		c.account = d.Account
	}
	party := in.Party
	if party.Private {
		party.User = ""
	} else if !d.Caller.IsZero() {
		party.User = d.Caller.Reveal()
	}
	caller := events.Party{Masked: d.Caller.String()}
	if c.machine.refuse == nil { // a refusal stays cheap: it makes no subject
		var idErr error
		if caller, idErr = c.ports.Identify(c.ctx, c.account, party); err == nil {
			err = idErr
		}
	}
	c.mu.Lock()
	c.view.Account, c.view.Number, c.view.Caller = c.account, d.Number, caller.Masked
	c.mu.Unlock()
	if err != nil || c.machine.refuse != nil {
		return Routed{At: At{c.now()}, Decision: d, Caller: caller, Err: err}
	}
	return Routed{At{c.now()}, d, caller, nil, c.board.claim(c, d)}
}

func (c *Call) offer() Signal {
	relay, err := c.ports.Relay(c.ctx, c.id, func(n media.Notice) { c.post("", Noticed{At: At{n.At}, Notice: n}) })
	if err != nil {
		return Offer{At{c.now()}, nil, err}
	}
	c.relay = relay
	var body []byte
	if c.machine.delayed() { // his offer will be ours: in the IP version he came by
		if _, err = relay.Over(media.Caller, c.machine.invite.Source.Addr(), c.callers()); err == nil {
			body, err = relay.Open()
		}
	} else {
		body, err = relay.Offer(media.Caller, c.machine.invite.Body, c.callers())
	}
	if err != nil {
		c.log.Warn("the caller's offer is refused", "error", err)
	}
	return Offer{At{c.now()}, body, err}
}

func (c *Call) dial(a doDial) {
	d := Dial{
		Call: c.id, Leg: a.leg, LegULID: c.machine.leg(a.leg).ulid, Target: c.machine.target(a.target),
		MaxForwards: c.machine.invite.MaxForwards, Body: c.machine.offered,
	}
	l := c.machine.leg(a.leg)
	switch relay := c.relay; {
	case l.room:
		if err := c.openRoom(a.leg, &d); err != nil {
			c.log.Warn("no anteroom for an attempt", "leg", string(a.leg), "error", err)
			c.post(a.leg, Failed{At{c.now()}, causeOf(err, 500, "media failed")})
			c.post(a.leg, Gone{At{c.now()}})
			return
		}
	case relay != nil:
		src := c.attemptSource(l, false)
		d.Over = func(a netip.Addr, private bool) ([]byte, error) {
			over := source(d.Target.Media, private)
			over.Attempt = src.Attempt
			return relay.Over(media.Callee, a, over)
		}
	}
	c.identify(&d)
	c.start(a.leg, d)
}

// start dials, with a line for what becomes of it.
func (c *Call) start(leg LegID, d Dial) {
	line := &Line{call: c, leg: leg}
	l, err := c.dialOut(leg, d, line.Send)
	if err != nil {
		c.post(leg, Failed{At{c.now()}, causeOf(err, 500, "cannot dial")})
		c.post(leg, Gone{At{c.now()}})
		return
	}
	c.legs[leg], c.lines[leg] = l, line
}

// record opens the recording aside: a slow disk holds the answer no longer
// than recordWait, and the goroutine not at all.
func (c *Call) record(a doRecord) {
	info := Info{Call: c.id, Account: c.account, Subject: c.machine.caller.Subject,
		Recording: c.machine.policy(), Started: c.now(), Segment: a.segment, Caller: a.caller, Callee: a.callee}
	if c.recording != nil {
		info.Previous = c.recording.ID()
	}
	c.aside.Go(func() {
		rec, err := c.ports.Record(c.ctx, info, func(err error) { c.post("", RecordFault{At{c.now()}, err}) })
		c.post("", opened{Recorded{At{c.now()}, err}, rec})
	})
}

func (c *Call) publish(a doPublish) {
	e := events.Event{Account: c.account, Call: string(c.id), Type: a.kind, Time: a.at, Data: a.data}
	var durable func(error)
	if a.wait {
		durable = func(err error) { c.post("", Durable{At{c.now()}, err}) }
	}
	c.ports.Publish(e, durable)
	if end, ok := a.data.(events.CallEndedData); ok {
		c.board.count(end.Status)
	}
}

// tellSilence warns of a side whose packets came, and all from an address that
// may not send: the commonest reason for a call that nobody hears.
func (c *Call) tellSilence(s *media.Stats) {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		f := s.Of(side)
		if dropped := f.Drops[media.DropSource]; f.Packets == 0 && dropped > 50 {
			c.log.Warn("nothing was heard of one side: its packets come from another address than its description says; media_rule: latch would learn it",
				"side", side.String(), "dropped", dropped)
		}
	}
}

func (c *Call) stopTimers(t Timer) {
	for name, timer := range c.timers {
		if t == "" || t == name {
			timer.Stop()
			delete(c.timers, name)
		}
	}
}

// leave takes the call off the board when nothing of it runs any more.
func (c *Call) leave() {
	c.stopTimers("")
	if c.unasked != nil {
		c.unasked()
	}
	c.aside.Wait()
	c.mu.Lock()
	c.closed = true
	c.view.ended = true
	late := append(c.batch, c.mailbox...)
	c.batch, c.mailbox = nil, nil
	c.mu.Unlock()
	// A recording that opened while the call was already leaving is closed here.
	c.refuseLate(late)
	c.cancel()
	c.board.remove(c)
}

// View is what others may see of a live call.
type View struct {
	ID        ID        `json:"id"`
	Account   string    `json:"account"`
	Status    string    `json:"status"`
	Trunk     string    `json:"trunk,omitempty"`
	Number    string    `json:"tracking_number,omitempty"`
	Caller    string    `json:"caller"` // masked
	Received  time.Time `json:"received_at"`
	Bridged   time.Time `json:"bridged_at,omitzero"`
	Legs      int       `json:"legs"`
	Recorded  bool      `json:"recorded"`
	Transfers int       `json:"transfers,omitempty"` // how often a party gave his place to another
	Held      []string  `json:"held,omitempty"`      // who holds now: caller, callee
	ended     bool
}

func (c *Call) show() {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.machine
	c.view.Status, c.view.Bridged, c.view.Legs = m.callStatus(), m.bridgedAt, len(m.legs)
	c.view.Recorded, c.view.Transfers = m.recording == recording, m.transfers
	c.view.Held = m.hold.heldBy()
	if m.state == ended && !c.view.ended {
		c.view.ended = true
		c.board.over(c.id)
	}
}

func (c *Call) snapshot() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}
