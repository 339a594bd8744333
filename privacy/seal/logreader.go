package seal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// LogReader reads a sealed log from its beginning. It is for one goroutine.
type LogReader struct {
	log    *sealedLog
	r      *bufio.Reader // holds the largest record whole
	offset int64         // of the next unread byte
	index  uint64        // expected next
	ended  bool
	err    error // of the reader below, or final
}

// NewLogReader reads the header from r; [ErrHeader] says that the key is not
// the log's or the header is damaged.
func NewLogReader(key []byte, r io.Reader) (*LogReader, error) {
	header := make([]byte, LogHeaderSize)
	if n, err := io.ReadFull(r, header); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("header of %d bytes: %w", n, ErrHeader)
		}
		return nil, fmt.Errorf("log: %w", err)
	}
	return ResumeLogReader(key, header, r, LogHeaderSize, 0)
}

// ResumeLogReader reads on from a record whose offset and index are known, with
// r standing there.
func ResumeLogReader(key, header []byte, r io.Reader, offset int64, index uint64) (*LogReader, error) {
	l, err := openSealedLog(key, header)
	if err != nil {
		return nil, err
	}
	return &LogReader{log: l, r: bufio.NewReaderSize(r, MaxRecord+RecordOverhead), offset: offset, index: index}, nil
}

// Index is the index that the next record should have; with it
// [ResumeLogWriter] goes on.
func (r *LogReader) Index() uint64 { return r.index }

// Ended reports whether the end mark was read.
func (r *LogReader) Ended() bool { return r.ended }

// Next returns the next record, which is the caller's, and the offset it begins
// at. At the end:
//
//   - io.EOF: every byte was read and opened; offset is the length of the log.
//     Whether it was ended or only stops is told by Ended;
//   - [ErrTorn]: from offset on nothing is whole; cut there to go on writing.
//
// [ErrRecord] reports damage at offset, a missing record, or one in the wrong
// place; the next call goes on with the next record that opens. Other errors
// are those of the reader below and stay.
func (r *LogReader) Next() (record []byte, offset int64, err error) {
	if r.err != nil {
		return nil, r.offset, r.err
	}
	at := r.offset
	record, index, size, state := r.try()
	switch state {
	case whole:
		return r.take(record, index, size)
	case atEnd:
		r.err = io.EOF
		return nil, at, r.err
	case failed:
		return nil, at, r.err
	}
	return nil, at, r.resync(at)
}

// take accepts the record of size bytes at the reader's position, unless its
// index says that others are missing or that it is not in its place.
func (r *LogReader) take(record []byte, index uint64, size int) ([]byte, int64, error) {
	at := r.offset
	if index > r.index {
		missing := fmt.Errorf("log: offset %d: records %d to %d missing: %w", at, r.index, index-1, ErrRecord)
		r.index = index
		return nil, at, missing // the record itself comes with the next call
	}
	r.skip(size)
	if index < r.index || r.ended {
		return nil, at, fmt.Errorf("log: offset %d: record %d in the wrong place: %w", at, index, ErrRecord)
	}
	r.index++
	if record == nil {
		r.ended = true
		return r.Next()
	}
	return record, at, nil
}

// resync looks, byte by byte, for the next record that opens and stands before
// it. What lies between is damage; a torn tail when there is none.
func (r *LogReader) resync(at int64) error {
	for {
		if _, err := r.r.Discard(1); err != nil {
			return r.torn(at, err)
		}
		r.offset++
		switch _, index, _, state := r.try(); state {
		case whole:
			expected := r.index
			r.index = max(r.index, index) // what is missing is told here
			return fmt.Errorf("log: offset %d: %d bytes damaged, %d records lost: %w", at, r.offset-at, r.index-expected, ErrRecord)
		case atEnd:
			return r.torn(at, io.EOF)
		case failed:
			return r.err
		}
	}
}

func (r *LogReader) torn(at int64, err error) error {
	if err != io.EOF {
		r.err = fmt.Errorf("log: offset %d: %w", at, err)
		return r.err
	}
	lost := r.offset - at
	r.offset = at
	r.err = fmt.Errorf("log: offset %d: %d bytes: %w", at, lost, ErrTorn)
	return r.err
}

// What stands at the reader's position.
type state int

const (
	whole   state = iota // a record that opens
	damaged              // anything else
	atEnd                // nothing
	failed               // the reader below, see err
)

// try opens the record at the reader's position without moving. An end mark is
// a nil record.
func (r *LogReader) try() (record []byte, index uint64, size int, _ state) {
	frame, err := r.r.Peek(frameSize)
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("log: offset %d: %w", r.offset, err)
		return nil, 0, 0, failed
	}
	if len(frame) == 0 {
		return nil, 0, 0, atEnd
	}
	if len(frame) < frameSize {
		return nil, 0, 0, damaged
	}
	length := binary.BigEndian.Uint32(frame)
	index = uint64(binary.BigEndian.Uint32(frame[4:]))
	if length > MaxRecord || binary.BigEndian.Uint32(frame[8:]) != r.log.check(frame) {
		return nil, 0, 0, damaged
	}
	size = RecordOverhead + int(length)
	sealed, err := r.r.Peek(size)
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("log: offset %d: %w", r.offset, err)
		return nil, 0, 0, failed
	}
	if len(sealed) < size {
		return nil, 0, 0, damaged
	}
	record, err = r.log.gcm.Open(make([]byte, 0, length+1), nil, sealed[frameSize:], r.log.bind(index, kindRecord))
	if err == nil {
		return record, index, size, whole
	}
	if length == 0 {
		if _, err = r.log.gcm.Open(nil, nil, sealed[frameSize:], r.log.bind(index, kindEnd)); err == nil {
			return nil, index, size, whole
		}
	}
	return nil, 0, 0, damaged
}

func (r *LogReader) skip(n int) {
	r.r.Discard(n)
	r.offset += int64(n)
}
