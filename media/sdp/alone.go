package sdp

import (
	"fmt"

	"ringdown/media"
)

// AnswerAlone answers an offer by ourselves, before anybody else has: with the first
// of its formats of speech that speaks accepts and its telephone events. It is one, so
// that whoever comes to talk to the party has to have only that for nobody to be asked
// again. Without any it is an [ErrUnacceptable].
func AnswerAlone(offer *Description, us Ours, speaks func(media.Format) bool) ([]byte, error) {
	if offer.refuse != nil {
		return nil, offer.refuse
	}
	var types []uint8
	speech := false
	for _, f := range offer.relay.formats {
		switch {
		case f.Name == "TELEPHONE-EVENT":
			types = append(types, f.PT)
		case !speech && speaks(f):
			types, speech = append(types, f.PT), true
		}
	}
	if !speech {
		return nil, fmt.Errorf("offer has no codec that we speak: %w", ErrUnacceptable)
	}
	return respond(offer, offer, types, offer.relay.direction.Reverse(), us)
}
