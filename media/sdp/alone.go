package sdp

import (
	"fmt"

	"ringdown/media"
)

// AnswerAlone answers an offer by ourselves, before anybody else has: with those
// of its formats of speech that speaks accepts, in its order, and its telephone
// events. Without any it is an [ErrUnacceptable].
func AnswerAlone(offer *Description, us Ours, speaks func(media.Format) bool) ([]byte, error) {
	if offer.refuse != nil {
		return nil, offer.refuse
	}
	var types []uint8
	speech := false
	for _, f := range offer.relay.formats {
		if f.Name == "TELEPHONE-EVENT" || speaks(f) {
			types = append(types, f.PT)
			speech = speech || f.Name != "TELEPHONE-EVENT"
		}
	}
	if !speech {
		return nil, fmt.Errorf("offer has no codec that we speak: %w", ErrUnacceptable)
	}
	return respond(offer, offer, types, offer.relay.direction.Reverse(), us)
}
