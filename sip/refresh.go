package sip

import (
	"bytes"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// refreshSession asks the peer for another interval: by UPDATE, which touches
// no description, or by a re-INVITE with the one it has (RFC 4028 7.4).
func (l *leg) refreshSession() {
	switch {
	case l.session.update:
		l.refreshByUpdate()
	case l.offer != nil || l.answer != nil || l.ours != nil || l.later != nil: // another exchange does it
		l.refreshIn(refreshRetry)
	default:
		l.ours = &reoffer{body: l.said, refresh: true}
		l.send(l.ours)
	}
}

// described notes the descriptions in force, each where there is one, and says
// whether the peer's is another than before.
func (l *leg) described(ours, theirs []byte) (changed bool) {
	if len(ours) > 0 {
		l.said = ours
	}
	if len(theirs) > 0 {
		changed = !bytes.Equal(l.theirs, theirs)
		l.theirs = append([]byte(nil), theirs...)
	}
	return changed
}

func (l *leg) refreshByUpdate() {
	req, h := l.dlg.request(l.ep.ctx, l.ep, gosip.UPDATE, 0)
	for _, header := range append([]gosip.Header{h.contact(), allowHeader(), supportedHeader()}, l.session.again()...) {
		req.AppendHeader(header)
	}
	setBody(req, nil)
	final := false
	err := l.ask(req, h, func(res *gosip.Response) {
		l.heard()
		if !res.IsProvisional() && !final {
			final = true
			l.refreshed(res)
		}
	}, func() {
		if !final {
			l.lost(silentPeer())
		}
	})
	if err != nil { // the way may come back before the session ends
		l.refreshIn(refreshRetry)
	}
}

// refreshRetry is the wait before another try when a refresh could not be sent.
const refreshRetry = 5 * time.Second

// silentPeer is the cause when a refresh was not answered.
func silentPeer() call.Cause {
	return call.Cause{Status: 408, Q850: 102, Text: "session refresh not answered", By: call.ByTimer}
}

// refreshed takes the final response to a refresh. Whoever answers is alive: a
// refusal that is about the request, and not about the dialog, leaves the call
// up and is tried again at its time (RFC 3261 12.2.1.2, RFC 4028 7.3).
func (l *leg) refreshed(res *gosip.Response) {
	s := &l.session
	switch {
	case l.state != confirmed:
	case res.IsSuccess():
		if uri, ok := contactOf(res); ok {
			l.dlg.target = uri
		}
		s.accepted(res)
		l.startSession()
	case res.StatusCode == 481 || res.StatusCode == 408:
		c := causeOf(res)
		if res.StatusCode == 408 {
			c.By = call.ByTimer
		}
		l.lost(c)
	case s.raise(res):
		l.refreshSession()
	case res.StatusCode == 405 || res.StatusCode == 501:
		s.update = false
		l.refreshSession()
	default:
		l.startSession()
	}
}

// maxRaises bounds how often a request may be refused for a longer interval: each
// proxy on the way may have a minimum of its own.
const maxRaises = 3

// longer sends an INVITE once more when its session interval was refused as too
// small: the same call, the next sequence number (RFC 4028 7.3).
func (o *outbound) longer(a *attempt, res *gosip.Response) bool {
	if o.hung || o.state != early || !o.session.raise(res) {
		return false
	}
	return o.attempt(a.at, a.hop, a.prove)
}
