package relay

import (
	"ringdown/media"
	"ringdown/media/digits"
)

// forgetKeys drops the keys that are on their way to or from a side's party when
// another takes its place: neither is the new one sent what was meant for that of
// before, nor is what it presses taken together with what that has pressed. The
// codes that the side may press stay, and so do sounds that play to it, which the
// call ends. The caller holds r.mu.
func (r *Relay) forgetKeys(side media.Side) {
	if p := r.players[index(side)]; p != nil {
		p.press = nil
	}
	if k := r.lanes[index(side)].digits; k != nil {
		k.receiver, k.once, k.kept = digits.Receiver{}, digits.Once{}, false
		k.codes.Forget()
		if k.tone != nil {
			k.tone.flush()
			k.tone = &toneEar{k: k, formats: k.tone.formats}
		}
	}
	if k := r.lanes[index(side.Other())].digits; k != nil {
		k.codes.Forget() // he pressed them for who is gone
	}
}
