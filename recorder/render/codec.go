package render

import (
	"fmt"
	"strings"

	"ringdown/media"
	speech "ringdown/media/codec"
	"ringdown/recorder/format"
)

// codec is how to read the payloads of one payload type.
type codec struct {
	name   string
	clock  int
	decode *[256]int16  // a sample for each byte; nil: it is not so simple
	deep   media.Format // of a codec with a memory, whose packets are read in their order; without a name: it is none
	quiet  bool         // comfort noise: silence
}

// readable reports whether there is sound to be had of it.
func (c *codec) readable() bool { return c.decode != nil || c.deep.Name != "" }

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
		c.decode = speech.MuLaw()
	case c.name == "PCMA" && plain:
		c.decode = speech.ALaw()
	case speech.Known(media.Format{Name: c.name, Clock: c.clock, Channels: f.Channels}):
		c.deep = media.Format{Name: c.name, Clock: c.clock, Channels: f.Channels}
	case c.name == "CN":
		c.decode, c.quiet = speech.MuLaw(), true // RFC 3389: a level, no sound of its own
	case c.name == "PCMU" || c.name == "PCMA":
		c.name = fmt.Sprintf("%s/%d/%d", c.name, c.clock, max(f.Channels, 1))
	case c.name == "":
		c.name = fmt.Sprintf("payload type %d", f.PT)
	}
	return c
}
