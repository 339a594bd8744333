package sip

import (
	"fmt"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

const (
	sipfragType = "message/sipfrag;version=2.0"
	// notifyFor is how long the subscription of a REFER lives, in seconds: longer
	// than any target may ring.
	notifyFor = 660
	// goodbyeWait is how long a BYE waits for the last NOTIFY to be answered.
	goodbyeWait = 2 * time.Second
	// maxReferrals bounds the REFERs of one dialog that are not over, maxAsked
	// those and the INVITEs that want its place together: each is an event.
	maxReferrals = 4
	maxAsked     = 64
)

// referrals are the REFERs of a peer inside a dialog. It is used in the leg's
// own order.
type referrals struct {
	asked   int // REFERs, and INVITEs that would replace the dialog
	count   int
	open    map[int]*referral
	goodbye *call.Cause // of a BYE that waits for the last NOTIFY
	said    bool        // it has waited
}

// referral is one REFER and the subscription that it makes (RFC 3515 2.4.4).
type referral struct {
	in    *incoming // nil once it is answered
	event string
	quiet bool // no NOTIFY is wanted (RFC 4488)
	out   bool // a NOTIFY is on its way
	next  int  // what is to be told after it; 0: nothing
	told  int
}

// final reports whether the last word on it is under way.
func (r *referral) final() bool { return r.out && max(r.told, r.next) >= 200 }

// referred is a REFER of the peer: whether and where to is the call's decision.
func (l *leg) referred(in *incoming) {
	values := append(in.GetHeaders("refer-to"), in.GetHeaders("r")...)
	if len(values) != 1 {
		in.reply(400, nil)
		return
	}
	to, rep, ok := referTo(values[0].Value())
	if !ok {
		in.reply(400, nil)
		return
	}
	if !l.mayAsk() {
		in.reply(403, nil)
		return
	}
	rs := l.refers
	if len(rs.open) >= maxReferrals {
		in.reply(491, nil)
		return
	}
	rs.count++
	r := &referral{in: in, event: "refer", quiet: headerIs(in, "refer-sub", "false")}
	if rs.count > 1 { // the first needs no id (RFC 3515 2.4.6)
		r.event = fmt.Sprintf("refer;id=%d", in.CSeq().SeqNo)
	}
	rs.open[rs.count] = r
	if named := l.ep.named(rep, l.dlg.trunk); named != nil && named != l {
		to.Named = func(c call.Claimed) {
			named.do(func() {
				if named.state != confirmed || named.signal == nil {
					c.Claim.Refuse()
					return
				}
				named.tell(c)
			})
		}
	}
	l.tell(call.Referred{At: call.Now(), ID: rs.count, To: to})
}

// mayAsk counts a wish to change who talks in this dialog; false when there were
// too many. It is for the leg's own order.
func (l *leg) mayAsk() bool {
	if l.refers == nil {
		l.refers = &referrals{open: map[int]*referral{}}
	}
	if l.refers.asked >= maxAsked {
		l.ep.count.drop("transfers")
		return false
	}
	l.refers.asked++
	return true
}

// named returns the leg of a dialog of ours, when it is with the same trunk:
// tags of others can be overheard.
func (e *Endpoint) named(r replacement, trunk string) *leg {
	if r.callID == "" || trunk == "" {
		return nil
	}
	e.mu.Lock()
	l := e.dialogs[dialogKey(r.callID, r.local, r.remote)]
	e.mu.Unlock()
	if l == nil || l.dlg.trunk != trunk {
		return nil
	}
	return l
}

func headerIs(in *incoming, name, value string) bool {
	h := in.GetHeader(name)
	if h == nil {
		return false
	}
	v, _, _ := strings.Cut(h.Value(), ";")
	return strings.EqualFold(strings.TrimSpace(v), value)
}

// Refer answers a REFER, and tells its sender by NOTIFY how it goes.
func (l *leg) Refer(id, status int) {
	l.do(func() {
		if l.refers == nil || l.refers.open[id] == nil {
			return
		}
		rs, r := l.refers, l.refers.open[id]
		if in := r.in; in != nil {
			r.in = nil
			if status >= 300 {
				delete(rs.open, id)
				in.reply(status, nil)
				return
			}
			headers := []gosip.Header{in.from.contact(), allowHeader()}
			if r.quiet {
				headers = append(headers, gosip.NewHeader("Refer-Sub", "false"))
				delete(rs.open, id)
			}
			in.reply(202, nil, headers...)
		}
		if !r.quiet {
			l.notify(id, r, status)
		}
	})
}

// refuseReferrals answers the REFERs that nobody has answered, because the leg
// is over (RFC 3261 15.1.2): a request without an answer would be held for ever.
func (l *leg) refuseReferrals() {
	if l.refers == nil {
		return
	}
	for _, r := range l.refers.open {
		if r.in != nil {
			r.in.reply(487, nil)
			r.in = nil
		}
	}
	clear(l.refers.open)
}

// notify tells the referrer a status. One NOTIFY is on its way at a time, and of
// several that wait the last one counts.
func (l *leg) notify(id int, r *referral, status int) {
	switch {
	case l.state != confirmed || r.told >= 200 || status == r.told:
		return
	case r.out:
		r.next = status
		return
	}
	r.told, r.next, r.out = status, 0, true
	req, h := l.dlg.request(l.ep.ctx, l.ep, gosip.NOTIFY, 0)
	state := fmt.Sprintf("active;expires=%d", notifyFor)
	if status >= 200 {
		state = "terminated;reason=noresource"
	}
	for _, header := range []gosip.Header{h.contact(), allowHeader(), gosip.NewHeader("Event", r.event), gosip.NewHeader("Subscription-State", state),
		gosip.NewHeader("Content-Type", sipfragType)} {
		req.AppendHeader(header)
	}
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, phrase(status)))
	done := func(gone bool) {
		r.out = false
		switch {
		case gone || status >= 200:
			delete(l.refers.open, id)
			l.sayGoodbye()
		case r.next != 0:
			l.notify(id, r, r.next)
		}
	}
	final := false // of this NOTIFY; the next may be on its way when its transaction ends
	err := l.ask(req, h, func(res *gosip.Response) {
		if !res.IsProvisional() && !final {
			final = true
			done(!res.IsSuccess()) // he does not want to know any more (RFC 6665 4.2.2)
		}
	}, func() {
		if !final {
			done(true)
		}
	})
	if err != nil {
		done(true)
	}
}

// waitsForNotify holds a BYE back until the referrer knows how his transfer has
// ended, for a moment.
func (l *leg) waitsForNotify(c call.Cause) bool {
	rs := l.refers
	if rs == nil || rs.said {
		return false
	}
	if rs.goodbye != nil {
		return true
	}
	for _, r := range rs.open {
		if r.final() {
			rs.goodbye = &c
			l.after(goodbyeWait, func() {
				rs.said = true
				l.bye(c)
			})
			return true
		}
	}
	return false
}

// sayGoodbye says the BYE that has waited.
func (l *leg) sayGoodbye() {
	rs := l.refers
	if rs.goodbye == nil || rs.said {
		return
	}
	for _, r := range rs.open {
		if r.final() {
			return
		}
	}
	rs.said = true
	l.bye(*rs.goodbye)
}
