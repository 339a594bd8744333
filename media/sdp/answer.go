package sdp

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringdown/media"
)

// Ours is what stands in our descriptions instead of a party's own words.
type Ours struct {
	ID      uint64           // of our session with the party that gets the description (o=)
	Version uint64           // to be raised by one with each change of the text (RFC 3264 8)
	Media   netip.AddrPort   // our RTP; our RTCP is on the next port
	Proto   string           // of our audio; empty: as the party's own words have it
	Lines   []string         // attributes of our audio that the party did not write, without "a="
	Speech  Speech           // what becomes of its codecs
	Session []string         // the same of the session
	Also    []netip.AddrPort // other addresses of our RTP, for who looks for the best one
}

// Offer writes the offer to make to the other party: this party's audio with
// our address, and nothing else of it.
func (d *Description) Offer(us Ours) ([]byte, error) {
	if d.refuse != nil {
		return nil, d.refuse
	}
	w := newWriter(us, d)
	w.relayed(&d.sections[d.audio], plainly(d.sections[d.audio].proto), d.relay.types, d.relay.direction)
	return w.done()
}

// Answer writes the answer to give to the party that made offer, from the
// other party's answer: m= lines in the order and number of the offer
// (RFC 3264 6), its audio as answered, everything else refused by port 0.
func Answer(offer, answer *Description, us Ours) ([]byte, error) {
	if offer.refuse != nil {
		return nil, offer.refuse
	}
	if answer.refuse != nil {
		return nil, fmt.Errorf("answer: %w", answer.refuse)
	}
	dir := answer.relay.direction & offer.relay.direction.Reverse()
	if !Common(answer, offer) {
		if Converts(answer, offer, us.Speech.Convert) {
			return converted(offer, answer, dir, us)
		}
		return nil, fmt.Errorf("answer has no codec of the offer: %w", ErrUnacceptable)
	}
	return respond(offer, answer, answer.relay.types, dir, us)
}

// listens reports whether an answer's payload type is one of the offer's, by
// number when it has no meaning and by codec when it has.
func (d *Description) listens(answer *Description, pt uint8) bool {
	f, ok := answer.format(pt)
	if !ok {
		return slices.Contains(d.relay.types, pt)
	}
	return slices.ContainsFunc(d.relay.formats, func(o media.Format) bool { return sameCodec(o, f) })
}

// Reanswer writes our own answer to a new offer in a session that stands:
// before is what the same party said last, peer what the other party said last
// and is not asked again. Only codecs that both have agreed on, under the
// payload types they agreed on, are answered; a new offer without any of them
// is an [ErrUnacceptable].
//
// The direction answered is all that the offer allows, whether the peer holds
// or not: this party is told neither that nor when the peer takes the call up
// again, and would stay silent for good.
func Reanswer(offer, before, peer *Description, us Ours) ([]byte, error) {
	for _, d := range []*Description{offer, before, peer} {
		if d.refuse != nil {
			return nil, d.refuse
		}
	}
	var types []uint8
	voice := false
	for _, p := range peer.relay.types {
		if !offer.stillSays(before, peer, p) {
			continue
		}
		types = append(types, p)
		voice = voice || peer.voice(p)
	}
	if !voice && !Common(before, peer) && Converts(offer, peer, us.Speech.Convert) {
		return converted(offer, peer, offer.relay.direction.Reverse(), us)
	}
	if !voice {
		return nil, fmt.Errorf("new offer has no codec of those agreed on: %w", ErrUnacceptable)
	}
	return respond(offer, peer, types, offer.relay.direction.Reverse(), us)
}

// stillSays reports whether the new offer has the codec that peer calls p,
// under the payload type that before gave it: that is what peer sends.
func (d *Description) stillSays(before, peer *Description, p uint8) bool {
	f, ok := peer.format(p)
	if !ok { // known by its number only
		return slices.Contains(d.relay.types, p) && slices.Contains(before.relay.types, p)
	}
	return slices.ContainsFunc(d.relay.formats, func(o media.Format) bool {
		was, ok := before.format(o.PT)
		return ok && sameCodec(o, f) && sameCodec(was, f)
	})
}

// voice reports whether a payload type carries speech, as far as is known.
func (d *Description) voice(pt uint8) bool {
	f, ok := d.format(pt)
	return !ok || f.Name != "TELEPHONE-EVENT" && f.Name != "CN"
}

func (d *Description) format(pt uint8) (media.Format, bool) {
	i := slices.IndexFunc(d.relay.formats, func(f media.Format) bool { return f.PT == pt })
	if i < 0 {
		return media.Format{}, false
	}
	return d.relay.formats[i], true
}

// respond writes an answer to offer that speaks for peer.
func respond(offer, peer *Description, types []uint8, dir Direction, us Ours) ([]byte, error) {
	us.Speech = us.Speech.answering(offer)
	if !offer.keyed() { // events that we have offered by ourselves are not this party's
		types = slices.DeleteFunc(slices.Clone(types), func(pt uint8) bool { f, _ := peer.format(pt); return f.Name == eventName })
	}
	w := newWriter(us, peer)
	for i := range offer.sections {
		s := &offer.sections[i]
		if i != offer.audio {
			w.refused(s)
			continue
		}
		w.relayed(&peer.sections[peer.audio], s.proto, types, dir)
	}
	return w.done()
}

// writer builds one of our descriptions from the words of one party.
type writer struct {
	bytes.Buffer
	us    Ours
	from  *Description
	quiet bool // the section knows no a=rtcp-fb
}

func newWriter(us Ours, from *Description) *writer {
	w := &writer{us: us, from: from}
	addr := us.Media.Addr().Unmap()
	where := "IN IP4 " + addr.String()
	if addr.Is6() {
		where = "IN IP6 " + addr.WithZone("").String()
	}
	w.line("v=0")
	w.line("o=- %d %d %s", us.ID, us.Version, where)
	w.line("s=-")
	w.line("c=%s", where)
	w.bandwidth(from.session)
	w.line("t=0 0")
	w.attributes(from.session, nil, MaxAttributes-len(us.Session))
	for _, l := range us.Session {
		w.line("a=%s", l)
	}
	return w
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, format+"\r\n", args...)
}

func (w *writer) bandwidth(lines []line) {
	for _, l := range lines {
		if passesBandwidth(l) {
			w.line("b=%s", l.value)
		}
	}
}

// attributes writes at most limit of those that pass.
func (w *writer) attributes(lines []line, types []uint8, limit int) {
	for _, l := range lines {
		if l.key == 'a' && limit > 0 && !w.us.Speech.replaces(l.name) && w.from.passes(l, types) && !(w.quiet && l.name == "rtcp-fb") {
			w.line("a=%s", l.value)
			limit--
		}
	}
}

// relayed writes the audio section at our port.
func (w *writer) relayed(s *section, proto string, types []uint8, dir Direction) {
	if w.from.relay.fax {
		w.faxed(s, dir)
		return
	}
	types, ours := w.us.Speech.arrange(w.from, types)
	theirs := slices.DeleteFunc(slices.Clone(types), func(pt uint8) bool { return !slices.Contains(w.from.relay.types, pt) })
	proto = strings.ToUpper(cmp.Or(w.us.Proto, proto))
	w.quiet = loses(s.proto, proto)
	fmt.Fprintf(w, "m=audio %d %s", w.us.Media.Port(), proto)
	for _, pt := range types {
		fmt.Fprintf(w, " %d", pt)
	}
	w.line("")
	w.bandwidth(s.lines)
	w.attributes(s.lines, theirs, MaxAttributes-1-len(ours)-len(w.us.Lines)) // the last one is the direction
	for _, l := range slices.Concat(ours, w.us.Lines) {
		w.line("a=%s", l)
	}
	w.line("a=%s", dir)
}

// refused writes a section of the offer back with port 0; it keeps one format
// because the grammar wants one.
func (w *writer) refused(s *section) {
	format := "0"
	if len(s.formats) > 0 && len(s.formats[0]) <= 32 && plain(s.formats[0], "*-") {
		format = s.formats[0]
	}
	w.line("m=%s 0 %s %s", s.kind, s.proto, format)
}

// done returns the description, unless ours is longer than anyone else's may be.
func (w *writer) done() ([]byte, error) {
	if w.Len() > MaxBytes {
		return nil, fmt.Errorf("description of %d bytes with our address in it, at most %d are sent: %w", w.Len(), MaxBytes, ErrUnacceptable)
	}
	return w.Bytes(), nil
}
