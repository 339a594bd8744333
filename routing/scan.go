package routing

import "strings"

// maxDialled is the longest run of digits looked at: an international prefix
// before the longest number, with room for a mistake.
const maxDialled = 24

// dialled is a user part taken apart.
type dialled struct {
	digits  []byte
	plus    bool
	context string // phone-context, as written
}

// scan takes a user part apart into buf. It is false for anything that is not
// a telephone number; a word for "nobody" is a number without digits.
func scan(user string, buf []byte) (dialled, bool) {
	user = strings.TrimSpace(user)
	if len(user) >= 4 && strings.EqualFold(user[:4], "tel:") {
		user = user[4:]
	}
	user, params, _ := strings.Cut(user, ";")
	if nobody(user) {
		return dialled{}, true
	}
	d := dialled{digits: buf[:0], context: phoneContext(params)}
	for i := 0; i < len(user); i++ {
		b := user[i]
		if b == '%' {
			var ok bool
			if b, ok = escape(user[i:]); !ok {
				return dialled{}, false
			}
			i += 2
		}
		switch {
		case b >= '0' && b <= '9':
			if len(d.digits) == cap(d.digits) {
				return dialled{}, false
			}
			d.digits = append(d.digits, b)
		case b == '+':
			if d.plus || len(d.digits) > 0 {
				return dialled{}, false
			}
			d.plus = true
		case b == '(' && d.zeroInPrint(user[i:]):
			i += 2
		case !separator(b):
			return dialled{}, false
		}
	}
	return d, len(d.digits) > 0
}

// separator reports a character that only helps the eye: the visual separators
// of RFC 3966 and the blank and slash that people write.
func separator(b byte) bool {
	return b == ' ' || b == '-' || b == '.' || b == '(' || b == ')' || b == '/'
}

// zeroInPrint reports the "(0)" of "+44 (0)20": the national prefix, printed
// for readers at home and not part of the number. Where numbers have no
// national prefix (Italy) the zero is theirs.
func (d dialled) zeroInPrint(rest string) bool {
	if !d.plus || !strings.HasPrefix(rest, "(0)") {
		return false
	}
	c := countryByCode(string(d.digits))
	return c != nil && c.national != ""
}

// escape reads "%2B" (RFC 3261 25.1).
func escape(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := nibble(s[1])
	low, ok2 := nibble(s[2])
	return high<<4 | low, ok1 && ok2
}

func nibble(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// nobody reports the words that carriers write when the caller is withheld
// (RFC 3323 4.1.1.3 and custom).
func nobody(user string) bool {
	for _, word := range [...]string{"", "anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "invalid"} {
		if strings.EqualFold(user, word) {
			return true
		}
	}
	return false
}

// phoneContext finds phone-context among the parameters (RFC 3966 3).
func phoneContext(params string) string {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(name, "phone-context") {
			if rest, ok := strings.CutPrefix(value, "%2B"); ok {
				return "+" + rest // a proxy's escaping
			}
			return value
		}
	}
	return ""
}
