package sdp

import (
	"fmt"
	"strconv"
	"strings"
)

// Invite writes an offer to somebody who is to take the place of the party that
// of talks to: of's audio at our address, to be heard and spoken whatever of
// does at the moment. told is our last description to him, when he is not new
// to us: its m= lines keep their places (RFC 3264 8); nil: he knows of none.
func Invite(of, told *Description, us Ours) ([]byte, error) {
	if of.refuse != nil {
		return nil, of.refuse
	}
	audio := &of.sections[of.audio]
	w := newWriter(us, of)
	if told == nil {
		w.relayed(audio, plainly(audio.proto), of.relay.types, SendRecv)
		return w.done()
	}
	if told.refuse != nil {
		return nil, told.refuse
	}
	for i := range told.sections {
		if i == told.audio {
			w.relayed(audio, plainly(audio.proto), of.relay.types, SendRecv)
		} else {
			w.refused(&told.sections[i])
		}
	}
	return w.done()
}

// Suits says whether a party who was told so may go on as before when the other
// one is now d: d has each codec of speech that he may send, under whatever
// number. It fails with [ErrUnacceptable] when the two have no speech in common.
func (d *Description) Suits(told *Description) (bool, error) {
	if d.refuse != nil {
		return false, d.refuse
	}
	if told.refuse != nil {
		return false, told.refuse
	}
	all, some := true, false
	for _, pt := range told.relay.types {
		if told.voice(pt) {
			heard := d.listens(told, pt)
			all, some = all && heard, some || heard
		}
	}
	if !some {
		return false, fmt.Errorf("no codec in common: %w", ErrUnacceptable)
	}
	return all, nil
}

// Origin returns the session id and version of a description of ours (o=).
func (d *Description) Origin() (id, version uint64, ok bool) {
	for _, l := range d.session {
		if l.key != 'o' {
			continue
		}
		if f := strings.Fields(l.value); len(f) >= 3 {
			id, err1 := strconv.ParseUint(f[1], 10, 64)
			version, err2 := strconv.ParseUint(f[2], 10, 64)
			return id, version, err1 == nil && err2 == nil
		}
	}
	return 0, 0, false
}
