package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// Info says what is recorded. Ids and settings only.
type Info struct {
	Call     string
	Account  string
	Subject  string    // of the caller; the key of the recording hangs under it
	Mode     string    // record-from-answer, …: told on, not interpreted
	Channels string    // dual | mono: how it is to be rendered; both sides are always kept
	Started  time.Time // when it was asked for; gives the id and the folder
	Segment  int       // which stretch of the call: 1, and one more after each transfer; 0 counts as 1
	Previous string    // id of the recording of the stretch before
	Caller   string    // leg ids of who speaks on channel 1 and 2; empty: not known yet
	Callee   string
	Source   string // what it is made for: voicemail; empty: the policy of the call
	Mailbox  string // of a message: its id

	// zero is time zero of the recording: when its file was there. Keys and a
	// slow disk before that must not show as silence at its beginning.
	zero time.Time
}

// Recording is an open recording: a [media.Tap] that becomes a sealed file. Its
// methods are safe for use from many goroutines. Packet never waits for a disk
// and allocates nothing; what does not fit is counted and marked in the file.
type Recording struct {
	id    string
	info  Info
	rec   *Recorder
	log   *slog.Logger
	fault func(error)
	in    *intake

	wake  chan struct{} // one token: there is something to do
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the file is final or has failed
	once  sync.Once
	ended time.Time // set before stop is closed

	discarded atomic.Bool // set before stop is closed: nothing of it is kept

	writer writer // of the goroutine run
	shared shared // what Stats and the group sync may see of it
}

// Open starts a recording. Its file exists, durably, when Open returns. A later
// fault of the disk is told through fault, from the recording's own goroutine,
// which Close stops. Recording goes on in another part if it can.
func (r *Recorder) Open(ctx context.Context, info Info, fault func(error)) (*Recording, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if info.Account == "" || strings.ContainsAny(info.Account, "/.") {
		return nil, fmt.Errorf("account %q: not an id", info.Account)
	}
	info.Segment = max(info.Segment, 1)
	id := events.NewID("rec", info.Started)
	rec := &Recording{
		id: id, info: info, rec: r, fault: fault, in: newIntake(info.Started, &r.chunks),
		log:  r.log.With("call", info.Call, "recording", id),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	rec.writer = writer{r: rec}
	rec.shared.oldest.Store(-1)
	if err := r.add(rec); err != nil {
		return nil, err
	}
	if err := rec.writer.nextPart(nil); err != nil {
		r.remove(rec)
		close(rec.done)
		r.counters.failed.Add(1)
		r.publish(info.Account, info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: id, Reason: reason(err)}, nil)
		return nil, fmt.Errorf("recording %s: %w", id, err)
	}
	rec.in.begin(rec.info.zero)
	r.publish(info.Account, info.Call, events.RecordingStarted, events.RecordingStartedData{
		Recording: id, Mode: info.Mode, Channels: info.Channels, KeyRef: rec.writer.part.keyRef,
		Segment: info.Segment, Previous: info.Previous, Caller: info.Caller, Callee: info.Callee,
		Source: info.Source, Mailbox: info.Mailbox,
	}, nil)
	go rec.run()
	return rec, nil
}

// ID is the recording's id.
func (r *Recording) ID() string { return r.id }

// Formats implements [media.Tap].
func (r *Recording) Formats(side media.Side, formats []media.Format) {
	if r.in.formats(side, formats) {
		r.kick()
	}
}

// Packet implements [media.Tap].
func (r *Recording) Packet(p media.Packet) {
	if r.in.packet(&p) {
		r.kick()
	}
}

// Missed implements [media.Gapped]: the recording says how many packets it lacks,
// and is not complete.
func (r *Recording) Missed(side media.Side, packets uint64, from, to time.Time) {
	if r.in.missed(side, packets, from, to) {
		r.kick()
	}
}

// Pause stops storing at once: not a packet that arrives from now on is kept. by
// and source are told as they are ([events.RecordingPausedData]).
func (r *Recording) Pause(by, source string) {
	if r.in.pause(time.Since(r.in.zero())) {
		r.kick()
		r.rec.publish(r.info.Account, r.info.Call, events.RecordingPaused, events.RecordingPausedData{Recording: r.id, By: by, Source: source}, nil)
	}
}

// Resume goes on after a Pause.
func (r *Recording) Resume(by, source string) {
	if r.in.resume(time.Since(r.in.zero())) {
		r.kick()
		r.rec.publish(r.info.Account, r.info.Call, events.RecordingResumed, events.RecordingResumedData{Recording: r.id, By: by, Source: source}, nil)
	}
}

// Close ends the recording, which is ended less the time its file was made long, and returns
// when its file is final or has failed; what became of it is published. When
// the disk keeps it longer than CloseTimeout, it returns and leaves the rest to
// the recording's goroutine, or to [Recorder.Recover] at the next start.
func (r *Recording) Close(ended time.Time) {
	r.once.Do(func() {
		r.ended = ended
		r.in.close(max(ended.Sub(r.in.zero()), 0))
		close(r.stop)
	})
	late := time.NewTimer(r.rec.cfg.CloseTimeout)
	defer late.Stop()
	select {
	case <-r.done:
	case <-late.C:
		r.log.Warn("recording is still being written", "after", r.rec.cfg.CloseTimeout)
	}
}

// kick wakes the writer; it never waits.
func (r *Recording) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run is the recording's goroutine: it writes when a segment is full or its
// oldest record has waited long enough.
func (r *Recording) run() {
	defer close(r.done)
	defer r.rec.remove(r)
	timer := time.NewTimer(r.rec.cfg.Flush)
	defer timer.Stop()
	for {
		select {
		case <-r.stop:
			if r.discarded.Load() {
				r.writer.wipe()
			} else {
				r.writer.finish(r.ended)
			}
			return
		case <-r.wake:
		case <-timer.C:
		}
		if next := r.writer.work(); next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
	}
}

// down tells everyone that the disk refused: lost says that nothing is being
// written any more.
func (r *Recording) down(err error, lost bool) {
	what := reason(err)
	r.log.Error("recording broke", "reason", what, "err", err, "going on", !lost)
	if lost {
		r.rec.counters.failed.Add(1)
		r.rec.publish(r.info.Account, r.info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: r.id, Reason: what}, nil)
	} else {
		r.degraded(what)
	}
	if r.fault != nil {
		r.fault(fmt.Errorf("recording %s: %w", r.id, err))
	}
}

func (r *Recording) degraded(reason string) {
	r.rec.publish(r.info.Account, r.info.Call, events.RecordingDegraded, events.RecordingDegradedData{Recording: r.id, Reason: reason}, nil)
}

// reason names a fault for an event, without paths or texts of the system.
func reason(err error) string {
	switch {
	case isFull(err):
		return "disk-full"
	case errors.Is(err, errKey):
		return "no-key"
	}
	return "disk-fault"
}
