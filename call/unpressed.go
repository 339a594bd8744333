package call

import "ringdown/media"

// unpressed is how many keys did not reach a side, and why the first did not.
type unpressed struct {
	keys int
	why  error
}

// press sends a side a key as a tone. One that does not reach it is counted: when
// somebody pressed which key is nobody's to read in a log.
func (c *Call) press(a doPress) {
	if err := c.relay.Press(a.side, media.BySound, a.press); err != nil {
		u := &c.unpressed[a.side-1]
		if u.keys++; u.keys == 1 {
			u.why = err
		}
	}
}

// tellUnpressed tells of them, once a call.
func (c *Call) tellUnpressed() {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if u := c.unpressed[side-1]; u.keys > 0 {
			c.log.Info("keys did not reach one side", "side", side.String(), "keys", u.keys, "error", u.why)
		}
	}
}
