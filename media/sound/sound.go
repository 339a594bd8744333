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
	"errors"
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
	rates map[int]*resampled
	codes map[string]*Encoded
}

// resampled is a sound at another rate. It is made outside the sound's mutex:
// who wants it at a rate that is there does not wait for one that is not.
type resampled struct {
	once    sync.Once
	samples []int16
}

// MostForms is how many codecs with their parameters a sound is kept in.
const MostForms = 8

// ErrForms says that a sound is kept in [MostForms] forms already.
var ErrForms = errors.New("the sound is kept in too many forms already")

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
	got := s.rates[rate]
	if got == nil {
		if s.rates == nil {
			s.rates = map[int]*resampled{}
		}
		got = &resampled{}
		s.rates[rate] = got
	}
	s.mu.Unlock()
	got.once.Do(func() { got.samples = Resample(s.samples, s.rate, rate) })
	return got.samples
}

// Frame is the length of the pieces that sounds are played in.
const Frame = 20 * time.Millisecond

// FrameSize is the number of samples in a [Frame] at a rate.
func FrameSize(rate int) int { return rate / 50 }

// Encoded is a sound as the payloads of one codec, a [Frame] each. Each frame is
// encoded when it is asked for first, behind the one before it, and kept: so that
// a long piece of music costs nobody a pause, and a thousand who hear it from its
// beginning one encoder. Safe for concurrent use.
type Encoded struct {
	frames int

	mu      sync.RWMutex
	rest    []int16 // samples that are not encoded yet
	size    int     // of a frame
	encode  func(dst []byte, frame []int16) []byte
	payload []byte
	ends    []int
}

// Frames is how many there are; the last one is filled up with silence.
func (e *Encoded) Frames() int { return e.frames }

// Frame returns the payload of one frame; it is empty where the encoder had
// nothing worth sending. Nobody may change it. It encodes one frame at the most:
// ok is false for one that is further ahead, which who joins late encodes for
// himself, and for one behind the end.
func (e *Encoded) Frame(i int) (payload []byte, ok bool) {
	e.mu.RLock()
	if len(e.ends) > i {
		defer e.mu.RUnlock()
		return e.at(i), true
	}
	e.mu.RUnlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if i > len(e.ends) || i >= e.frames {
		return nil, false
	}
	if i == len(e.ends) {
		e.advance()
	}
	return e.at(i), true
}

func (e *Encoded) at(i int) []byte {
	from := 0
	if i > 0 {
		from = e.ends[i-1]
	}
	return e.payload[from:e.ends[i]:e.ends[i]]
}

// advance encodes one frame more.
func (e *Encoded) advance() {
	frame := e.rest[:min(e.size, len(e.rest))]
	e.rest = e.rest[len(frame):]
	if len(frame) < e.size {
		frame = append(make([]int16, 0, e.size), frame...)[:e.size]
	}
	e.payload = e.encode(e.payload, frame)
	e.ends = append(e.ends, len(e.payload))
	if len(e.rest) == 0 {
		e.encode = nil // it is not needed any more
	}
}

// As returns the sound in a codec. name tells the codec with its parameters from
// every other; encoder is asked for one when the sound was never in that codec.
// What that returns appends the payload of the next frame of samples at the rate.
// Fails with [ErrForms] when it was in too many others, since each is kept as long
// as the sound, and with the encoder's own error.
func (s *Sound) As(name string, rate int, encoder func() (func(dst []byte, frame []int16) []byte, error)) (*Encoded, error) {
	samples := s.At(rate)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.codes[name]; e != nil {
		return e, nil
	}
	if len(s.codes) >= MostForms {
		return nil, ErrForms
	}
	encode, err := encoder()
	if err != nil {
		return nil, err
	}
	size := FrameSize(rate)
	e := &Encoded{frames: (len(samples) + size - 1) / size, rest: samples, size: size, encode: encode}
	if s.codes == nil {
		s.codes = map[string]*Encoded{}
	}
	s.codes[name] = e
	return e, nil
}
