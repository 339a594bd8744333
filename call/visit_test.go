package call

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// flowTable is a table whose one number goes through a flow, as JSON. Its prompts
// are hello, menu and beep.
func flowTable(t *testing.T, flow string, policy routing.RecordingPolicy) *routing.Table {
	t.Helper()
	var steps routing.Flow
	if err := json.Unmarshal([]byte(flow), &steps); err != nil {
		t.Fatalf("flow: %v", err)
	}
	table, faults := routing.NewTable(routing.Spec{
		Trunks:   []routing.Trunk{{ID: "carrier", Sources: []string{"192.0.2.0/24"}, NumberFormat: routing.NumberFormat{Country: "NO"}}},
		Accounts: []routing.Account{{ID: "demo", Recording: policy, Limits: routing.Limits{Calls: 50}}},
		Numbers:  []routing.TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales"}},
		Prompts:  routing.Prompts{"hello": {"en": "hello.wav"}, "menu": {"en": "menu.wav"}},
		Flows:    map[string]routing.Flow{"sales": steps},
	})
	if faults != nil {
		t.Fatalf("flow: %v", faults)
	}
	return table
}

// visit is one caller in a flow, through a real Call.
type visit struct {
	t *testing.T
	w *world
	b *Switchboard
	a *fakeLeg
	n int // sounds that have been looked at
}

// visited runs a caller through a flow in a bubble. What the call leaves behind is
// looked at at the end.
func visited(t *testing.T, w *world, flow string, policy routing.RecordingPolicy, do func(v *visit)) {
	t.Helper()
	table := flowTable(t, flow, policy)
	synctest.Test(t, func(t *testing.T) {
		w.table = table
		v := &visit{t: t, w: w, b: w.board(Config{}), a: &fakeLeg{}}
		in := defaultSetup().invite
		in.At, in.Party.User = time.Now(), "+4799999912"
		send, refused := v.b.Admit(in, v.a)
		if refused != nil {
			t.Fatal(refused)
		}
		v.a.send = send
		v.pass(10 * time.Millisecond)
		defer v.over() // also of a test that gives up
		do(v)
	})
}

func (v *visit) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// says has the caller's leg say something.
func (v *visit) says(s Signal) {
	v.a.send(s)
	v.pass(10 * time.Millisecond)
}

func (v *visit) leaves() {
	v.a.send(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
	v.says(Gone{Now()})
}

// hears wants the next sound to be this one, and has it end.
func (v *visit) hears(purpose, file string, end media.PlayEnd) {
	v.t.Helper()
	v.begins(purpose, file)
	v.w.heard(v.n-1, end)
	v.pass(10 * time.Millisecond)
}

func (v *visit) begins(purpose, file string) {
	v.t.Helper()
	v.w.mu.Lock()
	played := slices.Clone(v.w.played)
	v.w.mu.Unlock()
	if len(played) <= v.n {
		v.t.Fatalf("nothing is played for %s; it was told %q", purpose, v.w.told())
	}
	if p := played[v.n]; p.For != purpose || p.Sound.File+p.Sound.Shipped != file || p.To != media.Caller {
		v.t.Fatalf("it plays %+v, want %s for %s", p, file, purpose)
	}
	v.n++
}

func (v *visit) presses(key byte) {
	v.t.Helper()
	d, ok := media.KeyOf(key)
	if !ok {
		v.t.Fatalf("%q is no key", key)
	}
	v.w.notices(media.Notice{At: time.Now(), Kind: media.Pressed, Side: media.Caller, Press: media.Press{Digit: d}})
	v.pass(10 * time.Millisecond)
}

// over ends whatever is left, and wants nothing to be left of it.
func (v *visit) over() {
	v.t.Helper()
	v.b.StopAll(ByOperator)
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	if err := v.b.Wait(ctx); err != nil {
		v.t.Fatalf("the call does not leave: %v", err)
	}
	w := v.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.relays != w.closed {
		v.t.Errorf("%d relays were opened, %d closed", w.relays, w.closed)
	}
	for _, r := range w.recs {
		if r.times != 1 {
			v.t.Errorf("a recording of %q was closed %d times", r.info.Source, r.times)
		}
	}
	if n := len(v.b.places.held) + len(v.b.places.of); n != 0 {
		v.t.Errorf("%d places are held by nobody", n)
	}
	if s := v.b.Stats(); s.Stray != 0 || s.Panics != 0 {
		v.t.Errorf("%d stray signals, %d panics", s.Stray, s.Panics)
	}
}

// tellsOf wants an event of a type to be told once, and returns what it says.
func tellsOf[T any](v *visit, kind string) (out T) {
	v.t.Helper()
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	n := 0
	for _, e := range v.w.events {
		if e.Type == kind {
			n++
			out, _ = e.Data.(T)
		}
	}
	if n != 1 {
		v.t.Errorf("%s was told %d times", kind, n)
	}
	return out
}

const frontDesk = `[{"greeting": {"prompt": "hello", "notice": true}},
	{"menu": {"prompt": "menu", "options": {"1": [{"tag": {"wants": "roof"}}]}, "default": [{"hangup": {"prompt": "goodbye"}}]}},
	{"dial": {"targets": [{"uri": "sip:one@127.0.0.1"}]}},
	{"survey": {"prompt": "rate", "thanks": "thanks"}}]`

var announced = routing.RecordingPolicy{Mode: recordFromAnswer, Consent: "announced"}

// TestGreetedAskedAndPutThrough: a caller hears a notice, chooses, talks, and is asked
// how it was once the callee has hung up. The notice that he heard is named.
func TestGreetedAskedAndPutThrough(t *testing.T) {
	w := newWorld()
	visited(t, w, frontDesk, announced, func(v *visit) {
		v.says(Acked{At: Now()})
		v.hears(forGreeting, "hello.wav", media.PlayFinished)
		v.begins(forMenu, "menu.wav")
		v.presses('1')
		v.begins(forRingback, "")
		v.w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		v.pass(time.Second)
		v.says(Accepted{Now(), []byte("answer")}) // to the offer that tells him of the callee
		v.pass(time.Minute)
		v.w.b(0).send(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
		v.w.b(0).send(Gone{Now()})
		v.pass(time.Second)
		v.begins(forMenu, "en/rate")
		v.presses('4')
		v.hears(forGoodbye, "en/thanks", media.PlayFinished)
		v.over()
		if d := tellsOf[events.ConsentData](v, events.ConsentAnnounced); d.Prompt != "hello" || d.Language != "en" || d.PlayedMS != 2000 || d.Hash == "" {
			t.Errorf("consent: %+v", d)
		}
		if end := w.end(); end.Status != "completed" || end.TalkMS < 60_000 || end.TalkMS > 62_000 || end.BillableMS <= end.TalkMS {
			t.Errorf("ended %+v", end)
		}
		tags := map[string]string{}
		for _, e := range w.events {
			if d, ok := e.Data.(events.CallTaggedData); ok {
				for key, value := range d.Tags {
					tags[key] = value
				}
			}
		}
		if len(tags) != 2 || tags["wants"] != "roof" || tags["score"] != "4" {
			t.Errorf("tags %v", tags)
		}
		if len(w.recs) != 1 || w.recs[0].discarded {
			t.Errorf("%d recordings", len(w.recs))
		}
	})
}

// TestCallerLeavesAtEachPoint: wherever he hangs up, the call ends once, and leaves no
// recording, relay or leg behind.
func TestCallerLeavesAtEachPoint(t *testing.T) {
	points := []func(v *visit){
		func(v *visit) {},
		func(v *visit) { v.says(Acked{At: Now()}) },
		func(v *visit) { v.hears(forGreeting, "hello.wav", media.PlayFinished) },
		func(v *visit) { v.begins(forMenu, "menu.wav"); v.presses('1'); v.begins(forRingback, "") },
		func(v *visit) { v.w.b(0).send(Ringing{Now(), 180, nil}); v.pass(time.Second) },
		func(v *visit) { v.w.b(0).send(Answered{At: Now(), Body: []byte("answer")}) }, // before anything is made of it
		func(v *visit) { v.pass(time.Second); v.says(Accepted{Now(), []byte("answer")}) },
		func(v *visit) {
			v.w.b(0).send(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
			v.w.b(0).send(Gone{Now()})
			v.pass(time.Second)
		},
		func(v *visit) { v.begins(forMenu, "en/rate"); v.presses('4') },
	}
	status := []string{"abandoned", "abandoned", "abandoned", "abandoned", "abandoned", "", "completed", "completed", "completed"}
	for leaves := range points {
		w := newWorld()
		w.recordFor, w.diskFor = 3*time.Millisecond, 2*time.Millisecond
		visited(t, w, frontDesk, announced, func(v *visit) {
			for _, do := range points[:leaves+1] {
				do(v)
			}
			v.leaves()
			end := tellsOf[events.CallEndedData](v, events.CallEnded)
			if want := status[leaves]; want != "" && end.Status != want || end.EndedBy != string(ByCaller) {
				t.Errorf("at point %d: ended %s by %s", leaves, end.Status, end.EndedBy)
			}
			if legs := w.legs; len(legs) > 0 && !slices.ContainsFunc(legs[0].done(), func(did string) bool { return did[:6] == "hangup" }) && leaves < 7 {
				t.Errorf("at point %d the callee is left: %q", leaves, legs[0].done())
			}
		})
	}
}

// TestCalleeLeavesAtEachPoint: where the callee hangs up decides what the caller is in
// then: the next step, the survey, or nothing; never a call with nobody in it.
func TestCalleeLeavesAtEachPoint(t *testing.T) {
	const flow = `[{"greeting": {"prompt": "hello", "notice": true}},
		{"whisper": {"prompt": "hello"}},
		{"screen": {"prompt": "press-1", "accept": "1"}},
		{"dial": {"targets": [{"uri": "sip:one@127.0.0.1"}]}},
		{"survey": {"prompt": "rate"}},
		{"voicemail": {"prompt": "leave-message"}}]`
	whispered := func(v *visit) {
		v.w.b(0).send(Answered{At: Now(), Body: []byte("answer")})
		v.pass(10 * time.Millisecond)
		v.toCallee(forWhisper)
	}
	asked := func(v *visit) {
		whispered(v)
		v.w.heard(v.n-1, media.PlayFinished)
		v.pass(time.Millisecond)
		v.toCallee(forScreen)
	}
	accepted := func(v *visit) {
		asked(v)
		v.w.notices(media.Notice{At: time.Now(), Kind: media.Pressed, Side: media.Callee, Press: media.Press{Digit: 1}})
	}
	talking := func(v *visit) {
		accepted(v)
		v.pass(time.Second)
		v.says(Accepted{Now(), []byte("answer")})
		v.pass(time.Minute)
	}
	for _, c := range []struct {
		name          string
		at            func(v *visit)
		purpose, next string
		bridged       bool
	}{
		{"in the whisper", whispered, forMessage, "en/leave-message", false},
		{"in the question", asked, forMessage, "en/leave-message", false},
		{"as he is put through", accepted, "", "", false}, // before there is a talk, and too late for the next step
		{"in the talk", talking, forMenu, "en/rate", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			visited(t, newWorld(), flow, announced, func(v *visit) {
				v.says(Acked{At: Now()})
				v.hears(forGreeting, "hello.wav", media.PlayFinished)
				v.begins(forRingback, "")
				c.at(v)
				v.w.b(0).send(Bye{Now(), Cause{Status: 200, Q850: 16, Remote: true}})
				v.w.b(0).send(Gone{Now()})
				v.pass(time.Second)
				if c.next == "" {
					if end := v.w.end(); end == nil || end.Status != "failed" || end.TalkMS != 0 {
						t.Errorf("ended %+v", end)
					}
					return
				}
				v.next(c.purpose, c.next)
				if bridged := slices.Contains(v.w.told(), events.CallBridged); bridged != c.bridged {
					t.Errorf("bridged: %t", bridged)
				}
				v.leaves()
				if end := v.w.end(); end == nil || end.EndedBy != string(ByCaller) {
					t.Errorf("ended %+v", end)
				}
			})
		})
	}
}

// toCallee wants the next sound to be one for who has answered.
func (v *visit) toCallee(purpose string) {
	v.t.Helper()
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if len(v.w.played) <= v.n || v.w.played[v.n].For != purpose || v.w.played[v.n].To != media.Callee {
		v.t.Fatalf("it does not play a %s to the callee", purpose)
	}
	v.n++
}

// next wants the caller to be played this by now, whatever was played before.
func (v *visit) next(purpose, file string) {
	v.t.Helper()
	v.w.mu.Lock()
	v.n = len(v.w.played) - 1
	v.w.mu.Unlock()
	v.begins(purpose, file)
}
