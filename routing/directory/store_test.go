package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"ringdown/routing"
)

// broker is a real one inside the test, with its files in dir.
func broker(t testing.TB, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{ServerName: "test", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, DisableJetStreamBanner: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no broker")
	}
	return s
}

func connect(t testing.TB, s *server.Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(nats.DefaultURL, nats.InProcessServer(s), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// running opens a directory over a broker and runs it until the test ends.
func running(t testing.TB, js jetstream.JetStream, dir string, mend ...func(*Deps)) (*Directory, *heard, func()) {
	t.Helper()
	h := &heard{}
	deps := Deps{JetStream: js, Key: testKey, Node: "edge-1", Base: trunks(), Swap: h.swap, Trouble: h.fault}
	for _, f := range mend {
		f(&deps)
	}
	d, err := Open(Config{Dir: dir, Timeout: time.Second, Wait: 5 * time.Minute}, deps)
	if err != nil {
		t.Fatal(err)
	}
	d.look = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return d, h, stop
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func await(t testing.TB, d *Directory) {
	t.Helper()
	if err := d.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two nodes on one broker: what one commits the other has, and a third that
// comes later has it too; what lies at the broker nobody can read.
func TestTwoNodesOneBroker(t *testing.T) {
	files := t.TempDir()
	s := broker(t, files)
	one, _, _ := running(t, connect(t, s), t.TempDir())
	two, _, _ := running(t, connect(t, s), t.TempDir(), func(d *Deps) { d.Node = "edge-2" })
	await(t, one)
	await(t, two)
	commit(t, one, Change{Put: someSpec(2000)})
	for i := range 20 {
		n := number(i)
		n.State = routing.Suspended
		from := []*Directory{one, two}[i%2]
		commit(t, from, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}})
	}
	same := func(a, b *Directory) func() bool {
		return func() bool { return a.Table().Version() == b.Table().Version() && b.Status().Commit == 21 }
	}
	eventually(t, "both have commit 21", same(one, two))
	three, _, _ := running(t, connect(t, s), t.TempDir())
	await(t, three)
	eventually(t, "the third has it", same(one, three))
	history, err := two.History(t.Context())
	if err != nil || len(history) != 21 || history[0].Commit != 21 || history[20].Changed.Added["numbers"] != 2000 {
		t.Errorf("%d commits: %v", len(history), err)
	}
	st, err := one.deps.JetStream.Stream(t.Context(), "KV_ringdown-directory")
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Info(t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	for subject := range info.State.Subjects {
		if strings.Contains(subject, "4721") || strings.Contains(subject, "demo") {
			t.Errorf("subject %s", subject)
		}
		m, err := st.GetLastMsgForSubject(t.Context(), subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // swept meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Data), "4721") {
			t.Errorf("%s can be read by anybody", subject)
		}
	}
	// Pages of long ago are gone: no more than the newest and those of a few
	// commits before.
	if names := distinct(one); len(info.State.Subjects) > names+3*sweepLag+1 {
		t.Errorf("%d subjects for %d pages", len(info.State.Subjects), names)
	}
}

// Many writers on two nodes at once: every change takes effect, each once.
func TestManyWriters(t *testing.T) {
	s := broker(t, t.TempDir())
	nodes := make([]*Directory, 2)
	for i := range nodes {
		nodes[i], _, _ = running(t, connect(t, s), t.TempDir(), func(d *Deps) { d.Node = fmt.Sprintf("edge-%d", i) })
		await(t, nodes[i])
	}
	commit(t, nodes[0], Change{Put: someSpec(0)})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 10 {
				change := Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(100*w + i)}}}
				for {
					_, err := nodes[w%2].Commit(t.Context(), change, false)
					if errors.Is(err, ErrConflict) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	all.Wait()
	eventually(t, "both have all", func() bool {
		return nodes[0].Table().Len() == 40 && nodes[1].Table().Len() == 40 && nodes[0].Table().Version() == nodes[1].Table().Version()
	})
	if c := nodes[0].Status().Commit; c != 41 {
		t.Errorf("40 changes made commit %d", c)
	}
}

// The broker goes and comes back; meanwhile the node has its table and refuses
// changes, a start has the table of the disk, and both catch up.
func TestBrokerGoesAndComes(t *testing.T) {
	files := t.TempDir()
	s := broker(t, files)
	dir := t.TempDir()
	d, _, stop := running(t, connect(t, s), dir)
	await(t, d)
	r := commit(t, d, Change{Put: someSpec(50)})
	eventually(t, "saved", func() bool { return d.Status().Saved == 1 })
	s.Shutdown()
	s.WaitForShutdown()
	eventually(t, "it is told", func() bool { return d.Status().Fault == FaultBroker })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := d.Commit(ctx, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(99)}}}, false); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a change without the broker: %v", err)
	}
	if d.Table().Version() != r.Table {
		t.Error("the table is gone")
	}
	stop()
	// A start with nobody there.
	dead := connect(t, s)
	again, _, stop := running(t, dead, dir)
	await(t, again)
	if st := again.Status(); st.Table != r.Table || st.Source != SourceDisk {
		t.Errorf("%+v", st)
	}
	stop()
	// The broker is back with the same files.
	s = broker(t, files)
	other, _, _ := running(t, connect(t, s), t.TempDir())
	await(t, other)
	r = commit(t, other, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(99)}}})
	third, _, _ := running(t, connect(t, s), dir)
	eventually(t, "it catches up", func() bool { st := third.Status(); return st.Table == r.Table && st.Source == SourceNATS })
}

// The stream is deleted under two nodes: both keep the table, one brings it back,
// the other follows.
func TestStreamDeleted(t *testing.T) {
	s := broker(t, t.TempDir())
	js := connect(t, s)
	one, _, _ := running(t, js, t.TempDir())
	two, _, _ := running(t, connect(t, s), t.TempDir())
	await(t, one)
	await(t, two)
	r := commit(t, one, Change{Put: someSpec(30)})
	eventually(t, "both have it", func() bool { return two.Table().Version() == r.Table })
	if err := js.DeleteStream(t.Context(), "KV_ringdown-directory"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both tell", func() bool {
		return one.Status().Fault == FaultEmpty && two.Status().Fault == FaultEmpty
	})
	if one.Table().Version() != r.Table || two.Table().Version() != r.Table {
		t.Fatal("the table is gone")
	}
	if _, err := one.Restore(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	r = commit(t, one, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{number(77)}}})
	eventually(t, "the other follows", func() bool {
		st := two.Status()
		return st.Fault == "" && st.Table == r.Table && st.Commit == 3
	})
}

// What the usual tools of a key-value bucket do to it: put, delete and purge.
func TestKeyValueTools(t *testing.T) {
	s := broker(t, t.TempDir())
	js := connect(t, s)
	d, _, _ := running(t, js, t.TempDir())
	await(t, d)
	r := commit(t, d, Change{Put: someSpec(10)})
	kv, err := js.KeyValue(t.Context(), "ringdown-directory")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind string
		do   func() error
	}{
		{FaultHead, func() error { _, err := kv.PutString(t.Context(), "head", "hello"); return err }},
		{FaultEmpty, func() error { return kv.Delete(t.Context(), "head") }},
		{FaultEmpty, func() error { return kv.Purge(t.Context(), "head") }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		eventually(t, c.kind, func() bool { return d.Status().Fault == c.kind })
		if d.Table().Version() != r.Table {
			t.Fatal("the table is gone")
		}
		if _, err := d.Restore(t.Context(), "ops"); err != nil {
			t.Fatal(err)
		}
		if d.Status().Fault != "" {
			t.Errorf("%+v", d.Status())
		}
	}
	// A page that was overwritten is found by whoever needs it, and mended.
	for _, p := range d.now.Load().pages {
		if p.name != "" {
			if _, err := kv.PutString(t.Context(), "page."+p.name, "garbage"); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	late, _, stop := running(t, connect(t, s), t.TempDir())
	eventually(t, "a new node says so", func() bool { return late.Status().Fault != "" })
	if late.Table() != nil {
		t.Error("it has a table of garbage")
	}
	stop()
	if _, err := d.Restore(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	late, _, _ = running(t, connect(t, s), t.TempDir())
	await(t, late)
	if late.Table().Version() != r.Table {
		t.Error("not mended")
	}
}

// A bucket that cannot keep what it is told is refused.
func TestBucketOfSomebodyElse(t *testing.T) {
	s := broker(t, t.TempDir())
	js := connect(t, s)
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "ringdown-directory", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	d, _, _ := running(t, js, t.TempDir())
	eventually(t, "it is told", func() bool { return strings.Contains(d.Status().FaultText, "not on file for good") })
	// One that is only set otherwise is set right.
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "by-hand", History: 1}); err != nil {
		t.Fatal(err)
	}
	b := &store{js: js, bucket: "by-hand", timeout: time.Second, replicas: 1, maxBytes: -1}
	if _, err := b.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := js.Stream(t.Context(), "KV_by-hand")
	if err != nil || st.CachedInfo().Config.AllowDirect || st.CachedInfo().Config.Discard != jetstream.DiscardNew {
		t.Errorf("%+v %v", st.CachedInfo().Config, err)
	}
}
