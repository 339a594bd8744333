package routing

import (
	"slices"
	"strconv"
	"strings"
)

// country is one numbering plan.
type country struct {
	iso      string
	code     string  // calling code
	intl     string  // international prefixes, separated by spaces
	national string  // national prefix, empty when there is none
	lengths  lengths // of national numbers, without the national prefix
}

// countryOf finds a plan by its ISO code, nil when there is none.
func countryOf(iso string) *country {
	i, found := slices.BinarySearchFunc(countries[:], iso, func(c country, iso string) int { return strings.Compare(c.iso, iso) })
	if !found {
		return nil
	}
	return &countries[i]
}

// countryByCode finds the first plan with exactly this calling code.
func countryByCode(code string) *country {
	for i := range countries {
		if countries[i].code == code {
			return &countries[i]
		}
	}
	return nil
}

// countryOfHead finds the plan of a number by its first three digits. Calling
// codes are prefix-free, so at most one fits.
func countryOfHead(head number) *country {
	digits := strconv.FormatUint(uint64(head), 10)
	for n := 1; n <= len(digits); n++ {
		if c := countryByCode(digits[:n]); c != nil {
			return c
		}
	}
	return nil
}

// international cuts the international prefix; false when there is none.
func (c *country) international(digits string) (string, bool) {
	for prefix := range strings.SplitSeq(c.intl, " ") {
		if rest, ok := strings.CutPrefix(digits, prefix); ok && len(rest) >= minE164 && rest[0] != '0' {
			return rest, true
		}
	}
	return "", false
}

// nsn returns the national number that digits, dialled inside the country,
// stand for; false when they are none.
func (c *country) nsn(digits string) (string, bool) {
	if c.national != "" {
		if rest, ok := strings.CutPrefix(digits, c.national); ok && c.lengths.has(len(rest)) {
			return rest, true
		}
	}
	// Where the national prefix is a zero, no national number begins with one.
	if strings.HasPrefix(c.national, "0") && strings.HasPrefix(digits, "0") {
		return "", false
	}
	return digits, c.lengths.has(len(digits))
}

// prefixed reports whether digits are a whole international number of this
// country that only lacks the +.
func (c *country) prefixed(digits string) bool {
	rest, ok := strings.CutPrefix(digits, c.code)
	if !ok || !c.lengths.has(len(rest)) {
		return false
	}
	return !strings.HasPrefix(c.national, "0") || rest[0] != '0'
}
