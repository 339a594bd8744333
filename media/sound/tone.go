package sound

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// ToneRate is the sampling rate of tones in Hz.
const ToneRate = 8000

// piece is a stretch of a tone: frequencies sounding together, none for silence.
type piece struct {
	hz    []float64
	lasts time.Duration
}

// cadence is one period of a signal, and how loud each of its frequencies is.
type cadence struct {
	pieces []piece
	dBm0   float64
}

const ms = time.Millisecond

func tone(dBm0 float64, pieces ...piece) cadence { return cadence{pieces, dBm0} }

func on(d time.Duration, hz ...float64) piece { return piece{hz, d} }
func off(d time.Duration) piece               { return piece{nil, d} }

// ringbacks are the signals of national networks (ITU-T E.180
// supplement 2), by ISO 3166 country; "eu" is what most of Europe has.
var ringbacks = map[string]cadence{
	"at": tone(-13, on(1000*ms, 420), off(5000*ms)),
	"au": tone(-16, on(400*ms, 400, 450), off(200*ms), on(400*ms, 400, 450), off(2000*ms)),
	"be": tone(-13, on(1000*ms, 425), off(3000*ms)),
	"ca": tone(-16, on(2000*ms, 440, 480), off(4000*ms)),
	"ch": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"de": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"es": tone(-13, on(1500*ms, 425), off(3000*ms)),
	"eu": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"fr": tone(-13, on(1500*ms, 440), off(3500*ms)),
	"gb": tone(-16, on(400*ms, 400, 450), off(200*ms), on(400*ms, 400, 450), off(2000*ms)),
	"ie": tone(-16, on(400*ms, 400, 450), off(200*ms), on(400*ms, 400, 450), off(2000*ms)),
	"it": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"nl": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"nz": tone(-16, on(400*ms, 400, 450), off(200*ms), on(400*ms, 400, 450), off(2000*ms)),
	"pl": tone(-13, on(1000*ms, 425), off(4000*ms)),
	"se": tone(-13, on(1000*ms, 425), off(5000*ms)),
	"us": tone(-16, on(2000*ms, 440, 480), off(4000*ms)),
}

// beep is the recording-notice tone: 1400 Hz for 0.2 s, as the rules of the
// United States describe it (47 CFR 64.501); how often is the caller's choice.
var beep = tone(-18, on(200*ms, 1400))

// Tones makes each tone once. The zero value is ready; safe for concurrent use.
type Tones struct {
	mu   sync.Mutex
	made map[string]*Sound
}

// Countries lists the countries whose tones are known.
func Countries() []string { return slices.Sorted(maps.Keys(ringbacks)) }

// Ringback returns one period of a country's ringback tone; nil when the
// country is not known.
func (t *Tones) Ringback(country string) *Sound { return t.of("ringback ", country, ringbacks) }

// Beep returns the tone that says that a call is recorded.
func (t *Tones) Beep() *Sound { return t.of("beep", "", map[string]cadence{"": beep}) }

func (t *Tones) of(kind, country string, table map[string]cadence) *Sound {
	c, ok := table[country]
	if !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.made[kind+country]
	if s == nil {
		s = c.sound()
		if t.made == nil {
			t.made = map[string]*Sound{}
		}
		t.made[kind+country] = s
	}
	return s
}

// fullScale is the level of a sine that just fits 16 bits (G.711: +3.14 dBm0).
const fullScale = 3.14

// fade keeps the ends of a tone from clicking.
const fade = ToneRate / 200 // 5 ms

func (c cadence) sound() *Sound {
	amplitude := math.MaxInt16 * math.Pow(10, (c.dBm0-fullScale)/20)
	var samples []int16
	for _, p := range c.pieces {
		n := int(p.lasts * ToneRate / time.Second)
		for i := range n {
			x := 0.0
			for _, hz := range p.hz {
				x += amplitude * math.Sin(2*math.Pi*hz*float64(i)/ToneRate)
			}
			if edge := min(i, n-1-i); edge < fade {
				x *= float64(edge) / fade
			}
			samples = append(samples, int16(math.Round(x)))
		}
	}
	return New(ToneRate, samples)
}
