package sip

import (
	"fmt"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// The table between codes, causes and reasons is call/causes.go.

// phrase returns our words for a status: a peer's text is never passed on.
func phrase(status int) string { return call.Phrase(status) }

// noTrunk is the reject_reason that is never answered: a stranger learns nothing.
const noTrunk = "no-trunk-match"

// overloaded is the Retry-After of a 503 that came without one.
const overloaded = 5

// finalStatus is the status that refuses an INVITE, and its Retry-After in
// seconds (0: none).
func finalStatus(c call.Cause) (status, retry int) {
	if c.Reason != "" && (c.Status < 400 || c.Status > 699) {
		c = call.Refused(c.Reason, c.Text)
	}
	c = c.TowardsCaller()
	if passed := c.Pass && c.Redirect != nil && c.Status >= 300 && c.Status < 303; !passed && (c.Status < 400 || c.Status > 699) {
		c.Status = 480
	}
	if c.Status == 503 {
		return c.Status, max(c.Retry, overloaded)
	}
	return c.Status, c.Retry
}

// reasonHeader words a cause as a Reason header (RFC 3326), nil when there is
// nothing to say. A response has its status and says only the cause of Q.850
// (RFC 6432); a BYE or CANCEL tells the status as well, and that the call was
// answered elsewhere.
func reasonHeader(c call.Cause, request bool) gosip.Header {
	code := c.Q850
	if code == 0 {
		if c.Status == 0 {
			return nil
		}
		code = call.Q850(c.Status)
	}
	value := fmt.Sprintf("Q.850;cause=%d", code)
	switch {
	case request && c.Elsewhere():
		value = `SIP;cause=200;text="Call completed elsewhere", ` + value
	case request && c.Status >= 300:
		value += fmt.Sprintf(", SIP;cause=%d;text=%q", c.Status, phrase(c.Status))
	}
	return gosip.NewHeader("Reason", value)
}

// causeOf is what a final response says: its status, with the cause of Q.850
// that may stand beside it (RFC 6432).
func causeOf(res *gosip.Response) call.Cause {
	c := remoteCause(res.StatusCode)
	if why := readReasons(res.GetHeaders("reason")); why.q850 != 0 {
		c.Q850 = why.q850
	}
	c.Redirect = movedTo(res)
	return c
}

// causeOfBye is what a BYE says: a normal end unless its Reason knows better.
func causeOfBye(req *gosip.Request) call.Cause {
	why := readReasons(req.GetHeaders("reason"))
	c := remoteCause(200)
	switch {
	case why.elsewhere:
		return answeredElsewhere
	case why.sip >= 300:
		c = remoteCause(why.sip)
	}
	if why.q850 != 0 {
		c.Q850 = why.q850
	}
	return c
}

// causeOfCancel is what a CANCEL says, the zero Cause when it gives no reason. A
// cause of 200 is that of another place which answered, whatever its text.
func causeOfCancel(req *gosip.Request) call.Cause {
	switch why := readReasons(req.GetHeaders("reason")); {
	case why.elsewhere || why.sip == 200:
		return answeredElsewhere
	case why.q850 != 0:
		return call.Cause{Status: 487, Q850: why.q850, Text: phrase(487), Remote: true}
	}
	return call.Cause{}
}

var answeredElsewhere = call.Cause{Status: 200, Q850: 26, Text: "answered elsewhere", Remote: true}

func remoteCause(status int) call.Cause {
	return call.Cause{Status: status, Q850: call.Q850(status), Text: phrase(status), Remote: true}
}

// reasons are what Reason headers say; of each protocol the last value counts.
type reasons struct {
	q850, sip int
	elsewhere bool
}

func readReasons(headers []gosip.Header) (r reasons) {
	for _, h := range headers {
		for rest := h.Value(); rest != ""; {
			var value string
			value, rest = cutValue(rest)
			switch protocol, cause := reasonOf(value); {
			case protocol == "q.850" && cause > 0 && cause < 128:
				r.q850 = cause
			case protocol == "sip" && cause >= 200 && cause < 700:
				r.sip = cause
				// Some put cause=200 into every BYE: its text tells them apart.
				r.elsewhere = cause == 200 && strings.Contains(strings.ToLower(value), "elsewhere")
			}
		}
	}
	return r
}

// reasonOf reads "Q.850;cause=17;…": the protocol in small letters and its
// cause, 0 when there is none.
func reasonOf(value string) (protocol string, cause int) {
	protocol, params, _ := strings.Cut(value, ";")
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "cause") {
			if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n > 0 && n < 1000 {
				cause = n
			}
			break
		}
	}
	return strings.ToLower(strings.TrimSpace(protocol)), cause
}

// localCause is an ending of our own making.
func localCause(status int) call.Cause {
	return call.Cause{Status: status, Q850: call.Q850(status), Text: phrase(status)}
}
