package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringdown/media"
)

// fax is what a section of T.38 over UDPTL (ITU-T T.38 Annex D) is to the rest of
// the room: one codec that only another fax section has. Its payload type stands
// in no text of ours.
var fax = media.Format{PT: FaxType, Name: "T38", Clock: 8000, Channels: 1}

// FaxType stands for the payload type that UDPTL has not.
const FaxType = 127

// Fax reports whether the relayed section is T.38 over UDPTL.
func (d *Description) Fax() bool { return d.relay.fax }

// chooseFax takes the first fax section, when there is no audio beside it: who
// has both is talked to.
func (d *Description) chooseFax(judge Judge) (err error) {
	if slices.ContainsFunc(d.sections, func(s section) bool { return s.kind == "audio" && s.port != 0 }) {
		return nil
	}
	for i := range d.sections {
		s := &d.sections[i]
		if s.kind != "image" {
			continue
		}
		a, why := d.understandFax(s, judge)
		if why == nil {
			d.audio, d.relay = i, a
			return nil
		}
		if err == nil {
			err = why
		}
	}
	return err
}

func (d *Description) understandFax(s *section, judge Judge) (audio, error) {
	switch {
	case s.port == 0:
		return audio{}, errors.New("fax is refused by its port 0")
	case !strings.EqualFold(s.proto, "udptl") || !slices.ContainsFunc(s.formats, func(f string) bool { return strings.EqualFold(f, "t38") }):
		return audio{}, errors.New("fax (m=image) is not T.38 over UDPTL")
	}
	choice, err := judge(Security{}) // UDPTL is never encrypted here
	if err != nil {
		return audio{}, err
	}
	a := audio{fax: true, direction: d.direction(s), choice: choice, formats: []media.Format{fax}, types: []uint8{fax.PT}}
	addr, err := connection(d.first(s, 'c'))
	if err != nil {
		return audio{}, err
	}
	if a.ipv6 = addr.Is6(); addr.IsUnspecified() {
		a.direction &^= RecvOnly
		return a, nil
	}
	a.rtp = netip.AddrPortFrom(addr, s.port)
	a.rtcp = rtcpAddress(a.rtp, s)
	return a, nil
}

// faxed writes the fax section at our port, with the T38… attributes of the party.
func (w *writer) faxed(s *section, dir Direction) {
	fmt.Fprintf(w, "m=image %d udptl t38\r\n", w.us.Media.Port())
	w.bandwidth(s.lines)
	w.attributes(s.lines, nil, MaxAttributes-1)
	if dir != SendRecv { // many gateways know of no direction here
		w.line("a=%s", dir)
	}
}
