package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// head is one commit: it names every page of the table by what is in it, so that
// whoever has read it and its pages has exactly the table that was committed,
// and whoever misses one page has nothing.
type head struct {
	Commit  uint64         `json:"commit"` // from 1, one more with each
	At      time.Time      `json:"at"`
	Node    string         `json:"node"`           // that wrote it
	By      string         `json:"by,omitempty"`   // who asked for it
	Note    string         `json:"note,omitempty"` // why, in his words
	Table   string         `json:"table"`          // version of the table there
	Counts  map[string]int `json:"counts"`         // objects by section
	Changed Changes        `json:"changed"`
	Pages   []string       `json:"pages"` // names; empty: an empty page
}

// Changes counts what a commit did, by section.
type Changes struct {
	Added   map[string]int `json:"added,omitempty"`
	Changed map[string]int `json:"changed,omitempty"`
	Removed map[string]int `json:"removed,omitempty"`
}

// Total is how many objects were touched.
func (c Changes) Total() (n int) {
	for _, m := range []map[string]int{c.Added, c.Changed, c.Removed} {
		for _, v := range m {
			n += v
		}
	}
	return n
}

func (h *head) encode() []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic("directory: a head is plain data: " + err.Error())
	}
	return b
}

var errHead = errors.New("head does not read as one")

func decodeHead(text []byte) (*head, error) {
	h := &head{}
	if err := json.Unmarshal(text, h); err != nil {
		return nil, errHead
	}
	switch {
	case h.Commit == 0:
		return nil, fmt.Errorf("%w: it has no number", errHead)
	case len(h.Pages) != Pages:
		return nil, fmt.Errorf("%w: it has %d pages, %d are known here", errHead, len(h.Pages), Pages)
	}
	for _, name := range h.Pages {
		if name != "" && !validName(name) {
			return nil, fmt.Errorf("%w: a page has no name", errHead)
		}
	}
	return h, nil
}

// nameSize is how long the name of a page is: 128 bits in hex.
const nameSize = 32

func validName(s string) bool {
	if len(s) != nameSize {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}
