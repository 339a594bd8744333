package secure

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Crypto is one a=crypto line (RFC 4568 9.1): a choice in an offer, or the one
// taken in an answer.
type Crypto struct {
	Tag  uint32
	Key  Key    // of the party whose line it is, for what it sends
	name string // of the suite, as the party writes it
}

// Limits of what is read.
const (
	maxCrypto = 512 // bytes of one line
	maxMKI    = 128 // bytes, RFC 4568 6.1
)

// ErrCrypto says that an a=crypto line is not one, or asks for what we do not do.
// Its text never holds a part of the key.
var ErrCrypto = errors.New("a=crypto not usable")

func cryptoFault(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrCrypto)
}

// ParseCrypto reads what follows "a=crypto:". Of key parameters there must be
// one, of session parameters only those that change nothing of how packets look:
// WSH, and those that begin with a hyphen, which may be ignored (RFC 4568 6.3.7).
// A lifetime is read and bounds nothing: it is the sender's to keep.
func ParseCrypto(value string) (Crypto, error) {
	if len(value) > maxCrypto {
		return Crypto{}, cryptoFault("%d bytes", len(value))
	}
	f := strings.Fields(value)
	if len(f) < 3 {
		return Crypto{}, cryptoFault("fewer than three words")
	}
	tag, err := strconv.ParseUint(f[0], 10, 32)
	if err != nil || len(f[0]) > 9 {
		return Crypto{}, cryptoFault("tag is not a number of at most nine digits")
	}
	s, ok := SuiteOf(f[1])
	if !ok {
		return Crypto{}, cryptoFault("suite is not known")
	}
	if err := checkParameters(f[3:]); err != nil {
		return Crypto{}, err
	}
	k, err := parseInline(s, f[2])
	return Crypto{Tag: uint32(tag), Key: k, name: f[1]}, err
}

// checkParameters refuses session parameters that we do not follow.
func checkParameters(words []string) error {
	for _, w := range words {
		name, value, _ := strings.Cut(strings.ToUpper(w), "=")
		switch {
		case strings.HasPrefix(name, "-"):
		case name == "WSH":
			if n, err := strconv.ParseUint(value, 10, 16); err != nil || n < 64 {
				return cryptoFault("WSH is not a number of at least 64")
			}
		case name == "UNENCRYPTED_SRTP", name == "UNENCRYPTED_SRTCP", name == "UNAUTHENTICATED_SRTP",
			name == "KDR", name == "FEC_ORDER", name == "FEC_KEY":
			return cryptoFault("%s is not accepted", name)
		default:
			return cryptoFault("an unknown session parameter")
		}
	}
	return nil
}

// parseInline reads "inline:KEY|2^20|1:4": lifetime and MKI may be missing.
func parseInline(s Suite, text string) (Key, error) {
	if strings.Contains(text, ";") {
		return Key{}, cryptoFault("more than one key")
	}
	method, info, _ := strings.Cut(text, ":")
	if !strings.EqualFold(method, "inline") {
		return Key{}, cryptoFault("key method is not inline")
	}
	parts := strings.Split(info, "|")
	// Padding is left out by some.
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	if err != nil || len(raw) != s.size() {
		clear(raw)
		return Key{}, cryptoFault("key is not %d bytes in base64, as %s needs", s.size(), s)
	}
	k := Key{suite: s, bytes: raw}
	rest := parts[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		if !validLifetime(rest[0]) {
			return Key{}, cryptoFault("lifetime is not 1 to 2^48 packets")
		}
		rest = rest[1:]
	}
	switch len(rest) {
	case 0:
		return k, nil
	case 1:
		k.mki, err = parseMKI(rest[0])
		return k, err
	}
	return Key{}, cryptoFault("more behind the key than lifetime and MKI")
}

func validLifetime(s string) bool {
	if power, ok := strings.CutPrefix(s, "2^"); ok {
		n, err := strconv.ParseUint(power, 10, 8)
		return err == nil && n <= 48
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && n >= 1 && n <= 1<<48
}

// parseMKI reads "1:4": a number, and in how many bytes it is sent.
func parseMKI(s string) ([]byte, error) {
	value, length, _ := strings.Cut(s, ":")
	n, err1 := strconv.ParseUint(value, 10, 64)
	size, err2 := strconv.ParseUint(length, 10, 8)
	if err1 != nil || err2 != nil || size < 1 || size > maxMKI || size < 8 && n>>(8*size) != 0 {
		return nil, cryptoFault("MKI is not a number in 1 to %d bytes", maxMKI)
	}
	mki := make([]byte, size)
	for i := len(mki) - 1; i >= 0 && n > 0; i, n = i-1, n>>8 {
		mki[i] = byte(n)
	}
	return mki, nil
}

// Offer returns lines for the suites, each with a key of its own, tagged from 1.
func Offer(suites []Suite) []Crypto {
	all := make([]Crypto, len(suites))
	for i, s := range suites {
		all[i] = Crypto{Tag: uint32(i + 1), Key: NewKey(s)}
	}
	return all
}

// Accept returns our line in answer to one that was offered: its tag and suite,
// the key of ours.
func (c Crypto) Accept(ours Key) Crypto { return Crypto{Tag: c.Tag, Key: ours, name: c.name} }

// Line writes the value of a=crypto. It holds the key: it is for a description
// and for nothing else.
func (c Crypto) Line() string {
	name := c.name
	if name == "" {
		name = c.Key.suite.String()
	}
	return fmt.Sprintf("%d %s inline:%s", c.Tag, name, base64.StdEncoding.EncodeToString(c.Key.bytes))
}
