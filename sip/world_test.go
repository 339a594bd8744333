package sip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

// The tests speak SIP as text from both sides of an endpoint, over sockets in
// memory and in a bubble of virtual time: what is on the wire is in the test.

const (
	usAddr      = "10.0.0.1:5060"
	usTLS       = "10.0.0.1:5061"
	carrierAddr = "10.1.0.1:5060"
	calleeAddr  = "10.2.0.1:5060"
	otherAddr   = "10.9.9.9:5060" // of no trunk
)

// world is an endpoint with a carrier and a callee around it and, in place of
// the switchboard, the test.
type world struct {
	*testing.T
	ep      *Endpoint
	tcp     *pipeListener
	tls     *pipeListener // nil without a certificate
	web     *pipeListener // nil unless it is configured
	wire    *wire
	carrier *peer
	callee  *peer
	log     *logBook
	refuse  *call.Cause // what Admit answers
	admits  chan admittedCall
}

// admittedCall is a call that Admit took.
type admittedCall struct {
	call.Invite
	leg     call.Leg
	signals chan call.Signal
}

func trunks(a netip.Addr) (string, bool) {
	switch {
	case netip.MustParsePrefix("10.1.0.0/24").Contains(a):
		return "carrier", true
	case netip.MustParsePrefix("10.3.0.0/24").Contains(a):
		return "second", true
	}
	return "", false
}

// bubble runs f with a running endpoint in virtual time.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{}, Deps{}, f)
}

func inWorld(t *testing.T, cfg Config, deps Deps, f func(w *world)) {
	t.Helper()
	inWorldOf(t, cfg, deps, func(*Deps) {}, f)
}

// inWorldWith lets inside complete the Deps in the bubble.
func inWorldWith(t *testing.T, deps Deps, inside func(*Deps), f func(w *world)) {
	t.Helper()
	inWorldOf(t, Config{}, deps, inside, f)
}

func inWorldOf(t *testing.T, cfg Config, deps Deps, inside func(*Deps), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		inside(&deps)
		w := &world{T: t, wire: &wire{conns: map[string]*memConn{}}, log: &logBook{}, admits: make(chan admittedCall, 4096)}
		if deps.Admit == nil {
			deps.Admit = w.admit
		}
		if deps.Trunk == nil {
			deps.Trunk = trunks
		}
		if deps.Random == nil {
			deps.Random = func(n int) int { return n - 1 } // leaves every order as it is
		}
		if deps.Lookup == nil {
			deps.Lookup = names(nil)
		}
		if deps.Connect == nil {
			deps.Connect = func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
		}
		deps.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		conns, listeners := w.open(cfg)
		ep, err := New(cfg, deps, conns, listeners)
		if err != nil {
			t.Fatal(err)
		}
		w.ep = ep
		w.carrier, w.callee = w.peer(carrierAddr), w.peer(calleeAddr)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- ep.Run(ctx) }()
		synctest.Wait()
		f(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := ep.Stats(); s.Legs != 0 {
			t.Errorf("%d legs live after Close", s.Legs)
		}
	})
}

// open makes the sockets of an endpoint: those that are configured, or one of
// each kind at the usual addresses.
func (w *world) open(cfg Config) (conns []net.PacketConn, listeners []net.Listener) {
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{"udp://" + usAddr, "tcp://" + usAddr}
		if cfg.TLS.Cert != "" {
			cfg.Listen = append(cfg.Listen, "tls://"+usTLS)
		}
	}
	for _, s := range cfg.Listen {
		network, addr, err := parseListen(s)
		if err != nil {
			w.Fatal(err)
		}
		switch network {
		case "udp":
			conns = append(conns, w.wire.listen(addr.String()))
		case "tcp":
			w.tcp = newPipeListener(addr.String())
			listeners = append(listeners, w.tcp)
		case "tls":
			w.tls = newPipeListener(addr.String())
			listeners = append(listeners, secured{w.tls})
		default:
			w.web = newPipeListener(addr.String())
			listeners = append(listeners, overWeb{w.web, network})
		}
	}
	return conns, listeners
}

func (w *world) admit(in call.Invite, leg call.Leg) (func(call.Signal), *call.Cause) {
	a := admittedCall{in, leg, make(chan call.Signal, 64)}
	w.admits <- a
	if w.refuse != nil {
		return nil, w.refuse
	}
	return func(s call.Signal) { a.signals <- s }, nil
}

// admitted waits for the next call that was let in.
func (w *world) admitted() admittedCall {
	w.Helper()
	select {
	case a := <-w.admits:
		return a
	case <-time.After(time.Second):
		w.Fatalf("no call was admitted; drops %v", w.ep.Stats().Drops)
	}
	return admittedCall{}
}

// signal waits for the next signal and checks its type.
func signal[S call.Signal](w *world, signals chan call.Signal) S {
	w.Helper()
	select {
	case s := <-signals:
		if s, ok := s.(S); ok {
			return s
		}
		w.Fatalf("signal %T %+v, want %T", s, s, *new(S))
	case <-time.After(70 * time.Second):
		w.Fatalf("no signal, want %T", *new(S))
	}
	return *new(S)
}

// noSignal checks that nothing is told for a while.
func (w *world) noSignal(signals chan call.Signal, d time.Duration) {
	w.Helper()
	select {
	case s := <-signals:
		w.Fatalf("signal %T %+v, want none", s, s)
	case <-time.After(d):
	}
}

// peer is somebody outside, who sends and reads text.
type peer struct {
	w    *world
	conn *memConn
	seq  int
	over func(b []byte) // sends otherwise than by UDP; nil: by UDP
}

func (w *world) peer(addr string) *peer { return &peer{w: w, conn: w.wire.listen(addr)} }

// text turns lines of a test into a message: the first line break is cut, LF
// becomes CRLF, and Content-Length is added when there is none.
func text(s string, args ...any) []byte {
	s = strings.TrimPrefix(fmt.Sprintf(s, args...), "\n")
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, strings.TrimLeft(line, "\t"))
	}
	s = strings.Join(lines, "\r\n")
	head, body, ok := strings.Cut(s, "\r\n\r\n")
	if !ok {
		head = strings.TrimRight(s, "\r\n")
	}
	if !strings.Contains(strings.ToLower(head), "content-length") {
		head += fmt.Sprintf("\r\nContent-Length: %d", len(body))
	}
	return []byte(head + "\r\n\r\n" + body)
}

func (p *peer) sendRaw(b []byte) {
	if p.over != nil {
		p.over(b)
		return
	}
	p.conn.WriteTo(b, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(usAddr)))
}

func (p *peer) send(s string, args ...any) { p.sendRaw(text(s, args...)) }

// message is what came, taken apart just enough.
type message struct {
	start   string
	headers [][2]string
	body    string
	raw     string
	at      time.Time
	from    string
}

func parseText(b []byte) message {
	m := message{raw: string(b), at: time.Now()}
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	m.body = body
	for i, line := range strings.Split(head, "\r\n") {
		if i == 0 {
			m.start = line
			continue
		}
		k, v, _ := strings.Cut(line, ": ")
		m.headers = append(m.headers, [2]string{k, v})
	}
	return m
}

func (m message) get(name string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

func (m message) all(name string) (v []string) {
	for _, h := range m.headers {
		if strings.EqualFold(h[0], name) {
			v = append(v, h[1])
		}
	}
	return v
}

func (m message) tag(header string) string {
	_, after, _ := strings.Cut(m.get(header), ";tag=")
	tag, _, _ := strings.Cut(after, ";")
	return tag
}

func (m message) branch() string {
	_, after, _ := strings.Cut(m.get("Via"), "branch=")
	b, _, _ := strings.Cut(after, ";")
	return b
}

// read waits d for the next message.
func (p *peer) read(d time.Duration) (message, bool) {
	select {
	case dg := <-p.conn.in:
		m := parseText(dg.b)
		m.from = dg.from.String()
		return m, true
	case <-time.After(d):
		return message{}, false
	}
}

// want reads the next message, which must begin so.
func (p *peer) want(start string) message {
	p.w.Helper()
	m, ok := p.read(70 * time.Second)
	if !ok {
		p.w.Fatalf("nothing came, want %q; drops %v", start, p.w.ep.Stats().Drops)
	}
	if !strings.HasPrefix(m.start, start) {
		p.w.Fatalf("got %q, want %q\n%s", m.start, start, m.raw)
	}
	return m
}

// wantAfter skips messages that begin with one of skip until one begins with start.
func (p *peer) wantAfter(start string, skip ...string) message {
	p.w.Helper()
next:
	for {
		m, ok := p.read(70 * time.Second)
		if !ok {
			p.w.Fatalf("nothing came, want %q", start)
		}
		if strings.HasPrefix(m.start, start) {
			return m
		}
		for _, s := range skip {
			if strings.HasPrefix(m.start, s) {
				continue next
			}
		}
		p.w.Fatalf("got %q, want %q\n%s", m.start, start, m.raw)
	}
}

// quiet checks that nothing comes for d.
func (p *peer) quiet(d time.Duration) {
	p.w.Helper()
	if m, ok := p.read(d); ok {
		p.w.Fatalf("got %q, want silence\n%s", m.start, m.raw)
	}
}

const offer = "v=0\no=- 1 1 IN IP4 10.1.0.1\ns=-\nc=IN IP4 10.1.0.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"

var ourSDP = []byte("v=0\r\no=- 9 9 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n")

// invite sends an INVITE of the carrier's and returns what identifies it.
type invite struct {
	p              *peer
	callID, branch string
	cseq           int
	toTag          string
}

func (p *peer) invite(extra ...string) *invite {
	p.seq++
	i := &invite{p: p, callID: fmt.Sprintf("call%d@carrier", p.seq), branch: fmt.Sprintf("z9hG4bKc%d", p.seq), cseq: 1}
	i.send("INVITE", i.branch, i.cseq, offer, append([]string{"Contact: <sip:gw@" + p.conn.addr.String() + ">", "Content-Type: application/sdp"}, extra...)...)
	return i
}

// send sends a request of this dialog, or of the INVITE itself.
func (i *invite) send(method, branch string, cseq int, body string, extra ...string) {
	to := ""
	if i.toTag != "" {
		to = ";tag=" + i.toTag
	}
	head := fmt.Sprintf("%s sip:+4721000001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=%s;rport\nMax-Forwards: 70\n"+
		"From: \"Kari\" <sip:+4790000001@10.1.0.1>;tag=kari\nTo: <sip:+4721000001@10.0.0.1>%s\nCall-ID: %s\nCSeq: %d %s\n",
		method, i.p.conn.addr, branch, to, i.callID, cseq, method)
	for _, e := range extra {
		head += e + "\n"
	}
	i.p.sendRaw(text("%s\n%s", head, body))
}

// request sends a new request inside the dialog.
func (i *invite) request(method, body string, extra ...string) {
	i.cseq++
	if body != "" {
		extra = append(extra, "Content-Type: application/sdp")
	}
	i.send(method, fmt.Sprintf("%s-%d", i.branch, i.cseq), i.cseq, body, extra...)
}

// answered carries a call of the carrier's to the point where it is up.
func (w *world) answered(extra ...string) (*invite, admittedCall) {
	w.Helper()
	i := w.carrier.invite(extra...)
	w.carrier.want("SIP/2.0 100")
	a := w.admitted()
	a.leg.Answer(ourSDP)
	ok := w.carrier.want("SIP/2.0 200")
	i.toTag = ok.tag("To")
	i.send("ACK", i.branch+"ack", 1, "")
	signal[call.Acked](w, a.signals)
	return i, a
}

// dialled starts an attempt towards the callee and reads its INVITE.
func (w *world) dialled() (call.Leg, chan call.Signal, message) {
	w.Helper()
	leg, signals := w.dial("sip:agent@" + calleeAddr)
	return leg, signals, w.callee.want("INVITE")
}

// into gives a leg's signals to a channel, but for call.Trying, which comes
// before anything else of an attempt.
func into(signals chan call.Signal) func(call.Signal) {
	return func(s call.Signal) {
		if _, ok := s.(call.Trying); !ok {
			signals <- s
		}
	}
}

func (w *world) dial(uri string) (call.Leg, chan call.Signal) {
	w.Helper()
	signals := make(chan call.Signal, 64)
	d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
	d.Target.URI = uri
	leg, err := w.ep.Dial(w.Context(), d, into(signals))
	if err != nil {
		w.Fatal(err)
	}
	return leg, signals
}

// reply answers a request of ours.
func (p *peer) reply(req message, status int, tag, body string, extra ...string) {
	head := fmt.Sprintf("SIP/2.0 %d Something Of Theirs\n", status)
	for _, v := range req.all("Via") {
		head += "Via: " + v + "\n"
	}
	to := req.get("To")
	if tag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + tag
	}
	head += fmt.Sprintf("From: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n", req.get("From"), to, req.get("Call-ID"), req.get("CSeq"))
	if status > 100 && status < 300 && strings.HasSuffix(req.get("CSeq"), "INVITE") && !contains(extra, "Contact") {
		head += "Contact: <sip:agent@" + p.conn.addr.String() + ">\n"
	}
	if body != "" {
		head += "Content-Type: application/sdp\n"
	}
	for _, e := range extra {
		head += e + "\n"
	}
	p.sendRaw(text("%s\n%s", head, body))
}

func contains(extra []string, prefix string) bool {
	for _, e := range extra {
		if strings.HasPrefix(e, prefix) {
			return true
		}
	}
	return false
}
