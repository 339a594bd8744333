package recorder

import (
	"time"

	"ringdown/events"
)

// missing is what the parts of a recording do not tell of themselves.
type missing struct {
	parts  int    // left as they are, for the next start
	broken bool   // a fault of the disk ended one of them
	lost   uint64 // packets that no part took, after the last that notes such
}

// completed sums the parts of a recording up for its event.
func completed(recording string, parts []wholePart, m missing) events.RecordingCompletedData {
	last := parts[len(parts)-1].m
	d := events.RecordingCompletedData{Recording: recording, Result: OK, Completion: last.Completion, Root: last.Root}
	if m.parts > 0 || m.broken || m.lost > 0 || len(parts) > 1 {
		d.Result = Degraded
	}
	kept, dropped := uint64(0), m.lost
	for _, p := range parts {
		if p.m.Result != OK {
			d.Result = Degraded
		}
		d.DurationMS = max(d.DurationMS, p.m.DurationMS)
		d.Bytes += p.m.Size
		d.Segments += p.m.Segments
		kept += p.m.Caller.Packets + p.m.Callee.Packets
		dropped += p.m.Caller.Dropped + p.m.Callee.Dropped
	}
	d.Completeness = 1
	if dropped > 0 {
		d.Completeness = float64(kept) / float64(kept+dropped)
	}
	return d
}

// tellFor is how long the end of a recording waits to be told durably.
const tellFor = 2 * time.Second

// conclude tells what became of a recording and then renames its parts. Killed
// before the rename, the next start tells it once more, and the outbox knows that
// it has it. The other order could lose it, and so would a rename of what could
// not be told: that is left to the next start too.
func (r *Recorder) conclude(id string, info Info, parts []wholePart, m missing) {
	told := make(chan error, 1)
	durable := func(err error) { told <- err }
	switch {
	case len(parts) == 0 && m.parts > 0: // recording.completed follows when the next start has finished them
		r.publish(info.Account, info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: id, Reason: "left-for-recovery"}, durable)
	case len(parts) == 0:
		r.publish(info.Account, info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: id, Reason: "nothing-kept"}, durable)
	default:
		r.counters.completed.Add(1)
		r.publish(info.Account, info.Call, events.RecordingCompleted, completed(id, parts, m), durable)
	}
	late := time.NewTimer(tellFor)
	defer late.Stop()
	select {
	case err := <-told:
		r.rename(id, parts, err)
	case <-late.C:
		r.log.Warn("end of recording is not durable yet", "recording", id)
		go func() { r.rename(id, parts, <-told) }() // ends with the outbox, which answers for all it was given
	}
}

// rename gives finished parts their final name, unless telling of them failed.
func (r *Recorder) rename(id string, parts []wholePart, told error) {
	if told != nil {
		r.log.Error("end of recording is not told: left for the next start", "recording", id, "err", told)
		return
	}
	for _, p := range parts {
		if err := r.deps.Store.Finish(p.name); err != nil {
			r.log.Error("part is whole but keeps its name", "recording", id, "part", p.m.Part, "err", err)
		}
	}
}
