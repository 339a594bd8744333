package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringdown/media"
)

// Speech is how the codecs of a description of ours differ from the words of the
// party that it speaks for. The zero value leaves them as they are.
type Speech struct {
	Codecs     []string       // names of those that may be offered, in order of preference; empty: all, as they stand
	Add        []media.Format // offered behind them, because we can make them; their payload types are chosen anew
	PacketTime time.Duration  // a=ptime in place of the party's; 0: as it stands
	// Convert reports whether we can decode and encode a codec, so that an answer
	// may name one that the other party does not speak. nil: none.
	Convert func(media.Format) bool
	// Keys says that we take events (RFC 4733) from the party that gets the
	// description, whether the other one does or not: we say them in another way.
	Keys bool

	events media.Format // that an answer takes them in
}

// first payload type that is tried for a codec without one of its own, and the
// last that is free for all (RFC 3551 3).
const firstDynamic, lastDynamic = 96, 127

// arrange orders payload types of a party, adds ours, and returns the attributes
// that these need.
func (s *Speech) arrange(d *Description, types []uint8) (all []uint8, lines []string) {
	all, lines = s.arrangeVoices(d, types)
	return s.addKeys(d, all, lines)
}

func (s *Speech) arrangeVoices(d *Description, types []uint8) (all []uint8, lines []string) {
	if len(s.Codecs) == 0 && len(s.Add) == 0 {
		return types, s.times(nil)
	}
	var voices, rest []uint8
	for _, pt := range types {
		if d.voice(pt) {
			voices = append(voices, pt)
		} else {
			rest = append(rest, pt)
		}
	}
	if len(s.Codecs) > 0 {
		voices = slices.DeleteFunc(voices, func(pt uint8) bool { return s.rank(d, pt) < 0 })
		slices.SortStableFunc(voices, func(a, b uint8) int { return s.rank(d, a) - s.rank(d, b) })
	}
	taken := slices.Clone(d.relay.types)
	for _, f := range s.Add {
		if slices.ContainsFunc(voices, func(pt uint8) bool { g, ok := d.format(pt); return ok && sameCodec(f, g) }) {
			continue
		}
		pt, ok := freeType(f, taken)
		if !ok {
			continue
		}
		taken, voices = append(taken, pt), append(voices, pt)
		lines = append(lines, rtpmap(pt, f))
		if f.Params != "" {
			lines = append(lines, fmt.Sprintf("fmtp:%d %s", pt, f.Params))
		}
	}
	return append(voices, rest...), s.times(lines)
}

// rank is the place of a payload type's codec in the list; -1: it is not there.
func (s *Speech) rank(d *Description, pt uint8) int {
	f, ok := d.format(pt)
	if !ok {
		return -1
	}
	return slices.IndexFunc(s.Codecs, func(name string) bool { return strings.EqualFold(name, f.Name) })
}

func (s *Speech) times(lines []string) []string {
	if s.PacketTime > 0 {
		lines = append(lines, fmt.Sprintf("ptime:%d", s.PacketTime.Milliseconds()))
	}
	return lines
}

// replaces reports whether an attribute gives way to ours.
func (s *Speech) replaces(name string) bool {
	return s.PacketTime > 0 && (name == "ptime" || name == "maxptime")
}

// freeType chooses a payload type for a codec: its static one, or one that is free.
func freeType(f media.Format, taken []uint8) (uint8, bool) {
	for pt, g := range static {
		if sameCodec(f, g) && !slices.Contains(taken, pt) {
			return pt, true
		}
	}
	for pt := uint8(firstDynamic); pt <= lastDynamic; pt++ {
		if !slices.Contains(taken, pt) {
			return pt, true
		}
	}
	return 0, false
}

func rtpmap(pt uint8, f media.Format) string {
	name := f.Name
	if name == "OPUS" { // capitals or not are the same, and everybody writes it so
		name = "opus"
	}
	s := "rtpmap:" + strconv.Itoa(int(pt)) + " " + name + "/" + strconv.Itoa(f.Clock)
	if f.Channels > 1 {
		s += "/" + strconv.Itoa(f.Channels)
	}
	return s
}

// Keep returns the description without the codecs of speech that keep refuses; a
// payload type without a meaning comes to it as a format without a name. It fails
// with [ErrUnacceptable] when no speech is left.
func (d *Description) Keep(keep func(media.Format) bool) (*Description, error) {
	if d.refuse != nil {
		return d, nil
	}
	out := *d
	out.relay.types, out.relay.formats = nil, nil
	speech := false
	for _, pt := range d.relay.types {
		f, known := d.format(pt)
		if d.voice(pt) && !keep(f) {
			continue
		}
		out.relay.types = append(out.relay.types, pt)
		if known {
			out.relay.formats = append(out.relay.formats, f)
		}
		speech = speech || d.voice(pt)
	}
	if !speech {
		return nil, fmt.Errorf("none of its codecs is allowed: %w", ErrUnacceptable)
	}
	return &out, nil
}

// Converts reports whether two parties who have no speech in common could talk
// through us: each has some that can be converted.
func Converts(a, b *Description, convert func(media.Format) bool) bool {
	return convert != nil && slices.ContainsFunc(a.relay.formats, convert) && slices.ContainsFunc(b.relay.formats, convert)
}

// Common reports whether two parties have a codec of speech in common.
func Common(a, b *Description) bool {
	return slices.ContainsFunc(a.relay.types, func(pt uint8) bool { return a.voice(pt) && b.listens(a, pt) })
}

// converted writes an answer to a party in a codec of its own, because what it
// says is converted for the other one: the first that needs no conversion, or
// else the first that can be.
func converted(offer, peer *Description, dir Direction, us Ours) ([]byte, error) {
	pick := slices.IndexFunc(offer.relay.formats, func(f media.Format) bool { return offer.voice(f.PT) && peer.listens(offer, f.PT) })
	if pick < 0 {
		pick = slices.IndexFunc(offer.relay.formats, us.Speech.Convert)
	}
	if pick < 0 {
		return nil, fmt.Errorf("no codec that can be converted: %w", ErrUnacceptable)
	}
	voice := offer.relay.formats[pick]
	types := []uint8{voice.PT}
	for _, f := range offer.relay.formats { // with its keys, in the clock of the speech rather than another
		if f.Name == eventName && (peer.keyed() || us.Speech.Keys) {
			if f.Clock == voice.Clock {
				types = append(types[:1], f.PT)
			} else if len(types) == 1 {
				types = append(types, f.PT)
			}
		}
	}
	return respond(offer, offer, types, dir, us)
}

// keyed reports whether a party speaks RFC 4733 events.
func (d *Description) keyed() bool {
	return slices.ContainsFunc(d.relay.formats, func(f media.Format) bool { return f.Name == eventName })
}
