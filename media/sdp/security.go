package sdp

import (
	"cmp"
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
	Fragment     string   // a=ice-ufrag (RFC 8839)
	Password     string   // a=ice-pwd
	Mux          bool     // a=rtcp-mux (RFC 5761)
	Mid          string   // a=mid (RFC 5888)
	Bundled      bool     // a=group:BUNDLE names the section (RFC 9143)
}

// Encrypted reports whether the section promises that its media is encrypted
// (RFC 3711, RFC 5124). One that does not may still bring keys, from who would
// like to but does not insist.
func (s Security) Encrypted() bool { return strings.Contains(s.Proto, "SAVP") }

// DTLS reports whether the keys come by DTLS in the media path (RFC 5764).
func (s Security) DTLS() bool { return strings.HasPrefix(s.Proto, "UDP/TLS/") }

// Choice is what a judge takes of the security of a section.
type Choice struct {
	Crypto int  // number of an a=crypto line; -1: none
	DTLS   bool // the keys are made in the media path
	ICE    bool // connectivity checks tell where the party is: its address says nothing
}

// Plain is the choice of no encryption.
func Plain() Choice { return Choice{Crypto: -1} }

// Encrypts reports whether the media is encrypted by it.
func (c Choice) Encrypts() bool { return c.Crypto >= 0 || c.DTLS }

// Judge says about the security of an audio section whether it can be taken, and
// with which of its keys.
type Judge func(Security) (Choice, error)

var errInsists = errors.New("audio insists on SRTP, which its trunk does not take")

// PlainOnly is the judge of a party that may not encrypt.
func PlainOnly(s Security) (Choice, error) {
	if s.Encrypted() {
		return Plain(), errInsists
	}
	return Plain(), nil
}

// AnyKind is the judge for who only wants to know what was said.
func AnyKind(Security) (Choice, error) { return Plain(), nil }

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
func (d *Description) Security() (Security, Choice) {
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
		out.Setup = cmp.Or(out.Setup, strings.ToLower(value(lines, "setup")))
		out.Fragment = cmp.Or(out.Fragment, value(lines, "ice-ufrag"))
		out.Password = cmp.Or(out.Password, value(lines, "ice-pwd"))
	}
	out.Mid = value(s.lines, "mid")
	out.Mux = slices.ContainsFunc(s.lines, func(l line) bool { return l.name == "rtcp-mux" })
	if !plain(out.Mid, tokenMarks) || len(out.Mid) > 32 {
		out.Mid = ""
	}
	for _, group := range values(d.session, "group") {
		f := strings.Fields(group)
		out.Bundled = out.Bundled || len(f) > 1 && f[0] == "BUNDLE" && slices.Contains(f[1:], out.Mid) && out.Mid != ""
	}
	return out, nil
}

// tokenMarks is what a token may hold beside letters and digits (RFC 8866 9).
const tokenMarks = "!#$%&'*+-.^_`{|}~"

// Keyed reports whether any section of a description, relayed or not, holds keys.
func (d *Description) Keyed() bool {
	return slices.ContainsFunc(d.everyLine(), func(l line) bool { return l.name == "crypto" })
}

// value is that of the first attribute of a name.
func value(lines []line, name string) string {
	if all := values(lines, name); len(all) > 0 {
		return all[0]
	}
	return ""
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
	faxWhy := d.chooseFax(judge)
	if d.audio >= 0 {
		return
	}
	if faxWhy != nil {
		why = faxWhy
	}
	if why == nil {
		why = fmt.Errorf("no audio among %d m= lines", len(d.sections))
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

// loses reports whether early feedback (RFC 4585) is lost between an encrypted
// section and what we write for it. Between plain ones it passes as it came.
func loses(from, to string) bool {
	return strings.Contains(strings.ToUpper(from), "SAVPF") && !strings.HasSuffix(to, "F")
}
