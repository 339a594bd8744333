package call

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// crowd is many legs of several calls on one board, all of which talk at once.
type crowd struct {
	t     *testing.T
	w     *world
	b     *Switchboard
	r     *rand.Rand
	legs  []*fakeLeg
	mu    sync.Mutex
	over  map[*fakeLeg]bool
	going []*fakeLeg // have said BYE
	seen  int        // of the world's
	offer int
}

// join makes a leg one of the crowd: it says nothing behind its Gone.
func (c *crowd) join(l *fakeLeg) {
	send := l.send
	l.mu.Lock()
	l.send = func(s Signal) {
		c.mu.Lock()
		over := c.over[l]
		if _, ok := s.(Gone); ok {
			c.over[l] = true
		}
		c.mu.Unlock()
		if !over {
			send(s)
		}
	}
	l.mu.Unlock()
	c.legs = append(c.legs, l)
}

func (c *crowd) gone(l *fakeLeg) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over[l]
}

// look takes in whom the calls have dialled meanwhile.
func (c *crowd) look() {
	synctest.Wait()
	for l := c.w.b(c.seen); l != nil; l = c.w.b(c.seen) {
		c.join(l)
		c.seen++
	}
}

func (c *crowd) call() {
	a := &fakeLeg{}
	in := defaultSetup().invite
	in.At = time.Now()
	send, refused := c.b.Admit(in, a)
	if refused != nil {
		c.t.Fatal(refused)
	}
	a.send = send
	c.join(a)
	c.look()
	if last := c.legs[len(c.legs)-1]; last != a { // else a flow has not come to that
		last.send(Answered{At: Now(), Body: []byte("answer")})
	}
	time.Sleep(time.Duration(c.r.IntN(40)) * time.Millisecond)
	synctest.Wait()
	if c.r.IntN(4) > 0 {
		a.send(Acked{At: Now()})
	}
}

func (c *crowd) one(of ...string) string { return of[c.r.IntN(len(of))] }

// asked returns a leg that was made an offer last, or the one given.
func (c *crowd) asked(l *fakeLeg) *fakeLeg {
	for _, i := range c.r.Perm(len(c.legs)) {
		did := c.legs[i].done()
		if len(did) > 0 && strings.HasPrefix(did[len(did)-1], "offer") && !c.gone(c.legs[i]) {
			return c.legs[i]
		}
	}
	return l
}

// someone does something.
func (c *crowd) someone() {
	l, other := c.legs[c.r.IntN(len(c.legs))], c.legs[c.r.IntN(len(c.legs))]
	c.offer++
	bye := Cause{Status: 200, Q850: 16, Remote: true}
	switch c.one("bye", "vanish", "lost", "refer", "refer", "refer", "attended", "attended", "attended", "replaced", "replaced",
		"offer", "offer", "want", "withdraw", "accept", "accept", "accept", "accept", "accept", "decline", "press", "press", "press", "answer", "answer", "answer", "fail", "ring", "ack", "no-ack", "cancel") {
	case "bye":
		l.send(Bye{Now(), bye})
		c.going = append(c.going, l) // its end may take a while
	case "vanish":
		l.send(Gone{Now()})
	case "lost":
		l.send(Lost{Now(), time.Now().Add(-5 * time.Second), Cause{Status: 408, By: ByTimer}})
		l.send(Gone{Now()})
	case "refer":
		l.send(Referred{Now(), c.offer, ReferTo{User: "201"}})
	case "attended":
		l.send(Referred{Now(), c.offer, names(other)})
	case "replaced":
		if c.gone(l) {
			return // sip knows no such dialog any more
		}
		line, newcomer := NewLine(), &fakeLeg{}
		newcomer.send = line.Send
		c.join(newcomer)
		l.send(Replaced{At: Now(), Leg: newcomer, Line: line, Trunk: "pbx", Body: []byte(c.one("their offer", "bad"))})
	case "offer":
		l.send(Offered{Now(), c.offer, []byte(c.one("hold", "bad", "new codec"))})
	case "want":
		l.send(Offered{Now(), c.offer, nil})
	case "withdraw":
		l.send(Withdrawn{Now(), c.offer - 1})
	case "accept":
		l = c.asked(l)
		l.send(Accepted{Now(), []byte(c.one("answer", "answer", "bad", "less", ""))})
	case "press": // in an anteroom
		c.w.mu.Lock()
		rooms := c.w.rooms
		c.w.mu.Unlock()
		if len(rooms) > 0 {
			digit := media.Digit(1)
			if c.r.IntN(5) == 0 {
				digit = 7
			}
			rooms[c.r.IntN(len(rooms))](media.Notice{At: time.Now(), Kind: media.Pressed, Side: media.Callee, Press: media.Press{Digit: digit}})
		}
	case "decline":
		l.send(Declined{Now(), Cause{Status: 488, Remote: true}})
	case "answer":
		if last := c.legs[len(c.legs)-1]; c.r.IntN(2) == 0 {
			l = last
		}
		if l.dial.Call != "" {
			l.send(Answered{At: Now(), Body: []byte(c.one("answer", "answer", "bad"))})
		}
	case "fail":
		if l.dial.Call != "" {
			l.send(Failed{Now(), Cause{Status: 486, Remote: true}})
			l.send(Gone{Now()})
		}
	case "ring":
		l.send(Ringing{Now(), 180, nil})
	case "ack":
		l.send(Acked{At: Now()})
	case "no-ack":
		l.send(NoAck{Now(), time.Now().Add(-32 * time.Second)})
		l.send(Gone{Now()})
	case "cancel":
		l.send(Cancelled{At: Now()})
		l.send(Gone{Now()})
	}
}

// TestCrowd: several calls whose legs transfer, claim, replace, negotiate, hang
// up and vanish at random, among each other, leave no leg that nobody has ended,
// no relay, recording or place, and each call ends once, with no more billed
// than was talked.
func TestCrowd(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crowded(t, seed) })
		})
	}
}

func crowded(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	w := newWorld()
	w.decision.Recording.Mode = []string{"do-not-record", recordFromAnswer, recordFromAnswer, recordFromRinging}[r.IntN(4)]
	w.decision.Recording.OnFailure = []string{"continue-unrecorded", refuseCall}[r.IntN(2)]
	w.decision.Targets[0].Trunk = "pbx"
	w.recordFor = []time.Duration{0, 20 * time.Millisecond, 700 * time.Millisecond}[r.IntN(3)]
	w.holding = media.Side(r.IntN(3))
	if r.IntN(2) == 0 {
		w.again = []byte("again")
	}
	if seed%3 > 0 { // several at once, and of each third call they are asked first
		first := routing.Ring{Together: true, Redial: true, Failover: hunting}
		for range 3 {
			first.Targets = append(first.Targets, w.decision.Targets[0])
		}
		if seed%3 == 2 {
			first.Whisper = &routing.Whispered{Prompts: []routing.Prompt{{File: []string{"hi.wav", "broken.wav"}[r.IntN(2)]}}}
			first.Screen = &routing.Screened{Accept: "1", Within: 5 * time.Second}
		}
		w.decision.Targets, w.decision.First = first.Targets, first
	}
	targets := r.IntN(3)
	w.direct = func(routing.Referral) routing.Transferred {
		d := routing.Transferred{}
		for range targets {
			d.Targets = append(d.Targets, routing.Target{URI: "sip:201@pbx", Trunk: "pbx", Timeout: 15 * time.Second})
		}
		return d
	}
	ports := w.board(Config{}).ports
	ports.Limits = func(string) routing.Limits { return routing.Limits{Calls: 50} }
	b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
	c := &crowd{t: t, w: w, b: b, r: r, over: map[*fakeLeg]bool{}}
	for range 2 + r.IntN(2) {
		c.call()
	}
	for range 60 {
		c.someone()
		if r.IntN(3) > 0 { // else the next one speaks at the same time
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		c.look()
	}
	c.disperse()
}

// disperse ends what is left, and looks at what that leaves.
func (c *crowd) disperse() {
	c.t.Helper()
	c.b.StopAll(ByOperator)
	for _, l := range c.going {
		l.send(Gone{Now()})
	}
	c.look()
	ctx, cancel := context.WithTimeout(c.t.Context(), lingerWait+5*time.Second)
	defer cancel()
	if err := c.b.Wait(ctx); err != nil {
		c.t.Errorf("%d calls do not leave", len(c.b.list()))
	}
	c.audit()
}

func (c *crowd) audit() {
	c.t.Helper()
	if c.w.late > 0 {
		c.t.Errorf("%d sounds were ordered of a closed relay", c.w.late)
	}
	for i, l := range c.legs {
		if !c.gone(l) {
			c.t.Errorf("leg %d is left: it did %q", i, l.done())
		}
	}
	w, ends := c.w, map[string]int{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		switch d := e.Data.(type) {
		case events.CallReceivedData:
			ends[e.Call] += 0
		case events.CallEndedData:
			ends[e.Call]++
			if d.BillableMS > d.TalkMS+d.AttendedMS || d.HoldMS > d.TalkMS || d.TalkMS > d.DurationMS {
				c.t.Errorf("billed %d, attended %d, held %d, talked %d of %d", d.BillableMS, d.AttendedMS, d.HoldMS, d.TalkMS, d.DurationMS)
			}
		}
	}
	for id, n := range ends {
		if n != 1 {
			c.t.Errorf("%s ended %d times", id, n)
		}
	}
	if w.relays != w.closed {
		c.t.Errorf("%d relays were opened, %d closed", w.relays, w.closed)
	}
	for _, r := range w.recs {
		if r.times != 1 {
			c.t.Errorf("segment %d of %s was closed %d times", r.info.Segment, r.info.Call, r.times)
		}
	}
	if n := len(c.b.places.held) + len(c.b.places.of); n != 0 {
		c.t.Errorf("%d places are held by nobody", n)
	}
	if n := c.b.Stats().Panics; n != 0 {
		c.t.Errorf("%d calls panicked", n)
	}
}
