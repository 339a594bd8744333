package keys

import (
	"encoding/binary"
	"fmt"
	"os"
)

// contents is what a journal holds.
type contents struct {
	rows []row
	good int64 // length of the whole frames
	torn int64 // bytes behind them
}

// readJournal reads a file whole. A torn last frame is left out and counted;
// everything else that is wrong is [ErrDamaged].
func readJournal(path, magic string) (contents, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return contents{}, err
	}
	c, err := parseJournal(b, magic)
	if err != nil {
		return contents{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseJournal(b []byte, magic string) (contents, error) {
	if len(b) < headSize || string(b[:magicSize]) != magic || crc(b[:headSize-4]) != binary.BigEndian.Uint32(b[headSize-4:]) {
		return contents{}, fmt.Errorf("does not begin as it should: %w", ErrDamaged)
	}
	base := binary.BigEndian.Uint64(b[magicSize:])
	if uint64(len(b)) < base {
		return contents{}, fmt.Errorf("%d bytes of at least %d: %w", len(b), base, ErrDamaged)
	}
	c := contents{good: headSize}
	for c.good < int64(len(b)) {
		rows, ok := frameAt(b[c.good:])
		if !ok {
			break
		}
		c.good += int64(frameHead + len(rows))
		for len(rows) > 0 {
			r, rest, err := readRow(rows)
			if err != nil {
				return contents{}, fmt.Errorf("before offset %d: %w: %w", c.good, err, ErrDamaged)
			}
			c.rows, rows = append(c.rows, r), rest
		}
	}
	if uint64(c.good) < base {
		return contents{}, fmt.Errorf("offset %d: %w", c.good, ErrDamaged)
	}
	c.torn = int64(len(b)) - c.good
	for at := c.good + 1; at < int64(len(b)); at++ {
		if _, ok := frameAt(b[at:]); ok {
			return contents{}, fmt.Errorf("offset %d: good rows follow at %d: %w", c.good, at, ErrDamaged)
		}
	}
	return c, nil
}

// frameAt returns the rows of the frame that b begins with.
func frameAt(b []byte) ([]byte, bool) {
	if len(b) < frameHead {
		return nil, false
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n == 0 || n > maxFrame || n > int64(len(b)-frameHead) {
		return nil, false
	}
	rows := b[frameHead : frameHead+n]
	return rows, crc(b[:4], rows) == binary.BigEndian.Uint32(b[4:])
}
