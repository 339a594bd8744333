package relay

import (
	"fmt"
	"slices"

	"ringdown/media"
	"ringdown/media/codec"
	"ringdown/media/sdp"
	"ringdown/media/sound"
)

// tongue is how we speak to one party: which formats it takes, which of them is
// ours when we speak by ourselves, and the codec to mix into what the other
// party says. Not safe for concurrent use.
type tongue struct {
	formats []media.Format // that may be sent to the party
	own     media.Format   // of our own packets
	rate    int            // of the sounds in them, in Hz; 0: the party takes nothing that we speak
	enc     codec.Encoder  // for frames of ours that nobody else is sent

	mixer           // of the packets that are mixed into
	mixers [4]mixer // of each codec that came; as many as are spoken here
}

// mixer is one codec of the other party's packets.
type mixer struct {
	mixed media.Format // without a name there is none
	dec   codec.Decoder
	re    codec.Encoder
}

// tongueFor reads what may be sent to a party: what it takes, as far as it was
// told that it may come. The first codec that we speak is ours.
func tongueFor(takes *sdp.Description, told []byte) tongue {
	t := tongue{formats: takes.Formats()}
	if ours, err := sdp.ParseFor(told, sdp.AnyKind); err == nil {
		t.formats = slices.Clone(t.formats)
		t.formats = slices.DeleteFunc(t.formats, func(f media.Format) bool {
			return !slices.ContainsFunc(ours.Formats(), func(o media.Format) bool {
				return o.Name == f.Name && o.Clock == f.Clock && o.Channels == f.Channels
			})
		})
	}
	for _, f := range t.formats {
		if codec.Known(f) {
			t.own, t.rate = f, codec.Rate(f)
			break
		}
	}
	return t
}

// same reports whether a new tongue speaks as this one does.
func (t *tongue) same(other *tongue) bool {
	return t.own == other.own && slices.Equal(t.formats, other.formats)
}

func (t *tongue) format(pt uint8) (media.Format, bool) {
	for i := range t.formats {
		if t.formats[i].PT == pt {
			return t.formats[i], true
		}
	}
	return media.Format{}, false
}

// warm converts a sound to every rate that may be needed, which takes too long
// for the packet path.
func (t *tongue) warm(s *sound.Sound) {
	for _, f := range t.formats {
		if codec.Known(f) {
			s.At(codec.Rate(f))
		}
	}
}

// encoded returns a sound in our own format, as all share it who are sent the
// same; nil: it is there in too many already.
func (t *tongue) encoded(s *sound.Sound) *sound.Encoded {
	f := codec.Heeded(t.own)
	name := fmt.Sprintf("%s/%d/%d;%s", f.Name, f.Clock, f.Channels, f.Params)
	e, err := s.As(name, t.rate, func() (func([]byte, []int16) []byte, error) {
		enc, err := codec.NewEncoder(f, t.rate)
		if err != nil {
			return nil, err
		}
		return enc.Encode, nil
	})
	if err != nil {
		return nil
	}
	return e
}

// speak appends a frame of ours that nobody else is sent.
func (t *tongue) speak(dst []byte, pcm []int16) []byte {
	if t.enc == nil {
		enc, err := codec.NewEncoder(t.own, t.rate)
		if err != nil { // its format is known: it was chosen so
			return dst
		}
		t.enc = enc
	}
	return t.enc.Encode(dst, pcm)
}

// listen makes the codec ready for packets of a payload type; false when they
// are none that can be mixed into. It allocates for the first of each codec.
func (t *tongue) listen(pt uint8) bool {
	if t.dec != nil && t.mixed.PT == pt {
		return true
	}
	f, ok := t.format(pt)
	if !ok || !codec.Known(f) {
		return false
	}
	for i := range t.mixers {
		m := &t.mixers[i]
		switch m.mixed.Name {
		case f.Name:
		case "":
			dec, err := codec.NewDecoder(f, codec.Rate(f))
			if err != nil {
				return false
			}
			re, err := codec.NewEncoder(f, codec.Rate(f))
			if err != nil {
				return false
			}
			m.dec, m.re = dec, re
		default:
			continue
		}
		m.mixed = f
		t.mixer = *m
		return true
	}
	return false
}
