package recorder

import (
	"math"
	"sync"
	"time"

	"ringdown/media"
	"ringdown/recorder/format"
)

// maxNotes bounds the marks and format maps that wait to be written.
const maxNotes = 256

// pausesKept is how many pauses are remembered: more than fit between a packet
// and its copy, since each is asked for by keys.
const pausesKept = 4

// stint is a stretch of the recording's time.
type stint struct{ from, to time.Duration }

// intake is where the media path leaves its packets. Its lock is held for the
// copy of one packet and never over anything that waits.
type intake struct {
	start time.Time

	mu       sync.Mutex
	queue    queue
	notes    []note
	meanings [2]meanings
	tally    [2]tally
	pushed   uint64 // audio records put into the queue since the beginning
	wakeAt   int    // bytes in the queue at which the writer wants to be woken
	paused   bool
	pauses   [pausesKept]stint // the last ones, the latest first; one that lasts has no end yet
	closed   bool
	late     uint64 // packets after the end
	lost     uint64 // notes beyond maxNotes
}

// note is a record that is not audio, and its place among the audio.
type note struct {
	after uint64 // audio records before it
	rec   format.Record
	at    time.Duration
}

// tally is what was left out on one side since the last take.
type tally struct {
	full, oversize, ignored stretch
	digits                  uint32
	digitsAt                time.Duration
}

// stretch is a number of packets and the time from the first to the last.
type stretch struct {
	n        uint32
	from, to time.Duration
}

func (s *stretch) add(at time.Duration) { s.extend(1, at, at) }

func (s *stretch) extend(n uint32, from, to time.Duration) {
	if s.n == 0 {
		s.from = from
	}
	s.n += min(n, math.MaxUint32-s.n)
	s.to = max(s.to, to)
}

func newIntake(start time.Time, c *chunks) *intake {
	return &intake{start: start, queue: queue{chunks: c, size: queueSize}, wakeAt: 1}
}

// begin sets time zero, before the first packet.
func (in *intake) begin(zero time.Time) {
	in.mu.Lock()
	in.start = zero
	in.mu.Unlock()
}

// zero is time zero of the recording.
func (in *intake) zero() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.start
}

// packet takes a copy of a packet and reports whether the writer is to be woken.
func (in *intake) packet(p *media.Packet) (wake bool) {
	if p.Side != media.Caller && p.Side != media.Callee {
		return false
	}
	at := max(p.Arrival.Sub(in.start), 0)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		in.late++
		return false
	}
	if in.withheld(at) {
		return false
	}
	t := &in.tally[p.Side-1]
	switch in.meanings[p.Side-1].of(p.PT, p.Payload) {
	case digits:
		t.digits++
		t.digitsAt = at
		return in.due()
	case nothing:
		t.ignored.add(at)
		return in.due()
	}
	if len(p.Payload) > format.MaxPayload {
		t.oversize.add(at)
		return in.due()
	}
	slot := in.queue.put(format.AudioSize(len(p.Payload)))
	if slot == nil {
		t.full.add(at)
		return in.due()
	}
	format.PutAudio(slot, &format.Audio{
		Side: p.Side, PT: p.PT, Marker: p.Marker, Seq: p.Seq, TS: p.TS, SSRC: p.SSRC, At: at, Payload: p.Payload,
	})
	in.pushed++
	return in.due()
}

// withheld reports whether a packet arrived in a pause. Copies may come a moment
// after their packets: what was said before the pause is kept all the same, and
// what was said in it is not, whenever it is told.
func (in *intake) withheld(at time.Duration) bool {
	if in.paused && at >= in.pauses[0].from {
		return true
	}
	for _, p := range in.pauses {
		if at >= p.from && at < p.to {
			return true
		}
	}
	return false
}

// missed notes packets that passed without a copy for us.
func (in *intake) missed(side media.Side, n uint64, from, to time.Time) (wake bool) {
	if side != media.Caller && side != media.Callee {
		return false
	}
	first, last := max(from.Sub(in.zero()), 0), max(to.Sub(in.zero()), 0)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || in.withheld(first) && in.withheld(last) {
		return false
	}
	in.tally[side-1].full.extend(uint32(min(n, math.MaxUint32)), first, last)
	return in.due()
}

// due reports, once for each arm, that the writer has enough to do.
func (in *intake) due() bool {
	if in.wakeAt == 0 || in.wakeAt > 1 && in.queue.used < in.wakeAt {
		return false
	}
	in.wakeAt = 0
	return true
}

// formats replaces the meaning of a side's payload types.
func (in *intake) formats(side media.Side, set []media.Format) (wake bool) {
	if side != media.Caller && side != media.Callee {
		return false
	}
	at := max(time.Since(in.start), 0)
	m := meaningsOf(set)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.meanings[side-1] = m
	for _, rec := range format.SplitFormats(side, at, set) {
		in.note(rec, at)
	}
	return in.due()
}

// note queues a record behind the audio that is there. A map that no packet has
// used is replaced by the next one.
func (in *intake) note(rec format.Record, at time.Duration) {
	if in.closed {
		return
	}
	if f, ok := rec.(format.Formats); ok && !f.More {
		in.forget(f.Side)
	}
	if len(in.notes) == maxNotes {
		in.notes = in.notes[1:]
		in.lost++
	}
	in.notes = append(in.notes, note{in.pushed, rec, at})
}

func (in *intake) forget(side media.Side) {
	for len(in.notes) > 0 {
		last := in.notes[len(in.notes)-1]
		if f, ok := last.rec.(format.Formats); !ok || f.Side != side || last.after != in.pushed {
			return
		}
		in.notes = in.notes[:len(in.notes)-1]
	}
}

// pause stops the intake at once and reports whether it was not paused before.
func (in *intake) pause(at time.Duration) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.paused || in.closed {
		return false
	}
	in.paused = true
	copy(in.pauses[1:], in.pauses[:])
	in.pauses[0] = stint{from: at}
	in.note(format.Mark{Kind: format.MarkPause, At: at}, at)
	return true
}

func (in *intake) resume(at time.Duration) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.paused || in.closed {
		return false
	}
	in.endPause(at, true)
	return true
}

func (in *intake) endPause(at time.Duration, resumed bool) {
	p := &in.pauses[0]
	in.paused, p.to = false, max(at, p.from)
	in.note(format.Gap{Cause: format.CausePaused, From: p.from, To: p.to}, at)
	if resumed {
		in.note(format.Mark{Kind: format.MarkResume, At: at}, at)
	}
}

// close lets nothing in any more; a pause that lasted to the end ends here.
func (in *intake) close(at time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	if in.paused {
		in.endPause(at, false)
	}
	in.closed = true
}

// taken is what the writer gets to do at a time.
type taken struct {
	audio batch
	notes []note
	tally [2]tally
}

// take hands over all there is. The audio counts as waiting until done.
func (in *intake) take() taken {
	in.mu.Lock()
	defer in.mu.Unlock()
	t := taken{audio: in.queue.take(), notes: in.notes, tally: in.tally}
	in.notes = nil
	in.tally = [2]tally{}
	return t
}

// done frees what was taken.
func (in *intake) done(b batch) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue.done(b)
}

// arm says when the writer wants to be woken next: at so many bytes in the
// queue, or 1 for the next packet whatever it is. It reports that this is now.
func (in *intake) arm(wakeAt int) (now bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.wakeAt = wakeAt
	return (in.queue.used > 0 || len(in.notes) > 0) && in.due()
}

// leftovers is what came too late or was too much, for the log.
func (in *intake) leftovers() (late, notes uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.late, in.lost
}

// oldest is the arrival of the oldest packet in the queue.
func (in *intake) oldest() (time.Duration, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queue.first == nil {
		return 0, false
	}
	return format.AudioTime(in.queue.first.buf[:]), true
}
