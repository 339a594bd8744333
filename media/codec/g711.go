package codec

import (
	"sync"
	"time"

	"github.com/zaf/g711"
)

// MuLaw returns the sample for each byte of PCMU. Nobody may change it.
var MuLaw = sync.OnceValue(func() *[256]int16 { return table(g711.DecodeUlawFrame) })

// ALaw returns the sample for each byte of PCMA. Nobody may change it.
var ALaw = sync.OnceValue(func() *[256]int16 { return table(g711.DecodeAlawFrame) })

func table(decode func(uint8) int16) *[256]int16 {
	var t [256]int16
	for i := range t {
		t[i] = decode(uint8(i))
	}
	return &t
}

// A byte for each sample, without its two lowest bits: neither law tells those
// apart but within a step of its own.
var (
	muLawCode = sync.OnceValue(func() *[1 << 14]uint8 { return code(g711.EncodeUlawFrame) })
	aLawCode  = sync.OnceValue(func() *[1 << 14]uint8 { return code(g711.EncodeAlawFrame) })
)

func code(encode func(int16) uint8) *[1 << 14]uint8 {
	var t [1 << 14]uint8
	for i := range t {
		t[i] = encode(int16(i << 2))
	}
	return &t
}

// g711Decoder reads PCMU or PCMA: a byte a sample, no memory but for losses.
type g711Decoder struct {
	sound *[256]int16
	lost  concealer
}

func newG711Decoder(t *[256]int16) *g711Decoder {
	return &g711Decoder{sound: t, lost: newConcealer(8000)}
}

func (d *g711Decoder) Decode(dst []int16, payload []byte) (int, error) {
	if len(payload) > samples(MaxFrame, 8000) || len(payload) > len(dst) {
		return 0, errLength
	}
	for i, b := range payload {
		dst[i] = d.sound[b]
	}
	d.lost.heard(dst[:len(payload)])
	return len(payload), nil
}

func (d *g711Decoder) Conceal(dst []int16) { d.lost.conceal(dst) }
func (d *g711Decoder) Rate() int           { return 8000 }
func (d *g711Decoder) Reset()              { d.lost.reset() }

type g711Encoder struct{ code *[1 << 14]uint8 }

func (e *g711Encoder) Encode(dst []byte, pcm []int16) []byte {
	for _, s := range pcm {
		dst = append(dst, e.code[uint16(s)>>2])
	}
	return dst
}

func (e *g711Encoder) Fits(frame time.Duration) bool {
	return frame > 0 && frame <= MaxFrame && frame%time.Millisecond == 0
}
func (e *g711Encoder) Rate() int { return 8000 }
func (e *g711Encoder) Reset()    {}
