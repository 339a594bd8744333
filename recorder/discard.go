package recorder

import (
	"ringdown/events"
)

// Discard ends the recording and keeps nothing of it: its key is destroyed and its
// files are removed. It is told as one that failed, for discarded. After Close it does
// nothing, and it waits as Close does.
func (r *Recording) Discard() {
	r.discarded.Store(true)
	r.Close(r.in.zero())
}

// eraser is a key store that can destroy the key of one recording.
type eraser interface{ EraseRecording(ref string) error }

// wipe is the end of a recording that is discarded: the key first, so that a crash
// leaves nothing that could be read.
func (w *writer) wipe() {
	log, deps := w.r.log, w.r.rec.deps
	parts := w.broken
	if w.part != nil {
		parts = append(parts, w.part)
		w.r.shared.part.Store(nil)
	}
	var refs []string
	if w.key != nil { // of a part that could not be made
		refs = append(refs, w.key.ref)
	}
	for _, p := range parts {
		refs = append(refs, p.keyRef)
	}
	if keys, ok := deps.Keys.(eraser); ok {
		for _, ref := range refs {
			if err := keys.EraseRecording(ref); err != nil {
				log.Error("key of a discarded recording is left", "err", err)
			}
		}
	}
	for _, p := range parts {
		if err := p.close(); err != nil {
			log.Warn("file of a discarded recording", "part", p.number, "err", err)
		}
		if err := deps.Store.Remove(p.name); err != nil {
			log.Error("file of a discarded recording is left", "part", p.number, "err", err)
		}
	}
	w.r.rec.publish(w.r.info.Account, w.r.info.Call, events.RecordingFailed, events.RecordingFailedData{Recording: w.r.id, Reason: "discarded"}, nil)
}
