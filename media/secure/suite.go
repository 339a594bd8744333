// Package secure keeps a call's media secret: it reads and writes SDES keys
// (RFC 4568), opens and seals SRTP and SRTCP packets (RFC 3711, 6188, 7714),
// makes keys by DTLS (RFC 5763, 5764) and answers the connectivity checks of ICE
// as a lite agent (RFC 8445).
//
// It is pure: no socket, no clock of its own, no goroutine but the handshake's
// that a caller starts. A key is in no error, no log line and no %v of anything
// here ([Key] prints as the name of its suite). It refuses to send what would use
// a packet index of a key twice, and sessions that are not encrypted or not
// authenticated.
package secure

import (
	"strings"

	"github.com/pion/srtp/v3"
)

// Suite is a pair of cipher and authentication (RFC 4568 6.2). The zero value is
// none.
type Suite uint8

const (
	AES128CM80 Suite = iota + 1 // AES_CM_128_HMAC_SHA1_80, RFC 4568
	AES128CM32                  // AES_CM_128_HMAC_SHA1_32: the RTP's tag is 4 bytes only
	AES256CM80                  // AES_256_CM_HMAC_SHA1_80, RFC 6188
	AES256CM32                  // AES_256_CM_HMAC_SHA1_32
	AES128GCM                   // AEAD_AES_128_GCM, RFC 7714
	AES256GCM                   // AEAD_AES_256_GCM
	suites
)

// table says of each suite what is needed of it.
var table = [suites]struct {
	name      string
	key, salt int // bytes
	profile   srtp.ProtectionProfile
}{
	AES128CM80: {"AES_CM_128_HMAC_SHA1_80", 16, 14, srtp.ProtectionProfileAes128CmHmacSha1_80},
	AES128CM32: {"AES_CM_128_HMAC_SHA1_32", 16, 14, srtp.ProtectionProfileAes128CmHmacSha1_32},
	AES256CM80: {"AES_256_CM_HMAC_SHA1_80", 32, 14, srtp.ProtectionProfileAes256CmHmacSha1_80},
	AES256CM32: {"AES_256_CM_HMAC_SHA1_32", 32, 14, srtp.ProtectionProfileAes256CmHmacSha1_32},
	AES128GCM:  {"AEAD_AES_128_GCM", 16, 12, srtp.ProtectionProfileAeadAes128Gcm},
	AES256GCM:  {"AEAD_AES_256_GCM", 32, 12, srtp.ProtectionProfileAeadAes256Gcm},
}

// Usual returns the suites that are offered and accepted when nobody says which:
// the strongest first. Those with a short tag are not among them.
func Usual() []Suite { return []Suite{AES256GCM, AES128GCM, AES256CM80, AES128CM80} }

// String returns the name in a=crypto.
func (s Suite) String() string {
	if s == 0 || s >= suites {
		return "none"
	}
	return table[s].name
}

// SuiteOf reads a name, in capitals or not. Some phones swap the words of the
// 256-bit ones.
func SuiteOf(name string) (Suite, bool) {
	name = strings.Replace(strings.ToUpper(name), "AES_CM_256_", "AES_256_CM_", 1)
	for s := AES128CM80; s < suites; s++ {
		if table[s].name == name {
			return s, true
		}
	}
	return 0, false
}

// size is the length of a master key with its salt in bytes.
func (s Suite) size() int { return table[s].key + table[s].salt }
