//go:build interop

package interop

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zaf/g711"

	"ringdown/sip/siptest"
)

const (
	helloText   = "Welcome to the roofers by the lake. This call is recorded so that we can serve you better."
	menuText    = "If you want to buy a new roof, press one. For everything else please press two now."
	whisperText = "A caller from the newspaper advert, who wants to buy a roof."
	acceptText  = "Press one if you can take this call, or any other key if you cannot."
)

// spoken are the prompts of a flow, as files and as sound.
type spoken struct {
	dir    string
	sounds map[string][]int16
}

func newSpoken(t *testing.T) *spoken {
	t.Helper()
	s := &spoken{t.TempDir(), map[string][]int16{}}
	for name, text := range map[string]string{"hello": helloText, "menu": menuText, "whisper": whisperText, "accept": acceptText} {
		s.sounds[name] = readWAV(t, speak(t, s.dir, name, text, "en+f2", 0))[0]
	}
	return s
}

// section is the section of the configuration that names them.
func (s *spoken) section() string {
	var b strings.Builder
	b.WriteString("prompts:\n")
	for name := range s.sounds {
		fmt.Fprintf(&b, "  %s: {en: %q}\n", name, filepath.Join(s.dir, name+".wav"))
	}
	return b.String()
}

// soundTo is what the node sent to a phone as G.711, as it would be heard: packets in
// their order of sending, what is missing left out.
func soundTo(t *testing.T, capture, phone string) (heard []int16) {
	t.Helper()
	for _, line := range tshark(t, capture, "rtp && ip.src=="+nodeIP+" && ip.dst=="+phone, "rtp.p_type", "rtp.payload") {
		f := strings.Split(line, "|")
		pt, err := strconv.Atoi(f[0])
		if err != nil || len(f) != 2 || pt != 0 && pt != 8 {
			continue
		}
		decode := g711.DecodeAlawFrame
		if pt == 0 {
			decode = g711.DecodeUlawFrame
		}
		for _, b := range []byte(unhex(t, f[1])) {
			heard = append(heard, decode(b))
		}
	}
	return heard
}

// hears holds what a phone was sent against a prompt.
func (s *spoken) hears(t *testing.T, who string, heard []int16, prompt string, whole bool) {
	t.Helper()
	m := siptest.Match(heard, s.sounds[prompt])
	t.Logf("the %s and %q: %.3f over %d ms", who, prompt, m.Correlation, ms(make([]int16, m.Shared)))
	switch {
	case whole && (m.Correlation < 0.9 || m.Shared < len(s.sounds[prompt])*9/10):
		t.Errorf("the %s did not hear %q", who, prompt)
	case !whole && m.Correlation > 0.4 && m.Shared > rate:
		t.Errorf("the %s heard %q", who, prompt)
	}
}

// TestFlow has callers of three kinds go through a flow that greets them, asks what
// they want, tells the callee of it, asks him whether he takes the call, and connects
// the two: keys by RFC 4733, by INFO and as tones, and what each party really heard.
func TestFlow(t *testing.T) {
	for _, c := range []struct{ way, phone, carrier string }{
		{"rfc4733", "", ""}, {"info", keyed, ""}, {"inband", "", ", dtmf: {receive: [inband]}"},
	} {
		t.Run(c.way, func(t *testing.T) {
			dir := t.TempDir()
			w := newWire(t)
			prompts := newSpoken(t)
			n := newPhonesNode(t, w, plan{Carrier: "codecs: [PCMA]" + c.carrier, Trunks: "  - {id: pbx, codecs: [PCMA]}\n", More: prompts.section(), Flow: `    - recording: {mode: record-from-answer, consent: announced}
    - greeting: {prompt: hello, notice: true}
    - menu:
        prompt: menu
        options:
          "1": [{tag: {wants: roof}}]
          "2": [{hangup: {}}]
        default: [{hangup: {}}]
    - whisper: {prompt: whisper}
    - screen: {prompt: accept}
    - dial: {timeout: PT30S, targets: [{uri: "sip:agent@` + calleeIP + `:5060", trunk: pbx}]}
`})
			defer func() {
				if t.Failed() && n.running() {
					for _, s := range n.stories(t) {
						t.Log(n.ask(t, "why", s.id))
					}
				}
			}()
			stop := w.watch(t, dir)
			callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
			if c.way == "inband" {
				greets := ms(prompts.sounds["hello"])/1000 + ms(prompts.sounds["menu"])/1000 + 3
				caller := newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: "caller", IP: callerIP, Says: tapped(t, dir, "one", "1", int(greets), 40), Rate: rate})
				caller.start(t, "-e", "d "+n.uri())
			} else {
				caller := newLinphone(t, w, "caller", callerIP, c.phone)
				caller.do(t, "call "+n.uri())
				caller.established(t)
				time.Sleep(time.Duration(ms(prompts.sounds["hello"])+ms(prompts.sounds["menu"]))*time.Millisecond + time.Second)
				caller.do(t, "1")
			}
			callee.says(t, "Media streams established", 40*time.Second)
			time.Sleep(time.Duration(ms(prompts.sounds["whisper"])+ms(prompts.sounds["accept"]))*time.Millisecond + time.Second)
			callee.do(t, "1")
			eventually(t, limit, "the two to be connected", func() bool { return count(n.stories(t), "call.bridged") == 1 })
			time.Sleep(4 * time.Second)
			callee.do(t, "terminate")
			s := n.settled(t, 1)[0]
			s.completed(t)
			why := n.ask(t, "why", s.id)
			channels := n.export(t, s, filepath.Join(dir, "call.wav"))
			n.stop(t)
			capture := stop()

			toCaller, toCallee := soundTo(t, capture, callerIP), soundTo(t, capture, calleeIP)
			for prompt, callers := range map[string]bool{"hello": true, "menu": true, "whisper": false, "accept": false} {
				prompts.hears(t, "caller", toCaller, prompt, callers)
				prompts.hears(t, "callee", toCallee, prompt, !callers)
				for i, channel := range channels {
					if m := siptest.Match(channel, prompts.sounds[prompt]); m.Correlation > 0.4 && m.Shared > rate {
						t.Errorf("channel %d of the recording has %q", i+1, prompt)
					}
				}
			}
			if ways := s.ways("caller"); len(ways) != 1 || ways[0] != c.way {
				t.Errorf("the caller pressed by %v", ways)
			}
			for _, kind := range []string{"consent.announced", "call.tagged", "leg.whispered", "leg.accepted", "recording.completed"} {
				if s.count(kind) != 1 {
					t.Errorf("%d of %s", s.count(kind), kind)
				}
			}
			for _, want := range []string{"flows.sales[2]", "roof"} {
				if !strings.Contains(why, want) {
					t.Errorf("why does not say %q:\n%s", want, why)
				}
			}
		})
	}
}
