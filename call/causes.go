package call

// This is the one table between SIP codes, causes of Q.850 and our reasons.
// Cause carries them between rooms, sip/status.go reads and writes the headers.

// sipCodes are the responses of SIP in our words, since a peer's text is never
// passed on, with the cause of Q.850 that each stands for (RFC 3398 8.2.6.1; the
// later codes by their meaning). 0: none, a call does not end with it.
var sipCodes = map[int]struct {
	phrase string
	q850   int
}{
	100: {"Trying", 0}, 180: {"Ringing", 0}, 181: {"Call Is Being Forwarded", 0}, 182: {"Queued", 0}, 183: {"Session Progress", 0},
	199: {"Early Dialog Terminated", 0},
	200: {"OK", 16}, 202: {"Accepted", 16},
	300: {"Multiple Choices", 23}, 301: {"Moved Permanently", 22}, 302: {"Moved Temporarily", 23}, 305: {"Use Proxy", 23}, 380: {"Alternative Service", 23},
	400: {"Bad Request", 41}, 401: {"Unauthorized", 21}, 402: {"Payment Required", 21}, 403: {"Forbidden", 21}, 404: {"Not Found", 1},
	405: {"Method Not Allowed", 63}, 406: {"Not Acceptable", 79}, 407: {"Proxy Authentication Required", 21}, 408: {"Request Timeout", 102},
	410: {"Gone", 22}, 412: {"Conditional Request Failed", 127}, 413: {"Request Entity Too Large", 127}, 414: {"Request-URI Too Long", 127},
	415: {"Unsupported Media Type", 79}, 416: {"Unsupported URI Scheme", 127}, 420: {"Bad Extension", 127}, 421: {"Extension Required", 127},
	422: {"Session Interval Too Small", 127}, 423: {"Interval Too Brief", 127}, 428: {"Use Identity Header", 21}, 429: {"Provide Referrer Identity", 21},
	433: {"Anonymity Disallowed", 24}, 436: {"Bad Identity Info", 21}, 437: {"Unsupported Credential", 21}, 438: {"Invalid Identity Header", 21},
	480: {"Temporarily Unavailable", 18}, 481: {"Call/Transaction Does Not Exist", 41}, 482: {"Loop Detected", 25}, 483: {"Too Many Hops", 25},
	484: {"Address Incomplete", 28}, 485: {"Ambiguous", 1}, 486: {"Busy Here", 17}, 487: {"Request Terminated", 31}, 488: {"Not Acceptable Here", 65},
	489: {"Bad Event", 127}, 491: {"Request Pending", 41}, 493: {"Undecipherable", 41}, 494: {"Security Agreement Required", 21},
	500: {"Server Internal Error", 41}, 501: {"Not Implemented", 79}, 502: {"Bad Gateway", 38}, 503: {"Service Unavailable", 41},
	504: {"Server Time-out", 102}, 505: {"Version Not Supported", 127}, 513: {"Message Too Large", 127}, 580: {"Precondition Failure", 47},
	600: {"Busy Everywhere", 17}, 603: {"Decline", 21}, 604: {"Does Not Exist Anywhere", 1}, 606: {"Not Acceptable", 65}, 607: {"Unwanted", 21}, 608: {"Rejected", 21},
}

// q850Codes are the causes of ITU-T Q.850 with the response each stands for (RFC
// 3398 7.2.4.1; those it leaves out by their class).
var q850Codes = map[int]struct {
	text   string
	status int
}{
	1: {"unallocated number", 404}, 2: {"no route to network", 404}, 3: {"no route to destination", 404}, 6: {"channel unacceptable", 480},
	8: {"preemption", 480}, 16: {"normal call clearing", 480}, 17: {"user busy", 486}, 18: {"no user responding", 408}, 19: {"no answer from user", 480},
	20: {"subscriber absent", 480}, 21: {"call rejected", 403}, 22: {"number changed", 410}, 23: {"redirection to new destination", 410},
	24: {"call rejected by a feature at the destination", 433}, 25: {"exchange routing error", 483},
	26: {"non-selected user clearing", 404}, 27: {"destination out of order", 502}, 28: {"invalid number format", 484}, 29: {"facility rejected", 501},
	31: {"normal, unspecified", 480}, 34: {"no circuit available", 503}, 38: {"network out of order", 503}, 41: {"temporary failure", 503},
	42: {"switching equipment congestion", 503}, 44: {"requested circuit not available", 503}, 47: {"resource unavailable", 503},
	50: {"facility not subscribed", 503}, 55: {"incoming calls barred", 403}, 57: {"bearer capability not authorized", 403},
	58: {"bearer capability not available", 503}, 63: {"service not available", 503}, 65: {"bearer capability not implemented", 488},
	70: {"only restricted bearer available", 488}, 79: {"service not implemented", 501}, 87: {"user not member of the group", 403},
	88: {"incompatible destination", 503}, 95: {"invalid message", 500}, 102: {"recovery on timer expiry", 504}, 111: {"protocol error", 500},
	127: {"interworking, unspecified", 500},
}

// Q850 returns the cause that a SIP status stands for. An unknown status counts
// as the x00 of its class (RFC 3261 8.1.3.2); what is no final one is 31.
func Q850(status int) int {
	for _, s := range [...]int{status, status / 100 * 100} {
		if c, ok := sipCodes[s]; ok && c.q850 != 0 {
			return c.q850
		}
	}
	return 31
}

// SIPStatus returns the response that a cause of Q.850 stands for. An unknown
// cause counts as the unspecified one of its class (Q.850 2.2.5).
func SIPStatus(q850 int) int {
	if c, ok := q850Codes[q850]; ok {
		return c.status
	}
	if q850 <= 0 || q850 > 127 {
		return 480
	}
	if q850 < 16 { // the normal class has two rows
		return q850Codes[31].status
	}
	return q850Codes[q850|15].status
}

// Phrase returns our words for a SIP status, known or not.
func Phrase(status int) string {
	if c, ok := sipCodes[status]; ok {
		return c.phrase
	}
	return [...]string{"Unknown", "Session Progress", "OK", "Redirected", "Request Failure", "Server Failure", "Global Failure"}[min(max(status/100, 0), 6)]
}

// Reasons for which calls are refused: values of reject_reason in the events.
// Those that routing gives stand there.
const (
	ReasonAuthFailed          = "auth-failed"
	ReasonBlockedCaller       = "blocked-caller"
	ReasonAnonymousRefused    = "anonymous-refused"
	ReasonAttestationTooLow   = "attestation-too-low"
	ReasonOverload            = "overload"
	ReasonConcurrencyLimit    = "concurrency-limit"
	ReasonCPSLimit            = "cps-limit"
	ReasonRecordingImpossible = "recording-impossible"
	ReasonFraudGuard          = "fraud-guard"
)

// refusals say how each reason goes out: no two share both code and cause, so
// that a carrier's ticket tells which it was. no-trunk-match has none: sip
// answers a stranger with silence.
var refusals = map[string]Cause{
	"no-trunk-match":          {},
	"acl-denied":              {Status: 403, Q850: 55},
	ReasonAuthFailed:          {Status: 403, Q850: 57},
	ReasonAttestationTooLow:   {Status: 403, Q850: 21},
	ReasonBlockedCaller:       {Status: 607, Q850: 21}, // the called side does not want him (RFC 8197)
	"repeat-rate":             {Status: 603, Q850: 21},
	"reputation":              {Status: 608, Q850: 21}, // somebody in between has judged (RFC 8688)
	"challenge-failed":        {Status: 603, Q850: 24},
	ReasonFraudGuard:          {Status: 480, Q850: 63},
	ReasonAnonymousRefused:    {Status: 433, Q850: 24},
	"number-unassigned":       {Status: 404, Q850: 1},
	"number-suspended":        {Status: 480, Q850: 20},
	"number-ported-out":       {Status: 410, Q850: 22},
	"number-quarantined":      {Status: 410, Q850: 1},
	"no-route":                {Status: 480, Q850: 3},
	"policy-error":            {Status: 500, Q850: 41},
	"rejected":                {Status: 603, Q850: 31},
	"rejected-by-hook":        {Status: 603, Q850: 29},
	"closed":                  {Status: 480, Q850: 31},
	"unavailable":             {Status: 480, Q850: 18},
	ReasonOverload:            {Status: 503, Q850: 41, Retry: retryLater},
	ReasonConcurrencyLimit:    {Status: 503, Q850: 34, Retry: retryLater},
	ReasonCPSLimit:            {Status: 503, Q850: 42, Retry: 1},
	ReasonRecordingImpossible: {Status: 503, Q850: 47, Retry: retryLater},
}

// Refused is the cause with which a call is refused for a reason, in the words
// of whoever refuses it; empty words are the reason's own.
func Refused(reason, text string) Cause {
	c, known := refusals[reason]
	if !known {
		c = refusals["policy-error"]
	}
	c.Reason, c.Text = reason, text
	if text == "" {
		c.Text = reason
	}
	return c
}
