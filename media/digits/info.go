package digits

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringdown/media"
)

// The two kinds of body in which SIP INFO carries a key. Neither has a standard;
// what is read here is what phones and gateways send.
const (
	RelayType = "application/dtmf-relay" // "Signal=5" and "Duration=160", in lines
	PlainType = "application/dtmf"       // "5"
)

// maxInfo is the longest body that is read, in bytes.
const maxInfo = 256

var errNoSignal = errors.New("holds no signal")

// Spoken reports whether a Content-Type is one that [ReadInfo] reads.
func Spoken(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.TrimSpace(kind)
	return strings.EqualFold(kind, RelayType) || strings.EqualFold(kind, PlainType)
}

// ReadInfo reads the body of an INFO of either kind, whichever its Content-Type
// says: gateways mix them. No error holds a word of the body.
func ReadInfo(body []byte) (media.Press, error) {
	if len(body) > maxInfo {
		return media.Press{}, fmt.Errorf("%d bytes are no key", len(body))
	}
	signal, length := "", ""
	for line := range strings.Lines(string(body)) {
		name, value, pair := strings.Cut(line, "=")
		switch name = strings.TrimSpace(name); {
		case pair && strings.EqualFold(name, "signal"):
			signal = strings.TrimSpace(value)
		case pair && strings.EqualFold(name, "duration"):
			length = strings.TrimSpace(value)
		case !pair && signal == "":
			signal = name
		}
	}
	e, err := signalOf(signal)
	if err != nil {
		return media.Press{}, err
	}
	p := media.Press{Digit: e}
	if length != "" {
		ms, err := strconv.ParseUint(length, 10, 32)
		if err != nil {
			return media.Press{}, errors.New("duration is not a number of milliseconds")
		}
		p.For = min(time.Duration(ms)*time.Millisecond, longestPress)
	}
	return p, nil
}

// signalOf reads a key by its character, or an event by its number.
func signalOf(s string) (media.Digit, error) {
	switch {
	case s == "":
		return 0, errNoSignal
	case strings.EqualFold(s, "hf"), strings.EqualFold(s, "flash"), s == "!":
		return media.Flash, nil
	case len(s) == 1:
		if e, ok := media.KeyOf(s[0]); ok {
			return e, nil
		}
		return 0, errors.New("signal is no key")
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n > uint64(media.Flash) {
		return 0, errors.New("signal is no key")
	}
	return media.Digit(n), nil
}

// WriteInfo writes the body of an INFO, of [RelayType] or [PlainType], empty for
// what cannot be said so.
func WriteInfo(p media.Press, kind string) []byte {
	name := ""
	switch c, ok := p.Digit.Key(); {
	case ok:
		name = string(c)
	case p.Digit == media.Flash:
		name = strconv.Itoa(int(media.Flash))
	default:
		return nil
	}
	if kind == PlainType {
		return []byte(name)
	}
	return fmt.Appendf(nil, "Signal=%s\r\nDuration=%d\r\n", name, clamp(p).Milliseconds())
}
