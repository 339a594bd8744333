package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// Opener opens the segments of one container in any order. It may be used by
// many goroutines at once.
type Opener struct {
	floe   *floe
	cached atomic.Pointer[segmentKey] // the epoch used last
}

type segmentKey struct {
	epoch uint64
	gcm   cipher.AEAD
}

// NewOpener checks a header; [ErrHeader] says that key, aad and header do not
// belong together. The size of a segment is the header's.
func NewOpener(key, aad, header []byte) (*Opener, error) {
	return newOpener(key, aad, header, rotation)
}

func newOpener(key, aad, header []byte, rotation uint) (*Opener, error) {
	f, err := openFloe(key, aad, header, rotation)
	if err != nil {
		return nil, err
	}
	return &Opener{floe: f}, nil
}

// SegmentSize is the length of every segment but the final one, in bytes.
func (o *Opener) SegmentSize() int { return o.floe.segment }

// PlaintextSize is how much one segment holds, in bytes.
func (o *Opener) PlaintextSize() int { return o.floe.segment - Overhead }

// IsFinal reports whether a segment claims to be the final one. The claim is
// checked by [Opener.Open] and [Opener.OpenFinal]. Less than a length is none.
func IsFinal(segment []byte) bool {
	return len(segment) >= lengthSize && binary.BigEndian.Uint32(segment) != notFinal
}

// Open appends to dst what is in the segment at position, which is not the
// final one. [ErrTruncated] says that it is shorter than a segment,
// [ErrSegment] that it is not what was sealed at this position. dst must not
// overlap segment. On error dst comes back as it was.
func (o *Opener) Open(dst []byte, position uint64, segment []byte) ([]byte, error) {
	if len(segment) < o.floe.segment {
		return dst, fmt.Errorf("segment %d: %d of %d bytes: %w", position, len(segment), o.floe.segment, ErrTruncated)
	}
	if len(segment) > o.floe.segment || IsFinal(segment) || position >= MaxSegments-1 {
		return dst, fmt.Errorf("segment %d: %w", position, ErrSegment)
	}
	return o.open(dst, position, segment, false)
}

// OpenFinal is [Opener.Open] for the final segment, which is all that the
// container holds from its position on.
func (o *Opener) OpenFinal(dst []byte, position uint64, segment []byte) ([]byte, error) {
	if len(segment) < Overhead {
		return dst, fmt.Errorf("segment %d: %d bytes: %w", position, len(segment), ErrTruncated)
	}
	claimed := uint64(binary.BigEndian.Uint32(segment))
	if claimed > uint64(o.floe.segment) || claimed < uint64(len(segment)) || position >= MaxSegments {
		return dst, fmt.Errorf("segment %d: %w", position, ErrSegment)
	}
	if claimed > uint64(len(segment)) {
		return dst, fmt.Errorf("segment %d: %d of %d bytes: %w", position, len(segment), claimed, ErrTruncated)
	}
	return o.open(dst, position, segment, true)
}

func (o *Opener) open(dst []byte, position uint64, segment []byte, final bool) ([]byte, error) {
	key := o.cached.Load()
	if epoch := o.floe.epoch(position); key == nil || key.epoch != epoch {
		gcm, err := o.floe.segmentKey(epoch)
		if err != nil {
			return dst, err
		}
		key = &segmentKey{epoch, gcm}
		o.cached.Store(key)
	}
	var aad [9]byte
	place(&aad, position, final)
	out, err := key.gcm.Open(dst, nil, segment[lengthSize:], aad[:])
	if err != nil {
		return dst, fmt.Errorf("segment %d: %w", position, ErrSegment)
	}
	return out, nil
}
