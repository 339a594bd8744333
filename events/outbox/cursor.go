package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"ringdown/privacy/seal"
)

const cursorName = "cursor"

// cursor is how far the log is acked. It may be behind the truth after a crash,
// never ahead of it: what it does not know of is handed out again.
type cursor struct {
	Segment uint64           `json:"segment"`
	Index   uint64           `json:"index"` // first record not acked
	Acked   map[uint64]int64 `json:"acked"` // segments wholly acked: when, Unix seconds
}

func (c cursor) at() position { return position{c.Segment, c.Index} }

// readCursor returns the beginning of the log when there is no cursor or none
// that opens: handing out twice is resolved by who delivers, leaving out is not.
func readCursor(d disk, key []byte) (c cursor, err error) {
	r, err := d.open(cursorName)
	if errors.Is(err, fs.ErrNotExist) {
		return cursor{}, nil
	}
	if err != nil {
		return cursor{}, fmt.Errorf("outbox: cursor: %w", err)
	}
	defer r.Close()
	box, err := io.ReadAll(r)
	if err != nil {
		return cursor{}, fmt.Errorf("outbox: cursor: %w", err)
	}
	b, err := seal.OpenBox(key, []byte(cursorName), box)
	if err != nil {
		return cursor{}, fmt.Errorf("outbox: cursor: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return cursor{}, fmt.Errorf("outbox: cursor: %w", err)
	}
	return c, nil
}

func writeCursor(d disk, key []byte, c cursor) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("outbox: cursor: %w", err)
	}
	box, err := seal.Box(key, []byte(cursorName), b)
	if err != nil {
		return fmt.Errorf("outbox: cursor: %w", err)
	}
	if err := d.replace(cursorName, box); err != nil {
		return fmt.Errorf("outbox: cursor: %w", err)
	}
	return nil
}

// unixOf returns the zero time for 0.
func unixOf(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}
