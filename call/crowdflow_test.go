package call

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/routing"
)

// throughAll is a flow with all that a caller can be in.
const throughAll = `[{"greeting": {"prompt": "hello", "notice": true}},
	{"hook": {"url": "https://hooks.example/call", "deadline": "PT1S"}},
	{"menu": {"prompt": "menu", "options": {"1": [], "2": [{"voicemail": {"silence": "PT3S", "limit": "PT20S"}}]}, "default": [{"hangup": {"prompt": "goodbye"}}]}},
	{"whisper": {"prompt": "hello"}},
	{"screen": {"prompt": "press-1", "accept": "1", "timeout": "PT5S"}},
	{"dial": {"strategy": "%s", "timeout": "PT15S", "targets": [{"uri": "sip:one@127.0.0.1"}, {"uri": "sip:two@127.0.0.1"}]}},
	{"survey": {"prompt": "rate", "thanks": "thanks"}},
	{"voicemail": {"prompt": "leave-message"}}]`

// TestCrowdInFlows: callers who are greeted, asked, put through and take to messages,
// hang up, press keys and vanish at any moment, among agents who do the same: no leg,
// place, recording, sound or goroutine is left, and each call ends once.
func TestCrowdInFlows(t *testing.T) {
	reached := map[string]int{}
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			policy := routing.RecordingPolicy{Mode: []string{recordFromAnswer, recordFromRinging}[r.IntN(2)], Consent: []string{"announced", "always"}[r.IntN(2)]}
			table := flowTable(t, fmt.Sprintf(throughAll, []string{"sequential", "simultaneous"}[r.IntN(2)]), policy)
			synctest.Test(t, func(t *testing.T) {
				for _, kind := range crowdedFlows(t, table, r) {
					reached[kind]++
				}
			})
		})
	}
	t.Logf("the crowd came to %v", reached)
	for _, kind := range []string{"call.attended", "consent.announced", "leg.whispered", "leg.accepted", "call.bridged", "voicemail.left", "recording.blocked", "call.tagged", "consent.refused"} {
		if reached[kind] == 0 {
			t.Errorf("the crowd never came to %s", kind)
		}
	}
}

func crowdedFlows(t *testing.T, table *routing.Table, r *rand.Rand) (told []string) {
	w := newWorld()
	w.table = table
	w.recordFor = []time.Duration{0, 20 * time.Millisecond, 700 * time.Millisecond}[r.IntN(3)]
	w.diskFor = []time.Duration{0, 10 * time.Millisecond, 2 * durableWait}[r.IntN(3)]
	w.reply = slowOwner(time.Duration(r.IntN(2000)) * time.Millisecond)
	begun := time.Now()
	w.spoke = func() time.Time { return begun.Add(time.Since(begun).Truncate(10 * time.Second)) } // now and then
	c := &crowd{t: t, w: w, b: w.board(Config{}), r: r, over: map[*fakeLeg]bool{}}
	for range 2 + r.IntN(2) {
		c.call()
	}
	for range 150 {
		switch c.r.IntN(10) {
		case 0:
			c.someone()
		case 1, 2:
			c.key()
		case 3, 4: // somebody takes the call
			if l := c.legs[len(c.legs)-1]; l.dial.Call != "" {
				l.send(Answered{At: Now(), Body: []byte("answer")})
			}
		case 5: // or has had enough of it
			if l := c.legs[c.r.IntN(len(c.legs))]; l.dial.Call != "" && c.r.IntN(2) == 0 {
				l.send(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
				l.send(Gone{Now()})
			}
		default:
			c.sound()
		}
		if c.r.IntN(3) > 0 {
			time.Sleep(time.Duration(c.r.IntN(1500)) * time.Millisecond)
		}
		c.look()
	}
	c.disperse()
	return w.told()
}

// slowOwner answers a question after a time, and when nobody waits any more.
func slowOwner(takes time.Duration) func(context.Context, Question) (routing.HookReply, string) {
	return func(ctx context.Context, _ Question) (routing.HookReply, string) {
		select {
		case <-time.After(takes):
			return routing.HookReply{}, []string{"", "refused"}[takes.Milliseconds()%2]
		case <-ctx.Done():
			return routing.HookReply{}, "timeout"
		}
	}
}

// sound ends one of the last sounds, if it can end by itself.
func (c *crowd) sound() {
	c.w.mu.Lock()
	n := len(c.w.played)
	c.w.mu.Unlock()
	if n == 0 {
		return
	}
	end := media.PlayFinished
	switch c.r.IntN(10) {
	case 0:
		end = media.PlayBarged
	case 1:
		end = media.PlayFailed
	}
	c.w.heard(max(0, n-1-c.r.IntN(4)), end)
}

// key is one of a caller or of who was dialled, of a call that may be over.
func (c *crowd) key() {
	c.w.mu.Lock()
	all, side := c.w.callers, media.Side(1+c.r.IntN(2))
	if c.r.IntN(3) == 0 && len(c.w.rooms) > 0 {
		all, side = c.w.rooms, media.Callee
	}
	c.w.mu.Unlock()
	if len(all) == 0 {
		return
	}
	d, _ := media.KeyOf(c.one("1", "1", "1", "2", "4", "9", "#")[0])
	all[c.r.IntN(len(all))](media.Notice{At: time.Now(), Kind: media.Pressed, Side: side, Press: media.Press{Digit: d}})
}
