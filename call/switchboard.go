package call

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// Config limits what a node takes on.
type Config struct {
	Calls       int           `yaml:"calls"` // live calls at once
	CPS         int           `yaml:"cps"`   // new calls a second, with a burst of one second
	MaxDuration time.Duration `yaml:"-"`     // longest talk time; 4 h when zero
}

// Defaults fills in what is not set.
func (c *Config) Defaults() {
	if c.Calls == 0 {
		c.Calls = 500
	}
	if c.CPS == 0 {
		c.CPS = 50
	}
}

// Validate reports every fault with its path below the section.
func (c Config) Validate(report func(path, msg string)) {
	if c.Calls < 1 || c.Calls > 100_000 {
		report("calls", "must be 1 to 100000")
	}
	if c.CPS < 1 || c.CPS > 10_000 {
		report("cps", "must be 1 to 10000")
	}
}

func (c Config) maxDuration() time.Duration { return cmp.Or(c.MaxDuration, 4*time.Hour) }

// Switchboard is the set of live calls: it admits, refuses, drains and shows.
// All methods may be called from many goroutines.
type Switchboard struct {
	config Config
	ports  Ports
	log    *slog.Logger

	mu       sync.Mutex
	calls    map[ID]*Call
	places   places // of those that have not ended
	guard    *guard
	draining bool
	empty    chan struct{} // closed and renewed when the last call leaves

	dropped, stray, panics atomic.Uint64
	outcomes               sync.Map // status -> *atomic.Uint64
}

// NewSwitchboard returns a board that admits at once.
func NewSwitchboard(c Config, p Ports, log *slog.Logger) *Switchboard {
	c.Defaults()
	return &Switchboard{config: c, ports: p, log: log, calls: map[ID]*Call{}, places: newPlaces(), guard: newGuard(), empty: make(chan struct{})}
}

// Admit takes a call in, or refuses it. Either way its events are told, from
// call.received to call.ended. When refused is not nil the caller's leg is for
// the caller of Admit to refuse with it; otherwise send delivers the signals of
// the leg a, and everything else comes back through a.
func (b *Switchboard) Admit(in Invite, a Leg) (send func(Signal), refused *Cause) {
	id := ID(events.NewID("call", in.At))
	b.mu.Lock()
	refuse := b.refusal(id, in)
	c := newCall(b, id, in, a, refuse)
	if refuse == nil {
		b.calls[id] = c
	}
	b.mu.Unlock()
	if refuse != nil {
		return nil, c.refuse()
	}
	line := &Line{call: c, leg: A}
	c.lines[A] = line
	c.placed(A)
	go c.run() // ends with the call
	return line.Send, nil
}

// refusal decides under the lock. A refused call takes nothing from the buckets,
// and a stranger's is refused before he can take what trunks need.
func (b *Switchboard) refusal(id ID, in Invite) *Cause {
	if in.Trunk == "" {
		return refused(string(routing.NoTrunkMatch), "")
	}
	if b.draining {
		return refused(ReasonOverload, "draining")
	}
	if b.ports.Busy != nil {
		if why := b.ports.Busy(); why != "" {
			return refused(ReasonOverload, why)
		}
	}
	claims := []claim{{place: place{kind: limitNode}, limits: routing.Limits{Calls: b.config.Calls, CPS: b.config.CPS}}}
	if b.ports.Limits != nil {
		claims = append(claims, claim{place{limitTrunk, in.Trunk}, b.ports.Limits(in.Trunk), A})
	}
	return b.places.take(holder{call: id}, in.At, claims...)
}

// claim asks for the places of a call that is routed: its agency's, its account's
// and its number's. Nothing of the relay's is taken yet.
func (b *Switchboard) claim(c *Call, d routing.Decision) *Cause {
	if d.Reject != "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.places.take(holder{call: c.id}, c.machine.invite.At, claim{place: place{limitAgency, d.Agency}, limits: d.OfAgency},
		claim{place: place{limitAccount, d.Account}, limits: d.OfAccount}, claim{place: place{limitNumber, d.Number}, limits: d.OfNumber})
}

// claimOut asks for an attempt's places: on the trunk it is to leave by, and at
// its destination.
func (b *Switchboard) claimOut(c *Call, leg LegID, o origin, at time.Time) *Cause {
	claims := b.claimsOut(o)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.places.take(holder{c.id, leg}, at, claims...)
}

// claimsOut are the places of a leg on a trunk and at a destination.
func (b *Switchboard) claimsOut(o origin) (out []claim) {
	if o.trunk != "" && b.ports.Limits != nil {
		out = append(out, claim{place: place{limitTrunk, o.trunk}, limits: b.ports.Limits(o.trunk)})
	}
	if o.limits.Calls > 0 || o.limits.CPS > 0 {
		out = append(out, claim{place: place{limitDestination, o.destination}, limits: o.limits})
	}
	return out
}

// putIn counts a leg that came over from another call, or takes somebody's place,
// with the calls of its trunk and destination. It is not refused: one goes as it
// comes.
func (b *Switchboard) putIn(c *Call, leg LegID, o origin) {
	claims := b.claimsOut(o)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, cl := range claims {
		b.places.put(holder{c.id, leg}, cl)
	}
}

// freeOut gives back the place of an attempt that came to nothing.
func (b *Switchboard) freeOut(c *Call, leg LegID) {
	b.mu.Lock()
	b.places.leaveLeg(c.id, leg)
	b.mu.Unlock()
	b.guard.done(c.id, leg, c.now())
}

func refused(reason, text string) *Cause {
	c := Refused(reason, text)
	return &c
}

// refuse runs the machine of a call that is not admitted, here and now: no
// goroutine, no ports of the relay, no dial, only its events.
func (c *Call) refuse() *Cause {
	refusal := c.machine.refuse
	c.a = refusedLeg{}
	c.legs[A] = c.a
	c.handle("", Started{At{c.now()}})
	c.stopTimers("")
	c.cancel()
	return refusal
}

// refusedLeg stands in for the leg that whoever asked for admission refuses himself.
type refusedLeg struct{}

func (refusedLeg) Progress(int, []byte) {}
func (refusedLeg) Answer([]byte)        {}
func (refusedLeg) Update(int, []byte)   {}
func (refusedLeg) Offer([]byte)         {}
func (refusedLeg) Refuse(int, Cause)    {}
func (refusedLeg) Refer(int, int)       {}
func (refusedLeg) Press(media.Press)    {}
func (refusedLeg) Hangup(Cause)         {}
func (refusedLeg) Alive() time.Time     { return time.Time{} }

// Drain refuses all new calls from now on with 503 and Retry-After.
func (b *Switchboard) Drain() {
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
}

// Draining reports whether new calls are refused for that reason.
func (b *Switchboard) Draining() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.draining
}

// Wait returns nil when no call is left, or ctx's error.
func (b *Switchboard) Wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		n, empty := len(b.calls), b.empty
		b.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// StopAll asks every live call to end.
func (b *Switchboard) StopAll(by Ender) {
	for _, c := range b.list() {
		c.post("", Stop{Now(), by})
	}
}

// LetGo makes every call that has ended tell so and leave, whatever its legs still
// do. It is for a node that goes and can wait for them no longer: an ACK that has
// not come by then is taken for one that never will.
func (b *Switchboard) LetGo() {
	for _, c := range b.list() {
		if c.snapshot().ended {
			c.post("", Timeout{Now(), timerLinger})
		}
	}
}

// Hangup asks one live call to end and reports whether there is such a call.
func (b *Switchboard) Hangup(id ID, by Ender) bool {
	b.mu.Lock()
	c := b.calls[id]
	b.mu.Unlock()
	if c == nil || c.snapshot().ended {
		return false
	}
	c.post("", Stop{Now(), by})
	return true
}

// Calls returns the calls that have not ended, oldest first.
func (b *Switchboard) Calls() []View {
	var out []View
	for _, c := range b.list() {
		if v := c.snapshot(); !v.ended {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y View) int { return cmp.Compare(x.ID, y.ID) })
	return out
}

// Stats counts calls for the metrics.
type Stats struct {
	Live     map[string]int    // by status; calls whose legs are still going away are "ended"
	Outcomes map[string]uint64 // by final status, since the start
	Dropped  uint64            // progress signals dropped by full mailboxes
	Stray    uint64            // signals out of place
	Panics   uint64
	Draining bool
}

// Stats returns the counts of this moment.
func (b *Switchboard) Stats() Stats {
	s := Stats{Live: map[string]int{}, Outcomes: map[string]uint64{}, Draining: b.Draining(),
		Dropped: b.dropped.Load(), Stray: b.stray.Load(), Panics: b.panics.Load()}
	for _, c := range b.list() {
		v := c.snapshot()
		if v.ended {
			v.Status = string(ended)
		}
		s.Live[v.Status]++
	}
	b.outcomes.Range(func(k, v any) bool {
		s.Outcomes[k.(string)] = v.(*atomic.Uint64).Load()
		return true
	})
	return s
}

func (b *Switchboard) count(status string) {
	n, _ := b.outcomes.LoadOrStore(status, new(atomic.Uint64))
	n.(*atomic.Uint64).Add(1)
}

func (b *Switchboard) list() []*Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*Call, 0, len(b.calls))
	for _, c := range b.calls {
		out = append(out, c)
	}
	return out
}

// over frees the places of a call that has ended; its legs may still be going.
func (b *Switchboard) over(id ID) {
	b.mu.Lock()
	b.places.leave(id)
	b.mu.Unlock()
	b.guard.done(id, "", time.Now())
}

func (b *Switchboard) remove(c *Call) {
	b.guard.done(c.id, "", time.Now())
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.calls, c.id)
	b.places.leave(c.id) // of a call that broke before it ended
	if len(b.calls) == 0 {
		close(b.empty)
		b.empty = make(chan struct{})
	}
}
