package relay

import (
	"slices"

	"ringdown/media"
)

// This file keeps tones out of what the tap gets: while keys are kept from it, it
// is behind the packets by lookBack, so that a key that is known only in its
// second packet is silent in the first one too.

// hold takes a packet for the tap, when keys are kept from that.
func (e *toneEar) hold(p *packet, late bool) {
	if e.k.mode == media.PassDigits && e.count == 0 {
		return
	}
	e.release(p.at)
	if e.k.mode == media.PassDigits {
		e.flush()
		return
	}
	if e.count == heldMost {
		e.deliver()
	}
	q := &e.held[(e.first+e.count)%heldMost]
	e.count++
	h := &p.header
	q.room = append(q.room[:0], p.buf[h.start:h.end]...)
	q.Packet = media.Packet{
		Side: p.from, Arrival: p.arrival, PT: h.pt, Marker: h.marker, Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Payload: q.room,
	}
	q.frame, q.at, q.blank, q.late, q.alone = e.frame, p.at, false, late, p.alone
	p.copied = true
	if e.detector.Held() && e.keep {
		e.blank(q)
	}
}

// blankHeld makes the packets silent in which the key that sounds now began.
func (e *toneEar) blankHeld() {
	ago := e.detector.Began()
	for i := e.count - 1; i >= 0; i-- {
		q := &e.held[(e.first+i)%heldMost]
		e.blank(q)
		if q.late {
			continue
		}
		if ago -= q.frame; ago <= -q.frame/2 { // one more than it takes: windows see the beginning late
			return
		}
	}
}

func (e *toneEar) blank(q *heldPacket) {
	if q.blank {
		return
	}
	var payload []byte
	voice := e.voice
	if e.tune(q.PT) { // it may be of another codec than the last one
		if silence, ok := e.write(false, q.frame); ok {
			payload = silence
		}
	}
	e.voice = voice
	q.blank = true
	q.room = append(q.room[:0], payload...)
	q.Payload = q.room
}

// release gives the tap what has waited long enough.
func (e *toneEar) release(now int64) {
	for e.count > 0 && now-e.held[e.first].at >= int64(lookBack) {
		e.deliver()
	}
}

// flush gives the tap all that waits.
func (e *toneEar) flush() {
	for e.count > 0 {
		e.deliver()
	}
}

func (e *toneEar) deliver() {
	q := &e.held[e.first]
	e.first, e.count = (e.first+1)%heldMost, e.count-1
	if len(q.Payload) > 0 {
		e.k.r.give(q.Packet, q.alone)
	}
}

// retune begins or ends to listen, as is needed, after a change of what the
// parties said or of what is asked. formats are those that the sender may use.
func (k *keys) retune(formats []media.Format) {
	wanted := k.mode != media.PassDigits || k.terms.Hears(media.BySound)
	switch {
	case !wanted && k.tone != nil:
		k.tone.flush()
		k.tone = nil
	case wanted && k.tone == nil:
		k.tone = &toneEar{k: k}
	}
	if k.tone != nil {
		k.tone.flush()
		k.tone.speak(formats)
	}
}

// speak forgets what the ear has heard with when the sender's formats are others.
func (e *toneEar) speak(formats []media.Format) {
	if !slices.Equal(e.formats, formats) {
		e.formats, e.voice, e.voices = formats, nil, [voiceMost]hearing{}
	}
}

// slow gives the tap what waits when nothing comes any more.
func (e *toneEar) slow(now int64) {
	if e != nil {
		e.release(now)
	}
}

// flushHeld gives the tap all that waits for it.
func (r *Relay) flushHeld() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.lanes {
		if k := r.lanes[i].digits; k.listens() {
			k.tone.flush()
		}
	}
}
