package recorder

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/recorder/format"
	"ringdown/recorder/render"
	"ringdown/recorder/store/storetest"
)

// world is a recorder and all around it, in memory.
type world struct {
	t     testing.TB
	disk  *storetest.Memory
	keys  *fakeKeys
	told  *fakePublisher
	rec   *Recorder
	fault []error // told to the call
	mu    sync.Mutex
}

func newWorld(t testing.TB, disk *storetest.Memory) *world {
	return restarted(t, disk, newFakeKeys())
}

// restarted is the next process over the same disk and keys.
func restarted(t testing.TB, disk *storetest.Memory, keys *fakeKeys) *world {
	t.Helper()
	w := &world{t: t, disk: disk, keys: keys, told: &fakePublisher{}}
	rec, err := New(Config{}, Deps{
		Keys: keys, Store: disk, Publish: w.told, Node: "edge-1", Region: "eu",
		Renderers: map[string]Renderer{"wav": render.WAV}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.rec = rec
	return w
}

func info() Info {
	return Info{Call: "call_1", Account: "demo", Subject: "sub_1", Mode: "record-from-answer", Channels: "dual", Started: time.Now()}
}

// open starts a recording with both sides described.
func (w *world) open() *Recording {
	w.t.Helper()
	r, err := w.rec.Open(context.Background(), info(), func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fault = append(w.fault, err)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	describe(r)
	return r
}

func describe(r *Recording) {
	set := []media.Format{{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {PT: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}}
	r.Formats(media.Caller, set)
	r.Formats(media.Callee, set)
}

// talk lets both sides speak for a while in real time of the bubble: packets of
// 20 ms whose sequence numbers go on from n.
func talk(r *Recording, n int, d time.Duration) int {
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		for _, side := range []media.Side{media.Caller, media.Callee} {
			r.Packet(spoken(side, n))
		}
		time.Sleep(20 * time.Millisecond)
	}
	return n
}

// spoken is packet n of a side; its payload tells both.
func spoken(side media.Side, n int) media.Packet {
	p := media.Packet{Side: side, Arrival: time.Now(), Seq: uint16(n), TS: uint32(n * 160), SSRC: uint32(side), Payload: make([]byte, 160)}
	for i := range p.Payload {
		p.Payload[i] = byte(n) ^ byte(side)<<7 | 1
	}
	return p
}

// fakeKeys keeps keys in a map. Its keys outlive a crash, as those of
// privacy/keys do, which are durable when they are given.
type fakeKeys struct {
	mu     sync.Mutex
	n      int
	deks   map[string][]byte
	signer ed25519.PrivateKey
	broken error
}

func newFakeKeys() *fakeKeys {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return &fakeKeys{deks: map[string][]byte{}, signer: key}
}

var errNoKey = errors.New("no such key")

func (k *fakeKeys) NewRecordingKey(account, subject, recording string) ([]byte, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return nil, "", k.broken
	}
	k.n++
	ref := "kr_" + strconv.Itoa(k.n)
	dek := make([]byte, 32)
	rand.Read(dek)
	k.deks[ref] = dek
	return bytes.Clone(dek), ref, nil
}

func (k *fakeKeys) RecordingKey(ref string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if dek, ok := k.deks[ref]; ok {
		return bytes.Clone(dek), nil
	}
	return nil, errNoKey
}

func (k *fakeKeys) Signer() (ed25519.PrivateKey, string, error) { return k.signer, "node_1", nil }

func (k *fakeKeys) PublicKey(id string) (ed25519.PublicKey, error) {
	if id != "node_1" {
		return nil, errNoKey
	}
	return k.signer.Public().(ed25519.PublicKey), nil
}

// fakePublisher keeps what is told; durable is called from another goroutine.
type fakePublisher struct {
	mu     sync.Mutex
	events []events.Event
	stuck  bool  // durable waits for release
	err    error // what durable is told
	held   []func(error)
}

// release lets a stuck publisher go on.
func (p *fakePublisher) release(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = false
	for _, durable := range p.held {
		go durable(err)
	}
	p.held = nil
}

func (p *fakePublisher) Publish(e events.Event, durable func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	switch {
	case durable == nil:
	case p.stuck:
		p.held = append(p.held, durable)
	default:
		go durable(p.err)
	}
}

// types lists what was told, in order.
func (p *fakePublisher) types() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, e := range p.events {
		out = append(out, e.Type)
	}
	return out
}

// of returns the payloads of one type.
func of[T any](p *fakePublisher) []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []T
	for _, e := range p.events {
		if d, ok := e.Data.(T); ok {
			out = append(out, d)
		}
	}
	return out
}

// contentsOf reads all records of a part back from the disk.
func (w *world) contentsOf(file string) []format.Record {
	w.t.Helper()
	b := w.disk.Bytes(file)
	f, err := parseFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		w.t.Fatalf("%s: %v", file, err)
	}
	if err := f.unlock(w.keys); err != nil {
		w.t.Fatalf("%s: %v", file, err)
	}
	var out []format.Record
	x := &reading{ctx: context.Background(), parts: []*sealedFile{f}}
	r, err := x.open()
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		if a, ok := rec.(format.Audio); ok {
			a.Payload = bytes.Clone(a.Payload)
			rec = a
		}
		out = append(out, rec)
	}
	return out
}

// only picks the records of one type.
func only[T format.Record](records []format.Record) []T {
	var out []T
	for _, r := range records {
		if t, ok := r.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// file is the only file with an ending, without it.
func (w *world) file(ending string) string {
	w.t.Helper()
	var found []string
	for _, f := range w.disk.Files() {
		if name, ok := bytes.CutSuffix([]byte(f), []byte(ending)); ok {
			found = append(found, string(name))
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("files with %s: %q of %q", ending, found, w.disk.Files())
	}
	return found[0]
}

// wav exports and returns the channels.
func (w *world) wav(id string) (channels [2][]int16) {
	w.t.Helper()
	var out bytes.Buffer
	if err := w.rec.Export(context.Background(), id, &out, "wav"); err != nil {
		w.t.Fatal(err)
	}
	for i, b := 0, out.Bytes()[44:]; i+3 < len(b); i += 4 {
		channels[0] = append(channels[0], int16(binary.LittleEndian.Uint16(b[i:])))
		channels[1] = append(channels[1], int16(binary.LittleEndian.Uint16(b[i+2:])))
	}
	return channels
}

// in runs f in a bubble of its own time.
func in(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func expectTypes(t *testing.T, p *fakePublisher, want ...string) {
	t.Helper()
	if got := p.types(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}
