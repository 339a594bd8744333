package sip

import (
	"fmt"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// phrases are our reason phrases: a peer's text is never passed on.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted",
	300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy", 380: "Alternative Service",
	400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
	410: "Gone", 413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
	423: "Interval Too Brief", 433: "Anonymity Disallowed", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
	485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	493: "Undecipherable",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}

// phrase returns our words for a status, known or not.
func phrase(status int) string {
	if p, ok := phrases[status]; ok {
		return p
	}
	return [...]string{"Unknown", "Session Progress", "OK", "Redirected", "Request Failure", "Server Failure", "Global Failure"}[min(max(status/100, 0), 6)]
}

// causes maps a status to Q.850 (RFC 3398 8.2.6.1).
var causes = map[int]int{
	200: 16, 400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
	415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 487: 31, 488: 65,
	500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65, 607: 21, 608: 21,
}

// q850 returns the Q.850 cause of a status, 31 (normal, unspecified) when RFC 3398 names none.
func q850(status int) int {
	if c, ok := causes[status]; ok {
		return c
	}
	return 31
}

// refusals maps a reject_reason to the status that tells it.
var refusals = map[string]int{
	"acl-denied":                   403,
	"number-unassigned":            404,
	"number-suspended":             480,
	"no-route":                     480,
	"policy-error":                 500,
	call.ReasonOverload:            503,
	call.ReasonConcurrencyLimit:    503,
	call.ReasonCPSLimit:            503,
	call.ReasonRecordingImpossible: 503,
}

// noTrunk is the reject_reason that is never answered: a stranger learns nothing.
const noTrunk = "no-trunk-match"

// overloaded is the Retry-After of a 503 that came without one.
const overloaded = 5

// finalStatus is the one place that decides which status refuses an INVITE, and
// its Retry-After in seconds (0: none).
//
// What a callee said is not repeated blindly: its challenge (401, 407) and its
// redirection are between it and us; its 503 would make the caller's trunk think
// that we are down (RFC 3261 16.7); its 487 and 408 are about our attempt.
func finalStatus(c call.Cause) (status, retry int) {
	status = c.Status
	if c.Remote {
		switch {
		case status == 401 || status == 407:
			return 403, 0
		case status == 503:
			return 500, 0
		case status == 408 || status == 487 || status >= 300 && status < 400:
			return 480, 0
		}
	}
	if status < 400 || status > 699 {
		status = 480
		if s, ok := refusals[c.Reason]; ok {
			status = s
		}
	}
	if status == 503 {
		return status, max(c.Retry, overloaded)
	}
	return status, c.Retry
}

// reasonHeader words a cause as a Reason header (RFC 3326), nil when there is
// nothing to say. cancel: for a CANCEL, where 200 means that another answered.
func reasonHeader(c call.Cause, cancel bool) gosip.Header {
	if cancel && c.Status == 200 {
		return gosip.NewHeader("Reason", `SIP;cause=200;text="Call completed elsewhere"`)
	}
	code := c.Q850
	if code == 0 {
		if c.Status == 0 {
			return nil
		}
		code = q850(c.Status)
	}
	return gosip.NewHeader("Reason", fmt.Sprintf("Q.850;cause=%d", code))
}

// causeOf is what a final response says.
func causeOf(res *gosip.Response) call.Cause {
	return remoteCause(res.StatusCode, res.GetHeaders("reason"))
}

// causeOfBye is what a BYE says: a normal end unless its Reason knows better.
func causeOfBye(req *gosip.Request) call.Cause {
	return remoteCause(200, req.GetHeaders("reason"))
}

func remoteCause(status int, reasons []gosip.Header) call.Cause {
	c := call.Cause{Status: status, Q850: q850(status), Text: phrase(status), Remote: true}
	for _, h := range reasons {
		for value := range strings.SplitSeq(h.Value(), ",") {
			if n := q850Of(value); n > 0 {
				c.Q850 = n
			}
		}
	}
	return c
}

// q850Of reads "Q.850;cause=17;…"; 0 when it is something else.
func q850Of(value string) int {
	protocol, params, _ := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
		return 0
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(k), "cause") {
			if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n > 0 && n < 128 {
				return n
			}
		}
	}
	return 0
}

// localCause is an ending of our own making.
func localCause(status int) call.Cause {
	return call.Cause{Status: status, Q850: q850(status), Text: phrase(status)}
}
