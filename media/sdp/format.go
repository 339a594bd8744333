package sdp

import (
	"slices"
	"strings"

	"ringdown/media"
)

// static holds the audio payload types that mean something without an
// a=rtpmap (RFC 3551 table 4).
var static = map[uint8]media.Format{
	0:  {Name: "PCMU", Clock: 8000, Channels: 1},
	3:  {Name: "GSM", Clock: 8000, Channels: 1},
	4:  {Name: "G723", Clock: 8000, Channels: 1},
	5:  {Name: "DVI4", Clock: 8000, Channels: 1},
	6:  {Name: "DVI4", Clock: 16000, Channels: 1},
	7:  {Name: "LPC", Clock: 8000, Channels: 1},
	8:  {Name: "PCMA", Clock: 8000, Channels: 1},
	9:  {Name: "G722", Clock: 8000, Channels: 1},
	10: {Name: "L16", Clock: 44100, Channels: 2},
	11: {Name: "L16", Clock: 44100, Channels: 1},
	12: {Name: "QCELP", Clock: 8000, Channels: 1},
	13: {Name: "CN", Clock: 8000, Channels: 1},
	14: {Name: "MPA", Clock: 90000, Channels: 1},
	15: {Name: "G728", Clock: 8000, Channels: 1},
	16: {Name: "DVI4", Clock: 11025, Channels: 1},
	17: {Name: "DVI4", Clock: 22050, Channels: 1},
	18: {Name: "G729", Clock: 8000, Channels: 1},
}

// understandFormats reads the payload types of the m= line, each once, and
// what they mean.
func (d *Description) understandFormats(s *section) (types []uint8, formats []media.Format) {
	for _, token := range s.formats {
		pt, ok := payloadType(token)
		if !ok || slices.Contains(types, pt) {
			continue
		}
		types = append(types, pt)
		if f, ok := d.meaning(s, pt); ok {
			formats = append(formats, f)
		}
	}
	return types, formats
}

// meaning looks a payload type up in the section's a=rtpmap, then in the static ones.
func (d *Description) meaning(s *section, pt uint8) (media.Format, bool) {
	f, known := static[pt]
	params := ""
	for _, l := range s.lines {
		if l.name != "rtpmap" && l.name != "fmtp" || d.hides(l) {
			continue
		}
		about, rest, _ := strings.Cut(l.arg, " ")
		if n, ok := payloadType(about); !ok || n != pt {
			continue
		}
		rest = strings.TrimSpace(rest)
		if l.name == "fmtp" {
			params = rest
		} else if m, ok := parseEncoding(rest); ok {
			f, known = m, true
		}
	}
	f.PT, f.Params = pt, params
	return f, known
}

// parseEncoding reads "opus/48000/2", the part of a=rtpmap after the payload type.
func parseEncoding(s string) (media.Format, bool) {
	name, rest, _ := strings.Cut(s, "/")
	clock, channels, many := strings.Cut(rest, "/")
	f := media.Format{Name: strings.ToUpper(name), Channels: 1}
	hz, ok := number(clock, 1_000_000)
	if !ok || hz == 0 || len(name) > 32 || !plain(name, "-_.+") {
		return media.Format{}, false
	}
	f.Clock = int(hz)
	if many {
		n, ok := number(strings.TrimSpace(channels), 255)
		if !ok || n == 0 {
			return media.Format{}, false
		}
		f.Channels = int(n)
	}
	return f, true
}

func payloadType(s string) (uint8, bool) {
	n, ok := number(s, 127)
	return uint8(n), ok
}

// sameCodec reports whether two formats are one encoding, whatever their
// payload types and parameters.
func sameCodec(a, b media.Format) bool {
	return a.Name == b.Name && a.Clock == b.Clock && a.Channels == b.Channels
}
