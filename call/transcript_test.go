package call

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/privacy"
	"ringdown/routing"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt with what the machine does now")

var zero = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// TestTranscripts runs each testdata/*.txt: a head of settings, then signals
// ("<ms> <leg or -> <signal> [args]"), each followed by the indented actions
// the machine must answer with, in order.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d transcripts: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s differs (rewrite with -update only what you understand)\n--- got\n%s\n--- want\n%s", f, got, want)
			}
		})
	}
}

// setup is the head of a transcript.
type setup struct {
	invite   Invite
	decision routing.Decision
	refuse   *Cause
	screens  *routing.Screening // of the flow's table

	table   *routing.Table // that decided; nil: the decision was made by hand
	spec    routing.Spec
	history History // of what was published
}

func defaultSetup() setup {
	return setup{
		invite: Invite{At: zero, Trunk: "carrier", Transport: "udp", To: "21000001", MaxForwards: 69, Body: []byte("offer")},
		decision: routing.Decision{
			Version: "v1", Account: "demo", Number: "+4721000001", Caller: privacy.E164("+4799999912"),
			Flow: "sales", Strategy: "sequential",
			Targets:   []routing.Target{{URI: "sip:one@127.0.0.1", Timeout: 20 * time.Second}},
			Recording: routing.Recording{Mode: "do-not-record", From: "default"},
		},
	}
}

// set reads one line of the head.
func (s *setup) set(t *testing.T, line string) {
	t.Helper()
	name, value, _ := strings.Cut(line, " ")
	switch name {
	case "targets":
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		for len(s.decision.Targets) < n {
			s.decision.Targets = append(s.decision.Targets, s.decision.Targets[0])
		}
	case "together": // [class of failure after which the others go on] ...
		r := routing.Ring{Targets: s.decision.Targets, Together: true}
		for _, class := range strings.Fields(value) {
			r.Failover = append(r.Failover, routing.RingResult(class))
		}
		s.decision.First = r
	case "whisper", "screen": // prompts ...; of the ring that is set, or of a hunt
		r, _ := s.decision.First.(routing.Ring)
		r.Targets, r.Redial = s.decision.Targets, true // they are all alike
		if !r.Together {
			r.Failover = append([]routing.RingResult{routing.Declined}, hunting...)
		}
		var prompts []routing.Prompt
		for _, file := range strings.Fields(value) {
			prompts = append(prompts, routing.Prompt{File: file})
		}
		if name == "whisper" {
			r.Whisper = &routing.Whispered{Prompts: prompts}
		} else {
			r.Screen = &routing.Screened{Prompts: prompts, Accept: "1", Within: 5 * time.Second}
		}
		s.decision.First = r
	case "flow": // a flow, as JSON
		s.walk(t, value)
	case "challenge": // whom; before the flow
		s.screens = &routing.Screening{Challenge: value}
	case "follow": // how many redirections, to the host of the targets
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.decision.Targets {
			s.decision.Targets[i].Redirect = routing.Redirection{Follow: n, Nets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
		}
	case "pass-redirect":
		s.decision.PassRedirect = true
	case "record":
		s.decision.Recording.Mode = value
	case "on-failure":
		s.decision.Recording.OnFailure = value
	case "reject":
		s.decision.Reject = routing.Reason(value)
		s.decision.Targets = nil
	case "ringback":
		s.decision.Ringback = true
	case "may": // talk|ring|pre-answer seconds of [target]
		f := strings.Fields(value)
		n, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		span := routing.Span{For: time.Duration(n) * time.Second, Of: f[2]}
		switch {
		case len(f) > 3:
			i, err := strconv.Atoi(f[3])
			if err != nil {
				t.Fatal(err)
			}
			s.decision.Targets[i].Talk = span
		case f[0] == "talk":
			s.decision.Spans.Talk = span
		case f[0] == "ring":
			s.decision.Spans.Ring = span
		default:
			s.decision.Spans.PreAnswer = span
		}
	case "hidden": // as
		s.decision.Codes.HiddenAs = value
	case "codes": // *1 pauses, *2 resumes, *3 hides, *4 shows, ** ends; [both]
		s.decision.Codes = routing.StarCodes{By: value, Pause: "*1", Resume: "*2", Hide: "*3", Show: "*4", HangUp: "**"}
	case "music":
		s.decision.Sounds.MusicOnHold = value
	case "tone":
		s.decision.Sounds.Ringback.Country = value
	case "beep": // seconds [side]
		seconds, to, _ := strings.Cut(value, " ")
		n, err := strconv.Atoi(seconds)
		if err != nil {
			t.Fatal(err)
		}
		s.decision.Sounds.Beep = routing.Beeps{Every: time.Duration(n) * time.Second, To: to}
	case "no-account":
		s.decision.Account = ""
	case "no-offer":
		s.invite.Body = nil
	case "identity":
		s.invite.Identity = []string{value}
	case "refuse":
		s.refuse = &Cause{Status: 503, Text: value, Reason: value, Retry: 10}
	default:
		t.Fatalf("unknown setting %q", line)
	}
}

func replay(t *testing.T, text string) string {
	t.Helper()
	s := defaultSetup()
	return s.replay(t, text)
}

func (s *setup) replay(t *testing.T, text string) string {
	t.Helper()
	var m *machine
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "  "): // an expected action: written anew below its signal
		case line[0] < '0' || line[0] > '9':
			s.set(t, line)
			fmt.Fprintln(&out, line)
		default:
			if m == nil {
				legs := 0
				m = newMachine(s.invite, s.refuse, 4*time.Hour, func() string { legs++; return fmt.Sprintf("leg_%d", legs) })
			}
			fmt.Fprintln(&out, line)
			from, sig := readSignal(t, *s, line)
			actions, known := m.step(from, sig)
			for _, a := range actions {
				fmt.Fprintf(&out, "  %s\n", describe(a))
				if p, ok := a.(doPublish); ok {
					s.history.Take(p.at, p.data)
				}
			}
			if !known {
				fmt.Fprintln(&out, "  OUT OF PLACE")
			}
		}
	}
	return out.String()
}

func readSignal(t *testing.T, s setup, line string) (LegID, Signal) {
	t.Helper()
	f := strings.Fields(line)
	if len(f) < 3 {
		t.Fatalf("bad signal line %q", line)
	}
	n, err := strconv.Atoi(f[0])
	if err != nil {
		t.Fatal(err)
	}
	from := LegID(strings.TrimPrefix(f[1], "-"))
	return from, signalOf(t, s, At{zero.Add(time.Duration(n) * time.Millisecond)}, f[2], f[3:])
}

func signalOf(t *testing.T, s setup, at At, name string, args []string) Signal {
	t.Helper()
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	var fault error
	if arg(0) == "error" {
		fault = errors.New("injected")
		if code := number(arg(1)); code != 0 {
			fault = fmt.Errorf("injected: %w", Cause{Status: code, Text: "injected"})
		}
	}
	switch name {
	case "started":
		return Started{at}
	case "verified": // verstat [attestation]
		return Verified{at, routing.Attested{Verstat: arg(0), Attest: arg(1)}}
	case "routed":
		r := Routed{At: at, Decision: s.decision, Caller: events.Party{Masked: "+47*****12", Subject: "sub_1"}, Err: fault}
		if kind, ok := strings.CutPrefix(arg(0), "full-"); ok {
			r.Full = claim{place: place{kind: kind}}.refusal(cmp.Or(arg(1), ReasonConcurrencyLimit))
		}
		return r
	case "offer":
		return Offer{at, []byte("our-offer"), fault}
	case "ringing":
		return Ringing{at, number(arg(0)), []byte(arg(1))}
	case "trying":
		return Trying{at}
	case "silenced":
		return Silenced{at}
	case "answered":
		switch arg(0) {
		case "empty":
			return Answered{At: at}
		case "offer":
			return Answered{At: at, Body: []byte("callee-offer"), Offer: true}
		}
		return Answered{At: at, Body: []byte("answer")}
	case "forked":
		return Forked{at, refusedLeg{}}
	case "failed":
		c := Cause{Status: number(arg(0)), Q850: number(arg(2)), Text: "from peer", Remote: arg(1) != "local"}
		if strings.HasPrefix(arg(1), "sip:") {
			c.Redirect = &Redirected{To: args[1:]}
		}
		return Failed{at, c}
	case "cancelled":
		if arg(0) == "elsewhere" {
			return Cancelled{at, Cause{Status: 200, Q850: 26, Text: "answered elsewhere", Remote: true}}
		}
		return Cancelled{At: at}
	case "acked":
		a := Acked{At: at, Body: []byte(arg(0))}
		if n := number(arg(1)); n > 0 { // when the answer really went
			a.Body, a.Sent = nil, zero.Add(time.Duration(n)*time.Millisecond)
		}
		return a
	case "no-ack":
		return NoAck{at, at.Time.Add(-32 * time.Second)}
	case "lost": // [alive in ms] [status]
		c := Cause{Status: max(number(arg(1)), 408), Q850: 102, Text: "no answer inside the call", By: ByTimer}
		if c.Status == 481 {
			c.Remote, c.By = true, ""
		}
		return Lost{at, zero.Add(time.Duration(number(arg(0))) * time.Millisecond), c}
	case "bye":
		if code := number(arg(0)); code != 0 {
			return Bye{at, Cause{Status: code, Q850: Q850(code), Text: "from peer", Remote: true}}
		}
		return Bye{at, Cause{Status: 200, Q850: 16, Text: "hung up", Remote: true}}
	case "offered":
		o := Offered{at, max(1, number(arg(0))), []byte("new-offer")}
		if arg(1) == "empty" {
			o.Body = nil
		}
		return o
	case "offered-empty":
		return Offered{at, 1, nil}
	case "settled":
		return Settled{at, Result(arg(0)), Holds{arg(1) == "caller" || arg(1) == "both", arg(1) == "callee" || arg(1) == "both"}}
	case "withdrawn":
		return Withdrawn{at, max(1, number(arg(0)))}
	case "accepted":
		if arg(0) == "empty" {
			return Accepted{At: at}
		}
		return Accepted{at, []byte("new-answer")}
	case "declined":
		return Declined{at, Cause{Status: max(488, number(arg(0))), Text: "from peer", Remote: true}}
	case "gone":
		return Gone{at}
	case "agreed":
		return Agreed{at, []byte("our-answer"), arg(0) == "told", fault}
	case "received": // leg [error [status]]
		r := Received{At: at, Leg: LegID(arg(0)), Body: []byte("our-answer")}
		if arg(1) == "error" {
			r.Err = errors.New("injected")
		}
		return r
	case "recorded":
		return Recorded{at, fault}
	case "record-fault":
		return RecordFault{at, errors.New("injected")}
	case "durable":
		return Durable{at, fault}
	case "timeout":
		return Timeout{at, Timer(arg(0))}
	case "attended":
		return Attended{at, []byte("our-own-answer"), fault}
	case "hook-said": // number [flow|error word]
		r := HookSaid{At: at, Number: max(1, number(arg(0)))}
		if arg(1) == "error" {
			r.Err = arg(2)
		} else {
			r.Reply.Flow = arg(1)
		}
		return r
	case "knew": // number [identity]
		return Knew{at, uint64(number(arg(0))), strings.Join(args[min(1, len(args)):], " ")}
	case "dictating": // number [error]
		r := Dictating{At: at, Number: max(1, number(arg(0)))}
		if arg(1) == "error" {
			r.Err = errors.New("injected")
		}
		return r
	case "spoke": // ms
		s := Spoke{At: at}
		if arg(0) != "" {
			s.Last = zero.Add(time.Duration(number(arg(0))) * time.Millisecond)
		}
		return s
	case "sounded": // purpose [side]
		return Sounded{At: at, Playback: playback(arg(0), arg(1), media.PlayStopped), Room: LegID(arg(2))}
	case "keyed":
		return Keyed{at, media.Press{Digit: 5, For: 160 * time.Millisecond}}
	case "untold":
		return Untold{at, media.Press{Digit: 5}}
	case "noticed": // [pressed|tell|coded side [way|code]], or as of noticeOf
		side := sideOf(arg(1))
		switch arg(0) {
		case "pressed":
			digit := media.Digit(5)
			if arg(2) == "1" {
				digit = 1
			}
			if d, ok := media.KeyOf((arg(3) + " ")[0]); ok {
				digit = d
			}
			if arg(2) == "fax" {
				digit = media.CNG
			}
			way := map[string]media.Way{"inband": media.BySound, "info": media.ByInfo}[arg(2)]
			return Noticed{At: at, Notice: media.Notice{Kind: media.Pressed, Side: side, Press: media.Press{Digit: digit}, Way: cmp.Or(way, media.ByEvent)}}
		case "tell":
			return Noticed{At: at, Notice: media.Notice{Kind: media.Tell, Side: side, Press: media.Press{Digit: 5}}}
		case "coded":
			return Noticed{At: at, Notice: media.Notice{Kind: media.Coded, Side: side, Code: number(arg(2))}}
		case "played": // purpose [side [end]]
			p := playback(arg(1), arg(2), media.PlayEnd(cmp.Or(arg(3), string(media.PlayFinished))))
			return Noticed{At: at, Notice: media.Notice{Kind: media.Played, Playback: &p}}
		}
		return noticed(at, args)
	case "closed":
		heard := media.Flow{Packets: 50}
		if arg(1) == "heard" {
			heard.Heard = media.Heard{Codec: "PCMU", Packets: 50, Expected: 52, Lost: 2, Rated: true, R: 88, ListeningMOS: 4.28, Class: "high"}
		}
		if arg(0) != "" { // last packet of both sides
			heard.Last = zero.Add(time.Duration(number(arg(0))) * time.Millisecond)
			other := heard
			if n := number(arg(2)); n > 0 { // but the callee's
				other.Last = zero.Add(time.Duration(n) * time.Millisecond)
			}
			return Closed{at, media.Stats{Caller: heard, Callee: other}}
		}
		return Closed{at, media.Stats{Caller: heard}}
	case "stop":
		return Stop{at, Ender(arg(0))}
	case "referred":
		to := ReferTo{User: "201", Host: "pbx", Replaces: arg(1)}
		if arg(2) == "ours" {
			to.Named = func(Claimed) {}
		}
		return Referred{at, max(1, number(arg(0))), to}
	case "replaced":
		return Replaced{At: at, Leg: refusedLeg{}, Line: NewLine(), Trunk: "pbx", Body: []byte("their-offer")}
	case "directed":
		d := routing.Transferred{Reject: routing.Reason(arg(0)), Trace: []routing.Look{{What: "transfer"}}}
		for range number(arg(0)) {
			d.Reject = ""
			d.Targets = append(d.Targets, routing.Target{URI: "sip:201@pbx", Trunk: "pbx", Timeout: 15 * time.Second})
		}
		if arg(0) == "here" {
			d.Reject = ""
		}
		return Directed{at, d}
	case "moved":
		m := Moved{At: at, Answer: []byte("our-answer"), Err: fault}
		if arg(0) == "again" {
			m.Again = []byte("our-offer-again")
		}
		if arg(0) == "heard" {
			m.Left = media.Heard{Codec: "PCMA", Packets: 90, Expected: 100, Lost: 10, Rated: true, R: 62, ListeningMOS: 3.2, Class: "low"}
		}
		return m
	case "claimed":
		return Claimed{At: at, Claim: Claim{"call_2", func(Given) bool { return true }}, Party: sideOf(arg(0))}
	case "ordered": // what [side] [off|under]
		return Ordered{At: at, Order: orderOf(t, arg(0), sideOf(arg(1)), arg(2)), By: ByAPI, Reply: func(error) {}}
	case "given":
		if arg(0) == "refused" {
			return Given{At: at, Refused: true}
		}
		g := Given{At: at, Call: "call_2", ULID: "leg_x", Leg: refusedLeg{}, Line: NewLine(), Told: []byte("told")}
		g.Called, g.Consent = arg(0) != "", arg(0) // of a caller who has said that
		return g
	}
	t.Fatalf("unknown signal %q", name)
	return nil
}

// playback is of three seconds.
func playback(purpose, to string, end media.PlayEnd) media.Playback {
	p := media.Playback{To: media.Caller, For: cmp.Or(purpose, forBeep), Hash: "00ff", Complete: true, Heard: 3 * time.Second, Times: 1, End: end}
	if to == "callee" {
		p.To = media.Callee
	}
	p.Complete = end == media.PlayFinished
	return p
}
