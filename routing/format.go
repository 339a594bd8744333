package routing

import (
	"strconv"
	"strings"
)

// NumberFormat says how a trunk writes numbers, and how it wants them written.
type NumberFormat struct {
	Country string `yaml:"country"` // ISO 3166-1 alpha-2; empty: only numbers with a leading + are understood
	Out     string `yaml:"out"`     // e164 (default): +4721000001 | plus-less: 4721000001 | 00: 004721000001 | national
	Strip   string `yaml:"strip"`   // a technical prefix taken off the numbers called through it
	Prefix  string `yaml:"prefix"`  // a technical prefix put before the numbers we call through it
}

// Words of NumberFormat.Out.
const (
	OutE164     = "e164"
	OutPlusLess = "plus-less"
	OutZeros    = "00"
	OutNational = "national"
)

var outForms = []string{OutE164, OutPlusLess, OutZeros, OutNational}

const maxTechPrefix = 12

func (b *builder) numberFormat(f NumberFormat, path string) *country {
	c := countryOf(f.Country)
	if f.Country != "" {
		b.fault(checkCountry(f.Country), "%s.number_format.country", path)
	}
	b.fault(checkWord(f.Out, outForms), "%s.number_format.out", path)
	if f.Out == OutNational && f.Country == "" {
		b.fault("is missing: national numbers are those of a country", "%s.number_format.country", path)
	}
	b.fault(checkTechPrefix(f.Strip), "%s.number_format.strip", path)
	b.fault(checkTechPrefix(f.Prefix), "%s.number_format.prefix", path)
	return c
}

func checkTechPrefix(s string) string {
	if len(s) > maxTechPrefix || strings.Trim(s, "0123456789*#") != "" {
		return "is not a technical prefix: up to " + strconv.Itoa(maxTechPrefix) + " of 0-9, * and #"
	}
	return ""
}

// Write returns the user part by which a trunk of this format knows a number,
// E.164 with its +: whom it is from, not whom to call. A number abroad in a
// national format has the country's international prefix. What is not E.164
// comes back as it is.
func (f NumberFormat) Write(e164 string) string {
	digits, ok := strings.CutPrefix(e164, "+")
	if !ok {
		return e164
	}
	switch f.Out {
	case OutPlusLess:
		return digits
	case OutZeros:
		return "00" + digits
	case OutNational:
		if c := countryOf(f.Country); c != nil {
			return c.dial(digits)
		}
	}
	return e164
}

// Called is Write for the number that is called: behind the technical prefix.
func (f NumberFormat) Called(e164 string) string { return f.Prefix + f.Write(e164) }

// dial writes an international number as it is dialled inside the country.
func (c *country) dial(digits string) string {
	if nsn, ok := strings.CutPrefix(digits, c.code); ok && c.lengths.has(len(nsn)) {
		return c.national + nsn
	}
	prefix, _, _ := strings.Cut(c.intl, " ")
	return prefix + digits
}

// stripped takes the trunk's technical prefix off a called address.
func (f NumberFormat) stripped(user string) string {
	if f.Strip == "" {
		return user
	}
	bare := strings.TrimPrefix(user, "tel:")
	if rest, ok := strings.CutPrefix(bare, f.Strip); ok {
		return rest
	}
	return user
}

// words say the format to a person, when it is not simply E.164.
func (f NumberFormat) words() string {
	s := ""
	switch f.Out {
	case OutPlusLess:
		s = ", numbers without the +"
	case OutZeros:
		s = ", numbers with 00"
	case OutNational:
		s = ", numbers as dialled in " + f.Country
	}
	if f.Prefix != "" {
		s += ", behind a technical prefix"
	}
	return s
}
