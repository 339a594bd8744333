//go:build interop

package interop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ringdown/sip/siptest"
)

// volume is a small file system of our own, in a namespace of its own: it goes
// with the program that holds it.
type volume struct {
	holder *program
	dir    string // inside
}

func newVolume(t *testing.T, options string) *volume {
	t.Helper()
	dir := t.TempDir()
	return &volume{dir: dir, holder: holdNamespace(t, "--mount", "mount -t tmpfs -o "+options+" tmpfs "+dir)}
}

// outside is the path of a file in it for those who are not in the namespace.
func (v *volume) outside(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", v.holder.pid()), v.dir, name)
}

// fill leaves not one byte free and returns how many there were.
func (v *volume) fill(t *testing.T) (bytes int64) {
	t.Helper()
	f, err := os.OpenFile(v.outside("filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		k, err := f.Write(block)
		bytes += int64(k)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			t.Fatal(err)
		}
	}
	return bytes
}

func (v *volume) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(v.outside("filler")); err != nil {
		t.Fatal(err)
	}
}

// fullDisk fills the disk under recorded calls. They must stay up and audible,
// the fault must be told, new calls refused while their events have no place;
// and after there is space again nothing that was stored may be missing.
//
// Who finds out that the events have no place either is the first to have one: a
// new call, or the end of a call that was there.
func fullDisk(t *testing.T) {
	t.Run("found by a new call", func(t *testing.T) { fullDiskFoundBy(t, true) })
	t.Run("found by the end of a call", func(t *testing.T) { fullDiskFoundBy(t, false) })
}

func fullDiskFoundBy(t *testing.T, newCall bool) {
	v := newVolume(t, "size=48m")
	n := newNode(t, plan{Host: "127.0.25.1", Sources: "127.0.25.2", Agent: freePort(t, "127.0.25.3"), Dir: filepath.Join(v.dir, "data")})
	n.inside = within(v.holder, "--mount")
	n.start(t)
	p := newPair(t, n, "127.0.25.2", siptest.PCMA, siptest.Noise(1))
	var calls []*conversation
	for range 3 {
		calls = append(calls, p.call(t, siptest.CallOptions{}))
	}
	for _, c := range calls {
		c.hear(t, 125) // two and a half seconds that must be in the recording
	}
	t.Logf("filled: %d bytes were free", v.fill(t))
	n.says(t, "no space left on device", limit)
	for _, c := range calls {
		c.hear(t, 50)
	}
	told := 4 // the three, and the one after them
	if newCall {
		turnedAway(t, p)
		told++ // it was admitted before anybody knew
	} else {
		calls[0].hangup(t)
	}
	n.says(t, "volume full: new calls are refused", limit)
	turnedAway(t, p)
	if newCall {
		calls[0].hangup(t)
	}
	for _, c := range calls[1:] {
		c.hear(t, 50)
	}
	v.free(t)
	n.says(t, "room again", limit)
	last := p.call(t, siptest.CallOptions{}) // as if nothing had been
	for i, c := range append(calls[1:], last) {
		c.hear(t, 50)
		c.hangup(t)
		c.intact(t, fmt.Sprintf("call %d over a full disk", i+2))
	}
	n.stop(t)
	n.start(t)
	judgeFullDisk(t, n, n.settled(t, told))
	n.stop(t)
}

// turnedAway wants a new call to be refused with 503 and Retry-After.
func turnedAway(t *testing.T, p *pair) {
	t.Helper()
	c, err := p.try(siptest.CallOptions{})
	var no *siptest.Refused
	if !errors.As(err, &no) || no.Status != 503 {
		t.Errorf("a new call on a full disk: %v, want 503", err)
		return
	}
	all := c.a.Responses()
	if all[len(all)-1].Get("Retry-After") == "" {
		t.Error("a new call on a full disk: 503 without Retry-After")
	}
}

// judgeFullDisk wants every call to be told once and to its end, what was
// recorded before the disk was full to open and to be what was said, and what
// is missing to be owned up to.
func judgeFullDisk(t *testing.T, n *node, all []*story) {
	t.Helper()
	said := siptest.Noise(1).Render(100) // two seconds
	file := filepath.Join(t.TempDir(), "call.wav")
	for i, s := range all {
		s.whole(t)
		end, kept := s.last("call.ended"), s.last("recording.completed")
		if end.Estimated {
			t.Errorf("%s: its end is an estimate, and nobody died", s.id)
		}
		if i == 3 && len(all) == 5 {
			if end.Status == "completed" || s.count("call.answered") > 0 {
				t.Errorf("%s: refused, but told as %s", s.id, end.Status)
			}
			continue
		}
		channels := n.export(t, s, file)
		match := siptest.Match(channels[0], said)
		t.Logf("%s: talked %d ms, recording %d ms, %q, complete to %.2f; the first two seconds match %.4f, %d ms in; failed %q, degraded %q",
			s.id, end.TalkMS, ms(channels[0]), kept.Result, kept.Completeness, match.Correlation, match.Delay*1000/rate,
			s.last("recording.failed").Reason, s.last("recording.degraded").Reason)
		if match.Correlation < 0.95 || match.Shared < len(said)*9/10 {
			t.Errorf("%s: what was recorded before the disk was full is not there", s.id)
		}
		if i == len(all)-1 {
			s.completed(t)
			continue
		}
		if end.Status != "completed" {
			t.Errorf("%s: ended as %q", s.id, end.Status)
		}
		if s.count("recording.failed")+s.count("recording.degraded") == 0 {
			t.Errorf("%s: nothing tells that its recording has a hole", s.id)
		}
		// What the next start has finished cannot know what came after its last byte.
		if kept.Result != "degraded" || kept.Completion == "closed" && kept.Completeness > 0.95 {
			t.Errorf("%s: a recording with a hole of seconds is %q, complete to %.2f", s.id, kept.Result, kept.Completeness)
		}
	}
}
