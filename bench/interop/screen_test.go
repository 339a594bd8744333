//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestWhisperAndScreen: a baresip that answers hears a whisper and takes the call by a
// key, as an event and as a tone; a linphone by INFO. The whisper is in nothing that the
// caller hears, nor in the recording; then both talk. So it is where the caller was
// answered and greeted by us before.
func TestWhisperAndScreen(t *testing.T) {
	for _, way := range []string{"rfc4733", "info", "inband", "attended"} {
		t.Run(way, func(t *testing.T) { screenBy(t, way) })
	}
}

func screenBy(t *testing.T, way string) {
	dir := t.TempDir()
	w := newWire(t)
	whisper := speak(t, dir, "shop", "This is a call for the shop in the main street, about the advertisement of today.", "en+f2", 0)
	press := speak(t, dir, "press", "Press one to take it.", "en+f2", 0)
	receive := ""
	if way == "inband" {
		receive = "dtmf: {receive: [inband]}"
	}
	n := newPhonesNode(t, w, plan{Trunks: "  - {id: pbx, number_format: {country: NO}, " + receive + "}\n", To: `{uri: "sip:agent@` + calleeIP + `:5060", trunk: pbx}`})
	n.stop(t)
	n.rewrite(t, "numbers:\n", fmt.Sprintf("prompts:\n  shop: {en: %q}\n  take: {en: %q}\nnumbers:\n", whisper, press),
		"    - dial:", "    - whisper: {prompt: shop}\n    - screen: {prompt: take, within: PT15S}\n    - dial:")
	if way == "attended" {
		n.rewrite(t, "    - whisper: {prompt: shop}", "    - greeting: {prompt: take}\n    - whisper: {prompt: shop}")
	}
	n.start(t)
	phone := func(user, ip, says string) (*softphone, string) {
		heard := filepath.Join(dir, user+"-heard")
		if err := os.Mkdir(heard, 0o700); err != nil {
			t.Fatal(err)
		}
		return newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: user, IP: ip, Says: says, Heard: heard, Rate: rate}), heard
	}
	// Whoever presses by a tone does so eleven seconds after he answered; all speak then.
	keys := map[bool]string{true: "1"}[way == "inband"]
	text, says := speak(t, dir, "agent", calleeText, "en+f3", 30), filepath.Join(dir, "says.wav")
	if keys == "" {
		must(t, "sox", text, says, "pad", "13", "0")
	} else {
		must(t, "sox", tapped(t, dir, "key", keys, 11, 2), text, says)
	}
	var pressOne func()
	calleeHeard := ""
	if way == "info" {
		callee := newLinphone(t, w, "agent", calleeIP, keyed, "-a")
		pressOne = func() { callee.do(t, "1") }
	} else {
		var callee *softphone
		callee, calleeHeard = phone("agent", calleeIP, says)
		callee.start(t)
		pressOne = func() { callee.do(t, "sndcode 1") }
	}
	mine, later := speak(t, dir, "caller", callerText, "en+m1", 5), filepath.Join(dir, "later.wav")
	must(t, "sox", mine, later, "pad", map[bool]string{true: "12", false: "0"}[way == "attended"], "0")
	caller, callerHeard := phone("caller", callerIP, later)
	caller.start(t, "-e", "d "+n.uri())
	eventually(t, limit, "the whisper", func() bool { return count(n.stories(t), "leg.whispered") == 1 })
	time.Sleep(2 * time.Second)
	if way != "attended" && strings.Contains(caller.out.String(), "Call established") {
		t.Error("the caller was answered before anybody took the call")
	}
	if way != "inband" {
		pressOne()
	}
	caller.says(t, "Call established", 20*time.Second)
	eventually(t, 20*time.Second, "the talk", func() bool { return count(n.stories(t), "call.bridged") == 1 })
	time.Sleep(14 * time.Second)
	caller.signal(t, syscall.SIGINT)
	s := n.settled(t, 1)[0]
	s.completed(t)
	channels := n.export(t, s, filepath.Join(dir, "call.wav"))
	why := n.ask(t, "why", s.id)
	n.stop(t)
	for _, want := range []string{"heard the whisper", "took the call by a key"} {
		if !strings.Contains(why, want) {
			t.Errorf("why does not say %q:\n%s", want, why)
		}
	}
	if ways := s.ways("callee"); way != "attended" && !slices.Contains(ways, way) {
		t.Errorf("the key came by %v", ways)
	}
	said := readWAV(t, whisper)[0]
	like := func(who string, heard []int16) float64 {
		m := siptest.Match(heard, said)
		t.Logf("the whisper and %s: %.3f", who, m.Correlation)
		return m.Correlation
	}
	callerEar := dumped(t, dir, callerHeard)
	for who, heard := range map[string][]int16{"what the caller heard": callerEar, "the recording of the caller": channels[0], "the recording of the callee": channels[1]} {
		if like(who, heard) > 0.3 {
			t.Errorf("%s has the whisper in it", who)
		}
	}
	if calleeHeard == "" { // a linphone writes nothing down
		return
	}
	calleeEar := dumped(t, dir, calleeHeard)
	if like("what the callee heard", calleeEar) < 0.7 {
		t.Errorf("the callee did not hear the whisper")
	}
	for who, pair := range map[string][2][]int16{"the caller": {callerEar, readWAV(t, text)[0]}, "the callee": {calleeEar, readWAV(t, mine)[0]}} {
		m := siptest.Match(pair[0], pair[1])
		t.Logf("%s heard the other one: %.3f", who, m.Correlation)
		if m.Correlation < 0.6 {
			t.Errorf("%s did not hear the other one", who)
		}
	}
}

// secondIP is where another phone of the same people is.
const secondIP = "10.77.0.8"

// TestMovedOutOfItsAnteroom: two baresips answer at once and both hear the whisper; the
// one that takes the call is moved to it by a re-INVITE and talks with the caller, the
// other one is let go.
func TestMovedOutOfItsAnteroom(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	whisper := speak(t, dir, "shop", "This is a call for the shop in the main street, about the advertisement of today.", "en+f2", 0)
	n := newPhonesNode(t, w, plan{To: `{uri: "sip:agent@` + calleeIP + `:5060"}, {uri: "sip:second@` + secondIP + `:5060"}`})
	n.stop(t)
	n.rewrite(t, "numbers:\n", fmt.Sprintf("prompts: {shop: {en: %q}}\nnumbers:\n", whisper), "strategy: sequential", "strategy: simultaneous",
		"    - dial:", "    - whisper: {prompt: shop}\n    - screen: {prompt: shop, within: PT20S}\n    - dial:")
	n.start(t)
	ears := map[string]string{}
	phone := func(user, ip, says string) *softphone {
		ears[user] = filepath.Join(dir, user+"-heard")
		if err := os.Mkdir(ears[user], 0o700); err != nil {
			t.Fatal(err)
		}
		return newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: user, IP: ip, Says: says, Heard: ears[user], Rate: rate})
	}
	text, late := speak(t, dir, "text", calleeText, "en+f3", 30), filepath.Join(dir, "late.wav")
	must(t, "sox", text, late, "pad", "13", "0")
	first, second := phone("agent", calleeIP, late), phone("second", secondIP, late)
	mine := speak(t, dir, "mine", callerText, "en+m1", 30)
	caller := phone("caller", callerIP, mine)
	first.start(t)
	second.start(t)
	caller.start(t, "-e", "d "+n.uri())
	eventually(t, limit, "two whispers", func() bool { return count(n.stories(t), "leg.whispered") == 2 })
	second.do(t, "sndcode 1")
	caller.says(t, "Call established", 20*time.Second)
	time.Sleep(11 * time.Second)
	caller.signal(t, syscall.SIGINT)
	s := n.settled(t, 1)[0]
	s.completed(t)
	n.stop(t)
	for kind, want := range map[string]int{"leg.answered": 2, "leg.accepted": 1, "leg.ended": 3, "call.answered": 1} {
		if k := s.count(kind); k != want {
			t.Errorf("%d %s, want %d", k, kind, want)
		}
	}
	said := readWAV(t, whisper)[0]
	for user, want := range map[string]bool{"agent": true, "second": true, "caller": false} {
		m := siptest.Match(dumped(t, dir, ears[user]), said)
		t.Logf("the whisper and what %s heard: %.3f", user, m.Correlation)
		if want && m.Correlation < 0.7 || !want && m.Correlation > 0.3 {
			t.Errorf("%s heard the whisper by %.2f", user, m.Correlation)
		}
	}
	for user, spoken := range map[string]string{"caller": text, "second": mine} {
		m := siptest.Match(dumped(t, dir, ears[user]), readWAV(t, spoken)[0])
		t.Logf("%s heard the other one: %.3f", user, m.Correlation)
		if m.Correlation < 0.6 {
			t.Errorf("%s did not hear the other one", user)
		}
	}
	if m := siptest.Match(dumped(t, dir, ears["agent"]), readWAV(t, mine)[0]); m.Correlation > 0.3 {
		t.Errorf("who did not take the call heard the caller by %.2f", m.Correlation)
	}
}
