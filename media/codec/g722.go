package codec

import "time"

// ITU-T G.722 at 64 kbit/s: 16 kHz sound is split into two bands by a quadrature
// mirror filter, each coded by adaptive differences: six bits a pair of samples
// for the lower band, two for the upper one. Names in comments are those of the
// recommendation's clause 6.2. In RTP its clock says 8000 Hz although there are
// 16000 samples a second (RFC 3551 4.5.2): a byte is a tick and two samples.

// band is the adaptive predictor and quantizer of one band (6.2.1, blocks 3 and 4).
type band struct {
	estimate int    // S: predicted sample
	zeros    int    // SZ: the part of it that the zeros give
	diffs    [7]int // D: quantized differences, newest first
	b        [7]int // B: coefficients of the zeros, from 1
	rec      [3]int // R: reconstructed, newest first
	part     [3]int // P: partly reconstructed
	a        [3]int // A: coefficients of the poles, from 1
	log      int    // NB: logarithm of the step
	step     int    // DET
}

func (b *band) reset(step int) { *b = band{step: step} }

// adapt takes the quantized difference of a sample and predicts the next one.
func (b *band) adapt(d int) {
	b.diffs[0] = d
	b.rec[0] = limit16(b.estimate + d)
	b.part[0] = limit16(b.zeros + d)
	b.adaptPoles()
	b.adaptZeros()
	for i := 6; i > 0; i-- {
		b.diffs[i] = b.diffs[i-1]
	}
	b.rec[2], b.rec[1] = b.rec[1], b.rec[0]
	b.part[2], b.part[1] = b.part[1], b.part[0]

	poles := limit16(b.a[1]*limit16(b.rec[1]*2)>>15 + b.a[2]*limit16(b.rec[2]*2)>>15)
	zeros := 0
	for i := 6; i > 0; i-- {
		zeros += b.b[i] * limit16(b.diffs[i]*2) >> 15
	}
	b.zeros = limit16(zeros)
	b.estimate = limit16(poles + b.zeros)
}

// adaptPoles is UPPOL2 and UPPOL1: signs alone steer, and the filter stays stable.
func (b *band) adaptPoles() {
	same1 := (b.part[0] < 0) == (b.part[1] < 0)
	same2 := (b.part[0] < 0) == (b.part[2] < 0)
	move := limit16(b.a[1] * 4)
	if same1 {
		move = -move
	}
	a2 := min(move, 32767)>>7 - 128
	if same2 {
		a2 += 256
	}
	a2 = min(max(a2+b.a[2]*32512>>15, -12288), 12288)
	a1 := -192
	if same1 {
		a1 = 192
	}
	a1 = limit16(a1 + b.a[1]*32640>>15)
	bound := 15360 - a2
	b.a[1], b.a[2] = min(max(a1, -bound), bound), a2
}

// adaptZeros is UPZERO.
func (b *band) adaptZeros() {
	gain := 128
	if b.diffs[0] == 0 {
		gain = 0
	}
	for i := 1; i <= 6; i++ {
		up := gain
		if (b.diffs[i] < 0) != (b.diffs[0] < 0) {
			up = -gain
		}
		b.b[i] = limit16(up + b.b[i]*32640>>15)
	}
}

// scale is LOGSCL and SCALEL (LOGSCH and SCALEH): what was just said moves the step.
func (b *band) scale(weight, most, shift int) {
	b.log = min(max(b.log*127>>7+weight, 0), most)
	step := antilog[b.log>>6&31]
	if by := shift - b.log>>11; by < 0 {
		step <<= -by
	} else {
		step >>= by
	}
	b.step = step << 2
}

func limit16(v int) int { return min(max(v, -32768), 32767) }

// low and high take a code of their band and return the sample that it stands
// for; the encoder uses them too, to know what the decoder will.

func (b *band) low(code int) int {
	sound := b.estimate + b.step*low6[code]>>15
	coarse := code >> 2
	d := b.step * low4[coarse] >> 15
	b.scale(lowWeight[coarse], 18432, 8)
	b.adapt(d)
	return min(max(sound, -16384), 16383)
}

func (b *band) high(code int) int {
	d := b.step * high2[code] >> 15
	sound := b.estimate + d
	b.scale(highWeight[code], 22528, 10)
	b.adapt(d)
	return min(max(sound, -16384), 16383)
}

// mirror is the memory of the quadrature mirror filter: pairs of samples, oldest
// first. It is twice as long as it must be, so that it moves only now and then.
type mirror struct {
	x    [24 + 96]int
	from int
}

// push takes the next pair and returns the last twelve, oldest first.
func (m *mirror) push(a, b int) *[24]int {
	if m.from += 2; m.from+24 > len(m.x) {
		copy(m.x[:], m.x[m.from:])
		m.from = 0
	}
	w := (*[24]int)(m.x[m.from:])
	w[22], w[23] = a, b
	return w
}

// sums are the filter's two branches.
func sums(w *[24]int) (even, odd int) {
	for i, c := range qmf {
		even += w[2*i] * c
		odd += w[2*i+1] * qmf[11-i]
	}
	return even, odd
}

type g722Decoder struct {
	lower, upper band
	mirror       mirror
	lost         concealer
}

func newG722Decoder() *g722Decoder {
	d := &g722Decoder{lost: newConcealer(16000)}
	d.Reset()
	return d
}

func (d *g722Decoder) Reset() {
	d.lower.reset(32)
	d.upper.reset(8)
	d.mirror = mirror{}
	d.lost.reset()
}

func (d *g722Decoder) Rate() int { return 16000 }

func (d *g722Decoder) Decode(dst []int16, payload []byte) (int, error) {
	n := 2 * len(payload)
	if n > samples(MaxFrame, 16000) || n > len(dst) {
		return 0, errLength
	}
	for i, c := range payload {
		low, high := d.lower.low(int(c&0x3f)), d.upper.high(int(c>>6))
		even, odd := sums(d.mirror.push(low+high, low-high))
		dst[2*i], dst[2*i+1] = int16(limit16(odd>>11)), int16(limit16(even>>11))
	}
	d.lost.heard(dst[:n])
	return n, nil
}

func (d *g722Decoder) Conceal(dst []int16) { d.lost.conceal(dst) }

type g722Encoder struct {
	lower, upper band
	mirror       mirror
}

func newG722Encoder() *g722Encoder {
	e := &g722Encoder{}
	e.Reset()
	return e
}

func (e *g722Encoder) Reset() {
	e.lower.reset(32)
	e.upper.reset(8)
	e.mirror = mirror{}
}

func (e *g722Encoder) Rate() int { return 16000 }

func (e *g722Encoder) Fits(frame time.Duration) bool {
	return frame > 0 && frame <= MaxFrame && frame%time.Millisecond == 0
}

func (e *g722Encoder) Encode(dst []byte, pcm []int16) []byte {
	for ; len(pcm) >= 2; pcm = pcm[2:] {
		even, odd := sums(e.mirror.push(int(pcm[0]), int(pcm[1])))
		low := e.quantizeLow((even + odd) >> 14)
		high := e.quantizeHigh((odd - even) >> 14)
		dst = append(dst, byte(high<<6|low))
	}
	return dst
}

// quantizeLow is QUANTL: which of the levels the prediction was wrong by.
func (e *g722Encoder) quantizeLow(x int) int {
	miss := limit16(x - e.lower.estimate)
	size, codes := miss, &lowPositive
	if miss < 0 {
		size, codes = -(miss + 1), &lowNegative
	}
	i := 1
	for i < 30 && size >= lowLevels[i]*e.lower.step>>12 {
		i++
	}
	code := codes[i]
	e.lower.low(code)
	return code
}

// quantizeHigh is QUANTH.
func (e *g722Encoder) quantizeHigh(x int) int {
	miss := limit16(x - e.upper.estimate)
	far := 564 * e.upper.step >> 12
	code := 3 // small and positive
	switch {
	case miss < 0 && -(miss+1) >= far:
		code = 0
	case miss < 0:
		code = 1
	case miss >= far:
		code = 2
	}
	e.upper.high(code)
	return code
}
