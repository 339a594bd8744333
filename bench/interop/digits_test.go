//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringdown/media/digits"
)

// keyed are linphones that say keys by INFO instead of events.
const keyed = "use_info=1\nuse_rfc2833=0\n"

// ways are how a side's keys were said, as the events tell.
func (s *story) ways(side string) (all []string) {
	for _, e := range s.events {
		if e.Type == "dtmf.detected" && e.Data.Side == side {
			all = append(all, e.Data.Ways...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keys is how many were pressed by a side.
func (s *story) keys(side string) (n int) {
	for _, e := range s.events {
		if e.Type == "dtmf.detected" && e.Data.Side == side && e.Data.Class == "key" {
			n += e.Data.Count
		}
	}
	return n
}

// TestDigitsBetweenINFOAndEvents: a linphone that presses by INFO and is told by
// INFO talks to one that knows events only; each key arrives once.
func TestDigitsBetweenINFOAndEvents(t *testing.T) {
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Carrier: "dtmf: {send: info}"})
	callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
	caller := newLinphone(t, w, "caller", callerIP, keyed)
	caller.do(t, "call "+n.uri())
	caller.established(t)
	callee.established(t)
	for _, key := range []string{"5", "9", "#"} {
		caller.do(t, key)
		callee.hears(t, "Receiving tone "+key)
	}
	for _, key := range []string{"7", "*"} {
		callee.do(t, key)
		caller.hears(t, "Receiving tone "+key)
	}
	time.Sleep(4 * time.Second) // until the burst is over
	caller.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	n.stop(t)
	if ways := s.ways("caller"); !slices.Equal(ways, []string{"info"}) || s.keys("caller") != 3 {
		t.Errorf("the caller pressed %d keys by %v", s.keys("caller"), ways)
	}
	if ways := s.ways("callee"); !slices.Equal(ways, []string{"rfc4733"}) || s.keys("callee") != 2 {
		t.Errorf("the callee pressed %d keys by %v", s.keys("callee"), ways)
	}
	for phone, want := range map[*linphone]int{callee: 3, caller: 2} {
		if got := strings.Count(phone.out.String(), "Receiving tone"); got != want {
			t.Errorf("a phone was told of %d keys, want %d", got, want)
		}
	}
}

// tapped makes a file of silence, keys as tones, and silence. Times in seconds.
func tapped(t *testing.T, dir, name, keys string, before, after int) string {
	t.Helper()
	lows, highs := []int{697, 770, 852, 941}, []int{1209, 1336, 1477}
	parts := []string{}
	for i, k := range keys {
		at := strings.IndexRune("123456789*0#", k)
		part := filepath.Join(dir, fmt.Sprint(name, i, ".wav"))
		must(t, "sox", "-n", "-r", "8000", "-c", "1", "-b", "16", part, "synth", "0.1", "sine", strconv.Itoa(lows[at/3]), "sine", strconv.Itoa(highs[at%3]),
			"remix", "-", "vol", "0.5", "pad", "0", "0.1")
		parts = append(parts, part)
	}
	file := filepath.Join(dir, name+".wav")
	must(t, "sox", append(parts, file, "pad", strconv.Itoa(before), strconv.Itoa(after))...)
	return file
}

// toneFrames counts the frames of 20 ms that are two tones of a keypad and little else.
func toneFrames(samples []int16) (n int) {
	for ; len(samples) >= frame; samples = samples[frame:] {
		best := func(of ...float64) (most float64) {
			for _, hz := range of {
				most = max(most, share(samples[:frame], hz))
			}
			return most
		}
		low, high := best(697, 770, 852, 941), best(1209, 1336, 1477)
		if low > 0.15 && high > 0.15 && low+high > 0.75 {
			n++
		}
	}
	return n
}

// TestDigitsAsTones: a baresip whose keys are tones in its sound reaches a linphone
// that is told by events.
func TestDigitsAsTones(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Carrier: "dtmf: {receive: [inband]}",
		Trunks: "  - {id: pbx, dtmf: {send: rfc4733}}\n", To: `{uri: "sip:agent@` + calleeIP + `:5060", trunk: pbx}`})
	callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
	caller := newSoftphone(t, w, dir, "caller", callerIP, tapped(t, dir, "keys", "4207", 3, 5))
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	for _, key := range []string{"4", "2", "0", "7"} {
		callee.hears(t, "Receiving tone "+key)
	}
	time.Sleep(3500 * time.Millisecond)
	callee.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	n.stop(t)
	if ways := s.ways("caller"); !slices.Equal(ways, []string{"inband"}) || s.keys("caller") != 4 {
		t.Errorf("the caller pressed %d keys by %v", s.keys("caller"), ways)
	}
}

// TestDigitsOfBaresip: a baresip that presses by INFO and one that presses by events
// are understood by each other, once for each key.
func TestDigitsOfBaresip(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{})
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 30))
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 30))
	account := "<sip:caller@" + callerIP + ">;regint=0;audio_codecs=pcma;dtmfmode=info\n"
	if err := os.WriteFile(filepath.Join(caller.dir, "accounts"), []byte(account), 0o600); err != nil {
		t.Fatal(err)
	}
	callee.start(t)
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	for _, key := range []string{"3", "3", "8"} {
		caller.do(t, "sndcode "+key)
		time.Sleep(400 * time.Millisecond)
	}
	callee.says(t, "received event: '8'", limit)
	callee.do(t, "sndcode 6")
	caller.says(t, "received event: '6'", limit)
	time.Sleep(3500 * time.Millisecond)
	caller.signal(t, syscall.SIGINT)
	s := n.settled(t, 1)[0]
	s.completed(t)
	n.stop(t)
	if got := strings.Count(callee.out.String(), "received event: '3' (end=0)"); got != 2 {
		t.Errorf("a key that was pressed twice arrived %d times", got)
	}
	if s.keys("caller") != 3 || s.keys("callee") != 1 || !slices.Equal(s.ways("callee"), []string{"rfc4733"}) {
		t.Errorf("%d keys of the caller by %v, %d of the callee by %v", s.keys("caller"), s.ways("caller"), s.keys("callee"), s.ways("callee"))
	}
}

// TestDigitsAreHidden: from the code that hides them on, no tone of the caller is in
// the recording, nor any key at the callee; the code is not heard by the caller.
func TestDigitsAreHidden(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Carrier: "dtmf: {receive: [rfc4733, info, inband]}"})
	n.stop(t)
	n.rewrite(t, "attribution: {source: test}", `attribution: {source: test}, star_codes: {hide_keys: "*3", show_keys: "*4"}`)
	n.start(t)
	callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
	open, secret := tapped(t, dir, "open", "12", 2, 5), tapped(t, dir, "secret", "4929123456789012345", 0, 4)
	both := filepath.Join(dir, "both.wav")
	must(t, "sox", open, secret, both)
	caller := newSoftphone(t, w, dir, "caller", callerIP, both)
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	time.Sleep(3500 * time.Millisecond) // the first keys are over
	callee.do(t, "*")
	callee.do(t, "3")
	caller.says(t, "menu: audio error", 30*time.Second) // all is said
	callee.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	channels := n.export(t, s, filepath.Join(dir, "call.wav"))
	n.stop(t)
	if s.keys("caller") != 2+19 || s.keys("callee") != 2 {
		t.Errorf("%d keys of the caller and %d of the callee were counted", s.keys("caller"), s.keys("callee"))
	}
	sound := readWAV(t, both)[0]
	said, middle := toneFrames(sound), 5*rate // the first two end at 2.4 s, the others begin at 7.4 s
	kept, hidden := toneFrames(channels[0][:min(middle, len(channels[0]))]), toneFrames(channels[0][min(middle, len(channels[0])):])
	t.Logf("tone frames: %d said, %d in the recording before the code, %d behind it", said, kept, hidden)
	if kept < 6 || hidden != 0 || said < 60 {
		t.Errorf("%d frames of tones before the code and %d behind it, of %d said", kept, hidden, said)
	}
	if strings.Contains(caller.out.String(), "received event") { // as baresip says of each key
		t.Errorf("the caller was told of the code: %s", caller.out.tail())
	}
}

// TestTalkOffWithSpeech: minutes of synthetic voices of many kinds are no keys.
func TestTalkOffWithSpeech(t *testing.T) {
	dir := t.TempDir()
	const text = callerText + " " + calleeText + " Mississippi, cheese, seven, sieve, peel, teal, veal, who knew you would choose two blue shoes? " +
		"A whistling tune, a siren, wheels that squeal. One two three four five six seven eight nine zero star pound."
	seconds, heard := 0.0, 0
	for _, voice := range []string{"en+m1", "en+m3", "en+m7", "en+f1", "en+f2", "en+f4", "en+f5", "en+croak", "en+whisper", "de+f3", "fr+m2", "nb+f2", "it+f5", "pl+m4"} {
		for _, pitch := range []string{"20", "50", "80", "99"} {
			raw, file := filepath.Join(dir, "raw.wav"), filepath.Join(dir, "voice.wav")
			must(t, "espeak-ng", "-v", voice, "-p", pitch, "-s", "150", "-w", raw, text)
			must(t, "sox", raw, "-r", "8000", "-c", "1", "-b", "16", file, "vol", "0.7")
			pcm := readWAV(t, file)[0]
			seconds += float64(len(pcm)) / rate
			var d digits.Detector
			for _, c := range d.Hear(nil, pcm) {
				if !c.Ended {
					heard++
					t.Logf("%s at pitch %s sounds like a key for a moment", voice, pitch)
				}
			}
		}
	}
	t.Logf("%d keys heard in %.0f s of speech", heard, seconds)
	if seconds < 600 || heard > 3 {
		t.Errorf("%d keys heard in %.0f s of speech", heard, seconds)
	}
}
