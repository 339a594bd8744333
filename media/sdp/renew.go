package sdp

import (
	"fmt"
	"slices"
	"strings"
)

// ownCodecs is what we offer by ourselves: the codecs every telephone has.
const ownCodecs = "m=audio 9 RTP/AVP 8 0 101\r\n" +
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"

// Own is the description from which an offer of our own is written, for a call
// whose caller made none: PCMA, PCMU and telephone-event, 20 ms.
func Own() *Description {
	d, _ := Parse([]byte("v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + ownCodecs)) // a constant: a test reads it
	return d
}

// Renew writes a new offer to a party who has said to before: of's audio at our
// address, every m= line the party knows of in its place (RFC 3264 8), those
// that are not relayed with port 0. The direction is always sendrecv: whether
// the other party holds is not passed on (see [Reanswer]).
func Renew(of, to *Description, us Ours) ([]byte, error) {
	for _, d := range []*Description{of, to} {
		if d.refuse != nil {
			return nil, d.refuse
		}
	}
	w := newWriter(us, of)
	for i := range to.sections {
		if i != to.audio {
			w.refused(&to.sections[i])
			continue
		}
		audio := &of.sections[of.audio]
		w.relayed(audio, plainly(audio.proto), of.relay.types, SendRecv)
	}
	return w.done()
}

// Take checks a party's answer to an offer that described peer: it must hold a
// codec of peer's. again says that peer's first codec is not among them, so
// that peer has to be asked for another.
func Take(answer, peer *Description) (again bool, err error) {
	for _, d := range []*Description{answer, peer} {
		if d.refuse != nil {
			return false, d.refuse
		}
	}
	if !slices.ContainsFunc(answer.relay.types, func(pt uint8) bool { return answer.voice(pt) && peer.listens(answer, pt) }) {
		return false, fmt.Errorf("answer has no codec of the offer: %w", ErrUnacceptable)
	}
	for _, pt := range peer.relay.types {
		if peer.voice(pt) {
			return !answer.listens(peer, pt), nil
		}
	}
	return false, nil
}

// Accept writes the answer to a new offer from what the other party answered
// when the offer was passed on to it. The direction is all that the offer
// allows, as in [Reanswer].
func Accept(offer, answer *Description, us Ours) ([]byte, error) {
	if _, err := Answer(offer, answer, us); err != nil {
		return nil, err
	}
	if !Common(answer, offer) {
		return converted(offer, answer, offer.relay.direction.Reverse(), us)
	}
	return respond(offer, answer, answer.relay.types, offer.relay.direction.Reverse(), us)
}

// Dropped reports whether the party has taken its audio out of the session, by
// port 0 (RFC 3264 8.2): it speaks of audio that could be relayed otherwise.
func (d *Description) Dropped() bool {
	return d.refuse != nil && slices.ContainsFunc(d.sections, func(s section) bool {
		return s.kind == "audio" && s.port == 0 && (strings.HasPrefix(strings.ToUpper(s.proto), "RTP/AVP") || d.mayEncrypt && strings.Contains(strings.ToUpper(s.proto), "RTP/SAVP"))
	}) && !slices.ContainsFunc(d.sections, func(s section) bool { return s.kind == "audio" && s.port != 0 })
}

// Drop writes the answer to an offer without audio: every m= line refused.
func (d *Description) Drop(us Ours) ([]byte, error) {
	w := newWriter(us, d)
	for i := range d.sections {
		w.refused(&d.sections[i])
	}
	return w.done()
}
