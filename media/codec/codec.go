// Package codec turns the payloads of RTP packets into samples and back: G.711
// (PCMU, PCMA), G.722 and Opus, with what a stream of packets needs around that:
// concealment of lost ones, comfort noise (RFC 3389), order ([Queue]) and other
// sample rates ([Resampler]).
//
// It is pure: bytes and samples in, samples and bytes out, time as an argument.
// It owns no socket, goroutine or clock, and nothing in it allocates for a frame
// once a stream runs. Samples are 16 bit, mono, in host order.
package codec

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"ringdown/media"
)

// Decoder turns the payloads of one stream into samples, in the order in which
// they were sent. It is for one goroutine at a time.
type Decoder interface {
	// Decode writes the samples of a payload to dst and returns how many. dst
	// must hold [MaxFrame] at the decoder's rate; what does not fit is an error.
	// A payload that is none of the codec is an error too and changes nothing
	// that matters: the next one is decoded as well as after a loss.
	Decode(dst []int16, payload []byte) (n int, err error)
	// Conceal fills dst with what may have been said in a packet that was lost.
	Conceal(dst []int16)
	// Rate is the sample rate of what it writes, in Hz.
	Rate() int
	// Reset forgets the stream: the next payload is the first of another one.
	Reset()
}

// Repairer is a Decoder whose packets may say again what the one before said
// (the in-band FEC of Opus).
type Repairer interface {
	// Repair fills dst with a lost packet's samples from the payload after it; it
	// reports false, and changes nothing, when that holds none.
	Repair(dst []int16, next []byte) bool
}

// Encoder turns samples into payloads. It is for one goroutine at a time.
type Encoder interface {
	// Encode appends the payload for a frame of pcm to dst and returns it. A frame
	// is 10, 20, 40 or 60 ms ([Encoder.Fits]); one of another length leaves dst as
	// it was. An encoder that has nothing worth sending does so too (DTX).
	Encode(dst []byte, pcm []int16) []byte
	// Fits reports whether a frame of that length can be one payload.
	Fits(frame time.Duration) bool
	// Rate is the sample rate of what it takes, in Hz.
	Rate() int
	// Reset begins another stream.
	Reset()
}

// MaxFrame is the longest that one payload may last (RFC 6716 3.2.5, and what
// we accept of the others).
const MaxFrame = 120 * time.Millisecond

var (
	// ErrUnknown says that a codec can be passed on and not be read here.
	ErrUnknown = errors.New("codec is not spoken here")
	errLength  = errors.New("payload lasts longer than any packet may")
)

// Known reports whether a format is a codec of speech that can be decoded and
// encoded here.
func Known(f media.Format) bool { return kindOf(f) != none }

type kind uint8

const (
	none kind = iota
	pcmu
	pcma
	g722
	opus
)

func kindOf(f media.Format) kind {
	mono := f.Channels <= 1
	switch {
	case f.Name == "PCMU" && f.Clock == 8000 && mono:
		return pcmu
	case f.Name == "PCMA" && f.Clock == 8000 && mono:
		return pcma
	case f.Name == "G722" && f.Clock == 8000 && mono:
		return g722
	case f.Name == "OPUS" && f.Clock == 48000 && f.Channels == 2: // always said so, RFC 7587 7
		return opus
	}
	return none
}

// Rate returns the rate at which a format's sound is best handled, in Hz: what
// it was sampled at, or for Opus, which can be read at any of ours, the most it
// may hold. It is 0 for what is not [Known].
func Rate(f media.Format) int {
	switch kindOf(f) {
	case pcmu, pcma:
		return 8000
	case g722:
		return 16000
	case opus:
		return 48000
	}
	return 0
}

// NewDecoder returns a decoder of a format. wish is the sample rate that suits
// the caller, 8000, 16000 or 48000 Hz: Opus is then decoded at it, which spares
// the resampling; the others have but one rate. Fails with [ErrUnknown].
func NewDecoder(f media.Format, wish int) (Decoder, error) {
	switch kindOf(f) {
	case pcmu:
		return newG711Decoder(MuLaw()), nil
	case pcma:
		return newG711Decoder(ALaw()), nil
	case g722:
		return newG722Decoder(), nil
	case opus:
		return newOpusDecoder(wish)
	}
	return nil, fmt.Errorf("%s/%d/%d: %w", f.Name, f.Clock, f.Channels, ErrUnknown)
}

// NewEncoder returns an encoder of a format, which heeds the parameters that its
// receiver has given (a=fmtp). wish is as of [NewDecoder].
func NewEncoder(f media.Format, wish int) (Encoder, error) {
	switch kindOf(f) {
	case pcmu:
		return &g711Encoder{code: muLawCode()}, nil
	case pcma:
		return &g711Encoder{code: aLawCode()}, nil
	case g722:
		return newG722Encoder(), nil
	case opus:
		return newOpusEncoder(f, wish)
	}
	return nil, fmt.Errorf("%s/%d/%d: %w", f.Name, f.Clock, f.Channels, ErrUnknown)
}

// samples is how many there are in a duration at a rate.
func samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }

// Length is how long a payload of a format lasts; 0: that cannot be told.
func Length(f media.Format, payload []byte) time.Duration {
	switch kindOf(f) {
	case pcmu, pcma, g722:
		return time.Duration(len(payload)) * time.Second / 8000
	case opus:
		return opusLength(payload)
	}
	return 0
}

// Clock is that of the timestamps of what is sent to a receiver of formats: of the
// first that is [Known]; 0: there is none.
func Clock(formats []media.Format) int {
	if i := slices.IndexFunc(formats, Known); i >= 0 {
		return formats[i].Clock
	}
	return 0
}

// Frame is the packet time to send a format with, when wish is what suits the
// receiver: 20 ms when that is 0, or none that the codec has and that saves
// anything.
func Frame(f media.Format, wish time.Duration) time.Duration {
	switch wish / time.Millisecond {
	case 10, 40, 60:
		return wish
	case 30:
		if kindOf(f) != opus {
			return wish
		}
	}
	return 20 * time.Millisecond
}
