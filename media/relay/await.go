package relay

import (
	"fmt"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sdp"
)

// Await answers the offer of a side by ourselves, in the codecs that we speak, so
// that something can be played to it before the other side has answered
// ([Relay.Play]). The other side's own answer replaces it. Errors as of [Relay.Offer].
func (r *Relay) Await(to media.Side) ([]byte, error) {
	r.nego.Lock()
	defer r.nego.Unlock()
	l := &r.legs[index(to)]
	switch {
	case r.closed:
		return nil, errClosed
	case l.desc == nil:
		return nil, errNoCall
	}
	ours, err := r.describe(to, l.desc, func(us sdp.Ours) ([]byte, error) { return sdp.AnswerAlone(l.desc, us, codec.Known) })
	if err != nil {
		return nil, fmt.Errorf("answer to the %s by ourselves: %w", to, err)
	}
	r.sent(ours)
	r.apply(to)
	return ours.text, nil
}
