package codec

import (
	"fmt"
	"strings"

	"ringdown/media"
)

// heededBitrates are the rates that a limit of a receiver's is lowered to, in
// bit/s, so that what is encoded once can be sent to many. Above them all our own
// rate is what counts.
var heededBitrates = [...]int{32000, 24000, 16000, 12000, 8000, 6000}

// heededRates are the playback rates that make a difference (RFC 7587 3.1.1), in Hz.
var heededRates = [...]int{8000, 12000, 16000, 24000}

// Heeded is a format with as much of its parameters as an encoder of it makes
// something of, in few forms: what is encoded for it suits every receiver whose
// format has the same. It has no payload type.
func Heeded(f media.Format) media.Format {
	said := f.Params
	f.PT, f.Params = 0, ""
	if kindOf(f) != opus {
		return f
	}
	var heeded []string
	heed := func(name string, n int) { heeded = append(heeded, fmt.Sprintf("%s=%d", name, n)) }
	if most, ok := param(said, "maxaveragebitrate"); ok && most < opusBitrate[48000] {
		least := len(heededBitrates) - 1
		for i, rate := range heededBitrates {
			if rate <= most || i == least {
				heed("maxaveragebitrate", rate)
				break
			}
		}
	}
	if most, ok := param(said, "maxplaybackrate"); ok && most > 0 {
		for _, rate := range heededRates {
			if most <= rate {
				heed("maxplaybackrate", rate)
				break
			}
		}
	}
	for _, name := range [...]string{"cbr", "usedtx", "useinbandfec"} {
		if n, _ := param(said, name); n == 1 {
			heed(name, 1)
		}
	}
	f.Params = strings.Join(heeded, ";")
	return f
}
