package relay

import (
	"errors"
	"slices"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sdp"
)

// This file says which codecs a party is offered and may answer with, by the
// terms of its trunk and by what can be converted.

// ours are the codecs that we can add to an offer.
var ours = []media.Format{
	{Name: "OPUS", Clock: 48000, Channels: 2, Params: "useinbandfec=1"},
	{Name: "G722", Clock: 8000, Channels: 1},
	{Name: "PCMA", Clock: 8000, Channels: 1},
	{Name: "PCMU", Clock: 8000, Channels: 1},
}

// allow leaves in a description what the party's trunk allows.
func allow(d *sdp.Description, terms media.Speech) (*sdp.Description, error) {
	if len(terms.Codecs) == 0 {
		return d, nil
	}
	return d.Keep(func(f media.Format) bool { return slices.Contains(terms.Codecs, f.Name) })
}

// terms are those of a side's trunk, as far as it is known: of who is there, or
// of who is being called.
func (r *Relay) terms(side media.Side) media.Speech { return r.legs[index(side)].speech }

// converter says what can be converted between the two sides; nil: nothing may be.
func (r *Relay) converter() func(media.Format) bool {
	if r.terms(media.Caller).PassOnly || r.terms(media.Callee).PassOnly {
		return nil
	}
	return codec.Known
}

// speech is what becomes of codecs in a description of ours that is no offer
// under terms of its own.
func (r *Relay) speech(to media.Side) sdp.Speech {
	return sdp.Speech{Convert: r.converter(), PacketTime: r.terms(to).PacketTime, Keys: r.takesKeys(to)}
}

// offeringBy is offering to somebody who is not there yet, under terms of his own.
func (r *Relay) offeringBy(to media.Side, terms media.Terms, of *sdp.Description, write func(sdp.Ours) ([]byte, error)) func(sdp.Ours) ([]byte, error) {
	l := &r.legs[index(to)]
	was := l.digits
	l.digits = terms.Digits
	defer func() { l.digits = was }()
	return r.offering(to, terms.Speech, of, write)
}

// offering wraps the writing of an offer to a side that speaks for of: under the
// terms of its trunk, and with codecs that we can convert to.
func (r *Relay) offering(to media.Side, terms media.Speech, of *sdp.Description, write func(sdp.Ours) ([]byte, error)) func(sdp.Ours) ([]byte, error) {
	s := sdp.Speech{PacketTime: terms.PacketTime, Codecs: terms.Codecs, Keys: r.takesKeys(to)}
	if !terms.PassOnly && !r.terms(to.Other()).PassOnly && slices.ContainsFunc(of.Formats(), codec.Known) {
		s.Convert, s.Add = codec.Known, r.additions(to, terms, of)
	}
	return func(us sdp.Ours) ([]byte, error) {
		if len(s.Add) == 0 { // else there is something to offer in any case
			if _, err := allow(of, terms); err != nil {
				return nil, err
			}
		}
		us.Speech = s
		return write(us)
	}
}

// additions are the codecs that a side is offered beside those of the other one:
// those of its trunk's list; without one, where it would be offered nothing that
// it speaks, what it has spoken until now.
func (r *Relay) additions(to media.Side, terms media.Speech, of *sdp.Description) (add []media.Format) {
	if len(terms.Codecs) > 0 {
		for _, name := range terms.Codecs {
			if i := slices.IndexFunc(ours, func(f media.Format) bool { return f.Name == name }); i >= 0 {
				add = append(add, ours[i])
			}
		}
		return add
	}
	was := r.legs[index(to)].desc
	if was == nil {
		was = r.own
	}
	if was == nil || sdp.Common(was, of) {
		return nil
	}
	for _, f := range was.Formats() {
		if codec.Known(f) {
			f.Params = ""
			add = append(add, f)
		}
	}
	return add
}

// answered is what counts of an answer: codecs that we had added to the offer
// are of no use to the other party when there are some that it speaks too.
func (r *Relay) answered(answer, offer *sdp.Description, terms media.Speech) *sdp.Description {
	if len(terms.Codecs) == 0 || !sdp.Common(answer, offer) {
		return answer
	}
	kept, err := answer.Keep(func(f media.Format) bool {
		return f.Name == "" || slices.ContainsFunc(offer.Formats(), func(g media.Format) bool {
			return f.Name == g.Name && f.Clock == g.Clock && f.Channels == g.Channels
		})
	})
	if err != nil {
		return answer
	}
	return kept
}

// convertible reports whether parties without a codec in common can be converted
// between, when err says that they have none.
func (r *Relay) convertible(err error, a, b *sdp.Description) bool {
	return errors.Is(err, sdp.ErrUnacceptable) && a.Acceptable() == nil && b.Acceptable() == nil &&
		!sdp.Common(a, b) && sdp.Converts(a, b, r.converter())
}

// takesKeys reports whether a side is told that it may send events although the
// other one takes none: its trunk is to be heard so, or that of the other one is
// told in another way. Who is asked for keys by us alone is told so in any case.
func (r *Relay) takesKeys(from media.Side) bool {
	if r.apart {
		return true
	}
	other := r.legs[index(from.Other())].digits.Say
	return r.legs[index(from)].digits.Hear&media.ByEvent != 0 || other == media.ByInfo || other == media.BySound
}
