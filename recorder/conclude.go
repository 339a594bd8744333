package recorder

import (
	"time"

	"ringdown/events"
)

// completed sums the parts of a recording up for its event. whole says that no
// other part is missing.
func completed(recording string, parts []wholePart, whole bool) events.RecordingCompletedData {
	last := parts[len(parts)-1].m
	d := events.RecordingCompletedData{Recording: recording, Result: OK, Completion: last.Completion, Root: last.Root}
	if !whole || len(parts) > 1 {
		d.Result = Degraded
	}
	var kept, dropped uint64
	for _, p := range parts {
		m := p.m
		if m.Result != OK {
			d.Result = Degraded
		}
		d.DurationMS = max(d.DurationMS, m.DurationMS)
		d.Bytes += m.Size
		d.Segments += m.Segments
		kept += m.Caller.Packets + m.Callee.Packets
		dropped += m.Caller.Dropped + m.Callee.Dropped
	}
	d.Completeness = 1
	if dropped > 0 {
		d.Completeness = float64(kept) / float64(kept+dropped)
	}
	return d
}

// tellFor is how long a finished recording waits to be told of before its file
// gets its final name.
const tellFor = 2 * time.Second

// conclude tells what became of a recording and then renames its parts. Killed
// before the rename, the next start tells it once more: consumers know it by
// the recording's id. The other order could lose it.
func (r *Recorder) conclude(id string, info Info, parts []wholePart, whole bool) {
	told := make(chan struct{})
	durable := func(err error) {
		if err != nil {
			r.log.Error("end of recording is not durable", "recording", id, "err", err)
		}
		close(told)
	}
	if len(parts) == 0 {
		r.publish(info.Account, info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: id, Reason: "nothing-kept"}, durable)
	} else {
		r.counters.completed.Add(1)
		r.publish(info.Account, info.Call, events.RecordingCompleted, completed(id, parts, whole), durable)
	}
	late := time.NewTimer(tellFor)
	defer late.Stop()
	select {
	case <-told:
	case <-late.C:
		r.log.Warn("end of recording is not durable yet", "recording", id)
	}
	r.rename(id, parts)
}

// rename gives finished parts their final name.
func (r *Recorder) rename(id string, parts []wholePart) {
	for _, p := range parts {
		if err := r.deps.Store.Finish(p.name); err != nil {
			r.log.Error("part is whole but keeps its name", "recording", id, "part", p.m.Part, "err", err)
		}
	}
}
