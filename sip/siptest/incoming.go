package siptest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Incoming is a call that rings at the phone. Its methods may be called in any
// order and from any goroutine; what RFC 3261 forbids returns an error, what it
// only frowns on is done.
type Incoming struct {
	s         *server
	d         *Dialog
	cancelled chan struct{}
	defiant   bool // a CANCEL does not end it
	final     bool
}

// ErrDecided says that the INVITE has had its final response.
var ErrDecided = errors.New("incoming: already answered, declined or cancelled")

// AnswerOptions change a response that carries a body.
type AnswerOptions struct {
	SDP    []byte // instead of the phone's own answer
	Play   Source // instead of the phone's; the first one given stays
	Fields []Field
}

// dispatch handles a request that is neither ACK, CANCEL nor a repetition.
func (p *Phone) dispatch(s *server) {
	d := p.dialogs[dialogKey(s.req.Get("Call-ID"), s.req.tag("To"))]
	switch {
	case s.req.tag("To") == "" && s.req.Method == "INVITE":
		p.invited(s)
	case s.req.Method == "OPTIONS":
		m := s.reply(200, fresh())
		m.Add("Allow", allow)
		s.respond(m)
	case s.req.tag("To") == "":
		p.refuse(s, 405, "method outside a dialog")
	case d == nil:
		p.refuse(s, 481, "dialog unknown")
	default:
		d.asked(s)
	}
}

func (p *Phone) refuse(s *server, status int, why string) {
	p.journal.accuse(s.req, "unexpected: %s", why)
	m := s.reply(status, fresh())
	if status == 405 {
		m.Add("Allow", allow)
	}
	s.respond(m)
}

const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

func (p *Phone) invited(s *server) {
	in := &Incoming{s: s, d: p.calledDialog(s, fresh()), cancelled: make(chan struct{})}
	s.in = in
	if s.link.proto == "UDP" {
		s.respond(s.reply(100, ""))
	}
	handler := p.onInvite
	p.wg.Go(func() { handler(in) })
}

// calledDialog is the dialog that an INVITE to us would make with our tag.
func (p *Phone) calledDialog(s *server, tag string) *Dialog {
	d := p.newDialog(s.link, s.req.Get("Call-ID"), tag)
	d.local, d.remote = bare(s.req.Get("To")), bare(s.req.Get("From"))
	d.remoteTag = s.req.tag("From")
	d.remoteSeq, _ = s.req.cseq()
	d.inviteSeq = d.remoteSeq
	d.routes = s.req.Values("Record-Route")
	d.retarget(s.req)
	if len(s.req.Body) > 0 {
		d.theirs, _ = ParseSDP(s.req.Body) // a fault of it was reported by Check
	}
	return d
}

// Request is the INVITE as it came.
func (in *Incoming) Request() *Message { return in.s.req }

// Cancelled is closed when a CANCEL came, defied or not.
func (in *Incoming) Cancelled() <-chan struct{} { return in.cancelled }

// IgnoreCancel makes the phone answer a CANCEL with 200 and nothing more: the
// INVITE stays open for an Answer that crosses it.
func (in *Incoming) IgnoreCancel() {
	in.s.p.mu.Lock()
	defer in.s.p.mu.Unlock()
	in.defiant = true
}

// Ring sends 180.
func (in *Incoming) Ring() error { return in.provisional(180, AnswerOptions{}, false) }

// Progress sends 183 with a description and starts to speak.
func (in *Incoming) Progress(o AnswerOptions) error { return in.provisional(183, o, true) }

func (in *Incoming) provisional(status int, o AnswerOptions, withBody bool) error {
	in.s.p.mu.Lock()
	defer in.s.p.mu.Unlock()
	if in.final {
		return ErrDecided
	}
	in.s.respond(in.response(status, o, withBody))
	if withBody {
		in.speak(o)
	}
	return nil
}

func (in *Incoming) response(status int, o AnswerOptions, withBody bool) *Message {
	m := in.s.reply(status, in.d.localTag)
	m.Add("Contact", "<"+in.s.p.contact(in.s.link)+">")
	m.Fields = append(m.Fields, o.Fields...)
	if withBody {
		m.body(in.d.describe(o.SDP))
	}
	return m
}

func (in *Incoming) speak(o AnswerOptions) {
	if in.d.play == nil {
		in.d.play = o.Play
	}
	in.d.speak()
}

// Answer sends 200 and repeats it until the ACK comes; the dialog it returns is
// already speaking. After a CANCEL it is refused unless IgnoreCancel was called.
func (in *Incoming) Answer(o AnswerOptions) (*Dialog, error) {
	p := in.s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.final {
		return nil, ErrDecided
	}
	in.final = true
	m := in.response(200, o, true)
	m.Add("Allow", allow)
	in.s.respond(m)
	in.speak(o)
	in.d.times.Answered = time.Now()
	close(in.d.answered)
	in.forget()
	d, link := in.d, in.s.link
	p.wg.Go(func() {
		p.insist(link, m, d.acked, func(acked bool) {
			if !acked {
				p.abandonUnacked(d)
			}
		})
	})
	return d, nil
}

// abandonUnacked ends a call whose 200 was never acknowledged (RFC 3261 13.3.1.4).
func (p *Phone) abandonUnacked(d *Dialog) {
	if !p.journal.lostACK() {
		p.journal.accuse(d.lastInvite, "no ACK to our 200")
	}
	ctx, cancel := context.WithTimeout(p.ctx, 64*p.cfg.T1)
	defer cancel()
	d.bye(ctx, "no-ack")
}

// Decline sends a final refusal and repeats it until the ACK comes.
func (in *Incoming) Decline(status int, fields ...Field) error {
	in.s.p.mu.Lock()
	defer in.s.p.mu.Unlock()
	if in.final {
		return ErrDecided
	}
	in.decline(status, fields)
	in.d.finish(End{By: "refused", Status: status})
	return nil
}

func (in *Incoming) decline(status int, fields []Field) {
	in.final = true
	m := in.s.reply(status, in.d.localTag)
	m.Fields = append(m.Fields, fields...)
	in.s.respond(m)
	in.forget()
	s := in.s
	s.p.wg.Go(func() {
		s.p.insist(s.link, m, s.acked, func(acked bool) {
			if !acked && !s.p.journal.lostACK() {
				s.p.journal.accuse(s.req, "no ACK to our %d", status)
			}
		})
	})
}

// Fork returns the same INVITE as another device would answer it: another tag,
// another dialog. A second Answer through it is the second 2xx of a forking proxy.
func (in *Incoming) Fork() *Incoming {
	in.s.p.mu.Lock()
	defer in.s.p.mu.Unlock()
	return &Incoming{s: in.s, d: in.s.p.calledDialog(in.s, fresh()), cancelled: in.cancelled}
}

// forget drops the transaction when no repetition can come any more.
func (in *Incoming) forget() {
	p, key := in.s.p, in.s.key
	p.forget(func() { delete(p.servers, key) })
}

// gotCancel answers a CANCEL and, unless defied, ends the INVITE (RFC 3261 9.2).
func (p *Phone) gotCancel(s, invite *server) {
	if invite == nil || invite.in == nil {
		p.refuse(s, 481, "CANCEL of an INVITE we do not have")
		return
	}
	p.compareCancel(s.req, invite.req)
	in := invite.in
	s.respond(s.reply(200, in.d.localTag))
	select {
	case <-in.cancelled:
	default:
		close(in.cancelled)
	}
	if !in.final && !in.defiant {
		in.decline(487, nil)
		in.d.finish(End{By: "cancelled", Status: 487, Reason: s.req.Get("Reason")})
	}
}

func (p *Phone) compareCancel(m, invite *Message) {
	if m.URI != invite.URI {
		p.journal.accuse(m, "request line: not the INVITE's URI")
	}
	for _, name := range [...]string{"From", "To", "Call-ID"} {
		if m.Get(name) != invite.Get(name) {
			p.journal.accuse(m, "%s: not the INVITE's", name)
		}
	}
	n, _ := m.cseq()
	if want, _ := invite.cseq(); n != want {
		p.journal.accuse(m, "CSeq: not the INVITE's number")
	}
	if !slices.Equal(m.Values("Route"), invite.Values("Route")) {
		p.journal.accuse(m, "Route: not the INVITE's")
	}
}

// gotACK matches an ACK to a refusal (by transaction) or to a 2xx (by dialog).
func (p *Phone) gotACK(s *server, m *Message) {
	if s != nil && s.last != nil && s.last.Status >= 300 {
		if m.tag("To") != s.last.tag("To") {
			p.journal.accuse(m, "To: not the tag of our refusal")
		}
		closeOnce(s.acked)
		return
	}
	d := p.dialogs[dialogKey(m.Get("Call-ID"), m.tag("To"))]
	if d == nil {
		p.journal.accuse(m, "ACK to nothing")
		return
	}
	if s != nil {
		p.journal.accuse(m, "Via: an ACK to a 2xx with the INVITE's branch")
	}
	d.gotACK(m)
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// bare is a From or To value without its header parameters.
func bare(value string) string {
	open := indexOutside(value, '<')
	if open < 0 {
		uri, _, _ := strings.Cut(value, ";")
		return "<" + strings.TrimSpace(uri) + ">"
	}
	shut := strings.IndexByte(value[open:], '>')
	if shut < 0 {
		return value
	}
	return value[:open+shut+1]
}
