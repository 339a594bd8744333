package secure

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// ICE is the end of one leg as a lite agent (RFC 8445 2.5): it has the one address
// that its description names, answers checks and makes none. It is always
// controlled. Not safe for concurrent use.
type ICE struct {
	Fragment, Password string // ours, in our descriptions
	peer               string // the fragment of the party's; empty: not known yet
}

// NewICE makes a new pair of name and password (RFC 8445 5.3: 24 and 128 bits of
// chance at least).
func NewICE() *ICE { return &ICE{Fragment: rand.Text()[:8], Password: rand.Text()} }

// Meets tells the name that the party goes by.
func (i *ICE) Meets(fragment string) { i.peer = fragment }

// ValidICE reports whether name and password of a party have the form that they
// must have (RFC 8839 5.4).
func ValidICE(fragment, password string) bool {
	return len(fragment) >= 4 && len(fragment) <= 256 && len(password) >= 22 && len(password) <= 256 &&
		iceChars(fragment) && iceChars(password)
}

func iceChars(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/')
	})
}

// ErrCheck says that a STUN message is not a check of the party's. It is answered
// by nothing, so that we are nobody's mirror.
var ErrCheck = errors.New("not a connectivity check of the party's")

// Take reads a message that came from an address and returns the answer to send
// back there. valid says that the party receives there, nominates that it wants
// its media there. A check that we refuse has an answer and is not valid.
func (i *ICE) Take(pkt []byte, from netip.AddrPort) (answer []byte, valid, nominates bool, err error) {
	m, err := parseSTUN(pkt)
	if err != nil {
		return nil, false, false, err
	}
	if m.kind != bindingRequest || !i.names(m.username) || !m.authentic(i.Password) {
		return nil, false, false, ErrCheck
	}
	switch {
	case len(m.unknown) > 0:
		return m.reply(bindingError, i.Password, func(b []byte) []byte {
			b = appendError(b, 420, "Unknown Attribute")
			var list []byte
			for _, kind := range m.unknown {
				list = binary.BigEndian.AppendUint16(list, kind)
			}
			return appendAttr(b, attrUnknown, list)
		}), false, false, nil
	case m.obeys: // a lite agent never leads (RFC 8445 7.3.1.1)
		return m.reply(bindingError, i.Password, func(b []byte) []byte {
			return appendError(b, 487, "Role Conflict")
		}), false, false, nil
	}
	answer = m.reply(bindingSuccess, i.Password, func(b []byte) []byte { return appendMapped(b, from) })
	return answer, true, m.nominates, nil
}

// Names reports whether a message is a request in our name and the party's, which
// costs no HMAC: strangers do not know the names. [ICE.Take] says whether it is the
// party's.
func (i *ICE) Names(pkt []byte) bool {
	m, err := parseSTUN(pkt)
	return err == nil && m.kind == bindingRequest && i.names(m.username)
}

// names reports whether a user name is ours and the party's.
func (i *ICE) names(user string) bool {
	ours, theirs, ok := strings.Cut(user, ":")
	return ok && subtle.ConstantTimeCompare([]byte(ours), []byte(i.Fragment)) == 1 && (i.peer == "" || theirs == i.peer)
}
