package digits

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringdown/media"
)

// Figures of codes.
const (
	// CodeLeast and CodeMost bound the keys of a code; maxCodes is how many one
	// party may have.
	CodeLeast, CodeMost, maxCodes = 2, 6, 8
	// patience is how long the next key of a code may take.
	patience = 2 * time.Second
)

// CheckCodes says what is wrong with a set of codes, empty when nothing is: each
// begins with * or #, which nobody dials by the way, and none begins as another
// one reads, which would never be reached.
func CheckCodes(codes []string) string {
	if len(codes) > maxCodes {
		return fmt.Sprintf("holds more than %d codes", maxCodes)
	}
	for i, c := range codes {
		if _, err := media.ParseKeys(c); err != nil {
			return fmt.Sprintf("%q: %v", c, err)
		}
		if len(c) < CodeLeast || len(c) > CodeMost || c[0] != '*' && c[0] != '#' {
			return fmt.Sprintf("%q is not * or # and %d to %d keys behind it", c, CodeLeast-1, CodeMost-1)
		}
		for j, other := range codes {
			if i != j && strings.HasPrefix(other, c) {
				return fmt.Sprintf("%q is how %q begins, which could never be pressed", c, other)
			}
		}
	}
	return ""
}

// Codes finds short codes in the keys a party presses. Keys that may belong to
// one are held back until it is clear. Without codes it holds nothing; not safe
// for concurrent use.
type Codes struct {
	codes [][]media.Digit
	held  [CodeMost]media.Press
	count int
	last  int64
}

// NewCodes takes codes that [CheckCodes] finds nothing wrong with.
func NewCodes(codes []string) (Codes, error) {
	if msg := CheckCodes(codes); msg != "" {
		return Codes{}, fmt.Errorf("codes: %s", msg)
	}
	c := Codes{codes: make([][]media.Digit, len(codes))}
	for i, text := range codes {
		c.codes[i], _ = media.ParseKeys(text) // checked
	}
	return c, nil
}

// Key takes a key. It appends to freed the presses that are no part of a code,
// this one or those held before it; done is the number of the code that is
// complete, -1 when none is.
func (c *Codes) Key(freed []media.Press, p media.Press, at int64) (out []media.Press, done int) {
	freed = c.Tick(freed, at)
	if len(c.codes) == 0 {
		return append(freed, p), -1
	}
	c.last = at
	c.held[c.count] = p
	c.count++
	for c.count > 0 {
		switch i, whole := c.match(); {
		case whole:
			c.count = 0
			return freed, i
		case i >= 0:
			return freed, -1
		}
		freed = append(freed, c.held[0]) // it begins none
		c.count--
		copy(c.held[:], c.held[1:])
	}
	return freed, -1
}

// Tick frees what has waited too long for the next key.
func (c *Codes) Tick(freed []media.Press, at int64) []media.Press {
	if c.count == 0 || at-c.last <= int64(patience) {
		return freed
	}
	freed = append(freed, c.held[:c.count]...)
	c.count = 0
	return freed
}

// Holds reports whether keys are held back.
func (c *Codes) Holds() bool { return c.count > 0 }

// Forget drops what is held back; the codes stay.
func (c *Codes) Forget() { c.count = 0 }

// match returns a code that begins with what is held, and whether that is all
// of it; -1 when none does.
func (c *Codes) match() (code int, whole bool) {
	for i, keys := range c.codes {
		if c.count <= len(keys) && slices.EqualFunc(keys[:c.count], c.held[:c.count], func(e media.Digit, p media.Press) bool { return e == p.Digit }) {
			return i, c.count == len(keys)
		}
	}
	return -1, false
}
