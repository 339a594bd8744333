package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
)

// Sealer makes a container, segment after segment. It holds no buffer and
// allocates nothing while dst has room. It is for one goroutine.
type Sealer struct {
	floe     *floe
	position uint64
	sealed   bool
	gcm      cipher.AEAD // of the epoch that position is in
	epoch    uint64
	aad      [9]byte
}

// NewSealer starts a container with segments of the given encrypted size
// ([Segment] is ours) and returns the header that goes before the first one.
// aad is bound to the container without being in it.
func NewSealer(key, aad []byte, segment int) (*Sealer, []byte, error) {
	return newSealer(key, aad, segment, rotation)
}

func newSealer(key, aad []byte, segment int, rotation uint) (*Sealer, []byte, error) {
	f, header, err := createFloe(key, aad, segment, rotation)
	if err != nil {
		return nil, nil, err
	}
	return &Sealer{floe: f}, header, nil
}

// ResumeSealer goes on with a container that has nextPosition whole segments
// and no final one: after a crash, once what was torn has been cut off. The
// nonces are random, so a position that was sealed before may be sealed again.
func ResumeSealer(key, aad, header []byte, nextPosition uint64) (*Sealer, error) {
	f, err := openFloe(key, aad, header, rotation)
	if err != nil {
		return nil, err
	}
	return &Sealer{floe: f, position: nextPosition}, nil
}

// SegmentSize is the length of every segment but the final one, in bytes.
func (s *Sealer) SegmentSize() int { return s.floe.segment }

// PlaintextSize is how much one segment holds, in bytes.
func (s *Sealer) PlaintextSize() int { return s.floe.segment - Overhead }

// Position is the number of segments before the next one.
func (s *Sealer) Position() uint64 { return s.position }

// Seal appends the next segment to dst. plaintext fills it: exactly
// PlaintextSize bytes, not overlapping the free room of dst. On error dst comes
// back as it was and the position stays.
func (s *Sealer) Seal(dst, plaintext []byte) ([]byte, error) {
	if len(plaintext) != s.PlaintextSize() {
		return dst, fmt.Errorf("segment %d: %d bytes, want %d", s.position, len(plaintext), s.PlaintextSize())
	}
	if s.position >= MaxSegments-1 {
		return dst, fmt.Errorf("segment %d: the container is full", s.position)
	}
	return s.append(dst, plaintext, false)
}

// Final appends the last segment, with anything from nothing to PlaintextSize
// bytes in it. After that the Sealer refuses everything with [ErrSealed].
func (s *Sealer) Final(dst, plaintext []byte) ([]byte, error) {
	if len(plaintext) > s.PlaintextSize() {
		return dst, fmt.Errorf("segment %d: %d bytes, want at most %d", s.position, len(plaintext), s.PlaintextSize())
	}
	if s.position >= MaxSegments {
		return dst, fmt.Errorf("segment %d: the container is full", s.position)
	}
	return s.append(dst, plaintext, true)
}

func (s *Sealer) append(dst, plaintext []byte, final bool) ([]byte, error) {
	if s.sealed {
		return dst, fmt.Errorf("segment %d: %w", s.position, ErrSealed)
	}
	if epoch := s.floe.epoch(s.position); s.gcm == nil || epoch != s.epoch {
		gcm, err := s.floe.segmentKey(epoch)
		if err != nil {
			return dst, err
		}
		s.gcm, s.epoch = gcm, epoch
	}
	length := uint32(notFinal)
	if final {
		length = uint32(Overhead + len(plaintext))
	}
	place(&s.aad, s.position, final)
	dst = slices.Grow(dst, Overhead+len(plaintext))
	dst = binary.BigEndian.AppendUint32(dst, length)
	dst = s.gcm.Seal(dst, nil, plaintext, s.aad[:])
	s.position++
	s.sealed = final
	return dst, nil
}
