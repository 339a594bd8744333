package quality

import (
	"math"
	"time"
)

// The E-model, ITU-T G.107 (06/2015), with every parameter at its default (table
// 2) but the delay, the codec and the loss:
//
//	R = Ro - Is - Id - Ie,eff + A
//
// The figures between the two ends are those of handsets in two quiet rooms,
// with what echo a good telephone leaves (TELR 65 dB, WEPL 110 dB).
const (
	slr, rlr   = 8.0, 2.0   // loudness ratings, dB
	stmr, dr   = 15.0, 3.0  // sidetone, and the handset's D-value
	ds         = 3.0        // D-value of the sender's handset
	nc, nfor   = -70.0, -64 // circuit and far-end noise, dBm0p, dBmp
	ps, pr     = 35.0, 35.0 // room noise, dB(A)
	telr, wepl = 65.0, 110.0
	qdu        = 1.0 // units of quantizing distortion
)

// Of a rating only the delay changes the rest; this part does not.
var ro, noise = basic()

// basic is the signal-to-noise ratio Ro and the sum of noises No (7.2).
func basic() (ro, no float64) {
	olr := slr + rlr
	nos := ps - slr - ds - 100 + 0.004*square(ps-olr-ds-14)
	pre := pr + 10*math.Log10(1+math.Pow(10, (10-(stmr+dr))/10))
	nor := rlr - 121 + pre + 0.008*square(pre-35)
	no = 10 * math.Log10(tenth(nc)+tenth(nos)+tenth(nor)+tenth(nfor+rlr))
	return 15 - 1.5*(slr+no), no
}

// simultaneous is Is (7.3): too loud, sidetone, quantizing. t is the mean
// one-way delay of the echo in ms.
func simultaneous(t float64) float64 {
	x := slr + rlr + 0.2*(64+noise-rlr)
	iolr := 20 * (math.Pow(1+math.Pow(x/8, 8), 1.0/8) - x/8)
	stmro := -10 * math.Log10(tenth(-stmr)+math.Exp(-t/4)*tenth(-telr))
	ist := 12*math.Pow(1+math.Pow((stmro-13)/6, 8), 1.0/8) - 28*math.Pow(1+math.Pow((stmro+1)/19.4, 35), 1.0/35) -
		13*math.Pow(1+math.Pow((stmro-3)/33, 13), 1.0/13) + 29
	q := 37 - 15*math.Log10(qdu)
	g := 1.07 + 0.258*q + 0.0602*q*q
	iq := 15 * math.Log10(1+math.Pow(10, (ro-100)/15+46/8.4-g/9)+math.Pow(10, 46.0/30-g/40))
	return iolr + ist + iq
}

// delayed is Id (7.4) for an absolute one-way delay in ms: talker echo, listener
// echo and the delay by itself.
func delayed(t float64) float64 {
	terv := telr - 40*math.Log10((1+t/10)/(1+t/150)) + 6*math.Exp(-0.3*t*t)
	roe, re := -1.5*(noise-rlr), 80+2.5*(terv-14)
	idte := ((roe-re)/2 + math.Sqrt(square(roe-re)/4+100) - 1) * (1 - math.Exp(-t))
	rle := 10.5 * (wepl + 7) * math.Pow(2*t+1, -0.25)
	idle := (ro-rle)/2 + math.Sqrt(square(ro-rle)/4+169)
	idd := 0.0
	if t > 100 {
		x := math.Log2(t / 100)
		idd = 25 * (math.Pow(1+math.Pow(x, 6), 1.0/6) - 3*math.Pow(1+math.Pow(x/3, 6), 1.0/6) + 2)
	}
	return idte + idle + idd
}

// codec is what coding and loss do (ITU-T G.113 appendix I): the impairment
// without loss and the robustness against it.
type codec struct {
	ie, bpl float64
	delay   time.Duration // of coding, beside the packet's own time
}

// codecs has the values of G.113 (11/2007) appendix I, tables I.1 and I.4, with
// the concealment that each codec has or that today's receivers put to it. This
// scale ends at 93: G.722 and Opus, which sound better than it can say, count as
// free of impairment without loss. Their robustness is not published on it and
// is ours: G.722 conceals as G.711 does without, since its receivers mostly only
// repeat; Opus as G.711 with.
var codecs = map[string]codec{
	"PCMU": {0, 25.1, 0},
	"PCMA": {0, 25.1, 0},
	"G722": {0, 4.3, 1500 * time.Microsecond},
	"G729": {11, 19, 15 * time.Millisecond}, // G.729A, as all that speak it do
	"OPUS": {0, 25.1, 6500 * time.Microsecond},
}

// noPLC is G.711 at a receiver that says it conceals nothing (RFC 3611 4.7.6).
const noPLC = 4.3

// Rating is what a listener makes of a stream.
type Rating struct {
	R     float64 // of listening and talking, when the delay is known; else of listening alone
	MOSLQ float64 // of listening alone: without the delay
	MOSCQ float64 // of a conversation; 0: the delay is not known
}

// Loss is what the rating needs to know of a stream's losses.
type Loss struct {
	Part  float64 // of the packets that were lost or too late, 0 to 1
	Ratio float64 // the burst ratio of G.107, 1 for random loss
}

// Rate rates a stream of a codec; ok is false when nothing is published about
// the codec. delay is from mouth to ear, but for the codec's own; 0: not known.
func Rate(name string, l Loss, delay time.Duration) (r Rating, ok bool) {
	c, ok := codecs[name]
	if !ok {
		return Rating{}, false
	}
	return c.rate(l, delay), true
}

func (c codec) rate(l Loss, delay time.Duration) Rating {
	still := ro - simultaneous(0) - delayed(0) - c.impaired(l)
	r := Rating{R: bounded(still), MOSLQ: MOS(still)}
	if delay > 0 {
		t := ms(delay + c.delay)
		with := ro - simultaneous(t) - delayed(t) - c.impaired(l)
		r.R, r.MOSCQ = bounded(with), MOS(with)
	}
	return r
}

// impaired is Ie,eff (7.5). The burst ratio counts up to 8, and up to 2 when two
// percent or more are lost: beyond that it was never tested.
func (c codec) impaired(l Loss) float64 {
	ppl, ratio := 100*min(max(l.Part, 0), 1), max(l.Ratio, 1)
	if ppl < 2 {
		ratio = min(ratio, 8)
	} else {
		ratio = min(ratio, 2)
	}
	return c.ie + (95-c.ie)*ppl/(ppl/ratio+c.bpl)
}

// MOS turns a rating into a mean opinion score (G.107 annex B).
func MOS(r float64) float64 {
	switch {
	case r <= 6.5: // the cubic dips below 1 there
		return 1
	case r >= 100:
		return 4.5
	}
	return 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
}

func bounded(r float64) float64 { return min(max(r, 0), 100) }
func square(x float64) float64  { return x * x }
func tenth(db float64) float64  { return math.Pow(10, db/10) }

// Class is how a rating is called (ITU-T G.109): the words of its five classes.
type Class string

const (
	Best   Class = "best"   // R of 90 and more: users are very satisfied
	High   Class = "high"   // 80: satisfied
	Medium Class = "medium" // 70: some are not
	Low    Class = "low"    // 60: many are not
	Poor   Class = "poor"   // below: nearly all are not
)

// ClassOf names a rating.
func ClassOf(r float64) Class {
	switch {
	case r >= 90:
		return Best
	case r >= 80:
		return High
	case r >= 70:
		return Medium
	case r >= 60:
		return Low
	}
	return Poor
}
