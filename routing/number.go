package routing

import (
	"errors"
	"strconv"
	"strings"

	"ringdown/privacy"
)

// Lengths of an E.164 number, calling code included. Seven is the shortest
// there is (Niue); fifteen the longest allowed (ITU-T E.164 6).
const (
	minE164 = 7
	maxE164 = 15
)

// The least and the greatest number of those lengths.
const (
	lowestE164  number = 1e6
	highestE164 number = 1e15 - 1
)

// number is an E.164 number without the +, as a value that costs eight bytes
// and compares at once. No E.164 number begins with a zero, so no digit is
// lost. Zero: none.
type number uint64

// parseE164 reads digits without a +.
func parseE164(digits string) (number, bool) {
	if len(digits) < minE164 || len(digits) > maxE164 || digits[0] == '0' {
		return 0, false
	}
	var n number
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + number(d)
	}
	return n, true
}

func (n number) String() string { return n.private().String() }

// head is the first three digits, which hold any calling code.
func (n number) head() number {
	for n >= 1000 {
		n /= 10
	}
	return n
}

// e164 writes the number in the clear, with the +.
func (n number) e164() string {
	if n == 0 {
		return ""
	}
	return "+" + strconv.FormatUint(uint64(n), 10)
}

func (n number) private() privacy.Number { return privacy.E164(n.e164()) }

// form says how a user part was read, or why it could not be.
type form uint8

const (
	withheld      form = iota // nothing, or a word that stands for nobody
	foreign                   // something else than digits
	incomplete                // not a length that exists
	unspecified               // digits without a +, and no country to read them by
	global                    // with a +
	dialledAbroad             // with the country's international prefix
	dialledInland             // a national number
	withoutPlus               // calling code and all, but no +
	inContext                 // completed by its phone-context (RFC 3966 5.1.5)
	lastForm
)

var formWords = [lastForm]string{
	withheld:      "withheld",
	foreign:       "not a telephone number",
	incomplete:    "not of a length that telephone numbers have",
	unspecified:   "without a +, and the trunk has no number_format.country to read it by",
	global:        "international",
	dialledAbroad: "international, by the prefix",
	dialledInland: "national",
	withoutPlus:   "international without the +",
	inContext:     "completed by its phone-context",
}

func (f form) String() string { return formWords[f] }

// Errors of [Normalise].
var (
	ErrWithheld  = errors.New("number is withheld")
	ErrNotNumber = errors.New("not a telephone number")
)

// Normalise reads the user part of an address as a trunk of that country (ISO
// 3166-1 alpha-2, empty: none) writes it. It understands +47…, the country's
// international prefix, national numbers with or without the national prefix,
// a missing +, separators (RFC 3966 5.1.1), escapes and tel: parameters. The
// error never repeats the text.
func Normalise(user, iso string) (privacy.Number, error) {
	n, how := read(user, countryOf(iso))
	switch {
	case n != 0:
		return n.private(), nil
	case how == withheld:
		return privacy.Number{}, ErrWithheld
	}
	return privacy.Number{}, ErrNotNumber
}

// read turns a user part into a number; zero when it is none, and then the
// form says why. It does not allocate.
func read(user string, c *country) (number, form) {
	var buf [maxDialled]byte
	d, ok := scan(user, buf[:])
	switch {
	case !ok:
		return 0, foreign
	case len(d.digits) == 0:
		return 0, withheld
	}
	digits := string(d.digits) // does not escape: stays on the stack
	if d.plus {
		return finish(digits, global)
	}
	if d.context != "" {
		if n, how, ok := complete(digits, d.context); ok {
			return n, how
		}
	}
	if c == nil {
		return 0, unspecified
	}
	return c.read(digits)
}

// read reads digits as they are dialled in the country. Where there is a
// national prefix, a number without one is rather international than national;
// where there is none, it is the other way round.
func (c *country) read(digits string) (number, form) {
	if rest, ok := c.international(digits); ok {
		return finish(rest, dialledAbroad)
	}
	inland, national := c.nsn(digits)
	if c.prefixed(digits) && (c.national != "" && inland == digits || !national) {
		return finish(digits, withoutPlus)
	}
	if !national {
		return 0, incomplete
	}
	var buf [4 + maxE164]byte
	return finish(string(append(append(buf[:0], c.code...), inland...)), dialledInland)
}

// complete puts digits into their phone-context when that is a number:
// "21000001;phone-context=+47". A domain names no country and is left alone.
func complete(digits, context string) (number, form, bool) {
	code, ok := strings.CutPrefix(context, "+")
	if !ok || code == "" || len(code) > maxE164 || strings.Trim(code, "0123456789") != "" {
		return 0, 0, false
	}
	if c := countryByCode(code); c != nil {
		n, how := c.read(digits)
		if n != 0 {
			how = inContext
		}
		return n, how, true
	}
	var buf [maxE164 + maxDialled]byte
	n, how := finish(string(append(append(buf[:0], code...), digits...)), inContext)
	return n, how, true
}

func finish(digits string, how form) (number, form) {
	if n, ok := parseE164(digits); ok {
		return n, how
	}
	return 0, incomplete
}
