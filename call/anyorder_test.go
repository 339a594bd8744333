package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/routing"
)

// TestAnyOrder: whatever the order of signals, in calls that are rung, talk,
// negotiate, hold, record, are transferred, claimed and lost all at once, there
// is exactly one call.ended, each leg is told of and ended by somebody, what was
// opened is closed, what is billed was talked, nothing is asked of a leg that is
// not there, and the machine lets go exactly once, as the last thing it does.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		set := anySetup(t, r)
		w := newWitness(set)
		w.mute = rapid.IntRange(0, 9).Draw(r, "mute") == 9
		pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(r, label) }
		w.settle = func() Result {
			return rapid.SampledFrom([]Result{ResultDone, ResultAsked, ResultRefused}).Draw(r, "settled")
		}
		w.direct = func(at time.Time) Signal {
			d := routing.Transferred{Reject: rapid.SampledFrom([]routing.Reason{"", "", "", routing.TransferNotAllowed, routing.NoRoute}).Draw(r, "reject")}
			if d.Reject == "" {
				for range rapid.IntRange(1, 3).Draw(r, "targets") {
					d.Targets = append(d.Targets, routing.Target{URI: "sip:201@pbx", Timeout: 15 * time.Second})
				}
			}
			return Directed{At{at}, d}
		}
		w.move = func(at time.Time) Signal {
			return signalOf(t, set, At{at}, "moved", []string{pick("moved", "", "", "again", "error")})
		}
		w.receives = func() error {
			if rapid.IntRange(0, 4).Draw(r, "received") == 4 {
				return errors.New("injected")
			}
			return nil
		}
		begin(r, w, set)
		now := 0
		for range rapid.IntRange(0, 40).Draw(r, "signals") {
			now += rapid.IntRange(0, 20_000).Draw(r, "ms")
			from, s := anySignal(t, r, w, set, At{zero.Add(time.Duration(now) * time.Millisecond)})
			if s != nil {
				w.signal(from, s)
			}
		}
		w.finish(At{zero.Add(time.Duration(now+40_000) * time.Millisecond)})
		if w.fault != "" {
			r.Fatal(w.fault)
		}
	})
}

func anySetup(t *testing.T, r *rapid.T) setup {
	set := defaultSetup()
	for range rapid.IntRange(0, 2).Draw(r, "more targets") {
		set.decision.Targets = append(set.decision.Targets, set.decision.Targets[0])
	}
	set.decision.Recording.Mode = rapid.SampledFrom([]string{"do-not-record", recordFromAnswer, recordFromRinging}).Draw(r, "mode")
	set.decision.Sounds = routing.Sounds{
		MusicOnHold: rapid.SampledFrom([]string{"", "music.wav"}).Draw(r, "music"),
		Ringback:    routing.Ringback{Country: rapid.SampledFrom([]string{"", "de"}).Draw(r, "tone")},
		Beep:        routing.Beeps{Every: 15 * time.Second * time.Duration(rapid.IntRange(0, 1).Draw(r, "beep"))},
	}
	set.decision.Recording.OnFailure = rapid.SampledFrom([]string{"continue-unrecorded", refuseCall}).Draw(r, "on failure")
	if rapid.IntRange(0, 3).Draw(r, "delayed offer") == 3 {
		set.invite.Body = nil
	}
	if rapid.IntRange(0, 3).Draw(r, "identity") == 3 {
		set.invite.Identity = []string{"passport"}
	}
	set.set(t, fmt.Sprint("follow ", rapid.IntRange(0, 3).Draw(r, "follow")))
	span := func(of string) routing.Span {
		return routing.Span{For: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 30, 90}).Draw(r, of)) * time.Second, Of: of}
	}
	set.decision.Spans = routing.Spans{Talk: span("account"), Ring: span("number"), PreAnswer: span("agency")}
	for i := range set.decision.Targets {
		set.decision.Targets[i].Talk = span("destination")
	}
	set.decision.PassRedirect = rapid.Bool().Draw(r, "pass")
	if rapid.Bool().Draw(r, "codes") {
		set.set(t, "codes both")
	}
	if rapid.Bool().Draw(r, "flow") {
		set.anyFlow(t, r)
	}
	if rapid.Bool().Draw(r, "together") {
		set.set(t, "together "+rapid.SampledFrom([]string{"", "busy unreachable", "declined busy no-answer unreachable full"}).Draw(r, "failover"))
	}
	if rapid.Bool().Draw(r, "whisper") {
		set.set(t, "whisper "+rapid.SampledFrom([]string{"", "hi.wav", "hi.wav there.wav"}).Draw(r, "prompts"))
	}
	if rapid.Bool().Draw(r, "screen") {
		set.set(t, "screen "+rapid.SampledFrom([]string{"", "press.wav"}).Draw(r, "prompts"))
	}
	return set
}

// begin brings a call as far as it is to be when anything may happen.
func begin(r *rapid.T, w *witness, set setup) {
	at := At{zero}
	w.signal("", Started{at})
	if len(set.invite.Identity) > 0 {
		switch rapid.SampledFrom([]string{"verified", "timeout", "cancelled", "gone", "stop"}).Draw(r, "while screening") {
		case "verified":
			w.signal("", Verified{at, routing.Attested{Verstat: "TN-Validation-Passed"}})
		case "timeout":
			w.signal("", Timeout{at, timerVerify})
		case "cancelled":
			w.signal(A, Cancelled{At: at})
		case "gone":
			w.signal(A, Gone{at})
		case "stop":
			w.signal("", Stop{at, ByOperator})
		}
	}
	w.signal("", Routed{At: at, Decision: set.decision})
	w.signal("", Offer{at, []byte("o"), nil})
	if w.m.state == attending {
		for _, l := range []letter{{"", Durable{at, nil}}, {A, Acked{At: at, Body: []byte("answer")}}}[:rapid.SampledFrom([]int{0, 1, 2, 2, 2, 2}).Draw(r, "attended")] {
			w.signal(l.from, l.s)
		}
	}
	way := []letter{{"", Recorded{at, nil}}, {"b1", Answered{At: at, Body: []byte("answer"), Offer: len(set.invite.Body) == 0 && rapid.Bool().Draw(r, "owed")}},
		{"", Agreed{At: at, Body: []byte("a")}}, {"", Recorded{at, nil}}, {"", Durable{at, nil}}, {A, Acked{At: at, Body: set.invite.Body}}}
	for _, l := range way[:rapid.SampledFrom([]int{0, 0, 3, 5, 5, 6, 6, 6, 6}).Draw(r, "begun")] {
		if w.m.state != ended && (l.from == "" || w.m.leg(l.from) != nil) {
			w.signal(l.from, l.s)
		}
	}
}

// anySignal draws one that sip, the recorder, a timer or an operator could give
// now; nil: what was drawn can not come.
func anySignal(t *testing.T, r *rapid.T, w *witness, set setup, at At) (LegID, Signal) {
	name := rapid.SampledFrom([]string{"ringing", "answered", "answered", "forked", "failed", "cancelled", "acked", "acked", "no-ack", "bye", "offered", "offered",
		"offered-empty", "withdrawn", "accepted", "accepted", "declined", "gone", "recorded", "recorded", "record-fault", "agreed", "durable", "timeout", "timeout",
		"noticed", "noticed", "noticed", "noticed", "hook-said", "dictating", "dictating", "spoke", "keyed", "untold", "stop", "lost", "trying", "silenced", "verified", "referred", "referred", "referred", "replaced", "replaced", "claimed", "given", "given", "ordered", "ordered"}).Draw(r, "signal")
	from := LegID("")
	if legSignals[name] {
		legs := []LegID{A, w.m.heardOnRelay(), w.m.talk.caller, w.m.talk.callee}
		if w.m.move != nil {
			legs = append(legs, w.m.move.leg, w.m.move.leg, w.m.move.by)
		}
		for _, l := range w.m.legs[1:] {
			legs = append(legs, l.id)
		}
		from = rapid.SampledFrom(legs).Draw(r, "from")
		if l := w.m.leg(from); l == nil || l.gone {
			return "", nil // a leg that is not there or said Gone says nothing
		}
	}
	pick := func(of ...string) []string { return []string{rapid.SampledFrom(of).Draw(r, "arg")} }
	var args []string
	switch name {
	case "ordered":
		args := []string{
			rapid.SampledFrom([]string{"transfer", "connect", "play", "stop-playing", "hold", "hold", "mute", "pause", "record", "record", "tag"}).Draw(r, "order"),
			rapid.SampledFrom([]string{"caller", "callee"}).Draw(r, "of"), rapid.SampledFrom([]string{"", "off", "under"}).Draw(r, "how"),
		}
		return "", signalOf(t, set, at, name, args)
	case "referred":
		args = []string{"1", rapid.SampledFrom([]string{"", "x;to-tag=1;from-tag=2"}).Draw(r, "replaces"), rapid.SampledFrom([]string{"", "ours"}).Draw(r, "whose")}
	case "noticed":
		args = []string{rapid.SampledFrom([]string{"", "pressed", "pressed", "tell", "coded", "coded", "one-way", "silence", "quality", "expired"}).Draw(r, "kind"),
			rapid.SampledFrom([]string{"caller", "callee"}).Draw(r, "side"), fmt.Sprint(rapid.IntRange(0, 5).Draw(r, "code"))}
		for what := range w.playing { // of several any: they are of one kind
			if rapid.Bool().Draw(r, "a sound is over") {
				from, args = what.room, []string{"played", what.purpose, what.to.String(), rapid.SampledFrom([]string{"finished", "finished", "digit", "failed"}).Draw(r, "end")}
				delete(w.playing, what)
				break
			}
		}
		if args[0] == "pressed" && rapid.Bool().Draw(r, "of a guest") {
			args[1], args[2] = "callee", rapid.SampledFrom([]string{"1", "1", "5"}).Draw(r, "key")
			for room := range w.rooms {
				from = room
			}
		}
		if args[0] == "expired" {
			args[2] = fmt.Sprint(at.Time.Sub(zero).Milliseconds() - int64(rapid.IntRange(1, 60_000).Draw(r, "silent")))
			args = append(args, rapid.SampledFrom([]string{"initial", "steady", "held"}).Draw(r, "limit"))
			for range 2 {
				args = append(args, fmt.Sprint(at.Time.Sub(zero).Milliseconds()-int64(rapid.IntRange(0, 120_000).Draw(r, "said"))))
			}
		}
	case "hook-said":
		if w.asked == 0 {
			return "", nil
		}
		args = []string{fmt.Sprint(w.asked)}
		w.asked = 0
	case "dictating":
		args = []string{fmt.Sprint(rapid.IntRange(1, 3).Draw(r, "message")), rapid.SampledFrom([]string{"", "", "error"}).Draw(r, "arg")}
	case "spoke":
		if !w.listening() {
			return "", nil
		}
		args = []string{fmt.Sprint(at.Time.Sub(zero).Milliseconds() - int64(rapid.IntRange(0, 20_000).Draw(r, "silent")))}
	case "given":
		if w.claims == 0 {
			return "", nil // nobody asked for it
		}
		w.claims--
		args = pick("", "refused", routing.OptedOut, routing.Announced)
	case "timeout":
		args = pick("ring", "record", "durable", "ringback", "transfer", "max", "rings", "pre-answer", "linger", "keys", "keys", "paused", "hidden", "entry", "entry", "speech", "message", "message", "hook")
		if w.m.state != ended && args[0] == "linger" {
			return "", nil
		}
	case "acked":
		args = pick("", "body", "")
		if args[0] == "" && rapid.Bool().Draw(r, "waited for a PRACK") {
			args = []string{"", fmt.Sprint(at.Time.Sub(zero).Milliseconds() - int64(rapid.IntRange(0, 5_000).Draw(r, "ago")))}
		}
	case "lost":
		args = []string{fmt.Sprint(at.Time.Sub(zero).Milliseconds() - int64(rapid.IntRange(0, 60_000).Draw(r, "silent")))}
	default:
		args = pick("", "", "error", "486", "603")
	}
	s := signalOf(t, set, at, name, args)
	if g, ok := s.(Given); ok && !g.Refused {
		g.ULID = fmt.Sprintf("leg_x%d", len(w.m.legs))
		s = g
	}
	return from, s
}

var legSignals = map[string]bool{"ringing": true, "answered": true, "forked": true, "failed": true, "cancelled": true,
	"acked": true, "no-ack": true, "bye": true, "offered": true, "offered-empty": true, "withdrawn": true, "accepted": true, "declined": true,
	"gone": true, "lost": true, "trying": true, "silenced": true, "referred": true, "replaced": true, "claimed": true, "keyed": true, "untold": true}

// anyFlow makes the call walk a flow of some steps in some order.
func (s *setup) anyFlow(t *testing.T, r *rapid.T) {
	step := rapid.SampledFrom([]string{
		`{"greeting":{"prompt":"thanks","barge":true}}`, `{"greeting":{"prompt":"thanks","early":true}}`, `{"greeting":{"prompt":"recording-notice","notice":true}}`,
		`{"menu":{"prompt":"thanks","tries":2,"options":{"5":[{"tag":{"a":"b"}}],"55":[{"voicemail":{}}]}}}`,
		`{"menu":{"prompt":"thanks","barge":false,"tries":1,"options":{"5":[{"consent":"opt-in"}],"1":[{"consent":"opt-out"}]}}}`,
		`{"recording":{"mode":"record-from-answer","onfailure":"refuse-call","consent":"opt-in"}}`,
		`{"dial":{"timeout":"PT20S","targets":[{"uri":"sip:one@127.0.0.1"},{"uri":"sip:two@127.0.0.1"}]}}`,
		`{"dial":{"timeout":"PT20S","targets":[{"uri":"sip:one@127.0.0.1"}]}},{"survey":{"thanks":"thanks"}}`,
		`{"record":"start"}`, `{"record":"stop"}`, `{"record":"pause"}`, `{"record":"resume"}`, `{"tag":{"team":"sales"}}`,
		`{"voicemail":{"limit":"PT30S","silence":"PT5S"}}`, `{"voicemail":{"limit":"PT10S","silence":"PT3S","beep":false}}`,
		`{"reject":{"prompt":"closed"}}`, `{"hangup":{"prompt":"goodbye"}}`, `{"hangup":{}}`,
	})
	steps := rapid.SliceOfN(step, 1, 5).Draw(r, "steps")
	for i, s := range steps[:len(steps)-1] { // what ends a flow comes last
		if strings.HasPrefix(s, `{"voicemail`) || strings.HasPrefix(s, `{"reject`) || strings.HasPrefix(s, `{"hangup`) {
			steps[i] = `{"tag":{"was":"an-end"}}`
		}
	}
	dial := `{"dial":{"timeout":"PT20S","targets":[{"uri":"sip:one@127.0.0.1"}]}}`
	steps = slices.Insert(steps, len(steps)-1, dial)
	before := s.decision
	consent := rapid.SampledFrom([]string{"", "announced", "opt-in", "never"}).Draw(r, "consent")
	s.walk(t, fmt.Sprintf(`[{"recording":{"mode":%q,"onfailure":%q,"consent":%q}},%s]`, before.Recording.Mode, before.Recording.OnFailure, consent, strings.Join(steps, ",")))
	s.decision.Codes, s.decision.Sounds, s.decision.Spans = before.Codes, before.Sounds, before.Spans
}
