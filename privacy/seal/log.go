package seal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// Sizes of a log, in bytes. The header is
//
//	magic 8 | file id 16 | header tag 32
//
// and a record
//
//	length 4 | index 4 | check 4 | nonce 12 | ciphertext | tag 16
//
// length is that of the ciphertext; check is a CRC-32C over file id, length and
// index, by which a reader finds its way back after damage; the tag covers file
// id, index and kind (record or end mark). Records are not chained: a damaged
// one takes none of the others with it.
const (
	LogHeaderSize  = logMagicSize + logIDSize + logTagSize
	RecordOverhead = frameSize + nonceSize + tagSize
	MaxRecord      = 1 << 18 // bytes in one record

	logMagicSize = 8
	logIDSize    = 16
	logTagSize   = 32
	frameSize    = 12
	maxRecords   = 1<<32 - 1 // the index has four bytes, and so many nonces are safe under one key
)

const logMagic = "RDLOG\x00\x00\x01"

// Kinds of record, the last byte of its associated data.
const (
	kindRecord = 0
	kindEnd    = 1
)

// sealedLog is what both directions of a sealed log have in common.
type sealedLog struct {
	gcm cipher.AEAD
	aad [logIDSize + 9]byte // id, index, kind
	crc uint32              // of the id
}

func newSealedLog(key, id []byte) (*sealedLog, []byte, error) {
	if len(key) != KeySize {
		return nil, nil, fmt.Errorf("log: key: %d bytes, want %d", len(key), KeySize)
	}
	derive := func(purpose string, n int) ([]byte, error) {
		return hkdf.Expand(sha512.New384, key, "ringdown/log/v1 "+purpose+string(id), n)
	}
	tag, err := derive("header", logTagSize)
	if err != nil {
		return nil, nil, fmt.Errorf("log: derive key: %w", err)
	}
	fileKey, err := derive("records", KeySize)
	if err != nil {
		return nil, nil, fmt.Errorf("log: derive key: %w", err)
	}
	l := &sealedLog{crc: crc32.Checksum(id, crc32.MakeTable(crc32.Castagnoli))}
	copy(l.aad[:], id)
	l.gcm, err = newGCM(fileKey)
	return l, tag, err
}

// openSealedLog checks the header of a log against the key.
func openSealedLog(key, header []byte) (*sealedLog, error) {
	if len(header) != LogHeaderSize {
		return nil, fmt.Errorf("log: header of %d bytes, want %d: %w", len(header), LogHeaderSize, ErrHeader)
	}
	if !bytes.HasPrefix(header, []byte(logMagic)) {
		return nil, fmt.Errorf("log: not a sealed log: %w", ErrHeader)
	}
	l, tag, err := newSealedLog(key, header[logMagicSize:logMagicSize+logIDSize])
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(tag, header[logMagicSize+logIDSize:]) != 1 {
		return nil, fmt.Errorf("log: %w", ErrHeader)
	}
	return l, nil
}

// bind writes and returns the associated data of a record.
func (l *sealedLog) bind(index uint64, kind byte) []byte {
	binary.BigEndian.PutUint64(l.aad[logIDSize:], index)
	l.aad[len(l.aad)-1] = kind
	return l.aad[:]
}

// check is over the frame's length and index.
func (l *sealedLog) check(frame []byte) uint32 {
	return crc32.Update(l.crc, crc32.MakeTable(crc32.Castagnoli), frame[:8])
}

// LogWriter seals the records of one log. It writes nothing itself: the caller
// does, and decides when to sync. It is for one goroutine.
type LogWriter struct {
	log   *sealedLog
	index uint64
	ended bool
}

// NewLogWriter starts a log and returns the header it begins with.
func NewLogWriter(key []byte) (*LogWriter, []byte, error) {
	id := make([]byte, logIDSize)
	rand.Read(id)
	l, tag, err := newSealedLog(key, id)
	if err != nil {
		return nil, nil, err
	}
	return &LogWriter{log: l}, slices.Concat([]byte(logMagic), id, tag), nil
}

// ResumeLogWriter goes on with a log whose next record has nextIndex: what
// [LogReader.Index] returns after its last record.
func ResumeLogWriter(key, header []byte, nextIndex uint64) (*LogWriter, error) {
	l, err := openSealedLog(key, header)
	if err != nil {
		return nil, err
	}
	return &LogWriter{log: l, index: nextIndex}, nil
}

// Index is the index of the next record, counted from 0.
func (w *LogWriter) Index() uint64 { return w.index }

// Append appends a sealed record to dst. record must not overlap the free room
// of dst. On error dst comes back as it was.
func (w *LogWriter) Append(dst, record []byte) ([]byte, error) {
	return w.append(dst, record, kindRecord)
}

// End appends the mark that the log is complete; without it a log that was cut
// between two records looks whole. After it nothing can be appended.
func (w *LogWriter) End(dst []byte) ([]byte, error) {
	dst, err := w.append(dst, nil, kindEnd)
	w.ended = w.ended || err == nil
	return dst, err
}

func (w *LogWriter) append(dst, record []byte, kind byte) ([]byte, error) {
	if w.ended {
		return dst, fmt.Errorf("log: record %d: %w", w.index, ErrSealed)
	}
	if len(record) > MaxRecord {
		return dst, fmt.Errorf("log: record %d: %d bytes, want at most %d", w.index, len(record), MaxRecord)
	}
	if w.index >= maxRecords {
		return dst, fmt.Errorf("log: record %d: the log is full", w.index)
	}
	dst = slices.Grow(dst, RecordOverhead+len(record))
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(w.index))
	dst = binary.BigEndian.AppendUint32(dst, w.log.check(dst[start:]))
	dst = w.log.gcm.Seal(dst, nil, record, w.log.bind(w.index, kind))
	w.index++
	return dst, nil
}
