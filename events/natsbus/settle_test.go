package natsbus

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestPowerCut takes the broker's files back to what the last sync made sure
// of, torn tail included, as a power cut does. The outbox must have acked
// nothing of what is gone, and delivers it again, once.
func TestPowerCut(t *testing.T) {
	dir, boxDir, kept := t.TempDir(), t.TempDir(), t.TempDir()
	b := openBus(t, embedded(dir))
	box, stopBox := openBox(t, boxDir)
	cut := make(chan struct{})
	var syncs atomic.Int32
	b.sync = func(f *storeFiles) error {
		if syncs.Add(1) > 3 {
			defer close(cut)
			return errors.New("power cut")
		}
		before := box.Stats().Acked
		err := f.sync()
		if err == nil {
			err = errors.Join(os.RemoveAll(kept), os.CopyFS(kept, os.DirFS(dir)))
		}
		if now := box.Stats().Acked; now != before {
			t.Errorf("%d events were acked before their sync", now-before)
		}
		return err
	}
	stop := run(t, b, box)
	calls := map[string]int{}
	for up := true; up; {
		select {
		case <-cut:
			up = false
		default:
			call := newCall()
			calls[call] = 4
			tell(box, "demo", call, 4, true)
			if err := box.Flush(within(t)); err != nil { // the pace of the disk
				t.Fatal(err)
			}
		}
	}
	stop()
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "power cut") {
		t.Errorf("ready: %v", err)
	}
	published, acked := b.Stats().Published, box.Stats().Acked
	b.Close()
	stopBox()
	if acked == 0 || acked >= published {
		t.Fatalf("%d of %d acked", acked, published)
	}
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(kept))); err != nil {
		t.Fatal(err)
	}

	b = openBus(t, embedded(dir))
	box, _ = openBox(t, boxDir)
	run(t, b, box)
	flush(t, b, box)
	got := readBack(t, b, Filter{})
	for call, n := range calls {
		if len(got[call]) != n {
			t.Errorf("call %s: %d events, want %d", call, len(got[call]), n)
		}
	}
	told := uint64(4 * len(calls))
	// What was acked last may be found once more: the outbox notes its place a moment later.
	if s := b.Stats(); s.Published == 0 || s.Published > told-acked || s.Published+s.Found < told-acked {
		t.Errorf("%d delivered again and %d found, of %d that were not acked", s.Published, s.Found, told-acked)
	}
}

// TestStoreFilesFollowTheBlocks: each sync begins with the block that was last,
// and a stream made anew is looked at from its beginning.
func TestStoreFilesFollowTheBlocks(t *testing.T) {
	f := &storeFiles{dir: t.TempDir()}
	if err := f.sync(); err == nil {
		t.Error("synced although nothing is there")
	}
	msgs := filepath.Join(f.dir, "msgs")
	write := func(names ...string) {
		for _, name := range names {
			if err := errors.Join(os.MkdirAll(msgs, 0o700), os.WriteFile(filepath.Join(msgs, name), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(last uint64) {
		t.Helper()
		if err := f.sync(); err != nil || f.last != last {
			t.Errorf("last %d, want %d; %v", f.last, last, err)
		}
	}
	write("7.blk", "9.blk", "9.key", "10.blk", "index.db")
	want(10)
	want(10)
	write("11.blk", "12.blk", "12.key")
	want(12)
	if err := os.RemoveAll(msgs); err != nil {
		t.Fatal(err)
	}
	write("1.blk")
	want(1)
	if os.Geteuid() != 0 { // root opens everything
		write("2.blk")
		if err := os.Chmod(filepath.Join(msgs, "2.blk"), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.sync(); err == nil || f.last != 1 {
			t.Errorf("last %d, %v", f.last, err)
		}
	}
}
