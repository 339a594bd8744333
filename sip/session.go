package sip

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

// session is a leg's session timer (RFC 4028): one side asks again at half the
// interval, both end the call when nobody has. It belongs to its leg's order.
type session struct {
	policy   routing.Session
	least    time.Duration // Min-SE: ours, or the highest that a 422 asked for
	interval time.Duration // agreed on; 0: not yet
	ours     bool          // we refresh
	update   bool          // the peer takes UPDATE
	noInfo   bool          // it says which methods it takes, and INFO is not among them
	raised   int           // 422s since it was agreed on
	refresh  *time.Timer
	expiry   *time.Timer
}

const (
	timerTag = "timer" // option tag of RFC 4028
	// shortest is below what any honest peer asks for: it bounds how often one
	// can make us refresh.
	shortest = 10 * time.Second
	// longest is as far as an interval is believed.
	longest = 24 * time.Hour
)

// sessionOf returns the timer of a new leg from or to a trunk that is known so, or
// not at all.
func sessionOf(p routing.Trunk, _ bool) session {
	return session{policy: p.Session, least: p.Session.Shortest()}
}

// expires is a Session-Expires header.
type expires struct {
	interval  time.Duration
	refresher string // "uac", "uas" or nothing
}

type headed interface {
	GetHeaders(string) []gosip.Header
}

// sessionExpires reads the Session-Expires of a message; one that cannot be read
// counts as none.
func sessionExpires(m headed) (e expires, ok bool) {
	for _, name := range []string{"session-expires", "x"} {
		for _, h := range m.GetHeaders(name) {
			return readExpires(h.Value())
		}
	}
	return e, false
}

func readExpires(value string) (e expires, ok bool) {
	number, params, _ := strings.Cut(value, ";")
	e.interval, ok = readSeconds(number)
	for param := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(param, "=")
		if v = strings.ToLower(strings.TrimSpace(v)); strings.EqualFold(strings.TrimSpace(k), "refresher") && (v == "uac" || v == "uas") {
			e.refresher = v
		}
	}
	return e, ok
}

// minSE reads Min-SE, 0 when there is none.
func minSE(m headed) time.Duration {
	for _, h := range m.GetHeaders("min-se") {
		number, _, _ := strings.Cut(h.Value(), ";")
		d, _ := readSeconds(number)
		return d
	}
	return 0
}

// readSeconds reads delta-seconds, at most a day of them.
func readSeconds(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return longest, true
	}
	return min(time.Duration(n)*time.Second, longest), true
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

func (s *session) minHeader() gosip.Header { return gosip.NewHeader("Min-SE", seconds(s.least)) }

func expiresHeader(d time.Duration, refresher string) gosip.Header {
	value := seconds(d)
	if refresher != "" {
		value += ";refresher=" + refresher
	}
	return gosip.NewHeader("Session-Expires", value)
}

// tooShort reports whether a request must get 422: its interval is below our
// Min-SE, and who wrote it understands that answer (RFC 4028 9).
func (s *session) tooShort(in *incoming) bool {
	e, ok := sessionExpires(in)
	return ok && e.interval < s.least && lists(in, "supported", timerTag)
}

// offer returns the headers of an INVITE of ours that opens a dialog.
func (s *session) offer() []gosip.Header {
	refresher := map[string]string{routing.RefresherUs: "uac", routing.RefresherPeer: "uas"}[s.policy.Refresher]
	return []gosip.Header{expiresHeader(s.asked(), refresher), s.minHeader()}
}

// again returns the headers of a re-INVITE or UPDATE of ours: the roles stay.
func (s *session) again() []gosip.Header {
	refresher := "uas"
	if s.ours {
		refresher = "uac"
	}
	return []gosip.Header{expiresHeader(s.asked(), refresher), s.minHeader()}
}

// accept agrees to a request of the peer and returns the headers that its 2xx
// says it with (RFC 4028 9, table 2).
func (s *session) accept(in *incoming) (headers []gosip.Header) {
	asked, has := sessionExpires(in)
	known := lists(in, "supported", timerTag)
	s.knows(in)
	interval := s.policy.Interval()
	if has {
		interval = min(asked.interval, interval)
	}
	switch {
	case !known:
		s.ours = true
	case asked.refresher != "":
		s.ours = asked.refresher == "uas"
	case !has: // who does not ask for a timer may forget it
		s.ours = s.policy.Refresher != routing.RefresherPeer
	case s.interval == 0:
		s.ours = s.policy.Refresher == routing.RefresherUs
	}
	s.interval = max(interval, minSE(in), shortest)
	refresher := "uac"
	if s.ours {
		refresher = "uas"
	}
	if known || has {
		headers = append(headers, expiresHeader(s.interval, refresher))
	}
	if known && !s.ours {
		headers = append(headers, gosip.NewHeader("Require", timerTag))
	}
	return headers
}

// accepted takes what a 2xx to a request of ours says (RFC 4028 7.2). A peer who
// says nothing does not know the timer: then we refresh. Who refreshes too often
// is waited for as long as our Min-SE says.
func (s *session) accepted(res *gosip.Response) {
	s.knows(res)
	s.raised = 0
	e, ok := sessionExpires(res)
	if !ok {
		s.ours = true
		s.interval = s.asked()
		return
	}
	s.ours = e.refresher != "uas"
	s.interval = max(e.interval, shortest)
	if !s.ours {
		s.interval = max(s.interval, s.least)
	}
}

// knows notes whether the peer takes UPDATE, and INFO.
func (s *session) knows(m headed) {
	if len(m.GetHeaders("allow")) > 0 {
		s.update = lists(m, "allow", string(gosip.UPDATE))
		s.noInfo = !lists(m, "allow", string(gosip.INFO))
	}
}

// raise takes a 422: another try is worth it when the peer asks for more than
// it was offered, and has not done so too often.
func (s *session) raise(res *gosip.Response) bool {
	least := minSE(res)
	if res.StatusCode != 422 || least <= s.asked() || s.raised >= maxRaises {
		return false
	}
	s.raised++
	s.least = least
	return true
}

// asked is the interval that a request of ours asks for.
func (s *session) asked() time.Duration {
	return max(cmp.Or(s.interval, s.policy.Interval()), s.least)
}

// startSession begins the interval anew: the session was agreed on or refreshed.
func (l *leg) startSession() {
	s := &l.session
	l.stopSession()
	if l.state != confirmed || s.interval == 0 {
		return
	}
	if s.ours {
		l.refreshIn(s.interval / 2)
	}
	var expiry *time.Timer
	expiry = l.after(s.interval-min(32*time.Second, s.interval/3), func() {
		if s.expiry == expiry {
			l.lost(call.Cause{Status: 408, Q850: 102, Text: "session timer ran out", By: call.ByTimer})
		}
	})
	s.expiry = expiry
}

func (l *leg) refreshIn(d time.Duration) {
	var refresh *time.Timer
	refresh = l.after(d, func() {
		if l.session.refresh == refresh && l.state == confirmed {
			l.refreshSession()
		}
	})
	l.session.refresh = refresh
}

func (l *leg) stopSession() {
	s := &l.session
	stop(s.refresh)
	stop(s.expiry)
	s.refresh, s.expiry = nil, nil
}
