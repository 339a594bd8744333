package sdp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Security is what an audio section says about encryption, as it stands there:
// nobody here knows what a key is.
type Security struct {
	Proto        string   // of the m= line, in capitals: "RTP/SAVP"
	Crypto       []string // values of a=crypto (RFC 4568)
	Fingerprints []string // values of a=fingerprint (RFC 8122), of the section or else of the session
	Setup        string   // a=setup (RFC 4145), in small letters
}

// Encrypted reports whether the section promises that its media is encrypted
// (RFC 3711, RFC 5124). One that does not may still bring keys, from who would
// like to but does not insist.
func (s Security) Encrypted() bool { return strings.Contains(s.Proto, "SAVP") }

// DTLS reports whether the keys come by DTLS in the media path (RFC 5764).
func (s Security) DTLS() bool { return strings.HasPrefix(s.Proto, "UDP/TLS/") }

// Judge says about the security of an audio section whether it can be taken, and
// with which of its keys: a number of the judge's own, which
// [Description.Security] gives back.
type Judge func(Security) (choice int, err error)

var errInsists = errors.New("audio insists on SRTP, which is not relayed")

// PlainOnly is the judge of a party that may not encrypt.
func PlainOnly(s Security) (int, error) {
	if s.Encrypted() {
		return -1, errInsists
	}
	return -1, nil
}

// ParseFor is [Parse] where a judge says which audio is taken: the first that it
// accepts, those that promise encryption before those that do not.
func ParseFor(body []byte, judge Judge) (*Description, error) {
	d, err := read(body)
	if err == nil {
		d.mayEncrypt = true
		d.choose(judge)
	}
	return d, err
}

// Security returns what the relayed section says about encryption and what the
// judge said to it.
func (d *Description) Security() (s Security, choice int) {
	return d.relay.security, d.relay.choice
}

// secure reads the words about encryption of a section that is audio over RTP.
func (d *Description) secure(s *section) (Security, error) {
	out := Security{Proto: strings.ToUpper(s.proto)}
	switch out.Proto {
	case "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
	default:
		return out, errors.New("audio is not RTP/AVP")
	}
	out.Crypto = values(s.lines, "crypto")
	for _, lines := range [][]line{s.lines, d.session} {
		if len(out.Fingerprints) == 0 {
			out.Fingerprints = values(lines, "fingerprint")
		}
		if setup := values(lines, "setup"); out.Setup == "" && len(setup) > 0 {
			out.Setup = strings.ToLower(setup[0])
		}
	}
	return out, nil
}

// Keyed reports whether any section of a description, relayed or not, holds keys.
func (d *Description) Keyed() bool {
	return slices.ContainsFunc(d.everyLine(), func(l line) bool { return l.name == "crypto" })
}

func values(lines []line, name string) (all []string) {
	for _, l := range lines {
		if l.name == name {
			all = append(all, l.arg)
		}
	}
	return all
}

// choose takes the first audio section that the judge accepts. Phones that would
// like SRTP but do not insist offer it in one section and plain RTP in the next.
func (d *Description) choose(judge Judge) {
	d.audio, d.refuse, d.relay = -1, nil, audio{}
	var why error
	for _, encrypted := range []bool{true, false} {
		for i := range d.sections {
			s := &d.sections[i]
			if s.kind != "audio" || strings.Contains(strings.ToUpper(s.proto), "SAVP") != encrypted {
				continue
			}
			a, err := d.understand(s, judge)
			if err == nil {
				d.audio, d.relay = i, a
				return
			}
			if why == nil || s.port != 0 && !encrypted {
				why = err
			}
		}
	}
	if why == nil {
		why = fmt.Errorf("no audio among %d m= lines", len(d.sections))
		for _, s := range d.sections {
			if s.kind == "image" {
				why = errors.New("fax (m=image) without audio is not relayed")
			}
		}
	}
	d.refuse = fmt.Errorf("%w: %w", why, ErrUnacceptable)
}

// plainly is a protocol without encryption: what a party is offered whose own
// leg is plain.
func plainly(proto string) string {
	if strings.Contains(strings.ToUpper(proto), "SAVP") {
		return "RTP/AVP"
	}
	return proto
}
