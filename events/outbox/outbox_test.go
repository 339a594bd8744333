package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
)

var (
	testKey    = bytes.Repeat([]byte{7}, 32)
	errNoSpace = fmt.Errorf("write: %w", syscall.ENOSPC)
	errIO      = fmt.Errorf("write: %w", syscall.EIO)
)

// rig is an outbox that runs on a disk of its own.
type rig struct {
	t    testing.TB
	d    *memDisk
	o    *Outbox
	log  *bytes.Buffer
	stop func()

	mu   sync.Mutex
	told []outcome
}

type outcome struct {
	e   events.Event
	err error
}

func testConfig() Config {
	return Config{Node: "edge-1", Segment: 16 << 10, Cap: 1 << 20, Reserve: 64 << 10, Queue: 1 << 20, Window: 64}
}

func openRig(t testing.TB, d *memDisk, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, d: d, log: new(bytes.Buffer), stop: func() {}}
	cfg.Defaults()
	o, err := open(cfg, testKey, slog.New(slog.NewTextHandler(r.log, nil)), d)
	if err != nil {
		t.Fatal(err)
	}
	r.o = o
	return r
}

func startRig(t testing.TB, d *memDisk, cfg Config) *rig {
	t.Helper()
	r := openRig(t, d, cfg)
	r.stop = r.start()
	return r
}

// start runs the outbox and returns what stops and closes it.
func (r *rig) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.o.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("run: %v", err)
		}
		if err := r.o.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
	})
}

func (r *rig) publish(e events.Event) {
	r.o.Publish(e, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, outcome{e, err})
	})
}

func (r *rig) outcomes() []outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

func (r *rig) flush() {
	r.t.Helper()
	if err := r.o.Flush(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// readAll takes what there is to read now, without acking.
func (r *rig) readAll() []Record {
	r.t.Helper()
	var all []Record
	for {
		rec, ok, err := r.o.read()
		if err != nil {
			r.t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, rec)
	}
}

func brief(rs []Record) string {
	var b strings.Builder
	for i, r := range rs {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s/%d:%s", r.Call[len(r.Call)-1:], r.Seq, strings.TrimPrefix(r.Type, "call."))
	}
	return b.String()
}

// call returns the id of a test's call, named by one letter.
func call(name byte) string {
	id := events.NewID("call", time.Now())
	return id[:len(id)-16] + strings.Repeat("0", 15) + string(name)
}

func ev(call, typ string) events.Event { return evAt(call, typ, time.Now()) }

func evAt(call, typ string, at time.Time) events.Event {
	e := events.Event{Account: "demo", Call: call, Type: typ, Time: at}
	switch typ {
	case events.CallReceived:
		e.Data = events.CallReceivedData{Transport: "udp", Direction: "inbound"}
	case events.CallRinging:
		e.Data = events.CallRingingData{Status: "ringing"}
	case events.CallAnswered:
		e.Data = events.CallAnsweredData{Winner: "leg_1"}
	case events.CallEnded:
		e.Data = &events.CallEndedData{Status: "completed"}
	case events.RecordingStarted:
		e.Data = events.RecordingStartedData{Recording: "rec_1"}
	case events.RecordingCompleted:
		e.Data = events.RecordingCompletedData{Recording: "rec_1"}
	case events.RecordingFailed:
		e.Data = events.RecordingFailedData{Recording: "rec_1"}
	}
	return e
}

func TestNumbersAndOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a, b := call('A'), call('B')
		for _, e := range []events.Event{ev(a, events.CallReceived), ev(b, events.CallReceived), ev(a, events.CallRinging), ev(a, events.CallAnswered), ev(b, events.CallEnded), ev(a, events.CallEnded)} {
			r.publish(e)
		}
		r.o.Beat(time.Now())
		r.flush()
		synctest.Wait()
		all := r.readAll()
		if got, want := brief(all), "A/1:received B/1:received A/2:ringing A/3:answered B/2:ended A/4:ended"; got != want {
			t.Errorf("log is %s\nwant   %s", got, want)
		}
		for _, rec := range all {
			e, err := events.Decode(rec.Body)
			if err != nil || e.Seq != rec.Seq || e.Call != rec.Call || events.Subject(e) != rec.Subject() || rec.ID() != events.ID(e.Call, e.Seq) {
				t.Errorf("%s: %v", rec.Body, err)
			}
		}
		for _, o := range r.outcomes() {
			if o.err != nil {
				t.Errorf("%s: %v", o.e.Type, o.err)
			}
		}
		if s := r.o.Stats(); s.Appended != 6 || s.Backlog != 6 || s.Refused != 0 || s.Full || s.Syncs == 0 || len(r.outcomes()) != 6 {
			t.Errorf("%+v, told %d", s, len(r.outcomes()))
		}
		r.stop()
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a := call('A')
		bad := ev(a, events.CallReceived)
		bad.Account = "a.b"
		r.publish(bad)
		r.publish(ev(a, events.CallReceived))
		r.publish(ev(a, events.CallEnded))
		r.publish(ev(a, events.CallEnded))
		r.flush()
		r.stop()
		r.publish(ev(a, events.RecordingCompleted))
		synctest.Wait()
		got := r.outcomes()
		if len(got) != 5 {
			t.Fatalf("%d outcomes: %v", len(got), got)
		}
		for i, want := range []string{"account: not an id", "", "", ErrEnded.Error(), ErrClosed.Error()} {
			if text := fmt.Sprint(got[i].err); want == "" && got[i].err != nil || !strings.Contains(text, want) {
				t.Errorf("outcome %d: %v, want %q", i, got[i].err, want)
			}
		}
		again := openRig(t, r.d, testConfig())
		if got, want := brief(again.readAll()), "A/1:received A/2:ended"; got != want {
			t.Errorf("log is %s, want %s", got, want)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := again.o.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flushed without Run: %v", err)
		}
	})
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a := call('A')
		r.publish(ev(a, events.CallReceived))
		r.flush()
		before := r.o.Stats().Syncs
		start := time.Now()
		for range 50 {
			r.publish(ev(a, events.CallRinging))
		}
		r.flush()
		if n := r.o.Stats().Syncs - before; n != 1 {
			t.Errorf("50 events in %d groups", n)
		}
		if d := time.Since(start); d > pace {
			t.Errorf("durable after %v", d)
		}
		r.stop()
	})
}

func TestAckCursorAndRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a := call('A')
		r.publish(ev(a, events.CallReceived))
		for range 5 {
			r.publish(ev(a, events.CallRinging))
		}
		r.flush()
		all := r.readAll()
		for _, i := range []int{1, 0, 3} { // 2 stays open: the cursor stands before it
			r.o.Ack(all[i])
			r.o.Ack(all[i])
		}
		if s := r.o.Stats(); s.Backlog != 3 || s.Acked != 3 {
			t.Errorf("%+v", s)
		}
		r.o.Rewind()
		r.o.Ack(all[4]) // of before the rewind
		if got, want := brief(r.readAll()), "A/3:ringing A/4:ringing A/5:ringing A/6:ringing"; got != want {
			t.Errorf("again %s, want %s", got, want)
		}
		if s := r.o.Stats(); s.Backlog != 4 {
			t.Errorf("backlog %d after rewind", s.Backlog)
		}
		r.stop()
		r = startRig(t, r.d, testConfig())
		if s := r.o.Stats(); s.Backlog != 4 {
			t.Errorf("backlog %d after restart", s.Backlog)
		}
		rest := r.readAll()
		if got, want := brief(rest), "A/3:ringing A/4:ringing A/5:ringing A/6:ringing"; got != want {
			t.Errorf("after restart %s, want %s", got, want)
		}
		for _, rec := range rest {
			r.o.Ack(rec)
		}
		r.publish(ev(a, events.CallEnded))
		r.flush()
		if got, want := brief(r.readAll()), "A/7:ended"; got != want {
			t.Errorf("then %s, want %s", got, want)
		}
		r.stop()
	})
}

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Window = 2
		r := startRig(t, newMemDisk(), cfg)
		a := call('A')
		var got []Record
		ctx, cancel := context.WithCancelCause(context.Background())
		end := make(chan error, 1)
		go func() {
			for {
				rec, err := r.o.Next(ctx)
				if err != nil {
					end <- err
					return
				}
				got = append(got, rec)
			}
		}()
		for range 4 {
			r.publish(ev(a, events.CallReceived))
		}
		r.flush()
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d handed out, window 2", len(got))
		}
		r.o.Ack(got[0])
		synctest.Wait()
		if len(got) != 3 {
			t.Fatalf("%d handed out after one ack", len(got))
		}
		why := errors.New("enough")
		cancel(why)
		if err := <-end; !errors.Is(err, why) {
			t.Error(err)
		}
		r.stop()
		r.o.Ack(got[1])
		r.o.Ack(got[2])
		for range 1 {
			if _, err := r.o.Next(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.o.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("after the last: %v", err)
		}
	})
}

func TestCloseWithoutRun(t *testing.T) {
	r := openRig(t, newMemDisk(), testConfig())
	r.publish(ev(call('A'), events.CallReceived))
	r.o.Beat(time.Now())
	for range 2 {
		if err := r.o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.outcomes(); len(got) != 1 || !errors.Is(got[0].err, ErrClosed) {
		t.Errorf("%v", got)
	}
	if err := r.o.Run(t.Context()); err == nil {
		t.Error("ran after close")
	}
}

func TestOpenOnRealDisk(t *testing.T) {
	cfg := Config{Dir: t.TempDir() + "/outbox", Node: "edge-1", Reserve: 64 << 10}
	var log bytes.Buffer
	for i := range 3 {
		o, err := Open(cfg, testKey, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx) }()
		a := call("ABC"[i])
		o.Publish(ev(a, events.CallReceived), nil)
		o.Publish(ev(a, events.CallEnded), nil)
		if err := o.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if s := o.Stats(); s.Appended != 2 || s.Backlog != 2*(i+1) || s.Faults+s.Torn+s.Quarantined != 0 {
			t.Errorf("%+v", s)
		}
		cancel()
		if err := errors.Join(<-done, o.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(cfg, bytes.Repeat([]byte{8}, 32), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("opened with another key")
	}
	cfg.Cap, cfg.Window, cfg.Segment = 1, -1, 1
	if _, err := Open(cfg, testKey, slog.New(slog.DiscardHandler)); err == nil || strings.Count(err.Error(), "outbox: ") != 3 {
		t.Errorf("faults: %v", err)
	}
}
