//go:build interop

package interop

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestSurvey: the callee hangs up, and the caller stays to be asked how it was: by
// whoever was not answered by us before. What he is asked is in no ear but his and not
// in the recording; who hangs up first is asked nothing.
func TestSurvey(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	prompts := newSpoken(t)
	n := newPhonesNode(t, w, plan{More: prompts.section(), Flow: `    - dial: {timeout: PT30S, targets: [{uri: "sip:agent@` + calleeIP + `:5060"}]}
    - survey: {prompt: menu, name: kindness, timeout: PT10S, thanks: hello}
`})
	stop := w.watch(t, dir)
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", messageText, "en+m3", 20)) // G.711: soundTo reads it
	callee.start(t)
	caller := newLinphone(t, w, "caller", callerIP, "")
	caller.do(t, "call "+n.uri())
	caller.established(t)
	eventually(t, limit, "the talk", func() bool { return count(n.stories(t), "call.bridged") == 1 })
	caller.do(t, "play "+filepath.Join(dir, "agent.wav"))
	time.Sleep(3 * time.Second)
	callee.do(t, "hangup")
	played := func(k int) func() bool {
		return func() bool { all := n.stories(t); return len(all) == 1 && all[0].count("media.played") == k }
	}
	eventually(t, 2*limit, "the question to be over", played(1))
	caller.do(t, "4")
	eventually(t, 2*limit, "the thanks to be over", played(2))
	s := n.settled(t, 1)[0]
	channels := n.export(t, s, filepath.Join(dir, "call.wav"))
	why := n.ask(t, "why", s.id)

	caller.do(t, "call "+n.uri())
	eventually(t, limit, "the second talk", func() bool { all := n.stories(t); return len(all) == 2 && all[1].count("call.bridged") == 1 })
	time.Sleep(time.Second)
	caller.do(t, "terminate")
	second := n.settled(t, 2)[1]
	n.stop(t)
	capture := stop()

	s.completed(t)
	if end := s.last("call.ended"); s.count("call.tagged") != 1 || end.TalkMS < 2500 || end.TalkMS > 5000 || end.BillableMS < end.TalkMS+5000 {
		t.Errorf("%d tags, talked %d ms, billed %d", s.count("call.tagged"), end.TalkMS, end.BillableMS)
	}
	if !strings.Contains(why, "kindness") {
		t.Errorf("why does not tell of it:\n%s", why)
	}
	if second.count("media.played") != 0 || second.count("call.tagged") != 0 {
		t.Error("a caller who hung up first was asked")
	}
	toCaller, toCallee := soundTo(t, capture, callerIP), soundTo(t, capture, calleeIP)
	if len(toCallee) < 2*rate {
		t.Errorf("the callee was sent only %d ms", ms(toCallee))
	}
	for _, prompt := range []string{"menu", "hello"} {
		prompts.hears(t, "caller", toCaller, prompt, true)
		prompts.hears(t, "callee", toCallee, prompt, false)
		for i, channel := range channels {
			if m := siptest.Match(channel, prompts.sounds[prompt]); m.Correlation > 0.4 && m.Shared > rate {
				t.Errorf("channel %d of the recording has %q", i+1, prompt)
			}
		}
	}
}
