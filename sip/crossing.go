package sip

import (
	"slices"
	"strings"
	"unicode/utf8"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// maxCrossed is the most bytes of one value that crosses; a longer one stays behind.
const maxCrossed = 256

// crossing picks the headers of a request that its trunk lists, by the names
// listed: one value each, and only what a header and an event can hold as it is.
func (e *Endpoint) crossing(req *gosip.Request, names []string) []call.Header {
	var out []call.Header
	for _, name := range names {
		for i, h := range req.GetHeaders(name) {
			value := strings.TrimSpace(h.Value())
			switch {
			case i > 0:
				e.count.drop("header-repeated")
			case !crosses(value):
				e.count.drop("header-unfit")
			default:
				out = append(out, call.Header{Name: name, Value: value})
			}
		}
	}
	return out
}

// crosses reports whether a value may go on.
func crosses(value string) bool {
	return value != "" && len(value) <= maxCrossed && utf8.ValidString(value) && printable(value) == value
}

// crossed are the kept headers that a trunk wants, in the order it lists them.
func crossed(kept []call.Header, names []string) []gosip.Header {
	var out []gosip.Header
	for _, name := range names {
		i := slices.IndexFunc(kept, func(h call.Header) bool { return strings.EqualFold(h.Name, name) })
		if i >= 0 && crosses(kept[i].Value) {
			out = append(out, gosip.NewHeader(name, kept[i].Value))
		}
	}
	return out
}
