package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

var defaultStats = media.Stats{Caller: media.Flow{Packets: 100, Bytes: 17200}, Callee: media.Flow{Packets: 99,
	Drops: [media.DropCount]uint64{media.DropSource: 3}}}

// world is everything around a call, in memory. Its fields are set before the
// call starts; what happened is read after it.
type world struct {
	keys      []string // what the relay was asked about keys
	mu        sync.Mutex
	decision  routing.Decision
	routeErr  error
	relayErr  error
	roomErr   error
	recordErr error
	dialErr   error
	pressErr  error
	log       slog.Handler // nil: nobody reads it
	panicIn   string
	recordFor time.Duration // how long opening a recording takes
	diskFor   time.Duration // how long an event takes to be durable

	events   []events.Event
	legs     []*fakeLeg // b legs in the order of dialling
	relays   int
	closed   int
	tapped   int
	played   []media.Play
	ends     []func(media.Notice) // of the relays that play them
	callers  []func(media.Notice) // of the calls' relays, in the order they were opened
	late     int                  // sounds ordered of a relay that was closed
	undone   int
	holding  media.Side // which side holds
	recs     []*fakeRecording
	notices  func(media.Notice)
	rooms    []func(media.Notice) // of anterooms, in the order they were opened
	silenced int
	direct   func(routing.Referral) routing.Transferred
	again    []byte // what a change of parties makes the other side be offered

	table *routing.Table // decides each call, when it is set
	reply func(context.Context, Question) (routing.HookReply, string)
	spoke func() time.Time // when somebody was heard last; nil: there is no ear
}

func newWorld() *world { return &world{decision: defaultSetup().decision} }

func (w *world) board(c Config) *Switchboard {
	log := w.log
	if log == nil {
		log = slog.DiscardHandler
	}
	p := Ports{Route: w.route, Identify: w.identify, Dial: w.dial, Relay: w.relay,
		Record: w.record, Publish: w.publish, Anteroom: w.anteroom, Ask: w.reply, Memory: NewMemory()}
	if w.direct != nil {
		p.Transfer = func(_ *routing.Table, r routing.Referral) routing.Transferred { return w.direct(r) }
	}
	if w.spoke != nil {
		p.Ear = func(tap media.Tap) Ear { return fakeEar{tap, w.spoke} }
	}
	return NewSwitchboard(c, p, slog.New(log))
}

type fakeEar struct {
	media.Tap
	spoke func() time.Time
}

func (e fakeEar) Spoke() time.Time { return e.spoke() }

func (w *world) route(_ context.Context, r routing.Request) (routing.Decision, error) {
	if w.panicIn == "route" {
		panic("injected")
	}
	if w.table != nil {
		return w.table.Decide(r), nil
	}
	return w.decision, w.routeErr
}

func (w *world) identify(_ context.Context, account string, p Party) (events.Party, error) {
	if p.Private {
		return events.Party{Masked: "anonymous"}, nil
	}
	return events.Party{Masked: "+47*****12", Subject: "sub_" + account}, nil
}

func (w *world) publish(e events.Event, durable func(error)) {
	w.mu.Lock()
	e.Seq = uint64(len(w.events) + 1)
	w.events = append(w.events, e)
	w.mu.Unlock()
	if durable != nil {
		time.AfterFunc(w.diskFor, func() { durable(nil) })
	}
}

func (w *world) dial(_ context.Context, d Dial, send func(Signal)) (Leg, error) {
	if w.panicIn == "dial" {
		panic("injected")
	}
	if w.dialErr != nil {
		return nil, w.dialErr
	}
	l := &fakeLeg{send: send, dial: d}
	w.mu.Lock()
	w.legs = append(w.legs, l)
	w.mu.Unlock()
	return l, nil
}

func (w *world) relay(_ context.Context, _ ID, notice func(media.Notice)) (Relay, error) {
	if w.relayErr != nil {
		return nil, w.relayErr
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relays++
	w.notices = notice
	w.callers = append(w.callers, notice)
	return fakeRelay{w, notice, new(bool)}, nil
}

func (w *world) anteroom(_ context.Context, _ ID, notice func(media.Notice)) (Relay, error) {
	if w.relayErr != nil || w.roomErr != nil {
		return nil, errors.Join(w.relayErr, w.roomErr)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relays++
	w.rooms = append(w.rooms, notice)
	return fakeRelay{w, notice, new(bool)}, nil
}

func (w *world) record(_ context.Context, i Info, fault func(error)) (Recording, error) {
	if w.recordFor > 0 {
		<-time.After(w.recordFor)
	}
	if w.recordErr != nil {
		return nil, w.recordErr
	}
	r := &fakeRecording{info: i}
	w.mu.Lock()
	w.recs = append(w.recs, r)
	w.mu.Unlock()
	return r, nil
}

// recordings returns those that were opened.
func (w *world) recordings() []*fakeRecording {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*fakeRecording(nil), w.recs...)
}

// told returns the types of the events so far.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		out = append(out, e.Type)
	}
	return out
}

func (w *world) end() *events.CallEndedData {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if d, ok := e.Data.(events.CallEndedData); ok {
			return &d
		}
	}
	return nil
}

// b returns the nth attempt, from 0.
func (w *world) b(n int) *fakeLeg {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n >= len(w.legs) {
		return nil
	}
	return w.legs[n]
}

// fakeLeg notes what it is asked and goes when it is hung up.
type fakeLeg struct {
	mu   sync.Mutex
	send func(Signal)
	dial Dial
	did  []string
	keep bool // does not go by itself
	last time.Time
}

func (l *fakeLeg) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did = append(l.did, fmt.Sprintf(format, args...))
}

func (l *fakeLeg) done() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.did...)
}

func (l *fakeLeg) Progress(status int, body []byte) { l.note("progress %d %q", status, body) }
func (l *fakeLeg) Answer(body []byte)               { l.note("answer %q", body) }
func (l *fakeLeg) Update(id int, body []byte)       { l.note("update %d %q", id, body) }
func (l *fakeLeg) Refuse(id int, c Cause)           { l.note("refuse %d %d", id, c.Status) }
func (l *fakeLeg) Offer(body []byte)                { l.note("offer %q", body) }
func (l *fakeLeg) Press(p media.Press)              { l.note("press %s", p.Digit) }
func (l *fakeLeg) Alive() time.Time                 { l.mu.Lock(); defer l.mu.Unlock(); return l.last }
func (l *fakeLeg) Refer(id, status int)             { l.note("refer %d %d", id, status) }
func (l *fakeLeg) Hangup(c Cause) {
	l.note("hangup %d", c.Status)
	l.mu.Lock()
	send, keep := l.send, l.keep
	l.mu.Unlock()
	if send != nil && !keep {
		send(Gone{Now()})
	}
}

type fakeRelay struct {
	w    *world
	tell func(media.Notice)
	over *bool // under the world's lock
}

func (r fakeRelay) Offer(_ media.Side, body []byte, _ media.Source) ([]byte, error) {
	return append([]byte("relayed "), body...), nil
}

func (r fakeRelay) Answer(_ media.Side, body []byte, _ media.Source) ([]byte, error) {
	if string(body) == "bad" {
		return nil, errors.New("bad answer")
	}
	return append([]byte("relayed "), body...), nil
}

func (r fakeRelay) Reoffer(_ media.Side, body []byte) ([]byte, error) {
	switch string(body) {
	case "bad", "new codec":
		return nil, errors.New("bad offer")
	case "panic":
		panic("injected")
	}
	return append([]byte("again "), body...), nil
}

func (r fakeRelay) Over(to media.Side, addr netip.Addr, _ media.Source) ([]byte, error) {
	return fmt.Appendf(nil, "to the %s at %s", to, addr), nil
}

func (r fakeRelay) Open() ([]byte, error) { return []byte("opened"), nil }

func (r fakeRelay) Join(_ media.Side, body []byte, _ media.Source) (toOther, toFrom []byte, err error) {
	return append([]byte("joined "), body...), append([]byte("joining "), body...), nil
}

func (r fakeRelay) Ask(_ media.Side, body []byte) ([]byte, error) {
	if string(body) == "bad" {
		return nil, errors.New("bad offer")
	}
	return append([]byte("asked "), body...), nil
}

func (r fakeRelay) Settle(_ media.Side, body []byte) ([]byte, error) {
	if len(body) == 0 || string(body) == "bad" { // it can convert nothing
		return nil, errors.New("bad answer")
	}
	return append([]byte("settled "), body...), nil
}

func (r fakeRelay) Present(to media.Side) ([]byte, error) {
	return []byte("presented to the " + to.String()), nil
}

func (r fakeRelay) Take(_ media.Side, body []byte, _ media.Source) ([]byte, error) {
	switch string(body) {
	case "bad":
		return nil, errors.New("bad answer")
	case "less":
		return []byte("less"), nil
	}
	return nil, nil
}

func (r fakeRelay) Undo(media.Side) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.undone++
}

func (r fakeRelay) Holds(s media.Side) bool {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.holding == s
}

func (r fakeRelay) Await(media.Side) ([]byte, error) { return []byte("ours alone"), nil }

func (r fakeRelay) Play(order media.Play) (int, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if *r.over {
		r.w.late++
	}
	r.w.played, r.w.ends = append(r.w.played, order), append(r.w.ends, r.tell)
	if order.Sound.File == "broken.wav" {
		return 0, errors.New("injected")
	}
	return len(r.w.played), nil
}

func (r fakeRelay) Stop(id int) (media.Playback, bool) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if id < 1 || id > len(r.w.played) {
		return media.Playback{}, false
	}
	order := r.w.played[id-1]
	return media.Playback{ID: id, To: order.To, For: order.For, Complete: true, Heard: time.Second, Times: 1, End: media.PlayStopped}, true
}

// heard ends the nth sound that was ordered, as the relay that plays it would.
func (w *world) heard(n int, end media.PlayEnd) {
	w.mu.Lock()
	order, tell := w.played[n], w.ends[n]
	w.mu.Unlock()
	p := &media.Playback{ID: n + 1, To: order.To, For: order.For, Sound: order.Sound, Hash: "0123456789abcdef",
		Complete: end == media.PlayFinished, Heard: 2 * time.Second, Times: 1, End: end}
	tell(media.Notice{At: time.Now(), Kind: media.Played, Side: order.To, Playback: p})
}

func (r fakeRelay) Watch(...media.Side) {}
func (r fakeRelay) Apart(on bool)       { r.note("apart: %t", on) }
func (r fakeRelay) Mute(side media.Side, on bool) {
	r.note("mute the %s: %t", side, on)
}
func (r fakeRelay) Dictate(from media.Side, t media.Tap) {
	r.note("the %s dictates", from)
	r.Tap(t)
}
func (r fakeRelay) Spare(side media.Side, heard time.Time) {
	r.note("spare the %s, heard %s ago", side, time.Since(heard))
}
func (r fakeRelay) Heard(media.Side) media.Heard {
	return media.Heard{Codec: "PCMU", Packets: 7, Expected: 8, Lost: 1}
}
func (r fakeRelay) Silence(media.Side) { r.w.mu.Lock(); r.w.silenced++; r.w.mu.Unlock() }

func (r fakeRelay) Tap(t media.Tap) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.tapped++
	if rec, ok := t.(*fakeRecording); ok {
		rec.ask("tap")
	}
}

func (r fakeRelay) Invite(to media.Side, _ netip.Addr, _ media.Source, told []byte) ([]byte, error) {
	return fmt.Appendf(nil, "invite %s %s", to, told), nil
}

func (r fakeRelay) Replace(_ media.Side, body []byte, _ media.Source) ([]byte, error) {
	if string(body) == "bad" {
		return nil, errors.New("bad answer")
	}
	return r.w.again, nil
}

func (r fakeRelay) ReplaceBy(_ media.Side, body []byte, _ media.Source) ([]byte, []byte, error) {
	if string(body) == "bad" {
		return nil, nil, errors.New("bad offer")
	}
	return append([]byte("to "), body...), r.w.again, nil
}

func (r fakeRelay) note(format string, args ...any) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.keys = append(r.w.keys, fmt.Sprintf(format, args...))
}

func (r fakeRelay) Pressed(from media.Side, p media.Press) {
	r.note("%s pressed a %s for %s", from, p.Digit, p.For)
}

func (r fakeRelay) Press(to media.Side, way media.Way, keys ...media.Press) error {
	r.note("press %d for the %s by %s", len(keys), to, way)
	return r.w.pressErr
}

func (r fakeRelay) Codes(from media.Side, codes []string) error {
	r.note("codes of the %s: %q", from, codes)
	return nil
}

func (r fakeRelay) Suppress(from media.Side, mode media.Suppression) {
	r.note("keys of the %s: %s", from, mode)
}

func (r fakeRelay) Said(from media.Side) []byte { return []byte("said by " + from.String()) }
func (r fakeRelay) Told(to media.Side) []byte   { return []byte("told " + to.String()) }

func (r fakeRelay) Close() media.Stats {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if !*r.over {
		r.w.closed++
	}
	*r.over = true
	return defaultStats
}

type fakeRecording struct {
	info  Info
	ended time.Time

	discarded bool
	times     int

	mu    sync.Mutex
	asked []string // tap, pause, resume
}

func (r *fakeRecording) ask(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, what)
}

func (r *fakeRecording) pauses() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.asked, ", ")
}

func (r *fakeRecording) Formats(media.Side, []media.Format) {}
func (r *fakeRecording) Packet(media.Packet)                {}
func (r *fakeRecording) ID() string                         { return fmt.Sprintf("rec_%d", r.info.Segment) }
func (r *fakeRecording) Pause(by, source string)            { r.ask("pause by " + by + " " + source) }
func (r *fakeRecording) Resume(by, source string)           { r.ask("resume by " + by + " " + source) }
func (r *fakeRecording) Close(at time.Time)                 { r.ended = at; r.times++ }
func (r *fakeRecording) Discard()                           { r.discarded = true; r.times++ }
