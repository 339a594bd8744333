package siptest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// CallOptions change an INVITE.
type CallOptions struct {
	From    string  // user part of From; empty: the phone's
	Display string  // display name of From; empty: the phone's. Sent as given, unescaped
	Fields  []Field // more headers
	SDP     []byte  // instead of the phone's own offer
	Play    Source  // instead of the phone's
	Delayed bool    // no offer in the INVITE: it comes in the 2xx, our answer in the ACK
	NoACK   bool    // never acknowledge a 2xx
}

// Call sends an INVITE and returns at once; what becomes of it is asked of the
// dialog. When ctx ends before the answer, the call is cancelled.
func (p *Phone) Call(ctx context.Context, uri string, o CallOptions) (*Dialog, error) {
	to, tcp, err := hostPort(uri)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	l, err := p.linkTo(ctx, to, tcp)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	d := p.newDialog(l, fresh(), fresh())
	d.caller, d.options, d.play = true, o, o.Play
	d.seq, d.inviteSeq = 1, 1
	d.target, d.remote = uri, "<"+uri+">"
	d.local = p.from(l, o)
	m := d.newRequest("INVITE", d.seq)
	m.Add("Allow", allow)
	m.Fields = append(m.Fields, o.Fields...)
	if !o.Delayed {
		m.body(d.describe(o.SDP))
	}
	d.lastInvite = m
	d.invite = p.ask(l, m, d.heard)
	stop := context.AfterFunc(ctx, d.Cancel)
	p.wg.Go(func() { // ends with the answer, the call or the phone
		defer stop()
		select {
		case <-d.answered:
		case <-d.ended:
		}
	})
	return d, nil
}

func (p *Phone) from(l *link, o CallOptions) string {
	user, display := o.From, o.Display
	if user == "" {
		user = p.cfg.User
	}
	if display == "" {
		display = p.cfg.Display
	}
	value := "<sip:" + user + "@" + l.local.String() + ">"
	if display != "" {
		value = strconv.Quote(display) + " " + value
	}
	return value
}

// heard takes each response to the first INVITE; nil: there was none.
func (d *Dialog) heard(m *Message) {
	if m == nil {
		d.finish(End{By: "timeout", Err: ErrTimeout})
		return
	}
	d.responses = append(d.responses, m)
	switch {
	case m.Status == 100:
		d.cancelNow()
	case m.Status < 200:
		d.progressed(m)
	case m.Status < 300:
		d.accepted(m)
	default:
		d.refused(m)
	}
}

func (d *Dialog) progressed(m *Message) {
	if d.times.Ringing.IsZero() {
		d.times.Ringing = time.Now()
		close(d.ringing)
	}
	d.take(m)
	d.hear(m, d.invite.req)
	d.cancelNow()
}

// take makes the dialog the one of a response with a tag. The peer is a back-to-
// back user agent: it has one tag for one call.
func (d *Dialog) take(m *Message) {
	tag := m.tag("To")
	if d.remoteTag != "" && tag != d.remoteTag {
		d.p.journal.accuse(m, "To: another tag than in the response before")
	}
	d.remoteTag = tag
	d.retarget(m)
	routes := m.Values("Record-Route")
	d.routes = d.routes[:0:0]
	for i := len(routes) - 1; i >= 0; i-- { // RFC 3261 12.1.2: in reverse
		d.routes = append(d.routes, routes[i])
	}
}

func (d *Dialog) accepted(m *Message) {
	again := !d.times.Answered.IsZero()
	switch {
	case again && m.tag("To") != d.remoteTag:
		d.p.journal.accuse(m, "a second 2xx with another tag")
		d.endFork(m)
		return
	case again:
		d.acknowledge(d.invite.req, m)
		return
	}
	d.take(m)
	d.times.Answered = time.Now()
	close(d.answered)
	late := d.isOver()
	if len(m.Body) == 0 && !late {
		d.p.journal.accuse(m, "a 2xx without a description")
	}
	if !late {
		d.hear(m, d.invite.req)
	}
	d.acknowledge(d.invite.req, m)
	if d.cancelling || late { // CANCEL crossed the answer: RFC 3261 15
		d.sendBye()
	}
}

// sendBye ends an answered call without waiting.
func (d *Dialog) sendBye() {
	if _, _, err := d.request("BYE", nil, nil); err != nil {
		d.p.journal.accuse(d.lastInvite, "cannot send BYE: %w", err)
	}
	d.finish(End{By: "local"})
}

// endFork acknowledges and ends a dialog we did not want (RFC 3261 13.2.2.4).
func (d *Dialog) endFork(m *Message) {
	fork := d.p.bareDialog(d.link, d.callID, d.localTag)
	fork.local, fork.remote, fork.seq = d.local, d.remote, d.seq
	fork.take(m)
	fork.acknowledge(d.invite.req, m)
	fork.sendBye()
}

func (d *Dialog) refused(m *Message) {
	d.acknowledge(d.invite.req, m)
	if d.isOver() {
		return
	}
	if d.remoteTag != "" && m.tag("To") != d.remoteTag {
		d.p.journal.accuse(m, "To: another tag than in the provisional response")
	}
	by := "refused"
	if d.cancelling && m.Status == 487 {
		by = "cancelled"
	}
	d.finish(End{By: by, Status: m.Status, Reason: m.Get("Reason"), Err: &Refused{m.Status, m.Reason}})
}

// acknowledge sends the ACK to a final response, the same one each time it comes.
func (d *Dialog) acknowledge(invite, m *Message) {
	if m.Status/100 == 2 && d.options.NoACK {
		return
	}
	seq, _ := invite.cseq()
	key := strconv.FormatUint(uint64(seq), 10) + m.tag("To")
	ack := d.acks[key]
	l := d.link
	if m.Status/100 == 2 {
		var err error
		if l, err = d.way(); err != nil {
			d.p.journal.accuse(m, "cannot send ACK: %w", err)
			return
		}
	}
	if ack == nil {
		ack = d.newACK(invite, m, seq)
		d.acks[key] = ack
	}
	d.p.send(l, ack, ack.Bytes())
	if m.Status/100 == 2 {
		d.speak()
	}
}

func (d *Dialog) newACK(invite, m *Message, seq uint32) *Message {
	if m.Status/100 == 2 {
		ack := d.newRequest("ACK", seq)
		if len(invite.Body) == 0 && len(m.Body) > 0 {
			if theirs, err := ParseSDP(m.Body); err == nil {
				d.theirs = theirs
			}
			ack.body(d.describe(d.options.SDP))
		}
		return ack
	}
	// RFC 3261 17.1.1.3: the INVITE's URI, Via and Route; the To of the response.
	ack := &Message{Method: "ACK", URI: invite.URI}
	for _, f := range invite.Fields {
		switch f.Name {
		case "Via", "Max-Forwards", "Route", "From", "Call-ID":
			ack.Fields = append(ack.Fields, f)
		}
	}
	ack.Add("To", m.Get("To"))
	ack.Add("CSeq", strconv.FormatUint(uint64(seq), 10)+" ACK")
	return ack
}

// Cancel gives the call up before its answer. The CANCEL waits for the first
// provisional response (RFC 3261 9.1); an answer that crosses it is hung up.
func (d *Dialog) Cancel() {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if !d.caller || d.cancelling || d.isOver() || !d.times.Answered.IsZero() || d.p.closed {
		return
	}
	d.cancelling = true
	if len(d.responses) > 0 {
		d.sendCancel()
	}
}

// cancelNow sends the CANCEL that waited for a provisional response.
func (d *Dialog) cancelNow() {
	if d.cancelling && len(d.responses) == 1 {
		d.sendCancel()
	}
}

func (d *Dialog) sendCancel() {
	invite := d.invite.req
	m := &Message{Method: "CANCEL", URI: invite.URI}
	for _, f := range invite.Fields {
		switch f.Name {
		case "Via", "Max-Forwards", "Route", "From", "To", "Call-ID":
			m.Fields = append(m.Fields, f)
		}
	}
	n, _ := invite.cseq()
	m.Add("CSeq", strconv.FormatUint(uint64(n), 10)+" CANCEL")
	d.p.ask(d.link, m, func(r *Message) {
		switch {
		case r == nil:
			d.finish(End{By: "timeout", Err: fmt.Errorf("cancel: %w", ErrTimeout)})
		case r.Status/100 != 2 && !errors.Is(d.end.Err, ErrTimeout) && !d.isOver() && d.times.Answered.IsZero():
			d.p.journal.accuse(r, "our CANCEL refused")
		}
	})
}
