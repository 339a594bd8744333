// Package seal turns bytes into sealed bytes and back. It owns the formats of
// everything of ours that lies on a disk:
//
//   - the container ([Sealer], [Opener], and [Writer], [Reader] for a whole
//     one): FLOE as in c2sp.org/FLOE, AES-256-GCM with HKDF-SHA-384. It can be
//     read at any segment, grows segment by segment, and is resumed after a
//     crash without risk, since every segment has a random nonce;
//   - the log ([LogWriter], [LogReader]): records of any size, each sealed by
//     itself, so that a damaged one does not take its neighbours with it;
//   - the box ([Box], [OpenBox]): one small value, a wrapped key for instance;
//   - the hash tree ([Tree]): RFC 6962 over sealed bytes, for proofs that need
//     no key.
//
// It refuses to know what is inside, to open files and to keep keys: those come
// from privacy/keys. It uses the standard library only, and of that only what
// runs under GODEBUG=fips140=only.
//
// A key is 32 random bytes everywhere.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// KeySize is the length of every key here, in bytes.
const KeySize = 32

const (
	nonceSize = 12
	tagSize   = 16
)

// Errors that callers tell apart. Every error of this package that comes from
// damaged or foreign bytes wraps one of them.
var (
	// ErrHeader: the key, the associated data or the header is not the one that
	// belongs to the other two.
	ErrHeader = errors.New("does not open: wrong key or damaged header")
	// ErrSegment: a segment is damaged, in the wrong place or of another container.
	ErrSegment = errors.New("segment does not open")
	// ErrTruncated: the container ends before its final segment.
	ErrTruncated = errors.New("cut short: no final segment")
	// ErrRecord: a record of a log is damaged, missing or in the wrong place.
	ErrRecord = errors.New("record does not open")
	// ErrTorn: nothing after the given offset of a log is whole.
	ErrTorn = errors.New("torn tail")
	// ErrBox: the key or the associated data is not the box's, or it is damaged.
	ErrBox = errors.New("box does not open")
	// ErrSealed: the final segment or the end mark was written already.
	ErrSealed = errors.New("sealed already")
)

// newGCM returns AES-256-GCM that puts a random nonce before what it seals: the
// only GCM that fips140=only allows, and the layout FLOE asks for.
func newGCM(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("key: %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
