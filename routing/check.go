package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is one thing wrong with a Spec, or worth a second look.
type Fault struct {
	Path string // "numbers[3].flow"
	Msg  string // in words; never a number, a URI or what is not an id
}

const maxID = 63

// ValidID reports whether s is an id: [a-z0-9][a-z0-9_-]{0,62}.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > maxID || s[0] == '-' || s[0] == '_' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// checkID says what is wrong with an id; empty when nothing is. Ids are shown in
// subjects and paths, so one that is a telephone number is refused.
func checkID(s string) string {
	switch {
	case s == "":
		return "is missing"
	case !ValidID(s):
		return "is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit"
	case looksLikeNumber(s):
		return "looks like a telephone number; ids are shown in subjects and paths"
	}
	return ""
}

func looksLikeNumber(s string) bool {
	digits := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' {
			return -1
		}
		return r
	}, s)
	return len(digits) >= minE164 && strings.Trim(digits, "0123456789") == ""
}

// checkRef says what is wrong with a reference to one of the known ids.
func checkRef(kind, s string, known func(string) bool, all func() []string) string {
	switch {
	case s == "":
		return "is missing: the id of " + article(kind)
	case known(s):
		return ""
	case !ValidID(s) || looksLikeNumber(s):
		return "is not the id of " + article(kind)
	}
	return fmt.Sprintf("there is no %s %q%s", kind, s, suggest(s, all()))
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func suggest(s string, known []string) string {
	if near := Nearest(s, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// Nearest returns the word that s most likely was meant to be, empty when none
// is near: at most one change in three letters, the first of several in order.
func Nearest(s string, words []string) string {
	best, distance := "", len(s)/3+1
	for _, w := range slices.Sorted(slices.Values(words)) {
		if d := edits(s, w, distance); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// edits is the number of letters to add, drop or replace to get from a to b; it
// gives up above limit.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(b) > 4*maxID {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// checkWord says what is wrong with one of a closed list of words.
func checkWord(s string, allowed []string) string {
	if s == "" || slices.Contains(allowed, s) {
		return ""
	}
	shown := ""
	if ValidID(s) && !looksLikeNumber(s) {
		shown = fmt.Sprintf("%q ", s)
	}
	return fmt.Sprintf("%sis not known; allowed: %s", shown, strings.Join(allowed, ", "))
}

// checkE164 says what is wrong with a number that has to be E.164 as written.
func checkE164(s string) (number, string) {
	if s == "" {
		return 0, "is missing"
	}
	if digits, ok := strings.CutPrefix(s, "+"); ok {
		if n, ok := parseE164(digits); ok {
			return n, ""
		}
	}
	return 0, `is not E.164: a + and 7 to 15 digits, the first not 0, nothing between them`
}

// checkText refuses what must not travel in a header or an event.
func checkText(s string, limit int) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a control character"
	case len(s) > limit:
		return fmt.Sprintf("is longer than %d bytes", limit)
	}
	return ""
}

// checkPrefix reads a CIDR or a single address; what maps IPv4 into IPv6 is
// IPv4 afterwards.
func checkPrefix(s string) (netip.Prefix, string) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, `is not an address or CIDR such as "192.0.2.0/24"`
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, "mixes IPv4 and IPv6 addresses"
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if m := p.Masked(); m != p {
		return netip.Prefix{}, fmt.Sprintf("has bits set beyond its length: write %s", m)
	}
	return p, ""
}
