package codec

import "time"

// Queue puts the packets of one stream into the order in which they were sent.
// It is a jitter buffer that knows no clock: a packet that is due passes at
// once, and only behind a hole does one wait, so long as packets of this stream
// were found to come late and 60 ms at the most. How evenly they come is left to
// who plays them: he needs a buffer anyway, and a second one would only add its
// delay to his.
//
// It is for one goroutine; time is in nanoseconds of any clock that only rises.
// The zero value is ready.
type Queue struct {
	slots  [depth]slot
	missed [depth]hole // who is, or was, waited for
	held   int
	began  bool
	next   uint16 // who is due
	wait   int64  // how long a hole is kept open
	calm   int    // packets since the wait was last needed

	Late, Twice uint64 // packets of no use: after their hole was closed or with the stretch they belong to over; once more
}

// Unit is what a [Queue] gives back: a packet, or the news that one is lost.
type Unit struct {
	PT      uint8
	Marker  bool
	Seq     uint16
	TS      uint32
	Payload []byte // valid until the next Put
	Mute    bool   // there is nothing to hear or to send in it
	Lost    bool   // only Seq holds; Payload is that of the packet after it, when Next is set
	Next    bool
	NextPT  uint8
	NextTS  uint32
	// Fresh says that what came before says nothing about this packet: it is the
	// first, or the sender began anew.
	Fresh bool
}

const (
	depth     = 16 // packets; 320 ms of the usual ones
	longest   = int64(60 * time.Millisecond)
	forgotten = 500 // packets after which the wait is shortened
)

type slot struct {
	used, marker, fresh, mute bool
	pt                        uint8
	seq                       uint16
	ts                        uint32
	at                        int64
	payload                   []byte
}

type hole struct {
	seq  uint16
	open bool
	at   int64 // when a later packet came first
}

// Put takes a packet. u's Payload is copied.
func (q *Queue) Put(u Unit, at int64) {
	if !q.began {
		q.began, q.next = true, u.Seq
		u.Fresh = true
	}
	ahead := int(int16(u.Seq - q.next))
	switch {
	case ahead >= depth || ahead < -100: // not the same stretch any more
		q.skipTo(u.Seq)
		u.Fresh = true
	case ahead < 0:
		q.tooLate(u.Seq, at)
		return
	}
	s := &q.slots[u.Seq%depth]
	if s.used {
		q.Twice++
		return
	}
	*s = slot{used: true, marker: u.Marker, fresh: u.Fresh, mute: u.Mute, pt: u.PT, seq: u.Seq, ts: u.TS, at: at, payload: append(s.payload[:0], u.Payload...)}
	q.held++
	q.learn(u.Seq, at)
	for i := range uint16(max(ahead, 0)) {
		seq := q.next + i
		if h := &q.missed[seq%depth]; !q.slots[seq%depth].used && (!h.open || h.seq != seq) {
			*h = hole{seq: seq, open: true, at: at}
		}
	}
}

// learn notes how long a packet that filled a hole was waited for.
func (q *Queue) learn(seq uint16, at int64) {
	if h := &q.missed[seq%depth]; h.open && h.seq == seq {
		h.open = false
		q.need(at - h.at)
		return
	}
	if q.calm++; q.calm >= forgotten {
		q.calm = 0
		q.wait -= q.wait / 4
	}
}

func (q *Queue) need(wait int64) {
	q.calm = 0
	q.wait = max(q.wait, min(wait+wait/4, longest))
}

func (q *Queue) tooLate(seq uint16, at int64) {
	h := &q.missed[seq%depth]
	if !h.open || h.seq != seq {
		q.Twice++
		return
	}
	q.Late++
	h.open = false
	q.need(at - h.at)
}

// skipTo gives up whatever is waiting.
func (q *Queue) skipTo(seq uint16) {
	q.Late += uint64(q.held)
	for i := range q.slots {
		q.slots[i].used = false
		q.missed[i].open = false
	}
	q.held, q.next = 0, seq
}

// Take returns the packet that is due or, once its time is up, the news that it
// is lost; ok is false when there is nothing to do yet.
func (q *Queue) Take(now int64) (u Unit, ok bool) {
	s := &q.slots[q.next%depth]
	switch {
	case s.used:
		s.used = false
		q.held--
		q.next++
		return Unit{PT: s.pt, Marker: s.marker, Seq: s.seq, TS: s.ts, Payload: s.payload, Fresh: s.fresh, Mute: s.mute}, true
	case q.held == 0:
		return Unit{}, false
	}
	if h := &q.missed[q.next%depth]; h.open && h.seq == q.next && now-h.at < q.wait {
		return Unit{}, false
	}
	u = Unit{Seq: q.next, Lost: true}
	q.next++
	if n := &q.slots[q.next%depth]; n.used {
		u.Next, u.NextPT, u.NextTS, u.Payload = true, n.pt, n.ts, n.payload
	}
	return u, true
}

// Waiting reports whether a packet waits behind a hole.
func (q *Queue) Waiting() bool { return q.held > 0 }

// Reset begins another stream; what was learnt about the path stays.
func (q *Queue) Reset() {
	q.skipTo(0)
	q.began = false
}
