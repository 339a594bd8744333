package recorder

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/privacy"
	"ringdown/privacy/keys"
	"ringdown/recorder/render"
	"ringdown/recorder/store"
	"ringdown/recorder/store/storetest"
)

// shelf makes recordings on several days of two accounts, one still open.
func shelf(t *testing.T) (w *world, ids []string, open *Recording) {
	t.Helper()
	w = newWorld(t, &storetest.Memory{})
	for _, account := range []string{"demo", "other"} {
		for range 2 {
			i := info()
			i.Account = account
			r, err := w.rec.Open(context.Background(), i, nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			r.Close(time.Now())
			ids = append(ids, r.ID())
			time.Sleep(40 * 24 * time.Hour)
		}
	}
	return w, ids, w.open()
}

func TestList(t *testing.T) {
	in(t, func(t *testing.T) {
		w, ids, open := shelf(t)
		defer open.Close(time.Now())
		list := func(f Filter) (got []string) {
			t.Helper()
			entries, err := w.rec.List(context.Background(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				got = append(got, e.ID)
				if e.Open != (e.ID == open.ID()) || !e.Open && len(e.Parts) != 1 {
					t.Errorf("%s: open %v with %d parts", e.ID, e.Open, len(e.Parts))
				}
			}
			return got
		}
		start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, c := range []struct {
			name   string
			filter Filter
			want   []string
		}{
			{"all", Filter{}, []string{ids[0], ids[1], open.ID(), ids[2], ids[3]}},
			{"one account", Filter{Account: "other"}, ids[2:]},
			{"nobody", Filter{Account: "nobody"}, nil},
			{"since the first day", Filter{Since: start}, []string{ids[0], ids[1], open.ID(), ids[2], ids[3]}},
			{"since the day after", Filter{Since: start.Add(24 * time.Hour)}, []string{ids[1], open.ID(), ids[2], ids[3]}},
			{"since the third month", Filter{Account: "other", Since: start.Add(100 * 24 * time.Hour)}, ids[3:]},
			{"since next year", Filter{Since: start.AddDate(1, 0, 0)}, nil},
		} {
			if got := list(c.filter); !slices.Equal(got, c.want) {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := w.rec.List(ctx, Filter{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestShow(t *testing.T) {
	in(t, func(t *testing.T) {
		w, ids, open := shelf(t)
		defer open.Close(time.Now())
		for i, id := range ids {
			e, err := w.rec.Show(context.Background(), id)
			if err != nil || e.ID != id || e.Account != []string{"demo", "demo", "other", "other"}[i] || len(e.Parts) != 1 {
				t.Errorf("%s: %+v, %v", id, e, err)
			}
		}
		if _, err := w.rec.Show(context.Background(), strings.Replace(ids[0], ids[0][20:24], "ZZZZ", 1)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("unknown id: %v", err)
		}
		for _, bad := range []string{"", "rec_", "call_1", "rec_../../../../etc/passwd..", "rec_01J00000000000000000000!00"} {
			if _, err := w.rec.Show(context.Background(), bad); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		var out bytes.Buffer
		if err := w.rec.Export(context.Background(), open.ID(), &out, "wav"); !errors.Is(err, ErrOpen) {
			t.Errorf("export of an open recording: %v", err)
		}
		if _, err := w.rec.Verify(context.Background(), open.ID(), false); !errors.Is(err, ErrOpen) {
			t.Errorf("verify of an open recording: %v", err)
		}
		if err := w.rec.Export(context.Background(), ids[0], &out, "mp3"); err == nil {
			t.Error("format mp3 is known")
		}
	})
}

// A codec that cannot be rendered is kept all the same, and named.
func TestExportNamesTheCodec(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t, &storetest.Memory{})
		r := w.open()
		r.Formats(media.Callee, []media.Format{{PT: 18, Name: "G729", Clock: 8000}})
		p := spoken(media.Callee, 1)
		p.PT = 18
		r.Packet(p)
		r.Close(time.Now())
		var out bytes.Buffer
		err := w.rec.Export(context.Background(), r.ID(), &out, "wav")
		var codec *render.CodecError
		if !errors.As(err, &codec) || codec.Codec != "G729" || codec.Side != media.Callee || out.Len() > 0 {
			t.Errorf("error is %v", err)
		}
		if ms, err := w.rec.Verify(context.Background(), r.ID(), true); err != nil || !slices.Equal(ms[0].Callee.Codecs, []string{"G729"}) {
			t.Errorf("%+v, %v", ms, err)
		}
	})
}

// The real disk and the real keys: a call is written, killed, recovered,
// verified by path, exported, and gone when its key is.
func TestOnARealDiskWithRealKeys(t *testing.T) {
	dir := t.TempDir()
	held := realKeys(t, filepath.Join(dir, "keys"))
	disk, err := store.OpenDir(filepath.Join(dir, "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	newRecorder := func() *Recorder {
		r, err := New(Config{}, Deps{Keys: held, Store: disk, Log: slog.New(slog.DiscardHandler),
			Renderers: map[string]Renderer{"wav": render.WAV}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	subject, err := held.Subject("demo", privacy.E164("+4722334455"))
	if err != nil {
		t.Fatal(err)
	}
	old := newRecorder()
	i := info()
	i.Subject = subject
	killed, err := old.Open(context.Background(), i, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := old.Open(context.Background(), i, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Recording{killed, closed} {
		describe(r)
		for n := range 100 {
			p := spoken(media.Caller, n)
			p.Arrival = i.Started.Add(time.Duration(n) * 20 * time.Millisecond)
			r.Packet(p)
		}
	}
	for _, r := range []*Recording{killed, closed} {
		r.Close(i.Started.Add(2 * time.Second))
	}
	path := filepath.Join(dir, "recordings", filepath.FromSlash(partName("demo", killed.ID(), i.Started, 1)))
	unfinish(t, path)
	next := newRecorder()
	if e, err := next.Show(context.Background(), killed.ID()); err != nil || !e.Open {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := next.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{killed.ID(), closed.ID()} {
		if _, err := next.Verify(context.Background(), id, true); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		var out bytes.Buffer
		if err := next.Export(context.Background(), id, &out, "wav"); err != nil || out.Len() < 8000 {
			t.Errorf("%s: %d bytes, %v", id, out.Len(), err)
		}
	}
	ms, err := next.Verify(context.Background(), path+".ctr", true)
	if err != nil || ms[0].Completion != Recovered || ms[0].Caller.Packets == 0 {
		t.Errorf("by path: %+v, %v", ms, err)
	}
	if _, err := next.Verify(context.Background(), filepath.Join(dir, "nothing.ctr"), false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := held.EraseSubject("demo", subject); err != nil {
		t.Fatal(err)
	}
	if err := next.Export(context.Background(), closed.ID(), &bytes.Buffer{}, "wav"); !errors.Is(err, keys.ErrErased) {
		t.Errorf("export after erasure: %v", err)
	}
	if _, err := next.Verify(context.Background(), closed.ID(), false); err != nil {
		t.Errorf("proof after erasure: %v", err)
	}
}

// unfinish makes of a whole file what a process that was killed leaves: no
// final segment, a torn one instead, no manifest, the name of an open file.
func unfinish(t *testing.T, path string) {
	t.Helper()
	whole, err := os.Stat(path + ".ctr")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Truncate(path+".ctr", whole.Size()-1000),
		os.Rename(path+".ctr", path+".part"),
		os.Remove(path + ".json"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func realKeys(t *testing.T, dir string) *keys.Store {
	t.Helper()
	s, err := keys.Open(keys.Config{Dir: dir}, keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
