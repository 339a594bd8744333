package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// Sizes of a container, in bytes. The header is
//
//	aead 1 | kdf 1 | segment 4 | iv length 4 | iv 32 | header tag 32
//
// and a segment
//
//	length 4 | nonce 12 | ciphertext | tag 16
//
// where length is 0xFFFFFFFF in every segment but the final one, which holds
// its own.
const (
	Segment     = 4096 // our size of an encrypted segment
	Overhead    = lengthSize + nonceSize + tagSize
	HeaderSize  = paramSize + ivSize + headerTagSize
	MaxSegment  = 1 << 20
	MaxSegments = 1 << 40 // AEAD_MAX_SEGMENTS of the specification

	minSegment    = Overhead + 1
	paramSize     = 10
	ivSize        = 32
	headerTagSize = 32
	lengthSize    = 4
	messageSize   = 48 // KDF_KEY_LEN of SHA-384
	notFinal      = 0xFFFFFFFF
	// rotation is AEAD_ROTATION_MASK: a segment key serves 2^20 segments.
	rotation = 20
)

// floe is what both directions of a container have in common. It is read only
// once made.
type floe struct {
	prefix   []byte // parameters | iv
	aad      []byte
	message  []byte // message key
	segment  int
	rotation uint
}

// newFloe derives the keys of a container whose header begins with prefix
// (parameters and iv) and returns the header tag that belongs to it.
func newFloe(key, aad, prefix []byte, rotation uint) (*floe, []byte, error) {
	if len(key) != KeySize {
		return nil, nil, fmt.Errorf("container: key: %d bytes, want %d", len(key), KeySize)
	}
	f := &floe{
		prefix:   append([]byte(nil), prefix...),
		aad:      append([]byte(nil), aad...),
		segment:  int(binary.BigEndian.Uint32(prefix[2:])),
		rotation: rotation,
	}
	tag, err := f.derive(key, "HEADER_TAG:", headerTagSize)
	if err != nil {
		return nil, nil, err
	}
	f.message, err = f.derive(key, "MESSAGE_KEY:", messageSize)
	return f, tag, err
}

// derive is FLOE_KDF.
func (f *floe) derive(key []byte, purpose string, n int) ([]byte, error) {
	out, err := hkdf.Expand(sha512.New384, key, string(f.prefix)+purpose+string(f.aad), n)
	if err != nil {
		return nil, fmt.Errorf("container: derive key: %w", err)
	}
	return out, nil
}

// openFloe checks a header against key and aad. The parameters it claims are
// part of what the header tag covers.
func openFloe(key, aad, header []byte, rotation uint) (*floe, error) {
	if len(header) != HeaderSize {
		return nil, fmt.Errorf("container: header of %d bytes, want %d: %w", len(header), HeaderSize, ErrHeader)
	}
	segment := binary.BigEndian.Uint32(header[2:])
	if header[0] != 0 || header[1] != 0 || binary.BigEndian.Uint32(header[6:]) != ivSize || checkSegment(int64(segment)) != nil {
		return nil, fmt.Errorf("container: parameters %x: %w", header[:paramSize], ErrHeader)
	}
	f, tag, err := newFloe(key, aad, header[:paramSize+ivSize], rotation)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(tag, header[paramSize+ivSize:]) != 1 {
		return nil, fmt.Errorf("container: %w", ErrHeader)
	}
	return f, nil
}

// createFloe starts a container with a fresh iv and returns its header.
func createFloe(key, aad []byte, segment int, rotation uint) (*floe, []byte, error) {
	if err := checkSegment(int64(segment)); err != nil {
		return nil, nil, err
	}
	header := make([]byte, paramSize+ivSize, HeaderSize)
	binary.BigEndian.PutUint32(header[2:], uint32(segment))
	binary.BigEndian.PutUint32(header[6:], ivSize)
	rand.Read(header[paramSize:])
	f, tag, err := newFloe(key, aad, header, rotation)
	if err != nil {
		return nil, nil, err
	}
	return f, append(header, tag...), nil
}

func checkSegment(n int64) error {
	if n < minSegment || n > MaxSegment {
		return fmt.Errorf("container: segment of %d bytes, want %d to %d", n, minSegment, MaxSegment)
	}
	return nil
}

// epoch returns the first position that shares the segment key of position.
func (f *floe) epoch(position uint64) uint64 { return position >> f.rotation << f.rotation }

// segmentKey is DERIVE_KEY for the positions of an epoch, ready for use.
func (f *floe) segmentKey(epoch uint64) (cipher.AEAD, error) {
	purpose := binary.BigEndian.AppendUint64([]byte("DEK:"), epoch)
	key, err := f.derive(f.message, string(purpose), KeySize)
	if err != nil {
		return nil, err
	}
	return newGCM(key)
}

// place writes the associated data of a segment.
func place(aad *[9]byte, position uint64, final bool) {
	binary.BigEndian.PutUint64(aad[:], position)
	aad[8] = 0
	if final {
		aad[8] = 1
	}
}
