package recorder

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/privacy/seal"
	"ringdown/recorder/format"
	"ringdown/recorder/store"
	"ringdown/recorder/store/storetest"
)

// BenchmarkPacket is what the relay pays for a recorded packet. The writer's
// side is emptied as it goes, so the queue is never full.
func BenchmarkPacket(b *testing.B) {
	in := newIntake(time.Now(), new(chunks))
	in.formats(media.Caller, []media.Format{{PT: 0, Name: "PCMU"}})
	r := &Recording{in: in, wake: make(chan struct{}, 1)}
	p := packetOf(1, 160)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		r.Packet(*p)
		if n++; n == 400 {
			n = 0
			in.done(in.take().audio)
		}
	}
}

// BenchmarkSecond is one second of a call with two sides: records, seal,
// digests and the write, over a disk in memory.
func BenchmarkSecond(b *testing.B) {
	key := make([]byte, seal.KeySize)
	sealer, _, err := seal.NewSealer(key, nil, format.Segment)
	if err != nil {
		b.Fatal(err)
	}
	var written atomic.Uint64
	p := &part{sealer: sealer, hash: sha256.New(), outs: new(sync.Pool), file: discard{}, written: &written}
	var w format.Writer
	rec := make([]byte, format.AudioSize(160))
	format.PutAudio(rec, &format.Audio{Side: media.Caller, Payload: make([]byte, 160)})
	b.ReportAllocs()
	for b.Loop() {
		for range 100 {
			if !w.Add(rec, 0) {
				if err := p.store(w.Take()); err != nil {
					b.Fatal(err)
				}
				w.Add(rec, 0)
			}
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Sync() error                 { return nil }
func (discard) Close() error                { return nil }

// BenchmarkOpenClose is a recording with nothing in it, on a real disk.
func BenchmarkOpenClose(b *testing.B) {
	disk, err := store.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(Config{}, Deps{Keys: newFakeKeys(), Store: disk, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rec, err := r.Open(context.Background(), info(), nil)
		if err != nil {
			b.Fatal(err)
		}
		rec.Close(time.Now())
	}
}

// BenchmarkRecover finishes a recording of an hour.
func BenchmarkRecover(b *testing.B) {
	keys := newFakeKeys()
	disk := &storetest.Memory{}
	w := restarted(b, disk, keys)
	started := time.Now()
	p, err := w.rec.newPart(Info{Account: "demo", Call: "call_1", Started: started}, "rec_1", 1, mustKey(keys), nil)
	if err != nil {
		b.Fatal(err)
	}
	var seg format.Writer
	for n := range 3600 * 100 {
		rec, err := format.Append(nil, format.Audio{Side: media.Caller, At: time.Duration(n) * 10 * time.Millisecond, Payload: make([]byte, 160)})
		if err != nil {
			b.Fatal(err)
		}
		if !seg.Add(rec, 0) {
			if err := p.write(seg.Take(), false); err != nil {
				b.Fatal(err)
			}
			seg.Add(rec, 0)
		}
	}
	file := p.name + ".part"
	image := disk.Bytes(file)
	for b.Loop() {
		disk := &storetest.Memory{}
		disk.Put(file, append([]byte(nil), image...))
		if err := restarted(b, disk, keys).rec.Recover(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func mustKey(k *fakeKeys) partKey {
	dek, ref, _ := k.NewRecordingKey("", "", "")
	return partKey{dek, ref}
}
