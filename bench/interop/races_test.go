//go:build interop

package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

const (
	raceCalls = 1000 // of each race
	raceRate  = 50   // a second
	// afterwards is when no leg may be alive any more: 64*T1 and a second.
	afterwards = 33 * time.Second
	// billedWithin is how far a bill may be from what went over the wire, in
	// milliseconds, on a machine that is not late itself.
	billedWithin = 100
)

// race is one of the moments in which two sides do something at once.
type race struct {
	name string
	net  byte // the third of its addresses
	// caller and callee play one call; both have until the end of ctx.
	caller func(ctx context.Context, r *rounds, i int, d *siptest.Dialog)
	callee func(ctx context.Context, r *rounds, i int, in *siptest.Incoming)
	// steer loses messages for certain; nil: only the weather does.
	steer func(r *rounds, caller bool, w way, m *peeked, i int) bool
	// judge looks at what was told of a call; nil: nothing beyond what all races want.
	judge func(t *testing.T, i int, o *observed, s *story)
}

// TestRaces plays a thousand calls of each race through a network that loses
// one datagram in twenty-five, holds others up to 30 ms and so puts them out of
// order. Nothing may be left, everything is told once, and the bill is what
// went over the wire.
func TestRaces(t *testing.T) {
	for k, r := range races {
		t.Run(r.name, func(t *testing.T) { r.run(t, uint64(k+1)) })
	}
}

// rounds is one race being run.
type rounds struct {
	race
	n      *node
	caller *siptest.Phone
	callee *siptest.Phone

	mu    sync.Mutex
	seen  []observed
	index map[string]int // Call-ID of either leg to the number of the call
	count map[string]int // of what steer has lost, by Call-ID and kind
	wg    sync.WaitGroup
}

// observed is one call as the wire shows it at the node.
type observed struct {
	answered time.Time // our 200 left for the caller
	acked    bool      // its ACK arrived
	ended    time.Time // the first BYE, of whomever
	a, b     *siptest.Dialog
}

func (r race) run(t *testing.T, seed uint64) {
	host := fmt.Sprintf("127.0.%d", r.net)
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: freePort(t, host+".3"), Calls: 4000})
	n.manyNumbers(t, raceCalls)
	n.start(t)
	rs := &rounds{race: r, n: n, seen: make([]observed, raceCalls), index: map[string]int{}, count: map[string]int{}}
	weatherA := rs.weather(t, host+".2:0", seed, true)
	weatherB := rs.weather(t, n.Agent, seed+100, false)
	rs.caller = newRacer(t, "carrier", weatherA)
	rs.callee = newRacer(t, "agent", weatherB)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	rs.callee.OnInvite(func(in *siptest.Incoming) {
		i := caller(in.Request().Get("From"))
		rs.mu.Lock()
		rs.index[in.Request().Get("Call-ID")] = i
		rs.mu.Unlock()
		r.callee(ctx, rs, i, in)
	})
	stopWatch := lateness()
	beat := time.NewTicker(time.Second / raceRate)
	defer beat.Stop()
	for i := range raceCalls {
		<-beat.C
		rs.call(t, ctx, i)
	}
	rs.wg.Wait()
	played := time.Now()
	late := stopWatch()
	eventually(t, time.Until(played.Add(afterwards)), "the end of every leg", func() bool {
		return n.metric(t, "ringdown_sip_legs") == 0
	})
	if k := n.live(t); k != 0 {
		t.Errorf("%d calls are live", k)
	}
	rs.settle(t, billedWithin+late.Milliseconds())
	t.Logf("%d datagrams passed, %d were lost; all legs were gone %v after the last phone was done",
		weatherA.passed+weatherB.passed, weatherA.lost+weatherB.lost, time.Since(played).Round(time.Second))
	n.stop(t)
}

// manyNumbers gives the node a tracking number for each call, by which its
// events are found, and records nothing: this is about signalling.
func (n *node) manyNumbers(t *testing.T, count int) {
	t.Helper()
	var numbers strings.Builder
	for i := range count {
		fmt.Fprintf(&numbers, "  - {number: %q, account: demo, flow: sales}\n", dialled(i))
	}
	n.rewrite(t, "record-from-answer", "do-not-record", "ports: 20000-20999", "ports: 10000-29999", "numbers:\n", "numbers:\n"+numbers.String())
}

func dialled(i int) string { return fmt.Sprintf("+4722%06d", i) }
func calling(i int) string { return fmt.Sprintf("+4790%06d", i) }

// caller finds the number of a call in the From of its INVITE to the callee.
func caller(from string) (i int) {
	_, digits, _ := strings.Cut(from, "+4790")
	if _, err := fmt.Sscanf(digits, "%06d", &i); err != nil || i >= raceCalls {
		return 0
	}
	return i
}

func (r *rounds) weather(t *testing.T, address string, seed uint64, caller bool) *weather {
	t.Helper()
	w := newWeather(listenUDP(t, address), seed, 0.04, 30*time.Millisecond)
	w.seen = func(way way, m *peeked, at time.Time) { r.note(caller, way, m, at) }
	if r.steer != nil {
		w.steer = func(way way, m *peeked) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			i, ok := r.index[m.callID]
			return ok && r.race.steer(r, caller, way, m, i)
		}
	}
	w.blow()
	return w
}

// newRacer makes a phone without sound whose complaints are not the test's: in
// such weather it has many.
func newRacer(t *testing.T, user string, w *weather) *siptest.Phone {
	t.Helper()
	host, _, err := net.SplitHostPort(w.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	p, err := siptest.New(siptest.Config{User: user, Conn: w, Media: listenUDP(t, host+":0"), Keep: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func (r *rounds) call(t *testing.T, ctx context.Context, i int) {
	d, err := r.caller.Call(context.WithoutCancel(ctx), fmt.Sprintf("sip:%s@%s", dialled(i), r.n.SIP), siptest.CallOptions{From: calling(i)})
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.index[d.CallID()] = i
	r.seen[i].a = d
	r.mu.Unlock()
	r.wg.Go(func() { r.race.caller(ctx, r, i, d) })
}

// note keeps what the wire says of answers and ends.
func (r *rounds) note(caller bool, way way, m *peeked, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.index[m.callID]
	if !ok {
		return
	}
	o := &r.seen[i]
	switch {
	case caller && way == fromNode && m.status == "200" && m.about == "INVITE" && o.answered.IsZero():
		o.answered = at
	case caller && way == toNode && (m.method == "ACK" || m.method == "BYE") && !o.answered.IsZero():
		o.acked = true // who hangs up has heard the answer
	}
	if m.method == "BYE" && o.ended.IsZero() && !o.answered.IsZero() {
		o.ended = at
	}
}

// settle holds what was told against what was seen.
func (r *rounds) settle(t *testing.T, within int64) {
	t.Helper()
	all := r.n.settled(t, raceCalls)
	byNumber := map[string]*story{}
	for _, s := range all {
		byNumber[s.last("call.received").TrackingNumber] = s
		s.whole(t)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	worst, outcomes := int64(0), map[string]int{}
	for i := range r.seen {
		o, s := &r.seen[i], byNumber[dialled(i)]
		if s == nil {
			t.Errorf("call %d: nothing was told of it", i)
			continue
		}
		end := s.last("call.ended")
		outcomes[end.Status+" by "+end.EndedBy]++
		want := int64(0)
		if o.acked && !o.answered.IsZero() && !o.ended.IsZero() {
			want = o.ended.Sub(o.answered).Milliseconds()
		}
		off := max(end.BillableMS-want, want-end.BillableMS)
		worst = max(worst, off)
		if off > within {
			t.Errorf("call %d (%s): billed %d ms, the wire says %d (acknowledged: %v; ended as %s by %s)",
				i, s.id, end.BillableMS, want, o.acked, end.Status, end.EndedBy)
		}
		for who, d := range map[string]*siptest.Dialog{"caller": o.a, "callee": o.b} {
			if d != nil && !over(d) {
				t.Errorf("call %d (%s): the %s's phone still has it", i, s.id, who)
			}
		}
		if r.judge != nil {
			r.judge(t, i, o, s)
		}
	}
	t.Logf("outcomes %v; bills off by %d ms at most, %d were allowed", outcomes, worst, within)
}

// lateness watches how late this machine wakes a goroutine that asked for 5 ms:
// what others do on it is no fault of the bill.
func lateness() (stop func() time.Duration) {
	done, worst := make(chan struct{}), make(chan time.Duration, 1)
	go func() { // ends with stop
		var most time.Duration
		for {
			asked := time.Now()
			select {
			case <-time.After(5 * time.Millisecond):
				most = max(most, time.Since(asked)-5*time.Millisecond)
			case <-done:
				worst <- most
				return
			}
		}
	}()
	return func() time.Duration { close(done); return <-worst }
}

func over(d *siptest.Dialog) bool { return !d.Times().Ended.IsZero() }

// answered remembers the callee's dialog of a call.
func (r *rounds) answered(i int, d *siptest.Dialog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[i].b = d
}

// once loses the first n messages of a kind of one leg.
func (r *rounds) first(n int, m *peeked, kind string) bool {
	key := m.callID + kind
	if r.count[key] >= n {
		return false
	}
	r.count[key]++
	return true
}

// pause waits for a random moment up to most.
func pause(ctx context.Context, most time.Duration) {
	wait(ctx, time.Duration(rand.Int64N(int64(most)+1)))
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
