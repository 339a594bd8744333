package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"ringdown/api"
	"ringdown/call"
	"ringdown/configs"
	"ringdown/events"
	"ringdown/events/natsbus"
	"ringdown/events/outbox"
	"ringdown/media"
	"ringdown/media/ear"
	"ringdown/media/relay"
	"ringdown/media/sdp"
	"ringdown/privacy"
	"ringdown/privacy/keys"
	"ringdown/recorder"
	"ringdown/recorder/store"
	"ringdown/routing"
	"ringdown/routing/directory"
	"ringdown/routing/hook"
	"ringdown/sip"
	"ringdown/sip/locate"
)

// node is the running whole: every room, wired.
type node struct {
	config    *configs.Config
	file      string // it was read from; empty: it is not read again
	log       *slog.Logger
	keys      *keys.Store
	outbox    *outbox.Outbox
	bus       *natsbus.Bus
	table     atomic.Pointer[routing.Table] // calls under way keep the one they began with
	spec      atomic.Pointer[routing.Spec]  // of the file as it was read last
	directory *directory.Directory          // nil: the table is the file's
	disk      *store.Dir
	recorder  *recorder.Recorder
	pool      *relay.Pool
	hooks     *hook.Asker
	memory    *call.Memory
	memorised uint64 // as its changes are counted: what stands on the disk
	lag       lag
	board     *call.Switchboard
	sip       *sip.Endpoint
	api       *api.Server
	web       net.Listener
	token     string // of the HTTP face and of NATS, when the file names none
}

// openNode opens every room from the ground up. It admits nothing yet. On an
// error what was opened is closed again.
func openNode(c *configs.Config, log *slog.Logger) (n *node, err error) {
	n = &node{config: c, log: log}
	defer func() {
		if err != nil {
			n.close()
			n = nil
		}
	}()
	if err := makeDataDir(c.Node.DataDir); err != nil {
		return n, err
	}
	// Sockets before anything on the disk is touched: a taken port costs nothing.
	packets, streams, err := sip.Listen(c.SIP)
	if err != nil {
		return n, err
	}
	defer func() {
		if n.sip == nil {
			closeAll(packets, streams)
		}
	}()
	if n.web, err = net.Listen("tcp", c.HTTP.Listen); err != nil {
		return n, fmt.Errorf("http.listen %s: %w", c.HTTP.Listen, err)
	}
	if n.keys, err = keys.Open(c.Keys, keys.Options{Log: log}); err != nil {
		return n, err
	}
	if n.token, err = localToken(c); err != nil {
		return n, err
	}
	if err := n.openEvents(); err != nil {
		return n, err
	}
	n.table.Store(c.Table())
	if err := n.openDirectory(); err != nil {
		return n, err
	}
	if err := n.openRecorder(); err != nil {
		return n, err
	}
	if n.pool, err = relay.NewPool(c.Media, nil, log); err != nil {
		return n, err
	}
	if n.hooks, err = hook.New(c.Hooks, n.bus.Request, log); err != nil {
		return n, err
	}
	n.remember()
	n.board = call.NewSwitchboard(c.Limits, n.ports(), log)
	servers, err := c.SIP.DNS.Addresses()
	if err != nil {
		return n, err
	}
	n.sip, err = sip.New(c.SIP, n.sipDeps(locate.New(locate.Options{Servers: servers, System: lookup, Log: log})), packets, streams)
	if err != nil {
		return n, err
	}
	return n, n.openAPI()
}

// sipDeps asks the table in use at every question; what concerns a call under way
// comes with its Dial.
func (n *node) sipDeps(where *locate.Resolver) sip.Deps {
	return sip.Deps{
		Trunks:       func() []string { return n.table.Load().Trunks() },
		Trunk:        func(a netip.Addr) (string, bool) { return n.table.Load().TrunkOf(a) },
		TrunkOfNames: func(names []string) (string, bool) { return n.table.Load().TrunkOfNames(names) },
		Policy:       func(id string) (routing.Trunk, bool) { return n.table.Load().Trunk(id) },
		ByDigest:     func(realm string) []string { return n.table.Load().TrunksByDigest(realm) },
		Locate:       where, Admit: n.admit, Banned: n.banned, Ready: n.admits, Log: n.log,
	}
}

func (n *node) openEvents() (err error) {
	key, err := n.keys.Secret("outbox")
	if err != nil {
		return err
	}
	if n.outbox, err = outbox.Open(n.config.Outbox, key, n.log); err != nil {
		return err
	}
	c := n.config.NATS
	if c.Key, err = n.keys.Secret("nats"); err != nil {
		return err
	}
	if c.Listen != "" && c.Token == "" {
		c.Token = n.token
	}
	n.bus, err = natsbus.Open(c, n.log)
	return err
}

func (n *node) openRecorder() (err error) {
	if n.disk, err = store.OpenDir(recordingsDir(n.config)); err != nil {
		return err
	}
	n.recorder, err = recorder.New(n.config.Recordings, recorder.Deps{
		Keys: n.keys, Store: n.disk, Publish: n.outbox, Renderers: renderers, Log: n.log,
		Node: n.config.Node.ID, Region: n.config.Node.Region,
	})
	return err
}

// ports ties the call to the rooms that serve it, none of which knows it.
func (n *node) ports() call.Ports {
	return call.Ports{
		Route: func(_ context.Context, r routing.Request) (routing.Decision, error) {
			return n.table.Load().Decide(r), nil
		},
		Limits: func(trunk string) routing.Limits {
			spec, _ := n.table.Load().Trunk(trunk)
			return spec.Limits.Limits
		},
		Busy:       n.busy,
		Guard:      (*routing.Table).Guard,
		Transfer:   (*routing.Table).Transfer,
		TransferTo: (*routing.Table).TransferTo,
		Identify:   n.identify,
		Verify: func(ctx context.Context, in call.Invite) routing.Attested {
			caller, called := n.table.Load().Numbers(in.Trunk, in.Party.User, in.To)
			return n.sip.Verify(ctx, in, caller, called)
		},
		Dial: func(ctx context.Context, d call.Dial, tell func(call.Signal)) (call.Leg, error) {
			return n.sip.Dial(ctx, d, tell)
		},
		Relay: func(_ context.Context, id call.ID, notice func(media.Notice)) (call.Relay, error) {
			r, err := n.pool.NewRelay(string(id), notice)
			if err != nil {
				return nil, mediaCause(err)
			}
			return bridge{r}, nil
		},
		Anteroom: func(_ context.Context, id call.ID, notice func(media.Notice)) (call.Relay, error) {
			r, err := n.pool.NewAnteroom(string(id), notice)
			if err != nil {
				return nil, mediaCause(err)
			}
			return bridge{r}, nil
		},
		Record: func(ctx context.Context, i call.Info, fault func(error)) (call.Recording, error) {
			rec, err := n.recorder.Open(ctx, recorder.Info{Call: string(i.Call), Account: i.Account, Subject: i.Subject,
				Mode: i.Recording.Mode, Channels: i.Recording.Channels, Started: i.Started,
				Segment: i.Segment, Previous: i.Previous, Caller: i.Caller, Callee: i.Callee,
				Source: i.Source, Mailbox: i.Mailbox}, fault)
			if err != nil {
				return nil, err
			}
			return rec, nil
		},
		Publish: n.outbox.Publish,
		Ask:     n.ask,
		Memory:  n.memory,
		Ear:     func(to media.Tap) call.Ear { return ear.New(media.Caller, to) },
	}
}

// bridge gives the relay's refusals their causes.
type bridge struct{ *relay.Relay }

func (b bridge) Offer(from media.Side, body []byte, src media.Source) ([]byte, error) {
	out, err := b.Relay.Offer(from, body, src)
	return out, mediaCause(err)
}

func (b bridge) Answer(from media.Side, body []byte, src media.Source) ([]byte, error) {
	out, err := b.Relay.Answer(from, body, src)
	if errors.Is(err, sdp.ErrMalformed) { // the callee's mistake: to the caller it is no bad request of his
		return nil, fmt.Errorf("%w: %w", call.Cause{Status: 502, Q850: 111, Text: "answer malformed"}, err)
	}
	return out, mediaCause(err)
}

// Over and Invite fail for good only when the trunk's terms let nothing be offered.
func (b bridge) Over(to media.Side, addr netip.Addr, src media.Source) ([]byte, error) {
	out, err := b.Relay.Over(to, addr, src)
	return out, termsCause(err)
}

func (b bridge) Invite(to media.Side, addr netip.Addr, src media.Source, told []byte) ([]byte, error) {
	out, err := b.Relay.Invite(to, addr, src, told)
	return out, termsCause(err)
}

func termsCause(err error) error {
	if errors.Is(err, sdp.ErrUnacceptable) {
		return mediaCause(err)
	}
	return err
}

func (b bridge) ReplaceBy(from media.Side, body []byte, src media.Source) (answer, again []byte, err error) {
	answer, again, err = b.Relay.ReplaceBy(from, body, src)
	return answer, again, mediaCause(err)
}

func mediaCause(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, relay.ErrNoPorts):
		return fmt.Errorf("%w: %w", call.Refused(call.ReasonOverload, "no media ports left"), err)
	case errors.Is(err, sdp.ErrMalformed):
		return fmt.Errorf("%w: %w", call.Cause{Status: 400, Q850: 111, Text: "session description malformed"}, err)
	case errors.Is(err, relay.ErrFamily):
		return fmt.Errorf("%w: %w", call.Cause{Status: 488, Q850: 88, Text: "IP version of the media not available", Warn: 301}, err)
	case errors.Is(err, sdp.ErrUnacceptable):
		return fmt.Errorf("%w: %w", call.Cause{Status: 488, Q850: 88, Text: "session description not acceptable"}, err)
	}
	return fmt.Errorf("%w: %w", call.Cause{Status: 500, Q850: 41, Text: "media failed"}, err)
}

// identify gives events the caller masked, under a random id, and sealed under
// his own key. A call that belongs to no account leaves nothing of him.
func (n *node) identify(_ context.Context, account string, p call.Party) (events.Party, error) {
	if p.Private {
		p = call.Party{Private: true}
	}
	number := privacy.E164(p.User)
	out := events.Party{Masked: number.String()}
	if account == events.System {
		return out, nil
	}
	if len(p.User) == 0 || p.User[0] != '+' {
		number = privacy.Number{} // withheld, or nothing that could be recognised again
	}
	subject, err := n.keys.Subject(account, number)
	if err != nil {
		return out, fmt.Errorf("caller has no subject: %w", err)
	}
	out.Subject = subject
	if p.Private {
		return out, nil
	}
	clear, err := json.Marshal(callerFields{p.User, p.Display})
	if err != nil {
		return out, err
	}
	out.Sealed, err = n.keys.SealField(account, subject, clear)
	return out, err
}

// callerFields is what events.Party.Sealed holds, as JSON.
type callerFields struct {
	Number  string `json:"number"` // E.164, or as received when it is no number
	Display string `json:"display,omitempty"`
}

// admit refuses new calls while their events could not be stored.
func (n *node) admit(in call.Invite, a call.Leg) (func(call.Signal), *call.Cause) {
	if n.outbox.Full() {
		c := call.Refused(call.ReasonOverload, "events cannot be stored")
		return nil, &c
	}
	if in.Trunk == "" { // the gate lets few of these through
		n.log.Warn("call from an address that belongs to no trunk: not answered", "source", in.Source.Addr())
	}
	return n.board.Admit(in, a)
}

// banned tells of a stranger who gets no hearing any more.
func (n *node) banned(b sip.Ban) {
	n.outbox.Publish(events.Event{
		Account: events.System, Call: events.NewID(events.NodeID, b.From), Type: events.SIPSourceBanned, Time: b.From,
		Data: events.SIPSourceBannedData{Source: b.Source.String(), Reason: b.Why, Until: events.Stamp(b.Until), Count: b.Count},
	}, nil)
}

// admits reports whether a new call would be taken.
func (n *node) admits() bool { return !n.board.Draining() && !n.outbox.Full() }

// lookup asks the system for addresses: its file of hosts, its search list.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func closeAll(packets []net.PacketConn, streams []net.Listener) {
	for _, p := range packets {
		p.Close()
	}
	for _, l := range streams {
		l.Close()
	}
}

// beatEvery is how often the outbox notes that the node is alive: what a call
// that dies with the node is billed to.
const beatEvery = time.Second
