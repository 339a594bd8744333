//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Timers of the generator's own transactions (RFC 3261 17): one repetition
// already spoils a run, so they are only as exact as that needs.
const (
	resendAfter = 500 * time.Millisecond // T1
	giveUpAfter = 8 * time.Second
	loadTick    = time.Millisecond
	lookEvery   = 50 * time.Millisecond // for what is overdue
)

// stage is how far one side of a call has come, as that side sees it.
type stage uint8

const (
	inviting stage = iota // INVITE sent; at the callee: answered, no ACK yet
	talking
	leaving // BYE sent
	gone
	lost // given up
)

// nearCall is a call as its caller sees it.
type nearCall struct {
	stage         stage
	provisional   bool
	since         time.Duration // of the stage
	sent          time.Duration // the last request
	toTag, target string
}

// farCall is a call as its callee sees it. The node tells nobody which of the
// caller's calls it is.
type farCall struct {
	stage stage
	since time.Duration // of the last 200
	ok    []byte        // the 200, until its ACK
}

// load sets calls up and ends them over two sockets, in one thread that looks
// about once a millisecond, with one system call for many messages: what it
// costs must not be what is measured.
type load struct {
	ends    [2]*loadEnd   // caller, callee
	words   [2]wording    // theirs
	hold    time.Duration // from the answer to the BYE
	callers int           // different numbers that call

	near  []nearCall
	far   []farCall
	known map[string]int // the node's Call-ID: index in far
	talk  []int          // near calls to be hung up, in the order they were answered

	placed, over int // near calls
	away         int // far calls that are gone
	oldest       [2]int

	sum   loadSum
	setup histogram
}

// loadEnd is a socket with what waits to be sent through it.
type loadEnd struct {
	*socket
	node   unix.RawSockaddrInet4
	bufs   [batchSize][bufferSize]byte
	queued int
}

// loadSum is what came of a run.
type loadSum struct {
	Placed   int            `json:"placed"`
	Answered int            `json:"answered"`
	Ended    int            `json:"ended"` // by both sides
	Failures map[string]int `json:"failures,omitempty"`
	Resent   int            `json:"resent_by_us"`
	Repeated int            `json:"repeated_by_node"`
	Stray    int            `json:"stray"`
}

// clean says that every call was set up and ended and nobody had to say
// anything twice.
func (s *loadSum) clean() bool {
	return len(s.Failures) == 0 && s.Resent == 0 && s.Repeated == 0 && s.Stray == 0 && s.Ended == s.Placed
}

func newLoad(caller, callee *socket, node netip.AddrPort, number string, n int, hold time.Duration, callers int) *load {
	l := &load{hold: hold, callers: callers, near: make([]nearCall, n), far: make([]farCall, 0, n),
		known: make(map[string]int, n), sum: loadSum{Failures: map[string]int{}}}
	for i, s := range []*socket{caller, callee} {
		l.ends[i] = &loadEnd{socket: s, node: rawAddress(node)}
		l.words[i] = newWording(s.local.String(), node.String(), number)
	}
	return l
}

// say queues what write makes for the node and returns it.
func (e *loadEnd) say(l *load, write func(b []byte) []byte) []byte {
	if e.queued == batchSize {
		e.flush(l)
	}
	b := write(e.bufs[e.queued][:0])
	e.put(e.queued, b, &e.node)
	e.queued++
	return b
}

func (e *loadEnd) flush(l *load) {
	if n := e.queued; n > 0 && e.send(n) < n {
		l.sum.Failures["our own kernel refused to send"]++
	}
	e.queued = 0
}

// run places all calls at the rate and returns when each is over, one way or
// the other.
func (l *load) run(ctx context.Context, rate float64) {
	start := monotonic()
	looked := start
	for tick := start; (l.over < len(l.near) || l.away < len(l.far)) && ctx.Err() == nil; tick = max(tick+loadTick, monotonic()) {
		sleepUntil(tick)
		now := monotonic()
		l.ends[0].receive(func(b []byte, _ time.Duration) { l.callerHears(b, now) })
		l.ends[1].receive(func(b []byte, _ time.Duration) { l.calleeHears(b, now) })
		for due := min(int(rate*(now-start).Seconds())+1, len(l.near)); l.placed < due; l.placed++ {
			l.near[l.placed].since = now
			l.invite(l.placed, now)
			l.sum.Placed++
		}
		for len(l.talk) > 0 && now-l.near[l.talk[0]].since >= l.hold {
			l.bye(l.talk[0], now)
			l.talk = l.talk[1:]
		}
		if now-looked >= lookEvery {
			l.overdue(now)
			looked = now
		}
		l.ends[0].flush(l)
		l.ends[1].flush(l)
	}
	l.sum.Answered, l.sum.Ended = int(l.setup.count), min(l.sum.Ended, l.away)
}

func (l *load) invite(i int, now time.Duration) {
	l.near[i].sent = now
	l.ends[0].say(l, func(b []byte) []byte { return l.words[0].invite(b, i, i%l.callers) })
}

// inside sends a request of the caller's dialog.
func (l *load) inside(method string, i, cseq int) {
	c := &l.near[i]
	l.ends[0].say(l, func(b []byte) []byte { return l.words[0].bare(b, method, c.target, i, i%l.callers, c.toTag, cseq) })
}

func (l *load) bye(i int, now time.Duration) {
	c := &l.near[i]
	if c.stage == talking {
		c.stage, c.since = leaving, now
	}
	c.sent = now
	l.inside("BYE", i, 2)
}

// callerHears takes what the node says to the caller: responses.
func (l *load) callerHears(m []byte, now time.Duration) {
	i := numberIn(header(m, "Call-ID"), 'c')
	if i < 0 || i >= l.placed || len(m) < 12 || string(m[:8]) != "SIP/2.0 " {
		l.sum.Stray++
		return
	}
	c := &l.near[i]
	switch status, method := m[8], methodOf(m); {
	case status == '1':
		c.provisional = true
	case method == "INVITE" && status == '2' && c.stage == inviting:
		c.toTag, c.target = string(tagOf(header(m, "To"))), string(uriOf(header(m, "Contact")))
		l.setup.add(now - c.since)
		c.stage, c.since = talking, now
		l.inside("ACK", i, 1)
		l.talk = append(l.talk, i)
	case method == "INVITE" && status == '2':
		l.sum.Repeated++
		l.inside("ACK", i, 1)
	case method == "INVITE" && c.stage == inviting:
		c.toTag, c.target = string(tagOf(header(m, "To"))), "sip:"+l.words[0].number+"@"+l.words[0].remote
		l.inside("ACK", i, 1)
		l.fail(i, "refused with "+string(m[8:11]))
	case method == "BYE" && c.stage == leaving && status == '2':
		c.stage = gone
		l.sum.Ended++
		l.over++
	default:
		l.sum.Stray++
	}
}

// calleeHears takes the node's requests to the callee, who answers at once.
func (l *load) calleeHears(m []byte, now time.Duration) {
	method, _, _ := cutByte(m, ' ')
	if string(method) == "INVITE" {
		l.invited(m, now)
		return
	}
	i := numberIn(tagOf(header(m, "To")), 't')
	if i < 0 || i >= len(l.far) {
		l.sum.Stray++
		return
	}
	c := &l.far[i]
	switch string(method) {
	case "ACK":
		c.ok = nil
		if c.stage == inviting {
			c.stage = talking
		}
	case "BYE":
		l.ends[1].say(l, func(b []byte) []byte { return l.words[1].response(b, m, "200 OK", "", false) })
		if c.stage == gone {
			l.sum.Repeated++
			return
		}
		l.leave(c, gone)
	default:
		l.sum.Stray++
	}
}

// invited is an INVITE at the callee: it rings and answers.
func (l *load) invited(m []byte, now time.Duration) {
	id := string(header(m, "Call-ID"))
	if i, again := l.known[id]; again {
		l.sum.Repeated++
		l.answer(&l.far[i], now)
		return
	}
	i := len(l.far)
	if i >= len(l.near) {
		l.sum.Stray++
		return
	}
	l.known[id] = i
	tag := "t" + strconv.Itoa(i)
	l.ends[1].say(l, func(b []byte) []byte { return l.words[1].response(b, m, "180 Ringing", tag, false) })
	ok := l.ends[1].say(l, func(b []byte) []byte { return l.words[1].response(b, m, "200 OK", tag, true) })
	l.far = append(l.far, farCall{since: now, ok: append([]byte(nil), ok...)})
}

// answer says the callee's 200 once more, unless it was acknowledged.
func (l *load) answer(c *farCall, now time.Duration) {
	if c.ok != nil {
		c.since = now
		l.ends[1].say(l, func(b []byte) []byte { return append(b, c.ok...) })
	}
}

func (l *load) leave(c *farCall, how stage) {
	c.stage, c.ok = how, nil
	l.away++
}

func (l *load) fail(i int, why string) {
	l.near[i].stage = lost
	l.sum.Failures[why]++
	l.over++
}

// overdue repeats what was not answered and gives up what never will be.
func (l *load) overdue(now time.Duration) {
	for l.oldest[0] < l.placed && l.near[l.oldest[0]].stage >= gone {
		l.oldest[0]++
	}
	for i := l.oldest[0]; i < l.placed; i++ {
		switch c := &l.near[i]; {
		case c.stage == talking || c.stage >= gone:
		case now-c.since > giveUpAfter && c.stage == inviting:
			l.fail(i, "not answered")
		case now-c.since > giveUpAfter:
			l.fail(i, "BYE not answered")
		case now-c.sent <= resendAfter:
		case c.stage == leaving:
			l.sum.Resent++
			l.bye(i, now)
		case !c.provisional:
			l.sum.Resent++
			l.invite(i, now)
		}
	}
	for l.oldest[1] < len(l.far) && l.far[l.oldest[1]].stage >= gone {
		l.oldest[1]++
	}
	for i := l.oldest[1]; i < len(l.far); i++ {
		switch c := &l.far[i]; {
		case c.stage >= gone:
		case now-c.since > l.hold+2*giveUpAfter:
			l.leave(c, lost)
			l.sum.Failures["callee left hanging"]++
		case c.stage == inviting && now-c.since > resendAfter:
			l.sum.Resent++
			l.answer(c, now)
		}
	}
}

func (s *loadSum) String() string {
	return fmt.Sprintf("placed %d, answered %d, ended %d%s; resent %d, repeated by the node %d, stray %d",
		s.Placed, s.Answered, s.Ended, list(s.Failures), s.Resent, s.Repeated, s.Stray)
}
