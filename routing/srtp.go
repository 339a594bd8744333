package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// SRTP is how a trunk's media is encrypted (RFC 3711).
type SRTP struct {
	// Mode: off, plain RTP only; offer, encrypted when the trunk can, else plain;
	// require, encrypted or no call.
	Mode string `yaml:"mode"`
	// Keys of our offers: sdes, written into the description (RFC 4568); dtls, made
	// in the media path (RFC 5764). An offer of the trunk's own may bring the others,
	// so suites and insecure_signalling have their meaning beside dtls too.
	Keys string `yaml:"keys"`
	// Suites of sdes that are offered and accepted, the preferred first; empty: the
	// usual ones, without those whose tag is short.
	Suites []string `yaml:"suites"`
	// InsecureSignalling lets keys be written where others can read them: over UDP
	// or TCP in place of TLS.
	InsecureSignalling bool `yaml:"insecure_signalling"`
}

// Words of SRTP; the first of each kind is the default.
const (
	SRTPOff     = "off"
	SRTPOffer   = "offer"
	SRTPRequire = "require"

	KeysSDES = "sdes"
	KeysDTLS = "dtls"
)

var (
	srtpModes = []string{SRTPOff, SRTPOffer, SRTPRequire}
	srtpKeys  = []string{KeysSDES, KeysDTLS}
	// srtpSuites are the names of RFC 4568, RFC 6188 and RFC 7714 that media/secure
	// knows; a test of cmd/ringdown holds the two lists together.
	srtpSuites = []string{
		"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
		"AEAD_AES_128_GCM", "AEAD_AES_256_GCM",
	}
)

// SRTPSuites returns the names that SRTP.Suites may hold.
func SRTPSuites() []string { return slices.Clone(srtpSuites) }

func (b *builder) srtp(t Trunk, path string) SRTP {
	s := t.SRTP
	b.fault(checkWord(s.Mode, srtpModes), "%s.srtp.mode", path)
	b.fault(checkWord(s.Keys, srtpKeys), "%s.srtp.keys", path)
	for i, name := range s.Suites {
		b.fault(checkWord(name, srtpSuites), "%s.srtp.suites[%d]", path, i)
		if slices.Contains(s.Suites[:i], name) {
			b.fault("is in the list already", "%s.srtp.suites[%d]", path, i)
		}
	}
	if t.WebRTC && (s.Mode != "" || s.Keys != "" || len(s.Suites) > 0 || s.InsecureSignalling) {
		b.fault("is of no use beside webrtc, which encrypts always and by DTLS", "%s.srtp", path)
	}
	off := s.Mode == "" || s.Mode == SRTPOff
	if off && (s.Keys != "" || len(s.Suites) > 0 || s.InsecureSignalling) {
		b.fault("is off: keys, suites and insecure_signalling say nothing then", "%s.srtp.mode", path)
	}
	for i, target := range t.Targets {
		if u, msg := parseURI(target.URI); msg == "" && keysInTheOpen(s, u) {
			b.fault(fmt.Sprintf("does not promise TLS, and srtp.mode is %s: %s", SRTPRequire, openWays), "%s.targets[%d].uri", path, i)
		}
	}
	s.Suites = slices.Clone(s.Suites)
	return s
}

// openWays is what can be done about [keysInTheOpen].
const openWays = "a key would cross it in the clear; write ;transport=tls, or srtp.keys: dtls, or srtp.insecure_signalling: true"

// keysInTheOpen reports whether every call to a URI would be refused, since its
// keys may not be written where others can read them. It knows so of a transport
// that is named, and of one that DNS has no say in: of an address or a port
// without a transport (RFC 3263 4.1), which is UDP wherever the node speaks it.
func keysInTheOpen(s SRTP, u uri) bool {
	if s.Mode != SRTPRequire || s.Keys == KeysDTLS || s.InsecureSignalling {
		return false
	}
	for p := range strings.SplitSeq(u.params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(name, "transport") {
			return !strings.EqualFold(value, "tls")
		}
	}
	_, err := netip.ParseAddr(strings.Trim(u.host, "[]"))
	return err == nil || u.port != ""
}
