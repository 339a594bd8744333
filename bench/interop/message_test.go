//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

const messageText = "Hello, this is Kari from the lake. My roof is leaking since Monday. Please call me back in the evening."

// TestVoicemail has a baresip leave messages: one that it ends by a key, one by
// hanging up, and one that is too short to be one. What it hears is the greeting and
// the tone; what it said is sealed, and comes out again as it was said.
func TestVoicemail(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	prompts := newSpoken(t)
	n := newPhonesNode(t, w, plan{Carrier: "dtmf: {receive: [inband]}", More: prompts.section(),
		Flow: "    - voicemail: {prompt: hello, mailbox: sales, silence: PT8S, limit: PT40S}\n"})
	stop := w.watch(t, dir)
	words := readWAV(t, speak(t, dir, "words", messageText, "en+m3", 0))[0]
	greets := int(ms(prompts.sounds["hello"])/1000) + 3 // the tone is over by then
	said := filepath.Join(dir, "said.wav")
	must(t, "sox", "-n", "-r", "8000", "-c", "1", "-b", "16", filepath.Join(dir, "greeted.wav"), "trim", "0", strconv.Itoa(greets))
	must(t, "sox", filepath.Join(dir, "greeted.wav"), filepath.Join(dir, "words.wav"), tapped(t, dir, "hash", "#", 3, 30), said)
	caller := newSoftphone(t, w, dir, "caller", callerIP, said)
	caller.start(t)

	call := func(k int, hangsUp func()) *story {
		caller.do(t, "dial "+n.uri())
		eventually(t, limit, "the tone to be over", func() bool {
			all := n.stories(t)
			return len(all) == k && all[k-1].count("media.played") == 2
		})
		if hangsUp != nil {
			hangsUp()
			caller.do(t, "hangup")
		}
		eventually(t, 40*time.Second, "the end", func() bool { return n.stories(t)[k-1].over() })
		return n.stories(t)[k-1]
	}
	short := call(1, func() {})
	long := time.Duration(ms(words)) * time.Millisecond
	byBye := call(2, func() { time.Sleep(long + 2*time.Second) })
	byKey := call(3, nil)
	eventually(t, limit, "the recordings", func() bool { n.settled(t, 3); return n.stories(t)[2].count("recording.completed") == 1 })

	for name, s := range map[string]*story{"caller": byBye, "key": byKey} {
		s = n.again(t, s)
		left := s.last("voicemail.left")
		if left.EndedBy != name || left.Recording == "" || left.Recording != s.recording() || s.last("call.ended").Status != "completed" {
			t.Errorf("left by %s: %+v, ended %s", name, left, s.last("call.ended").Status)
		}
		channels := n.export(t, s, filepath.Join(dir, name+".wav"))
		if len(channels) != 1 {
			t.Fatalf("left by %s: %d channels", name, len(channels))
		}
		m, greeting := siptest.Match(channels[0], words), siptest.Match(channels[0], prompts.sounds["hello"])
		t.Logf("left by %s: %d ms, %.3f like the words over %d ms, %.3f like the greeting", name, ms(channels[0]), m.Correlation, ms(make([]int16, m.Shared)), greeting.Correlation)
		if m.Correlation < 0.9 || m.Shared < len(words)*9/10 {
			t.Errorf("the message does not hold what was said")
		}
		if greeting.Correlation > 0.4 && greeting.Shared > rate || len(beepsIn(channels[0])) > 0 {
			t.Errorf("the message holds the greeting or the tone")
		}
		if shown := n.ask(t, "recordings", "show", left.Recording, "--json"); !strings.Contains(shown, `"voicemail"`) || !strings.Contains(shown, `"sales"`) {
			t.Errorf("its manifest does not say what it is:\n%s", shown)
		}
		if why := n.ask(t, "why", s.id); !strings.Contains(why, "in mailbox sales") {
			t.Errorf("why does not tell of it:\n%s", why)
		}
	}
	short = n.again(t, short)
	if short.count("voicemail.left") != 0 || short.count("recording.completed") != 0 || short.last("call.ended").Status != "abandoned" {
		t.Errorf("who said nothing has left something: %+v", short.events)
	}
	if list := n.ask(t, "recordings", "list"); strings.Count(list, "rec_") != 2 {
		t.Errorf("recordings:\n%s", list)
	}
	n.stop(t)
	capture := stop()
	heard := soundTo(t, capture, callerIP)
	prompts.hears(t, "caller", heard, "hello", true)
	if beeps := len(beepsTo(t, capture, callerIP)); beeps != 3 {
		t.Errorf("the caller heard %d tones in three calls", beeps)
	}
	wanted := spokenNeedles(t, capture)
	b, err := os.ReadFile(capture)
	if err != nil || len(find(b, wanted)) != len(wanted) {
		t.Fatalf("the scan finds %d of %d pieces of sound where they are: %v", len(find(b, wanted)), len(wanted), err)
	}
	var s scan
	s.files(t, n.Dir, wanted)
	s.bytes(t, "log", []byte(n.out.String()), wanted)
	t.Logf("%d files with %d bytes hold none of %d pieces of what was said", s.seen, s.size, len(wanted))
}

// again reads a story anew.
func (n *node) again(t *testing.T, s *story) *story {
	t.Helper()
	for _, other := range n.stories(t) {
		if other.id == s.id {
			return other
		}
	}
	t.Fatalf("%s is told of no more", s.id)
	return nil
}

// spokenNeedles are pieces of what the caller sent, as it was on the wire: those loud
// enough to be nothing else, each seventh.
func spokenNeedles(t *testing.T, capture string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	loud := 0
	for i, line := range tshark(t, capture, "rtp && ip.src=="+callerIP+" && ip.dst=="+nodeIP, "rtp.payload") {
		payload := []byte(unhex(t, line))
		if len(payload) < 160 {
			continue
		}
		distinct := map[byte]bool{}
		for _, b := range payload[:32] {
			distinct[b] = true
		}
		if len(distinct) < 20 {
			continue
		}
		if loud++; loud%7 == 0 {
			all[fmt.Sprintf("packet %d", i)] = bytes.Clone(payload[:32])
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d pieces of what was said are on the wire", len(all))
	}
	return all
}
