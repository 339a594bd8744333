package siptest

import (
	"slices"
)

// asked handles a request of the peer inside the dialog. Called under the lock.
func (d *Dialog) asked(s *server) {
	p, m := d.p, s.req
	n, _ := m.cseq()
	if m.tag("From") != d.remoteTag {
		p.refuse(s, 481, "From: another tag than the dialog's")
		return
	}
	if n <= d.remoteSeq {
		p.journal.accuse(m, "CSeq: not above the last one")
	}
	d.remoteSeq = max(d.remoteSeq, n)
	if m.URI != p.contact(d.link) {
		p.journal.accuse(m, "request line: not our Contact")
	}
	switch m.Method {
	case "BYE":
		s.respond(s.reply(200, ""))
		if d.caller && d.times.Answered.IsZero() {
			p.journal.accuse(m, "unexpected: BYE before the answer")
		}
		if d.end.By == "remote" {
			p.journal.accuse(m, "unexpected: a second BYE")
		}
		d.unawait()
		d.finish(End{By: "remote", Reason: m.Get("Reason")})
	case "INVITE", "UPDATE":
		d.offered(s)
	case "NOTIFY":
		d.notified(s)
	case "INFO":
		s.respond(s.reply(200, ""))
	default:
		p.refuse(s, 405, "method in a dialog")
	}
}

// offered answers a re-INVITE or UPDATE.
func (d *Dialog) offered(s *server) {
	if d.isOver() {
		s.respond(s.reply(481, ""))
		return
	}
	d.lastInvite = s.req
	status, sdp := 200, []byte(nil)
	if d.onOffer != nil {
		status, sdp = d.onOffer(s.req)
	}
	if status/100 != 2 {
		m := s.reply(status, "")
		s.respond(m)
		if s.req.Method == "INVITE" {
			d.p.wg.Go(func() { d.p.insist(s.link, m, s.acked, func(bool) {}) })
		}
		return
	}
	d.retarget(s.req)
	if len(s.req.Body) > 0 {
		if theirs, err := ParseSDP(s.req.Body); err == nil {
			d.theirs = theirs
		}
	}
	m := s.reply(status, "")
	m.Add("Contact", "<"+d.p.contact(d.link)+">")
	if len(s.req.Body) > 0 || s.req.Method == "INVITE" {
		m.body(d.describe(sdp))
	}
	s.respond(m)
	d.speak()
	if s.req.Method == "INVITE" {
		d.inviteSeq, _ = s.req.cseq()
		acked := make(chan struct{})
		d.awaited = acked
		d.p.wg.Go(func() { d.p.insist(s.link, m, acked, func(bool) {}) })
	}
}

// gotACK takes the ACK to a 2xx of ours.
func (d *Dialog) gotACK(m *Message) {
	if n, _ := m.cseq(); n != d.inviteSeq {
		d.p.journal.accuse(m, "CSeq: not the INVITE's number")
	}
	if m.tag("From") != d.remoteTag {
		d.p.journal.accuse(m, "From: another tag than the dialog's")
	}
	if m.URI != d.p.contact(d.link) {
		d.p.journal.accuse(m, "request line: not our Contact")
	}
	if len(m.Body) > 0 && d.theirs == nil { // the answer to our delayed offer
		d.theirs, _ = ParseSDP(m.Body)
		d.speak()
	}
	closeOnce(d.awaited)
}

// describe returns our description: given, or our own offer or answer to theirs.
// Whoever sends it calls speak afterwards, so that media does not overtake it.
func (d *Dialog) describe(given []byte) []byte {
	if given != nil {
		d.mine = given
	} else if d.p.sound != nil {
		formats, direction := d.p.formats(), "sendrecv"
		if d.theirs != nil {
			formats = slices.DeleteFunc(formats, func(pt uint8) bool { return !slices.Contains(d.theirs.Formats, pt) })
			direction = opposite(d.theirs.Direction)
		}
		d.version++
		d.mine = WriteSDP(d.p.sound.local, formats, direction, d.version)
	}
	return d.mine
}

// hear takes the peer's description from a response to our request.
func (d *Dialog) hear(m, req *Message) {
	if len(m.Body) == 0 {
		return
	}
	theirs, err := ParseSDP(m.Body)
	if err != nil {
		return // Check reported it
	}
	if len(req.Body) > 0 {
		if ours, err := ParseSDP(req.Body); err == nil {
			if err := CheckAnswer(ours, theirs); err != nil {
				d.p.journal.accuse(m, "%w", err)
			}
		}
	}
	d.theirs = theirs
	d.speak()
}

func (p *Phone) formats() []uint8 {
	all := make([]uint8, 0, len(p.cfg.Codecs)+1)
	for _, c := range p.cfg.Codecs {
		all = append(all, uint8(c))
	}
	return append(all, DTMF)
}

func opposite(direction string) string {
	switch direction {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	}
	return direction
}

// body sets a description, if there is one.
func (m *Message) body(sdp []byte) {
	if len(sdp) == 0 {
		return
	}
	m.Add("Content-Type", "application/sdp")
	m.Body = sdp
}
