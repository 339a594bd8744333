package natsbus

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringdown/events"
)

var errLost = errors.New("ack lost")

// lossy loses on the way there and on the way back, and lets some messages
// arrive long after they were given up.
type lossy struct {
	wire
	mu   sync.Mutex
	rand *rand.Rand
	late sync.WaitGroup
	on   atomic.Bool
}

func (l *lossy) chance() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.on.Load() {
		return 100
	}
	return l.rand.IntN(100)
}

func (l *lossy) publish(ctx context.Context, subject, _ string, body []byte, filter string, expect uint64) (uint64, error) {
	// The broker must not be able to help: no two tries have the same id.
	id := events.NewID("try", time.Now())
	switch n := l.chance(); {
	case n < 10: // lost on the way there
		return 0, errLost
	case n < 20: // still on its way when it is given up
		l.late.Go(func() { l.wire.publish(context.WithoutCancel(ctx), subject, id, body, filter, expect) })
		return 0, errLost
	case n < 40: // lost on the way back
		if _, err := l.wire.publish(ctx, subject, id, body, filter, expect); err != nil {
			return 0, err
		}
		return 0, errLost
	case n < 60: // arrives twice
		l.wire.publish(ctx, subject, id+"2", body, filter, expect)
	}
	return l.wire.publish(ctx, subject, id, body, filter, expect)
}

func (l *lossy) last(ctx context.Context, filter string) (uint64, []byte, error) {
	if l.chance() < 20 {
		return 0, nil, errLost
	}
	return l.wire.last(ctx, filter)
}

// TestLostAcks is F-12: with a fifth of the acks lost and a tenth of the
// messages late, every event is in the stream once and in order.
func TestLostAcks(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	l := &lossy{wire: b.wire, rand: rand.New(rand.NewPCG(1, 2))}
	l.on.Store(true)
	b.wire = l
	box, _ := openBox(t, t.TempDir())
	run(t, b, box)
	var calls []string
	const n, each = 80, 12
	for range n {
		call := newCall()
		calls = append(calls, call)
		tell(box, "demo", call, each, true)
	}
	flush(t, b, box)
	l.late.Wait()
	all := readBack(t, b, Filter{})
	for _, call := range calls {
		if len(all[call]) != each {
			t.Errorf("%s: %d events, want %d", call, len(all[call]), each)
		}
	}
	s := b.Stats()
	t.Logf("%+v", s)
	if s.Refused < 100 || s.Found < 100 || s.Conflicts != 0 || s.Published+s.Found != n*each {
		t.Errorf("%+v: the doubts were not exercised, or the sum is wrong", s)
	}
}

// TestCrashBetweenPublishAndAck delivers, forgets what was acked, and delivers
// again after the broker's own memory of ids was emptied by its restart.
func TestCrashBetweenPublishAndAck(t *testing.T) {
	dir, boxDir := t.TempDir(), t.TempDir()
	b := openBus(t, embedded(dir))
	box, stopBox := openBox(t, boxDir)
	stop := run(t, b, box)
	call := newCall()
	tell(box, "demo", call, 6, true)
	flush(t, b, box)
	stop()
	b.Close()
	stopBox()
	// The cursor of before: none. All six are handed out again.
	removeCursor(t, boxDir)
	b = openBus(t, embedded(dir))
	box, _ = openBox(t, boxDir)
	if n := box.Stats().Backlog; n != 6 {
		t.Fatalf("backlog %d", n)
	}
	b.wire = &lossy{wire: b.wire} // loses nothing, but the broker's memory of ids is of no use
	run(t, b, box)
	tell(box, "demo", call, 1, false)
	flush(t, b, box)
	if got := readBack(t, b, Filter{}); len(got[call]) != 7 {
		t.Errorf("%d events in the stream, want 7", len(got[call]))
	}
	if s := b.Stats(); s.Found != 6 || s.Published != 1 {
		t.Errorf("%+v", s)
	}
}

// TestBrokerComesAndGoes starts without a broker, loses it in the middle and
// gets it back: calls go on, the backlog drains in order.
func TestBrokerComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	front := newFront(t)
	cfg := Config{URL: "nats://" + front.address(), Token: testToken, Timeout: time.Second, MaxBytes: 64 << 20}
	b := openBus(t, cfg)
	box, _ := openBox(t, t.TempDir())
	run(t, b, box)
	call := newCall()
	tell(box, "demo", call, 3, true)
	if err := box.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	if b.Ready() == nil || b.Stats().Connected {
		t.Error("ready without a broker")
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := b.Flush(short); err == nil {
		t.Error("flushed without a broker")
	}
	serve := embedded(dir)
	serve.Listen, serve.Token = "127.0.0.1:0", testToken
	for round := range 3 {
		broker := openBus(t, serve)
		front.to(broker.Address())
		flush(t, b, box)
		if err := b.Ready(); round == 0 && err != nil {
			t.Error(err)
		}
		for range 20 {
			tell(box, "demo", call, 1, false)
			tell(box, "demo", newCall(), 2, true)
		}
		if round == 1 {
			flush(t, b, box)
		}
		front.to("") // cut, perhaps in the middle
		broker.Close()
	}
	broker := openBus(t, serve)
	front.to(broker.Address())
	flush(t, b, box)
	all := readBack(t, b, Filter{})
	if len(all) != 61 || len(all[call]) != 63 {
		t.Errorf("%d calls, %d events in the one; want 61, 63", len(all), len(all[call]))
	}
}

// TestStreamIsBroughtToWhatItMustBe: a stream someone else made is changed, and
// one that cannot be right is refused.
func TestStreamIsBroughtToWhatItMustBe(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	s := b.wire.(*stream)
	cfg := s.want()
	cfg.Discard, cfg.Duplicates, cfg.MaxBytes, cfg.DenyDelete, cfg.AllowDirect = 0, time.Minute, 1<<20, false, true
	cfg.Description = "the operator's"
	if _, err := b.js.CreateStream(within(t), cfg); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !b.check(within(t)) {
			t.Fatal(b.Ready())
		}
	}
	have, err := b.js.Stream(within(t), Stream)
	if err != nil {
		t.Fatal(err)
	}
	if got := have.CachedInfo().Config; !same(got, s.want()) || got.Description != "the operator's" {
		t.Errorf("%+v", got)
	}
	if err := b.js.DeleteStream(within(t), Stream); err != nil {
		t.Fatal(err)
	}
	cfg = s.want()
	cfg.Storage = 1 // memory
	if _, err := b.js.CreateStream(within(t), cfg); err != nil {
		t.Fatal(err)
	}
	if b.check(within(t)) || b.Ready() == nil {
		t.Error("a stream in memory is taken")
	}
}

// TestConflictAndForeign: what is not ours in the stream is noticed, and
// delivery goes on behind it.
func TestConflictAndForeign(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	box, _ := openBox(t, t.TempDir())
	if !b.check(within(t)) {
		t.Fatal(b.Ready())
	}
	other, foreign := newCall(), newCall()
	e := events.Event{Account: "demo", Call: other, Type: events.CallReceived, Time: time.Now(), Seq: 1, Data: events.CallReceivedData{Transport: "tcp"}}
	body, err := events.Encode(e, "edge-2")
	if err != nil {
		t.Fatal(err)
	}
	for call, body := range map[string][]byte{other: body, foreign: []byte("hello")} {
		if _, err := b.js.Publish(within(t), events.CallSubject("demo", call)+"received", body); err != nil {
			t.Fatal(err)
		}
	}
	run(t, b, box)
	tell(box, "demo", other, 2, true)
	tell(box, "demo", foreign, 2, true)
	flush(t, b, box)
	if s := b.Stats(); s.Conflicts != 1 || s.Published != 3 || s.Found != 1 {
		t.Errorf("%+v", s)
	}
}

func removeCursor(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "cursor")); err != nil {
		t.Fatal(err)
	}
}

// front is an address that stays while brokers behind it come and go.
type front struct {
	l     net.Listener
	mu    sync.Mutex
	dest  string
	conns []net.Conn
}

func newFront(t *testing.T) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{l: l}
	t.Cleanup(func() { l.Close(); f.to("") })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.pass(c)
		}
	}()
	return f
}

func (f *front) address() string { return f.l.Addr().String() }

// to leads new connections to dest and cuts those there are.
func (f *front) to(dest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dest = dest
	for _, c := range f.conns {
		c.Close()
	}
	f.conns = nil
}

func (f *front) pass(c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	dest := f.dest
	f.mu.Unlock()
	if dest == "" {
		return
	}
	d, err := net.Dial("tcp", dest)
	if err != nil {
		return
	}
	defer d.Close()
	f.mu.Lock()
	f.conns = append(f.conns, c, d)
	f.mu.Unlock()
	go func() {
		io.Copy(d, c)
		d.Close()
	}()
	io.Copy(c, d)
}
