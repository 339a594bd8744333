package natsbus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ringdown/events"
	"ringdown/events/outbox"
)

var testKey = bytes.Repeat([]byte{9}, 32)

const testToken = "secret-canary-token"

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func embedded(dir string) Config {
	return Config{Embedded: true, Dir: dir, Key: testKey, MaxBytes: 64 << 20, Timeout: 2 * time.Second}
}

func openBus(t *testing.T, cfg Config) *Bus {
	t.Helper()
	b, err := Open(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// openBox opens and runs an outbox.
func openBox(t *testing.T, dir string) (box *outbox.Outbox, stop func()) {
	t.Helper()
	box, err := outbox.Open(outbox.Config{Dir: dir, Node: "edge-1", Reserve: 64 << 10}, testKey, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-done, box.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return box, stop
}

// run delivers until stop.
func run(t *testing.T, b *Bus, box *outbox.Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, box) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newCall() string { return events.NewID("call", time.Now()) }

// tell publishes a call's whole life of n events, or goes on with one.
func tell(box *outbox.Outbox, account, call string, n int, end bool) {
	for i := range n {
		e := events.Event{Account: account, Call: call, Type: events.CallRinging, Time: time.Now(), Data: events.CallRingingData{Status: "ringing"}}
		switch {
		case i == 0 && end:
			e.Type, e.Data = events.CallReceived, events.CallReceivedData{Transport: "udp"}
		case i == n-1 && end:
			e.Type, e.Data = events.CallEnded, events.CallEndedData{Status: "completed"}
		}
		box.Publish(e, nil)
	}
}

func flush(t *testing.T, b *Bus, box *outbox.Outbox) {
	t.Helper()
	ctx := within(t)
	if err := box.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for b.Flush(ctx) != nil { // Run has not begun yet
		if ctx.Err() != nil {
			t.Fatalf("not delivered: %+v", b.Stats())
		}
	}
}

// readBack returns each call's events as they stand in the stream, after
// checking that seq goes 1, 2, 3 in each.
func readBack(t *testing.T, b *Bus, f Filter) map[string][]events.Event {
	t.Helper()
	all := make(map[string][]events.Event)
	err := b.Tail(within(t), f, false, func(raw json.RawMessage) error {
		e, err := events.Decode(raw)
		if err != nil {
			return err
		}
		all[e.Call] = append(all[e.Call], e)
		if e.Seq != uint64(len(all[e.Call])) {
			return fmt.Errorf("%s: %d stands at place %d", e.Call, e.Seq, len(all[e.Call]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDeliver(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	if err := b.Ready(); err == nil {
		t.Error("ready before the stream was looked at")
	}
	box, _ := openBox(t, t.TempDir())
	run(t, b, box)
	demo, sys := newCall(), newCall()
	tell(box, "demo", demo, 5, true)
	tell(box, events.System, sys, 2, true)
	flush(t, b, box)
	if err := b.Ready(); err != nil {
		t.Error(err)
	}
	all := readBack(t, b, Filter{})
	if len(all[demo]) != 5 || len(all[sys]) != 2 || len(all) != 2 {
		t.Errorf("read back %v", all)
	}
	if got := readBack(t, b, Filter{Account: events.System}); len(got) != 1 || len(got[sys]) != 2 {
		t.Errorf("of _sys: %v", got)
	}
	if got := readBack(t, b, Filter{Call: demo}); len(got) != 1 || len(got[demo]) != 5 {
		t.Errorf("of one call: %v", got)
	}
	alone := events.NewID(events.NodeID, time.Now())
	box.Publish(events.Event{Account: events.System, Call: alone, Type: events.SIPSourceBanned, Time: time.Now(),
		Data: events.SIPSourceBannedData{Source: "198.51.100.7/32", Reason: "scan", Until: events.Stamp(time.Now()), Count: 1}}, nil)
	flush(t, b, box)
	for filter, want := range map[Filter]int{{}: 1, {Account: events.System}: 1, {Account: "demo"}: 0, {Call: demo}: 0} {
		if got := readBack(t, b, filter); len(got[alone]) != want {
			t.Errorf("%+v: of the node %v", filter, got[alone])
		}
	}
	if got := readBack(t, b, Filter{Account: "other"}); len(got) != 0 {
		t.Errorf("of nobody: %v", got)
	}
	if got := readBack(t, b, Filter{Since: time.Now().Add(time.Hour)}); len(got) != 0 {
		t.Errorf("of later: %v", got)
	}
	if s := b.Stats(); s.Published != 8 || s.Found+s.Conflicts+s.Refused != 0 || s.Backlog != 0 || !s.Connected {
		t.Errorf("%+v", s)
	}
	m, err := b.js.Stream(within(t), Stream)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := m.GetMsg(within(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if id := msg.Header.Get(jetstream.MsgIDHeader); !strings.HasSuffix(id, "-1") {
		t.Errorf("message id %q", id)
	}
	if err := m.DeleteMsg(within(t), 1); err == nil {
		t.Error("a message could be deleted")
	}
}

func TestTailFollows(t *testing.T) {
	b := openBus(t, embedded(t.TempDir()))
	box, _ := openBox(t, t.TempDir())
	run(t, b, box)
	call := newCall()
	tell(box, "demo", call, 3, true)
	flush(t, b, box)
	ctx, cancel := context.WithCancel(within(t))
	seen := make(chan uint64, 16)
	done := make(chan error, 1)
	go func() {
		done <- b.Tail(ctx, Filter{}, true, func(raw json.RawMessage) error {
			e, err := events.Decode(raw)
			seen <- e.Seq
			return err
		})
	}()
	for want := range uint64(3) {
		if got := <-seen; got != want+1 {
			t.Errorf("seq %d, want %d", got, want+1)
		}
	}
	tell(box, "demo", call, 1, false)
	if got := <-seen; got != 4 {
		t.Errorf("followed seq %d, want 4", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := b.Tail(within(t), Filter{}, true, func(json.RawMessage) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("own error: %v", err)
	}
	for _, f := range []Filter{{Account: "*"}, {Call: ">"}, {Account: "a.b"}} {
		if err := b.Tail(within(t), f, false, nil); err == nil {
			t.Errorf("%+v taken", f)
		}
	}
}

// TestStoreIsSealedAndKept: what the embedded broker writes shows nothing, opens
// again with the same key, and not with another.
func TestStoreIsSealedAndKept(t *testing.T) {
	dir, boxDir := t.TempDir(), t.TempDir()
	b := openBus(t, embedded(dir))
	box, _ := openBox(t, boxDir)
	run(t, b, box)
	call := newCall()
	tell(box, "canary-account", call, 4, true)
	flush(t, b, box)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, canary := range []string{"canary-account", call, "ringing"} {
			if bytes.Contains(content, []byte(canary)) {
				t.Errorf("%s holds %q in the clear", path, canary)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	again := openBus(t, embedded(dir))
	if got := readBack(t, again, Filter{}); len(got[call]) != 4 {
		t.Errorf("after a restart: %v", got)
	}
	again.Close()
	cfg := embedded(dir)
	cfg.Key = bytes.Repeat([]byte{8}, 32)
	if wrong, err := Open(cfg, quiet()); err == nil {
		err = wrong.Tail(within(t), Filter{}, false, func(json.RawMessage) error { return nil })
		wrong.Close()
		if err == nil {
			t.Error("the stream opens with another key")
		}
	}
}

func TestListenAsksForToken(t *testing.T) {
	cfg := embedded(t.TempDir())
	cfg.Listen, cfg.Token = "127.0.0.1:0", testToken
	var log bytes.Buffer
	b, err := Open(cfg, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://" + b.Address()
	if c, err := nats.Connect(url); err == nil {
		c.Close()
		t.Error("connected without a token")
	}
	c, err := nats.Connect(url, nats.Token(testToken))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	b.Close()
	if strings.Contains(log.String(), testToken) || strings.Contains(log.String(), fmt.Sprintf("%x", testKey)) {
		t.Error("a secret is in the log")
	}
	if quietBus := openBus(t, embedded(t.TempDir())); quietBus.Address() != "" {
		t.Error("listens unasked")
	}
}

func TestOpenFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Embedded: true, URL: "nats://127.0.0.1"}, "url: not with embedded"},
		{Config{URL: "http://127.0.0.1"}, "url: scheme"},
		{Config{URL: "nats://me:pw@127.0.0.1"}, "url: no user in it"},
		{Config{URL: "nats://127.0.0.1", Token: "x", Credentials: "y"}, "credentials: not with token"},
		{Config{URL: "nats://127.0.0.1", Listen: "127.0.0.1:1", Token: "x"}, "listen: only with embedded"},
		{Config{Listen: "127.0.0.1:1"}, "token: needed"},
		{Config{Listen: "here", Token: "x"}, "listen: not host:port"},
		{Config{Listen: "0.0.0.0:4222", Token: "x"}, "listen: beyond this machine"},
		{Config{Listen: ":4222", Token: "x"}, "listen: beyond this machine"},
		{Config{Replicas: 3}, "replicas: "},
		{Config{MaxAge: 1, MaxBytes: 1, Timeout: 1, Workers: -1}, "workers: "},
		{Config{Cert: "x"}, "cert: "},
		{Config{Key: testKey[:5]}, "key: must be 32 bytes"},
		{Config{Key: testKey, Dir: file}, "embedded broker"},
		{Config{URL: "nats://127.0.0.1", Credentials: file + "x"}, "credentials: open"},
	} {
		if b, err := Open(c.cfg, quiet()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
			if b != nil {
				b.Close()
			}
		}
	}
}
