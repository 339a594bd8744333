package sip

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// mess is a peer and a call that do whatever the dice say to one leg: no order
// of messages, answers and orders may leave anything behind.
type mess struct {
	*world
	dice    *rand.Rand
	peer    *peer
	leg     call.Leg
	signals chan call.Signal
	forks   []call.Leg
	asked   []message // requests of ours that wait for the peer
	heard   []message // responses of ours
	did     []string
	offers  int
	refers  int
	gone    int
	late    string // a signal after Gone
	cseq    int
	tcp     *link // nil: the peer speaks UDP
}

// link is the peer's connection, which breaks now and then.
type link struct {
	m      *mess
	opened int
	refuse atomic.Bool

	mu   sync.Mutex
	conn net.Conn // nil: none yet
}

func (l *link) now() net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

// take reads a connection: each write of ours is a message.
func (l *link) take(conn net.Conn) {
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	go func() { // ends with the connection
		for buf := make([]byte, maxStream); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if n > 4 {
				l.m.peer.conn.in <- datagram{bytes.Clone(buf[:n]), conn.LocalAddr()}
			}
		}
	}()
}

// open opens one from the peer.
func (l *link) open() {
	l.opened++
	l.take(l.m.world.tcp.connect(fmt.Sprintf("10.1.0.1:%d", 40000+l.opened)))
}

// dialled is one that we open.
func (l *link) dialled(_ context.Context, _ netip.Addr, to netip.AddrPort) (net.Conn, error) {
	if l.refuse.Load() {
		return nil, syscall.ECONNREFUSED
	}
	ours, theirs := net.Pipe()
	l.take(theirs)
	return pipeConn{ours, tcpAddr("10.0.0.1:50000"), net.TCPAddrFromAddrPort(to)}, nil
}

func (l *link) send(b []byte) {
	if conn := l.now(); conn != nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write(bytes.ReplaceAll(b, []byte("SIP/2.0/UDP"), []byte("SIP/2.0/TCP")))
	}
}

// shake breaks the connection, or mends it.
func (l *link) shake() {
	if l == nil {
		return
	}
	l.m.note("connection")
	l.refuse.Store(l.m.dice.IntN(2) == 0)
	if conn := l.now(); conn != nil {
		conn.Close()
	}
	if l.m.peer == l.m.carrier && l.m.dice.IntN(3) > 0 {
		l.open()
	}
}

func (m *mess) note(s string, args ...any) { m.did = append(m.did, fmt.Sprintf(s, args...)) }

func pickOf[T any](m *mess, all ...T) T { return all[m.dice.IntN(len(all))] }

// listen takes what has come: from us, and of the leg.
func (m *mess) listen() {
	synctest.Wait()
	for {
		select {
		case dg := <-m.peer.conn.in:
			switch msg := parseText(dg.b); {
			case strings.HasPrefix(msg.start, "SIP/2.0"):
				m.heard = append(m.heard, msg)
			case !strings.HasPrefix(msg.start, "ACK"):
				m.asked = append(m.asked, msg)
			}
			continue
		case s := <-m.signals:
			m.took(s)
			continue
		default:
		}
		return
	}
}

func (m *mess) took(s call.Signal) {
	if m.gone > 0 {
		m.late = fmt.Sprintf("%T", s)
	}
	switch s := s.(type) {
	case call.Offered:
		m.offers = s.ID
	case call.Referred:
		m.refers = s.ID
	case call.Forked:
		m.forks = append(m.forks, s.Leg)
	case call.Gone:
		m.gone++
	}
}

func (m *mess) sdp() string { return pickOf(m, "", offer, strings.Replace(offer, "4000", "4002", 1)) }

// order is one of what a call may tell a leg.
func (m *mess) order() {
	id := max(0, m.offers-m.dice.IntN(2))
	refer := m.refers - m.dice.IntN(2)
	body := pickOf(m, ourSDP, []byte(strings.Replace(string(ourSDP), "20000", "20002", 1)))
	switch n := m.dice.IntN(9); n {
	case 0, 1:
		m.leg.Progress(pickOf(m, 180, 183), pickOf(m, nil, body))
	case 2:
		m.leg.Answer(body)
	case 3:
		m.leg.Update(id, body)
	case 4:
		m.leg.Refuse(id, call.Cause{Status: 488})
	case 5:
		m.leg.Offer(body)
	case 6, 7:
		m.leg.Refer(refer, pickOf(m, 100, 180, 200, 403, 486))
	case 8:
		if m.dice.IntN(3) == 0 {
			m.note("Hangup")
			m.leg.Hangup(call.Cause{Status: 480})
			return
		}
		for _, f := range m.forks {
			f.Hangup(call.Cause{Status: 200})
		}
	}
	m.note("order")
}

// answer is the peer's word on a request of ours, maybe an old one.
func (m *mess) answer(statuses ...int) {
	if len(m.asked) == 0 {
		return
	}
	req := pickOf(m, m.asked...)
	status := pickOf(m, statuses...)
	tag, extra := pickOf(m, "a", "b"), []string{}
	body := ""
	if strings.HasPrefix(req.start, "INVITE") || strings.HasPrefix(req.start, "UPDATE") {
		body = m.sdp()
	}
	if status > 100 && status < 200 && m.dice.IntN(2) == 0 {
		extra = append(extra, "Require: 100rel", fmt.Sprintf("RSeq: %d", 1+m.dice.IntN(3)))
	}
	switch {
	case status == 401:
		extra = append(extra, `WWW-Authenticate: Digest realm="x", nonce="n"`)
	case status == 422:
		extra = append(extra, fmt.Sprintf("Min-SE: %d", 90+m.dice.IntN(100000)))
	case status == 302:
		extra = append(extra, "Contact: <sip:x@10.0.0.1>")
	case status == 200:
		extra = append(extra, pickOf(m, "Session-Expires: 0", "Session-Expires: 4294967296;refresher=uas", "Allow: INVITE, UPDATE", "X: y"))
	}
	m.note("%d to %.12s", status, req.start)
	m.peer.reply(req, status, tag, body, extra...)
}

func (m *mess) pause() {
	d := pickOf(m, 0, time.Millisecond, 600*time.Millisecond, 5*time.Second, 33*time.Second)
	m.note("%v", d)
	time.Sleep(d)
	if m.dice.IntN(3) == 0 {
		m.tcp.shake()
	}
}

// settled ends the leg and looks for what is left a few minutes later.
func (m *mess) settled() {
	m.listen()
	m.leg.Hangup(call.Cause{Status: 480})
	for range 8 {
		time.Sleep(time.Minute)
		m.listen()
		for _, f := range m.forks {
			f.Hangup(call.Cause{Status: 200})
		}
	}
	for len(m.admits) > 0 { // the INVITE, said again when its transaction was over
		again := <-m.admits
		again.leg.Hangup(call.Cause{Status: 480})
		time.Sleep(6 * time.Minute)
	}
	s, e := m.ep.Stats(), m.ep
	e.mu.Lock()
	left := fmt.Sprintf("%d dialogs, %d calling, %d legs", len(e.dialogs), len(e.calling), len(e.legs))
	e.mu.Unlock()
	e.tx.mu.Lock()
	left += fmt.Sprintf(", %d servers, %d merged, %d clients", len(e.tx.servers), len(e.tx.merged), len(e.tx.clients))
	e.tx.mu.Unlock()
	e.door.mu.Lock()
	left += fmt.Sprintf(", %d peers", len(e.door.peers))
	e.door.mu.Unlock()
	left += fmt.Sprintf(", %d streams", s.Streams)
	if m.gone != 1 || m.late != "" || s.Panics != 0 || left != "0 dialogs, 0 calling, 0 legs, 0 servers, 0 merged, 0 clients, 0 peers, 0 streams" {
		m.Fatalf("%d times Gone, after it %q, %d panics, left %s\n%s\n%s", m.gone, m.late, s.Panics, left, strings.Join(m.did, "; "), m.log)
	}
}

// A caller's leg in any order of requests, answers and orders.
func TestCallersLegInAnyOrder(t *testing.T) {
	inbound := func(m *mess) {
		m.peer = m.carrier
		if m.tcp != nil {
			m.tcp.open()
			m.peer.over = m.tcp.send
		}
		i := &invite{p: m.peer, callID: "any@carrier", branch: "z9hG4bKany", cseq: 1}
		headers := []string{"Contact: <sip:gw@" + carrierAddr + ">", "Content-Type: application/sdp"}
		headers = append(headers, pickOf(m, "X: y", "Supported: 100rel, timer", "Require: 100rel", "Session-Expires: 1800;refresher=uac", "Allow: UPDATE"))
		body := pickOf(m, offer, offer, "")
		i.send("INVITE", i.branch, 1, body, headers...)
		a := m.admitted()
		m.leg, m.signals = a.leg, a.signals
		i.cseq = 2
		for range 3 + m.dice.IntN(25) {
			m.listen()
			for _, h := range m.heard {
				i.toTag = h.tag("To")
			}
			if i.toTag != "" && m.dice.IntN(3) == 0 {
				m.request(i)
				continue
			}
			switch m.dice.IntN(8) {
			case 0, 1, 2:
				m.order()
			case 3:
				m.answer(200, 200, 180, 481, 491, 500, 401, 422, 405)
			case 4:
				was := i.toTag
				i.toTag = ""
				method := pickOf(m, "INVITE", "INVITE", "CANCEL")
				m.note("%s", method)
				i.send(method, i.branch, 1, pickOf(m, body, offer), headers...)
				i.toTag = was
			case 5:
				m.note("ACK")
				i.send("ACK", pickOf(m, i.branch, "z9hG4bKack"), pickOf(m, 1, i.cseq), pickOf(m, "", offer), "Content-Type: application/sdp")
			case 6, 7:
				m.pause()
			}
		}
	}
	anyOrder(t, inbound)
}

// request is one of the peer inside the dialog.
func (m *mess) request(i *invite) {
	method := pickOf(m, "BYE", "INVITE", "UPDATE", "PRACK", "REFER", "INFO", "OPTIONS", "ACK", "CANCEL", "NOTIFY", "SUBSCRIBE")
	if method == "BYE" && m.dice.IntN(3) > 0 {
		return
	}
	extra := []string{"Contact: <sip:gw@" + m.peer.conn.addr.String() + ">", "Content-Type: application/sdp"}
	switch method {
	case "REFER":
		extra = append(extra, pickOf(m, "Refer-To: <sip:201@pbx>", "Refer-To: <>", "Refer-To: <sip:201@pbx?Replaces="+i.callID+"%3Bto-tag%3D"+i.toTag+"%3Bfrom-tag%3Dkari>"))
	case "PRACK":
		rseq := fmt.Sprint(m.dice.Uint32())
		for _, h := range m.heard {
			if r := h.get("RSeq"); r != "" {
				rseq = r
			}
		}
		extra = append(extra, "RAck: "+rseq+" 1 INVITE")
	case "INVITE", "UPDATE":
		extra = append(extra, pickOf(m, "X: y", "Session-Expires: 1", "Session-Expires: 99999999999", "Supported: timer"))
	}
	body := ""
	if method != "REFER" {
		body = m.sdp()
	}
	i.cseq += m.dice.IntN(3)
	m.note("%s %d", method, i.cseq)
	i.send(method, fmt.Sprintf("z9hG4bKr%d", m.dice.IntN(1000)), i.cseq, body, extra...)
}

// A callee's leg in any order of responses, forks, requests and orders.
func TestCalleesLegInAnyOrder(t *testing.T) {
	outbound := func(m *mess) {
		m.peer = m.callee
		transport := ""
		if m.tcp != nil {
			m.peer.over, transport = m.tcp.send, ";transport=tcp"
		}
		d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
		d.Target.URI, d.Target.Trunk = "sip:agent@"+calleeAddr+transport, "callee"
		var err error
		if m.leg, err = m.ep.Dial(m.Context(), d, into(m.signals)); err != nil {
			m.Fatal(err)
		}
		first := m.peer.want("INVITE")
		m.asked = append(m.asked, first)
		m.cseq = 10
		for range 3 + m.dice.IntN(25) {
			m.listen()
			switch m.dice.IntN(8) {
			case 0, 1:
				m.order()
			case 2, 3, 4:
				m.answer(100, 180, 183, 199, 200, 200, 401, 422, 486, 491, 503, 302, 481)
			case 5, 6:
				m.back(first)
			case 7:
				m.pause()
			}
		}
	}
	anyOrder(t, outbound)
}

// back is a request of the callee, in one of the dialogs he may have made.
func (m *mess) back(inv message) {
	method := pickOf(m, "BYE", "INVITE", "UPDATE", "PRACK", "REFER", "INFO", "ACK", "CANCEL", "NOTIFY")
	if method == "BYE" && m.dice.IntN(3) > 0 {
		return
	}
	m.cseq += m.dice.IntN(2)
	head := fmt.Sprintf("%s sip:10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKb%d;rport\nMax-Forwards: 70\nFrom: %s;tag=%s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n"+
		"Contact: <sip:agent@%s>\nContent-Type: application/sdp\n", method, m.peer.conn.addr, m.dice.IntN(1000), inv.get("To"), pickOf(m, "a", "b"), inv.get("From"), inv.get("Call-ID"), m.cseq, method, m.peer.conn.addr)
	body := m.sdp()
	if method == "REFER" {
		head, body = head+"Refer-To: sip:201@pbx\n", ""
	}
	m.note("%s", method)
	m.peer.sendRaw(text("%s\n%s", head, body))
}

// manners are trunks that are spoken to differently.
var manners = []func(string) (routing.Trunk, bool){
	nil,
	func(id string) (routing.Trunk, bool) {
		return routing.Trunk{ID: id, Reliable: routing.ReliableRequired, Auth: routing.Auth{Username: "us"}, Session: routing.Session{Refresher: routing.RefresherUs}}, true
	},
	func(id string) (routing.Trunk, bool) {
		return routing.Trunk{ID: id, DelayedOffer: true, Reliable: routing.ReliableOff, Session: routing.Session{Refresher: routing.RefresherPeer}}, true
	},
}

func anyOrder(t *testing.T, run func(*mess)) {
	n := 150
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &mess{dice: rand.New(rand.NewPCG(uint64(seed), 7))}
			deps := Deps{Policy: manners[seed%len(manners)]}
			if seed%2 == 1 {
				m.tcp = &link{m: m}
				deps.Connect = m.tcp.dialled
			}
			inWorld(t, Config{}, deps, func(w *world) {
				m.world, m.signals = w, make(chan call.Signal, 64)
				run(m)
				m.settled()
			})
		})
	}
}
