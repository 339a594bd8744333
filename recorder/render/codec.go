package render

import (
	"fmt"
	"strings"

	"ringdown/media"
	g711 "ringdown/media/codec"
	"ringdown/recorder/format"
)

// codec is how to read the payloads of one payload type.
type codec struct {
	name   string
	clock  int
	decode *[256]int16 // nil: it cannot be read here
	quiet  bool        // comfort noise: silence
}

// formats is what the payload types of one side mean at the moment.
type formats struct {
	known [128]codec
}

func (f *formats) set(r format.Formats) {
	if !r.More {
		clear(f.known[:])
	}
	for _, x := range r.Set {
		if x.PT < 128 {
			f.known[x.PT] = codecOf(x)
		}
	}
}

// codec returns the meaning of a payload type, falling back on the static
// assignments of RFC 3551 section 6.
func (f *formats) codec(pt uint8) codec {
	if c := f.known[pt&0x7F]; c.name != "" {
		return c
	}
	switch pt {
	case 0:
		return codecOf(media.Format{Name: "PCMU", Clock: Rate})
	case 8:
		return codecOf(media.Format{Name: "PCMA", Clock: Rate})
	case 13:
		return codecOf(media.Format{Name: "CN", Clock: Rate})
	}
	return codec{name: fmt.Sprintf("payload type %d", pt), clock: Rate}
}

func codecOf(f media.Format) codec {
	c := codec{name: strings.ToUpper(f.Name), clock: f.Clock}
	if c.clock <= 0 {
		c.clock = Rate
	}
	switch plain := c.clock == Rate && f.Channels <= 1; {
	case c.name == "PCMU" && plain:
		c.decode = g711.MuLaw()
	case c.name == "PCMA" && plain:
		c.decode = g711.ALaw()
	case c.name == "CN":
		c.decode, c.quiet = g711.MuLaw(), true // RFC 3389: a level, no sound of its own
	case c.name == "PCMU" || c.name == "PCMA":
		c.name = fmt.Sprintf("%s/%d/%d", c.name, c.clock, max(f.Channels, 1))
	case c.name == "":
		c.name = fmt.Sprintf("payload type %d", f.PT)
	}
	return c
}
