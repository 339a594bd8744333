// Package sound holds what may be played into a call: files and tones as linear
// PCM ([Sound]), where they stand while they play ([Player]), how they lie under
// talk ([Bed]), and the files of a configuration, each read once ([Library]).
//
// PCM goes in and PCM comes out: it knows no call, no packet and no clock, and
// starts no goroutine. Only [Library] reads files.
package sound

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// Sound is mono linear PCM of 16 bits that does not change. What is made of it
// for a call (another sampling rate, the packets of a codec) is made once and
// kept. Safe for concurrent use.
type Sound struct {
	rate    int
	samples []int16
	hash    [sha256.Size]byte

	mu    sync.Mutex
	rates map[int][]int16
	codes map[string]*Encoded
}

// New makes a sound of samples, which it keeps. rate is in Hz and above 0.
func New(rate int, samples []int16) *Sound {
	return &Sound{rate: rate, samples: samples, hash: hashOf(rate, samples)}
}

// hashOf tells sounds apart by what is heard: two files with other metadata
// around the same samples are one sound.
func hashOf(rate int, samples []int16) (sum [sha256.Size]byte) {
	h := sha256.New()
	var b [4096]byte
	binary.LittleEndian.PutUint64(b[:], uint64(rate))
	h.Write(b[:8])
	for len(samples) > 0 {
		n := min(len(samples), len(b)/2)
		for i, s := range samples[:n] {
			binary.LittleEndian.PutUint16(b[2*i:], uint16(s))
		}
		h.Write(b[:2*n])
		samples = samples[n:]
	}
	h.Sum(sum[:0])
	return sum
}

// Rate is the sampling rate in Hz.
func (s *Sound) Rate() int { return s.rate }

// Length is how long it lasts.
func (s *Sound) Length() time.Duration {
	return time.Duration(len(s.samples)) * time.Second / time.Duration(s.rate)
}

// Hash is the SHA-256 of rate and samples: which announcement was played can be
// proven by it, whatever became of the file.
func (s *Sound) Hash() [sha256.Size]byte { return s.hash }

// At returns the samples at a sampling rate, converted at the first time of
// asking. Nobody may change them.
func (s *Sound) At(rate int) []int16 {
	if rate == s.rate {
		return s.samples
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.rates[rate]
	if !ok {
		got = Resample(s.samples, s.rate, rate)
		if s.rates == nil {
			s.rates = map[int][]int16{}
		}
		s.rates[rate] = got
	}
	return got
}

// Frame is the length of the pieces that sounds are played in.
const Frame = 20 * time.Millisecond

// FrameSize is the number of samples in a [Frame] at a rate.
func FrameSize(rate int) int { return rate / 50 }

// Encoded is a sound as the payloads of one codec, a [Frame] each, in one piece
// of memory. It does not change.
type Encoded struct {
	payload []byte
	ends    []uint32
}

// Frames is how many there are; the last one is filled up with silence.
func (e *Encoded) Frames() int { return len(e.ends) }

// Frame returns the payload of one frame. Nobody may change it.
func (e *Encoded) Frame(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = e.ends[i-1]
	}
	return e.payload[from:e.ends[i]:e.ends[i]]
}

// As returns the sound in a codec, encoded at the first time of asking. codec
// names the codec with all its parameters; encode appends the payload of the
// next frame of samples at the rate. An encoder that remembers runs over the
// sound twice and the second run is kept, so that a sound that begins anew
// begins in the state in which it ended. An error is not kept.
func (s *Sound) As(codec string, rate int, encode func(dst []byte, frame []int16) ([]byte, error), remembers bool) (*Encoded, error) {
	s.mu.Lock()
	e := s.codes[codec]
	s.mu.Unlock()
	if e != nil {
		return e, nil
	}
	samples := s.At(rate)
	runs := 1
	if remembers {
		runs = 2
	}
	for range runs {
		e = &Encoded{}
		if err := e.run(samples, FrameSize(rate), encode); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes == nil {
		s.codes = map[string]*Encoded{}
	}
	if first := s.codes[codec]; first != nil { // somebody was faster
		return first, nil
	}
	s.codes[codec] = e
	return e, nil
}

func (e *Encoded) run(samples []int16, size int, encode func([]byte, []int16) ([]byte, error)) error {
	frame := make([]int16, size)
	for len(samples) > 0 {
		n := copy(frame, samples)
		clear(frame[n:])
		samples = samples[n:]
		var err error
		if e.payload, err = encode(e.payload, frame); err != nil {
			return err
		}
		e.ends = append(e.ends, uint32(len(e.payload)))
	}
	return nil
}
