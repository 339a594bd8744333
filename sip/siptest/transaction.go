package siptest

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// receive is the way in of every message, called by one goroutine a connection.
func (p *Phone) receive(l *link, raw []byte) {
	if len(bytes.Trim(raw, "\r\n\x00")) == 0 {
		return // keep-alive
	}
	m, err := Parse(raw)
	if p.journal.note(Record{At: time.Now(), Peer: l.peer, Proto: l.proto, Raw: raw, Message: m}) {
		return
	}
	if err != nil {
		p.journal.accuse(nil, "malformed: %w", err)
		return
	}
	if err := m.Check(); err != nil {
		p.journal.accuse(m, "%w", err)
	}
	if _, method := m.cseq(); m.branch() == "" || method == "" {
		return // nothing to answer it by
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
	case m.IsRequest():
		p.request(l, m, raw)
	default:
		p.response(m)
	}
}

// client is a request of ours that waits for its responses (RFC 3261 17.1).
// Its fields are under the phone's lock.
type client struct {
	link *link
	req  *Message
	raw  []byte
	on   func(*Message) // each response; nil once when none came in 64*T1
	hush chan struct{}  // closed when repetition must stop
	over bool           // the final response has come
}

func clientKey(m *Message) string {
	_, method := m.cseq()
	return m.branch() + "|" + method
}

// ask sends a request and repeats it until it is heard. Called under the lock.
func (p *Phone) ask(l *link, req *Message, on func(*Message)) *client {
	c := &client{link: l, req: req, raw: req.Bytes(), on: on, hush: make(chan struct{})}
	key := clientKey(req)
	p.clients[key] = c
	p.send(l, req, c.raw)
	p.wg.Go(func() { p.repeat(c, key) })
	return c
}

// repeat is Timer A, B, E and F. It ends with the first response to an INVITE,
// the final one to anything else, the timeout, or the phone.
func (p *Phone) repeat(c *client, key string) {
	wait, left := p.cfg.T1, 64*p.cfg.T1
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-c.hush:
			return
		case <-p.ctx.Done():
			return
		case <-timer.C:
		}
		if left -= wait; left <= 0 {
			p.mu.Lock()
			defer p.mu.Unlock()
			select {
			case <-c.hush: // heard while we waited for the lock
			default:
				delete(p.clients, key)
				c.on(nil)
			}
			return
		}
		if c.link.proto == "UDP" {
			p.send(c.link, c.req, c.raw)
		}
		if wait *= 2; c.req.Method != "INVITE" {
			wait = min(wait, t2)
		}
		wait = min(wait, left)
		timer.Reset(wait)
	}
}

func (p *Phone) response(m *Message) {
	c := p.clients[clientKey(m)]
	if c == nil {
		p.journal.accuse(m, "response to a request we did not send")
		return
	}
	p.compare(c.req, m)
	final := m.Status >= 200
	if final || c.req.Method == "INVITE" {
		select {
		case <-c.hush:
		default:
			close(c.hush)
		}
	}
	if final && !c.over {
		c.over = true
		p.forget(func() { delete(p.clients, clientKey(c.req)) })
	}
	if !final && c.over { // a network of datagrams may reorder, a stream may not
		if c.link.proto == "TCP" {
			p.journal.accuse(m, "provisional response after the final one")
		}
		return
	}
	c.on(m)
}

// compare holds a response against its request (RFC 3261 8.2.6.2, 18.1.2).
func (p *Phone) compare(req, m *Message) {
	for _, name := range [...]string{"From", "Call-ID", "CSeq"} {
		if req.Get(name) != m.Get(name) {
			p.journal.accuse(m, "%s: not as we sent it", name)
		}
	}
	all := m.Values("Via")
	if len(all) != 1 {
		p.journal.accuse(m, "Via: %d values, we sent one", len(all))
		return
	}
	ours, _ := parseVia(req.Get("Via"))
	if got, err := parseVia(all[0]); err == nil && (got.sentBy != ours.sentBy || got.transport != ours.transport) {
		p.journal.accuse(m, "Via: not as we sent it")
	}
	if sent := req.tag("To"); sent != "" && sent != m.tag("To") {
		p.journal.accuse(m, "To: another tag than the dialog's")
	}
}

// server is a request of the peer's and our responses to it (RFC 3261 17.2).
type server struct {
	p     *Phone
	key   string // in the phone's servers
	link  *link
	req   *Message
	raw   []byte
	last  *Message // our latest response, for repetitions
	sent  []byte
	acked chan struct{} // closed by the ACK to a refusal
	in    *Incoming     // when it is a first INVITE
}

// request handles a request; repetitions are answered from memory.
func (p *Phone) request(l *link, m *Message, raw []byte) {
	top, err := parseVia(m.Values("Via")[0])
	if err != nil {
		return
	}
	key := top.params["branch"] + "|" + top.sentBy + "|"
	if m.Method == "ACK" {
		p.gotACK(p.servers[key+"INVITE"], m)
		return
	}
	if s := p.servers[key+m.Method]; s != nil {
		if !bytes.Equal(raw, s.raw) {
			p.journal.accuse(m, "repetition differs from the first")
		}
		if s.last != nil {
			p.send(s.link, s.last, s.sent)
		}
		return
	}
	s := &server{p: p, key: key + m.Method, link: l.back(top), req: m, raw: raw, acked: make(chan struct{})}
	p.servers[s.key] = s
	if m.Method == "CANCEL" {
		p.gotCancel(s, p.servers[key+"INVITE"])
	} else {
		p.dispatch(s)
	}
	if m.Method != "INVITE" {
		p.forget(func() { delete(p.servers, s.key) })
	}
}

// back is where responses go (RFC 3261 18.2.2, RFC 3581 4).
func (l *link) back(top via) *link {
	if l.proto == "TCP" {
		return l
	}
	to := l.peer
	if _, ok := top.params["rport"]; !ok {
		if by, _, err := hostPort("sip:" + top.sentBy); err == nil {
			to = by
		}
	}
	return &link{proto: l.proto, local: l.local, peer: to}
}

// reply builds a response (RFC 3261 8.2.6) with our tag.
func (s *server) reply(status int, tag string) *Message {
	m := &Message{Status: status, Reason: reason(status)}
	for _, f := range s.req.Fields {
		switch strings.ToLower(f.Name) {
		case "via":
			if m.Lines("Via") == 0 {
				f.Value = s.received(f.Value)
			}
			m.Fields = append(m.Fields, f)
		case "to":
			if tag != "" && s.req.tag("To") == "" {
				f.Value += ";tag=" + tag
			}
			m.Fields = append(m.Fields, f)
		case "from", "call-id", "cseq", "record-route":
			m.Fields = append(m.Fields, f)
		}
	}
	return m
}

// received fills in what we saw of the sender (RFC 3581 4).
func (s *server) received(value string) string {
	v, err := parseVia(splitList(value)[0])
	if port, ok := v.params["rport"]; err != nil || !ok || port != "" || s.link.proto != "UDP" {
		return value
	}
	return strings.Replace(value, ";rport", ";rport="+strconv.Itoa(int(s.link.peer.Port()))+";received="+s.link.peer.Addr().String(), 1)
}

// respond sends a response and remembers it for repetitions. Called under the lock.
func (s *server) respond(m *Message) {
	s.last, s.sent = m, m.Bytes()
	s.p.send(s.link, m, s.sent)
}

// insist repeats a final response to an INVITE until its ACK comes, then calls
// then(true); then(false) after 64*T1 (RFC 3261 13.3.1.4, 17.2.1).
func (p *Phone) insist(l *link, m *Message, acked <-chan struct{}, then func(acked bool)) {
	raw, wait, left := m.Bytes(), p.cfg.T1, 64*p.cfg.T1
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for left > 0 {
		select {
		case <-acked:
			then(true)
			return
		case <-p.ctx.Done():
			return
		case <-timer.C:
		}
		if left -= wait; left <= 0 {
			break
		}
		if l.proto == "UDP" || m.Status/100 == 2 {
			p.send(l, m, raw)
		}
		wait = min(2*wait, t2, left)
		timer.Reset(wait)
	}
	then(false)
}

func reason(status int) string {
	switch status {
	case 100:
		return "Trying"
	case 180:
		return "Ringing"
	case 183:
		return "Session Progress"
	case 200:
		return "OK"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 480:
		return "Temporarily Unavailable"
	case 481:
		return "Call/Transaction Does Not Exist"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 488:
		return "Not Acceptable Here"
	case 503:
		return "Service Unavailable"
	case 603:
		return "Decline"
	}
	return "Status " + strconv.Itoa(status)
}
