//go:build interop

package interop

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What the two sides of sipp play: tones that share no frame.
const (
	callerHz = 450
	calleeHz = 1150
)

// talk is how long the carrier of testdata stays in a call.
const talk = 8 * time.Second

// TestCarrierToPBX has sipp call sipp through Ringdown, with real RTP.
func TestCarrierToPBX(t *testing.T) {
	t.Run("udp, 100 calls, 20 at once", func(t *testing.T) {
		carry(t, load{host: "127.0.11", transport: "u1", calls: 100, atOnce: 20, perSecond: 4})
	})
	t.Run("tcp from the carrier, 5 calls", func(t *testing.T) {
		carry(t, load{host: "127.0.12", transport: "t1", calls: 5, atOnce: 5, perSecond: 5})
	})
}

type load struct {
	host, transport          string // first three bytes; sipp's -t
	calls, atOnce, perSecond int
}

func carry(t *testing.T, l load) {
	carrier, pbx := l.host+".2", l.host+".3"
	n := newNode(t, plan{Host: l.host + ".1", Sources: carrier, Agent: freePort(t, pbx), Calls: 100})
	n.start(t)
	dir := sippDir(t)
	uas := sipp(t, dir, "destination.xml", pbx, n.Agent, "-t", "u1", "-aa")
	started := time.Now()
	uac := sipp(t, dir, "carrier.xml", carrier, freePort(t, carrier), "-t", l.transport,
		"-m", strconv.Itoa(l.calls), "-l", strconv.Itoa(l.atOnce), "-r", strconv.Itoa(l.perSecond), n.SIP)
	limit := time.Duration(l.calls/l.atOnce+2)*(talk+2*time.Second) + time.Minute
	if code := uac.code(t, limit); code != 0 {
		t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
	}
	took := time.Since(started)
	all := n.settled(t, l.calls)
	var f figures
	for _, s := range all {
		f.measure(t, n, s, filepath.Join(dir, "out.wav"))
	}
	uas.kill()
	n.stop(t)
	t.Logf("%d calls in %v: talk %d to %d ms, %d to %d packets a side, drops %v",
		len(all), took.Round(time.Millisecond), f.talk.least, f.talk.most, f.packets.least, f.packets.most, f.drops)
	t.Logf("recordings less talk: %d to %d ms; own tone in at least %.4f of the frames, the other's at most %.6f of one",
		f.extra.least, f.extra.most, f.own.least, f.other.most)
}

// sippDir is where sipp finds its scenarios and what it plays.
func sippDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	scenarios, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range scenarios {
		name := filepath.Base(file)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, hz := range map[string]int{"caller.alaw": callerHz, "callee.alaw": calleeHz} {
		must(t, "sox", "-n", "-r", strconv.Itoa(rate), "-c", "1", "-e", "a-law", "-b", "8", "-t", "raw",
			filepath.Join(dir, name), "synth", "10", "sine", strconv.Itoa(hz), "vol", "0.5")
	}
	return dir
}

// sipp starts a scenario on an address.
func sipp(t *testing.T, dir, scenario, host, address string, more ...string) *program {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-sf", scenario, "-i", host, "-mi", host, "-p", port, "-mp", "30000", "-nostdin", "-trace_err"}
	return launch(t, dir, "sipp", append(args, more...)...)
}

// span is the least and the most of something.
type span[T int | int64 | float64] struct {
	least, most T
	any         bool
}

func (s *span[T]) add(v T) {
	if !s.any {
		*s = span[T]{v, v, true}
	}
	s.least, s.most = min(s.least, v), max(s.most, v)
}

// figures are what all calls of a load measured.
type figures struct {
	talk, extra span[int64]
	packets     span[int]
	own, other  span[float64]
	drops       map[string]int
}

// measure judges one call and its recording.
func (f *figures) measure(t *testing.T, n *node, s *story, file string) {
	t.Helper()
	s.completed(t)
	end := s.last("call.ended")
	f.talk.add(end.TalkMS)
	if off := end.TalkMS - talk.Milliseconds(); off < -150 || off > 150 {
		t.Errorf("%s: talked %d ms", s.id, end.TalkMS)
	}
	for side, flow := range map[string]flow{"caller": end.Media.Caller, "callee": end.Media.Callee} {
		f.packets.add(flow.Packets)
		if sent := int(talk / (20 * time.Millisecond)); flow.Packets < sent*95/100 || flow.Packets > sent*105/100 {
			t.Errorf("%s: %d packets from the %s, about %d were sent", s.id, flow.Packets, side, sent)
		}
		for why, k := range flow.Drops {
			if f.drops == nil {
				f.drops = map[string]int{}
			}
			f.drops[why] += k
		}
	}
	f.listen(t, n, s, file, end.TalkMS)
}

// listen holds the channels of a recording against what sipp played.
func (f *figures) listen(t *testing.T, n *node, s *story, file string, talked int64) {
	t.Helper()
	channels := n.export(t, s, file)
	if len(channels) != 2 {
		t.Errorf("%s: %d channels", s.id, len(channels))
		return
	}
	extra := ms(channels[0]) - talked
	f.extra.add(extra)
	if extra < -60 || extra > 60 {
		t.Errorf("%s: recording has %d ms, talked %d ms", s.id, ms(channels[0]), talked)
	}
	hz := []float64{callerHz, calleeHz}
	for side, piece := range channels {
		own, other := heard(piece, hz[side], hz[1-side])
		f.own.add(own)
		f.other.add(other)
		if own < 0.99 || other > 0.01 {
			t.Errorf("%s: channel %d: its own tone is in %.4f of its frames, the other's has up to %.6f of one", s.id, side+1, own, other)
			keepArtifact(t, file)
		}
	}
}
