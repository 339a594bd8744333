package siptest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// SDP is what a phone understands of a session description: its first audio line.
type SDP struct {
	Addr      netip.AddrPort // where to send RTP; port 0: audio refused
	Formats   []uint8        // payload types in order of preference
	Names     map[uint8]string
	Direction string // sendrecv when the description says nothing
	ID        string // session id and version of o=
	Version   uint64
	Media     []string // the kinds of all m= lines, in order
}

// DTMF is the payload type phones offer for telephone-event (RFC 4733).
const DTMF = 101

// ParseSDP reads a description strictly (RFC 8866 5): CRLF after each line, the
// fixed order of the first lines, an address for the audio.
func ParseSDP(b []byte) (*SDP, error) {
	text, ok := strings.CutSuffix(string(b), "\r\n")
	if !ok {
		return nil, errors.New("sdp: last line without CRLF")
	}
	s := &SDP{Names: map[uint8]string{}, Direction: "sendrecv"}
	p := sdpParser{SDP: s, stage: -1}
	for i, line := range strings.Split(text, "\r\n") {
		if len(line) < 2 || line[1] != '=' || control(line) >= 0 {
			return nil, fmt.Errorf("sdp line %d: not a letter, an equals sign and text", i+1)
		}
		if err := p.line(line[0], line[2:]); err != nil {
			return nil, fmt.Errorf("sdp line %d: %w", i+1, err)
		}
	}
	return s, p.finish()
}

// Order of the lines before the first m=.
const sdpOrder = "vosiuepcbtrzka"

type sdpParser struct {
	*SDP
	stage  int // index in sdpOrder of the last session line
	host   netip.Addr
	seen   [256]bool
	inside bool // inside the first audio section
}

func (p *sdpParser) line(kind byte, value string) error {
	session := len(p.Media) == 0
	if session && kind != 'm' {
		at := strings.IndexByte(sdpOrder, kind)
		if at < p.stage {
			return fmt.Errorf("%c= after %c=", kind, sdpOrder[p.stage])
		}
		p.stage = at
	}
	p.seen[kind] = true
	switch kind {
	case 'v':
		if value != "0" {
			return errors.New("version is not 0")
		}
	case 'o':
		return p.origin(value)
	case 'c':
		if session || p.inside {
			return p.connection(value)
		}
	case 'm':
		return p.media(value)
	case 'a':
		if session || p.inside {
			return p.attribute(value)
		}
	}
	return nil
}

func (p *sdpParser) origin(value string) error {
	part := strings.Split(value, " ")
	if len(part) != 6 {
		return errors.New("o= has not six parts")
	}
	v, err := strconv.ParseUint(part[2], 10, 64)
	if err != nil {
		return errors.New("o= version is not a number")
	}
	p.ID, p.Version = part[1], v
	return nil
}

func (p *sdpParser) connection(value string) error {
	part := strings.Split(value, " ")
	if len(part) != 3 || part[0] != "IN" || part[1] != "IP4" && part[1] != "IP6" {
		return errors.New("c= is not IN IP4 or IP6 and an address")
	}
	host, err := netip.ParseAddr(part[2])
	if err != nil || host.Is4() != (part[1] == "IP4") {
		return errors.New("c= address does not fit its type")
	}
	p.host = host
	return nil
}

func (p *sdpParser) media(value string) error {
	for _, kind := range "vost" {
		if !p.seen[kind] {
			return fmt.Errorf("no %c= before m=", kind)
		}
	}
	part := strings.Split(value, " ")
	if len(part) < 4 {
		return errors.New("m= has fewer than four parts")
	}
	first := !slices.Contains(p.Media, "audio")
	p.Media = append(p.Media, part[0])
	p.inside = part[0] == "audio" && first
	if !p.inside {
		return nil
	}
	port, err := strconv.ParseUint(part[1], 10, 16)
	if err != nil {
		return errors.New("m= port is not a number")
	}
	p.Addr = netip.AddrPortFrom(netip.Addr{}, uint16(port))
	for _, f := range part[3:] {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			return errors.New("m= payload type is not a number below 128")
		}
		p.Formats = append(p.Formats, uint8(pt))
	}
	return nil
}

func (p *sdpParser) attribute(value string) error {
	switch value {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		p.Direction = value
		return nil
	}
	rest, ok := strings.CutPrefix(value, "rtpmap:")
	if !ok || !p.inside {
		return nil
	}
	number, name, ok := strings.Cut(rest, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if !ok || err != nil {
		return errors.New("a=rtpmap is not a payload type and a name")
	}
	p.Names[uint8(pt)] = name
	return nil
}

func (p *sdpParser) finish() error {
	switch {
	case len(p.Media) == 0:
		return errors.New("sdp: no m= line")
	case !slices.Contains(p.Media, "audio"):
		return errors.New("sdp: no audio")
	case !p.host.IsValid() && p.Addr.Port() != 0:
		return errors.New("sdp: audio has no c= line")
	}
	p.Addr = netip.AddrPortFrom(p.host, p.Addr.Port())
	return nil
}

// WriteSDP makes a plain audio description with one m= line. version is raised by
// whoever changes a session.
func WriteSDP(media netip.AddrPort, formats []uint8, direction string, version int) []byte {
	family := "IP4"
	if media.Addr().Is6() {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- %d %d IN %s %s\r\ns=-\r\n", media.Port(), version, family, media.Addr())
	fmt.Fprintf(&b, "c=IN %s %s\r\nt=0 0\r\nm=audio %d RTP/AVP", family, media.Addr(), media.Port())
	for _, pt := range formats {
		fmt.Fprintf(&b, " %d", pt)
	}
	b.WriteString("\r\n")
	for _, pt := range formats {
		switch pt {
		case DTMF:
			fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", pt, pt)
		default:
			fmt.Fprintf(&b, "a=rtpmap:%d %s/8000\r\n", pt, Codec(pt))
		}
	}
	fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", direction)
	return []byte(b.String())
}

// CheckAnswer judges an answer against the offer (RFC 3264 6): the same m= lines
// in the same order, and only formats that were offered.
func CheckAnswer(offer, answer *SDP) error {
	if !slices.Equal(offer.Media, answer.Media) {
		return errors.New("answer: other m= lines than the offer")
	}
	for _, pt := range answer.Formats {
		if answer.Addr.Port() != 0 && !slices.Contains(offer.Formats, pt) {
			return fmt.Errorf("answer: payload type %d was not offered", pt)
		}
	}
	return nil
}
