//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestOrders has somebody outside hold, mute, tag, record, play to and transfer a call
// of two baresips by the commands, and holds what each party heard and what the events
// say against the orders.
func TestOrders(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	prompts := newSpoken(t)
	n := newPhonesNode(t, w, plan{Carrier: "codecs: [PCMA]", Trunks: "  - {id: pbx, codecs: [PCMA]}\n", More: prompts.section(),
		To: `{uri: "sip:agent@` + calleeIP + `:5060", trunk: pbx}`, Sound: fmt.Sprintf("{folder: %q, music_on_hold: whisper.wav}", prompts.dir)})
	stop := w.watch(t, dir)
	says := map[string]string{
		callerIP: speak(t, dir, "caller", callerText, "en+m1", 60),
		calleeIP: speak(t, dir, "agent", calleeText, "en+f3", 60),
		bossIP:   speak(t, dir, "boss", calleeText, "en+m7", 60),
	}
	phone := func(user, ip string) *softphone {
		return newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: user, IP: ip, Says: says[ip], Rate: rate})
	}
	callee, boss := phone("agent", calleeIP), phone("boss", bossIP)
	callee.start(t)
	boss.start(t)
	caller := phone("caller", callerIP)
	caller.start(t, "-e", "d "+n.uri())
	eventually(t, limit, "the call", func() bool { return count(n.stories(t), "call.bridged") == 1 })
	id := n.stories(t)[0].id
	order := func(stay time.Duration, words ...string) {
		t.Helper()
		line := append([]string{"calls", words[0], id}, words[1:]...)
		if out := n.ask(t, line...); !strings.Contains(out, "taken") {
			t.Errorf("%v: %s", words, out)
		}
		time.Sleep(stay)
	}
	order(6*time.Second, "hold", "--party", "caller")
	order(time.Second, "hold", "--party", "caller", "--off")
	order(2*time.Second, "mute", "--party", "callee")
	order(0, "mute", "--party", "callee", "--off")
	order(7*time.Second, "play", "--party", "caller", "hello")
	order(0, "tag", "quality=good")
	order(2*time.Second, "record", "stop")
	order(2*time.Second, "record", "start")
	order(0, "transfer", "--party", "callee", "--uri", "sip:boss@"+bossIP+":5060", "--trunk", "pbx")
	eventually(t, limit, "the transfer", func() bool { return count(n.stories(t), "call.transferred") == 1 })
	time.Sleep(3 * time.Second)
	n.ask(t, "calls", "hangup", id)
	s := n.settled(t, 1)[0]
	s.whole(t)
	if end := s.last("call.ended"); end.Status != "completed" || end.EndedBy != "api" {
		t.Errorf("the call ended %s by %s", end.Status, end.EndedBy)
	}
	why := n.ask(t, "why", s.id)
	n.stop(t)
	capture := stop()

	toCaller, toCallee := soundTo(t, capture, callerIP), soundTo(t, capture, calleeIP)
	prompts.hears(t, "caller", toCaller, "hello", true)
	prompts.hears(t, "caller", toCaller, "whisper", true) // the music on hold
	prompts.hears(t, "callee", toCallee, "hello", false)
	prompts.hears(t, "callee", toCallee, "whisper", false)
	if m := siptest.Match(soundTo(t, capture, bossIP), readWAV(t, says[callerIP])[0]); len(soundTo(t, capture, bossIP)) < rate {
		t.Errorf("the one who was put there heard %.2f", m.Correlation)
	}
	if held := s.last("call.ended").HoldMS; held < 5000 || held > 8000 {
		t.Errorf("held for %d ms", held)
	}
	for kind, want := range map[string]int{"call.held": 1, "call.resumed": 1, "call.tagged": 1, "call.transferred": 1, "recording.started": 3, "recording.completed": 3} {
		if got := s.count(kind); got != want {
			t.Errorf("%d of %s, want %d", got, kind, want)
		}
	}
	for _, wrong := range []string{"play", "mute"} {
		if code, _, said := run(t, limit, n.command()[0], append(n.command("calls", wrong, id, "hello")[1:], "--config", n.config)...); code == 0 {
			t.Errorf("%s of a call that has ended: %s", wrong, said)
		}
	}
	if !strings.Contains(why, "quality good") && !strings.Contains(why, "quality=good") {
		t.Errorf("why does not tell of the tag:\n%s", why)
	}
}
