//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestLegsOfOtherCodecs has baresip call baresip where the one does not speak
// the other's codec. What each hears is its own decoder's word; the recording
// holds what each has said.
func TestLegsOfOtherCodecs(t *testing.T) {
	type phone struct {
		module, codec, name string
		rate                int // baresip's own resampling would bend the sound
	}
	pcma, g722, opus := phone{"g711", "pcma", "PCMA", 8000}, phone{"g722", "g722", "G722", 16000}, phone{"opus", "opus", "opus", 48000}
	for _, c := range []struct {
		name           string
		caller, callee phone
		floor          float64 // of the likeness
	}{
		{"PCMA calls G.722", pcma, g722, 0.95},
		{"Opus calls PCMA", opus, pcma, 0.9},
		{"G.722 calls Opus", g722, opus, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWire(t)
			n := newPhonesNode(t, w, plan{
				Trunks: "  - {id: agents, codecs: [" + c.caller.name + ", " + c.callee.name + "]}\n",
				To:     `{uri: "sip:agent@` + calleeIP + `:5060", trunk: agents}`,
			})
			says := map[string]string{"agent": speak(t, dir, "agent", calleeText, "en+f3", 0), "caller": speak(t, dir, "caller", callerText, "en+m1", 3)}
			heard := map[string]string{}
			for name := range says {
				heard[name] = filepath.Join(dir, "heard-"+name)
				if err := os.Mkdir(heard[name], 0o700); err != nil {
					t.Fatal(err)
				}
			}
			callee := newSoftphoneOf(t, w, dir, c.callee.module, c.callee.codec, softphone{User: "agent", IP: calleeIP, Says: at(t, dir, "agent", c.callee.rate, 0), Heard: heard["agent"], Rate: c.callee.rate})
			callee.start(t)
			caller := newSoftphoneOf(t, w, dir, c.caller.module, c.caller.codec, softphone{User: "caller", IP: callerIP, Says: at(t, dir, "caller", c.caller.rate, 3), Heard: heard["caller"], Rate: c.caller.rate})
			caller.start(t, "-e", "d "+n.uri())
			caller.says(t, "Call established", 15*time.Second)
			callee.says(t, "menu: audio error", 40*time.Second) // it has said all
			caller.says(t, "session closed", 15*time.Second)

			s := n.settled(t, 1)[0]
			s.completed(t)
			callersWords, agentsWords := readWAV(t, says["caller"])[0], readWAV(t, says["agent"])[0]
			channels := n.export(t, s, filepath.Join(dir, "call.wav"))
			drops := s.last("call.ended").Media
			t.Logf("the relay dropped of the caller's %+v, of the callee's %+v", drops.Caller, drops.Callee)
			n.stop(t)
			compareLike(t, "the recording's first channel and what the caller said", channels[0], callersWords, c.floor)
			compareLike(t, "the recording's second channel and what the agent said", channels[1], agentsWords, c.floor)
			compareLike(t, "what the agent heard and what the caller said", dumped(t, dir, heard["agent"]), callersWords, c.floor)
			compareLike(t, "what the caller heard and what the agent said", dumped(t, dir, heard["caller"]), agentsWords, c.floor)
		})
	}
}

// TestLinphoneOfAnotherCodec has a linphone as it comes out of the box, kept to
// Opus by its trunk, talk to a phone that has PCMA alone.
func TestLinphoneOfAnotherCodec(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{
		Carrier: "codecs: [opus]",
		Trunks:  "  - {id: agents, codecs: [PCMA]}\n",
		To:      `{uri: "sip:agent@` + calleeIP + `:5060", trunk: agents}`,
	})
	heard := filepath.Join(dir, "heard")
	if err := os.Mkdir(heard, 0o700); err != nil {
		t.Fatal(err)
	}
	said := speak(t, dir, "caller", callerText, "en+m1", 1)
	callee := newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: "agent", IP: calleeIP, Says: speak(t, dir, "agent", calleeText, "en+f3", 9), Heard: heard, Rate: rate})
	callee.start(t)
	caller := newLinphone(t, w, "caller", callerIP, "")
	caller.do(t, "call "+n.uri())
	caller.established(t)
	caller.do(t, "play "+said)
	time.Sleep(11 * time.Second) // it says all of it
	caller.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	wav := filepath.Join(dir, "call.wav")
	channels := n.export(t, s, wav)
	n.stop(t)
	picture(t, dir, wav)
	words := readWAV(t, said)[0]
	compareLike(t, "the recording's first channel and what the linphone said", channels[0], words, 0.85)
	compareLike(t, "what the agent heard and what the linphone said", dumped(t, dir, heard), words, 0.85)
}

// at makes what speak has made at another rate.
func at(t *testing.T, dir, name string, hz, pause int) string {
	t.Helper()
	file := filepath.Join(dir, name+"-"+strconv.Itoa(hz)+".wav")
	must(t, "sox", filepath.Join(dir, name+"-22k.wav"), "-r", strconv.Itoa(hz), "-c", "1", "-b", "16", file, "vol", "0.7", "pad", "0", strconv.Itoa(pause))
	return file
}

// compareLike wants one sound in another.
func compareLike(t *testing.T, what string, heard, said []int16, floor float64) {
	t.Helper()
	like := siptest.Match(heard, said)
	t.Logf("%s: %.4f (%d ms shared)", what, like.Correlation, ms(make([]int16, like.Shared)))
	if like.Correlation < floor || like.Shared < 4*rate {
		t.Errorf("%s: likeness %.4f over %d ms, want %.2f", what, like.Correlation, ms(make([]int16, like.Shared)), floor)
	}
}

// dumped is what a baresip has decoded, at 8000 Hz.
func dumped(t *testing.T, dir, heard string) []int16 {
	t.Helper()
	files, err := os.ReadDir(heard)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), "-dec.wav") {
			out := filepath.Join(dir, filepath.Base(heard)+".wav")
			must(t, "sox", filepath.Join(heard, f.Name()), "-r", "8000", "-c", "1", "-b", "16", out)
			keepArtifact(t, out)
			return readWAV(t, out)[0]
		}
	}
	t.Fatalf("%s: nothing was decoded: %v", heard, files)
	return nil
}
