package recorder

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
)

// ErrEmpty says that a file holds not one whole segment: it was being made when
// the process died, and nothing can be lost with it.
var ErrEmpty = errors.New("recording was only begun: nothing is in it")

// ErrIncomplete says that a file has no final segment.
var ErrIncomplete = errors.New("recording is incomplete: no final segment")

// sealedFile is a part on its way to be read.
type sealedFile struct {
	src      io.ReaderAt
	size     int64
	preamble format.Preamble
	prefix   []byte // with magic and length: what the seal is bound to
	header   []byte // of the seal
	whole    int64  // segments
	torn     int64  // bytes after them
	opener   *seal.Opener
	key      []byte
}

// parseFile reads the front of a file. It needs no key.
func parseFile(src io.ReaderAt, size int64) (*sealedFile, error) {
	front := make([]byte, min(size, int64(format.MaxPrefix)))
	if _, err := src.ReadAt(front, 0); err != nil && err != io.EOF {
		return nil, err
	}
	preamble, n, err := format.ParsePrefix(front)
	if err != nil {
		if size < int64(format.MaxPrefix+format.Segment) && allZero(front) {
			return nil, ErrEmpty
		}
		return nil, err
	}
	f := &sealedFile{src: src, size: size, preamble: preamble, prefix: front[:n]}
	if f.whole, f.torn = format.Segments(size, n); f.whole == 0 {
		return nil, ErrEmpty
	}
	f.header = front[n:][:seal.HeaderSize]
	return f, nil
}

// named checks that the file is the one of that name: any other of ours opens
// with its own key just as well, wherever somebody put it.
func (f *sealedFile) named(name string) error {
	recording, number := splitPart(name)
	if f.preamble.ID != format.FileID(path.Base(recording)) || f.preamble.Part != uint64(number) {
		return fmt.Errorf("file is of another recording or part: %w", ErrMismatch)
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// unlock fetches the key and checks that it is this file's.
func (f *sealedFile) unlock(keys Keys) (err error) {
	if f.key, err = keys.RecordingKey(f.preamble.KeyRef); err != nil {
		return fmt.Errorf("key %s: %w", f.preamble.KeyRef, err)
	}
	f.opener, err = seal.NewOpener(f.key, format.AAD(f.prefix), f.header)
	return err
}

// read returns a segment as it is in the file.
func (f *sealedFile) read(buf []byte, position int64) ([]byte, error) {
	buf = buf[:format.Segment]
	n, err := f.src.ReadAt(buf, format.Offset(len(f.prefix), position))
	if n == len(buf) {
		err = nil
	}
	return buf, err
}

// decrypt opens a segment and says whether it is the final one.
func (f *sealedFile) decrypt(dst []byte, position int64, segment []byte) (plain []byte, final bool, err error) {
	if seal.IsFinal(segment) {
		plain, err = f.opener.OpenFinal(dst[:0], uint64(position), segment)
		return plain, true, err
	}
	plain, err = f.opener.Open(dst[:0], uint64(position), segment)
	return plain, false, err
}

// sequence reads all that is in front of a segment, front of the file included,
// and gives each segment to visit.
func (f *sealedFile) sequence(ctx context.Context, upTo int64, front io.Writer, visit func(position int64, segment []byte) error) error {
	begin := format.Offset(len(f.prefix), 0)
	in := bufio.NewReaderSize(io.NewSectionReader(f.src, 0, begin+upTo*format.Segment), 16*format.Segment)
	if _, err := io.CopyN(front, in, begin); err != nil {
		return err
	}
	segment := make([]byte, format.Segment)
	for i := range upTo {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, segment); err != nil {
			return err
		}
		if err := visit(i, segment); err != nil {
			return err
		}
	}
	return nil
}

// contents is all that a part holds, counted, and its fingerprints.
type contents struct {
	sum     summary
	tree    seal.Tree
	hash    hash.Hash
	damaged int64 // segments that do not open
	final   bool  // the last one is the final segment
}

// survey reads the first so many segments. Damaged ones are counted and passed
// over; the fingerprints are over the bytes as they are. Without a key it only
// takes the fingerprints.
func (f *sealedFile) survey(ctx context.Context, upTo int64) (*contents, error) {
	c := &contents{hash: sha256.New()}
	plain := make([]byte, 0, format.Plain)
	err := f.sequence(ctx, upTo, c.hash, func(i int64, segment []byte) error {
		c.tree.Add(segment)
		c.hash.Write(segment)
		if f.opener == nil {
			c.final = seal.IsFinal(segment)
			return nil
		}
		p, final, err := f.decrypt(plain, i, segment)
		if err == nil {
			err = c.sum.segment(p)
		}
		if err != nil {
			c.damaged++
			return nil
		}
		c.final = final
		return nil
	})
	return c, err
}

// reading makes readers over all parts of a recording, one after the other.
type reading struct {
	ctx     context.Context
	parts   []*sealedFile
	damaged int64 // segments left out by the reader made last
}

// open starts at the front. Segments that do not open are left out and counted.
func (x *reading) open() (*format.Reader, error) {
	x.damaged = 0
	part, position := 0, int64(0)
	segment, plain := make([]byte, format.Segment), make([]byte, 0, format.Plain)
	return format.NewReader(func() ([]byte, error) {
		for part < len(x.parts) {
			f := x.parts[part]
			if position == f.whole {
				part, position = part+1, 0
				continue
			}
			if err := x.ctx.Err(); err != nil {
				return nil, err
			}
			s, err := f.read(segment, position)
			if err != nil {
				return nil, err
			}
			p, _, err := f.decrypt(plain, position, s)
			position++
			if err == nil {
				return p, nil
			}
			x.damaged++
		}
		return nil, io.EOF
	}), nil
}
