package call

// What one side's ending means for the other.

// elsewhere is the end of a leg because another one was answered: losers of a
// fork, and phones that rang beside the one that took the call.
var elsewhere = Cause{Status: 200, Q850: 26, Text: "answered elsewhere"}

// Elsewhere reports an end because the call was answered elsewhere.
func (c Cause) Elsewhere() bool { return c.Status == 200 && c.Q850 == 26 }

// onward is what the ending of one side tells the leg of the other: why, but in
// our words.
func (c Cause) onward(text string) Cause {
	out := Cause{Status: 200, Q850: 16, Text: text}
	if c.Q850 != 0 {
		out.Q850 = c.Q850
	}
	if c.Status >= 300 {
		out.Status = c.Status
	}
	return out
}

// truer is a failure as it was meant: a gateway that says 480 or 5xx for
// everything, and the cause of Q.850 beside it, means the cause.
func truer(c Cause) Cause {
	switch c.Status {
	case 480, 500, 502, 503, 504:
		if c.Remote && c.Q850 != 0 && c.Q850 != Q850(c.Status) {
			c.Status = SIPStatus(c.Q850)
		}
	}
	return c
}

// TowardsCaller is what the caller's side hears of a failure on the other: the
// destination's authentication, redirection and overload are not the caller's
// business, and a 503 would make his carrier believe that we are down (RFC 3261
// 16.7); a 408 or 487 was about our attempt. Doing it twice changes nothing.
func (c Cause) TowardsCaller() Cause {
	if !c.Pass {
		c.Redirect = nil
	}
	if c.Remote {
		c.Retry = 0 // it is about them, not about us
	}
	switch {
	case c.Status == 0:
		c.Status, c.Q850 = 480, 20
	case c.Status == 408 && !c.Remote:
		c.Status, c.Q850 = 502, 27
	case !c.Remote:
	case c.Status >= 300 && c.Status < 400 && c.Pass && c.Redirect != nil:
	case c.Status >= 300 && c.Status < 400:
		c.Status, c.Q850 = 480, 20
	case c.Status == 401, c.Status == 407, c.Status == 403:
		c.Status, c.Q850 = 502, 21
	case c.Status == 408, c.Status == 487:
		c.Status = 480
	case c.Status == 503:
		c.Status = 500
	}
	return c
}
