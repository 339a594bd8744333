package sip

import (
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// transactions matches messages to sipgo's state machines (RFC 3261 17.1.3,
// 17.2.3). Requests are told apart by their source address too, so that nobody
// can meddle with a transaction by guessing its branch.
type transactions struct {
	log *slog.Logger // sipgo's, without what messages say

	mu      sync.Mutex
	servers map[string]*server
	merged  map[string]string // From tag, Call-ID and CSeq of a request outside dialogs: its key
	clients map[string]*client
}

// maxServers bounds what a flood of requests can hold for the 32 s that a
// transaction lingers. Beyond it requests are answered without state.
const maxServers = 30000

// server is a request we answer.
type server struct {
	*gosip.ServerTx
	hop      *hop
	mergeKey string
	cancel   atomic.Pointer[func(call.Cause)] // the leg of an INVITE, told of a CANCEL
	accepted atomic.Bool                      // answered 2xx: the ACK is the dialog's
}

// client is a request of ours.
type client struct {
	*gosip.ClientTx
	hop     *hop   // where the request went
	instead bool   // by TCP, because it was too large for UDP
	in      serial // responses reach the state machine in the order they arrived
	final   int    // status of the final response; used inside in only
}

func newTransactions(log *slog.Logger) *transactions {
	return &transactions{
		log:     slog.New(redacted{log.Handler()}),
		servers: map[string]*server{}, merged: map[string]string{}, clients: map[string]*client{},
	}
}

// incoming is a request as it reached us.
type incoming struct {
	*gosip.Request
	from  *hop           // where it came from
	src   netip.AddrPort // its source
	trunk string         // of the source; empty: an address we dialled
	toTag string         // as received; ours is put on the request at once
	tx    *server        // nil for ACK and CANCEL

	agreed []gosip.Header // of our 2xx; set and read in the leg's order
	early  *earlyDialog   // a callee's, whose request came before his answer; likewise
}

// reply answers in, inside its transaction or, for a CANCEL, without one.
func (in *incoming) reply(status int, body []byte, headers ...gosip.Header) {
	res := respond(in, status, body, headers...)
	if in.tx == nil {
		in.from.WriteMsg(res)
		return
	}
	in.tx.Respond(res) // a transport's error ends the transaction; the peer asks again
}

// key names the server transaction of in as method.
func (in *incoming) key(method gosip.RequestMethod) string {
	via := in.Via()
	branch, _ := via.Params.Get("branch")
	parts := []string{in.from.network, in.src.Addr().String(), via.Host, strconv.Itoa(via.Port), string(method), branch}
	if len(branch) <= len(branchID) || !strings.HasPrefix(branch, branchID) {
		// RFC 2543 branches need not be unique (RFC 3261 17.2.3)
		parts = append(parts, in.mergeKey(), in.Recipient.String())
	}
	return strings.Join(parts, "\n")
}

// mergeKey is what two copies of one request have in common (RFC 3261 8.2.2.2).
func (in *incoming) mergeKey() string {
	tag, _ := in.From().Params.Get("tag")
	cseq := in.CSeq()
	method := cseq.MethodName
	if method == gosip.ACK || method == gosip.CANCEL {
		method = gosip.INVITE
	}
	return strings.Join([]string{tag, in.CallID().Value(), strconv.Itoa(int(cseq.SeqNo)), string(method)}, "\n")
}

// find returns the transaction a request belongs to, or nil.
func (t *transactions) find(in *incoming, method gosip.RequestMethod) *server {
	key := in.key(method)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.servers[key]
}

// merged reports whether another copy of a request outside dialogs came by
// another way and is being answered.
func (t *transactions) isMerged(in *incoming) bool {
	key := in.key(in.Method)
	t.mu.Lock()
	defer t.mu.Unlock()
	first, ok := t.merged[in.mergeKey()]
	return ok && first != key
}

// serve makes the transaction of a new request; nil when there are too many.
func (t *transactions) serve(in *incoming) *server {
	key := in.key(in.Method)
	s := &server{ServerTx: gosip.NewServerTx(key, in.Request, in.from, t.log), hop: in.from}
	t.mu.Lock()
	if len(t.servers) >= maxServers {
		t.mu.Unlock()
		return nil
	}
	t.servers[key] = s
	if in.toTag == "" {
		if s.mergeKey = in.mergeKey(); t.merged[s.mergeKey] == "" {
			t.merged[s.mergeKey] = key
		}
	}
	t.mu.Unlock()
	s.OnTerminate(func(string, error) { t.forgetServer(key, s) })
	s.Init() // starts timers only; it has no error to give
	return s
}

func (t *transactions) forgetServer(key string, s *server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.servers, key)
	if t.merged[s.mergeKey] == key {
		delete(t.merged, s.mergeKey)
	}
}

// request sends req to h in a transaction, or to the hop that it fits. on gets every response, a repeated
// or forked 2xx included; ended is called once, when nothing more will come.
// Both are called from goroutines of the transaction and must not wait. An
// error means that ended will not be called.
func (e *Endpoint) request(req *gosip.Request, h *hop, on func(*gosip.Response), ended func()) (*client, error) {
	key, err := gosip.ClientTxKeyMake(req)
	if err != nil {
		return nil, err
	}
	t := e.tx
	way := e.fit(req, h)
	c := &client{ClientTx: gosip.NewClientTx(key, req, way, t.log), hop: way, instead: way != h}
	c.in.caught = e.panicked
	t.mu.Lock()
	t.clients[key] = c
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		delete(t.clients, key)
		t.mu.Unlock()
	}
	c.OnTerminate(func(string, error) { forget() })
	c.OnRetransmission(on)
	if err := c.Init(); err != nil {
		c.Terminate()
		if e.fallBack(c) {
			branch, _ := req.Via().Params.Get("branch")
			req.ReplaceHeader(h.via(branch))
			req.SetTransport(h.transport())
			return e.request(req, h, on, ended)
		}
		return nil, err
	}
	if !e.spawn(func() { c.pass(on, ended) }) { // ends with the transaction
		c.Terminate()
		return nil, net.ErrClosed
	}
	return c, nil
}

// pass empties the state machine's channel, which must never be kept waiting:
// its lock is held meanwhile.
func (c *client) pass(on func(*gosip.Response), ended func()) {
	c.hop.hold(1)
	defer c.hop.hold(-1)
	for {
		select {
		case res := <-c.Responses():
			on(res)
		case <-c.Done():
			ended()
			return
		}
	}
}

// onResponse gives a response to its transaction.
func (e *Endpoint) onResponse(res *gosip.Response) {
	e.count.add(e.count.answers, class(res.StatusCode))
	key, err := gosip.ClientTxKeyMake(res)
	// More than one Via: it was meant for somebody else (RFC 3261 8.1.3.3).
	if err != nil || res.StatusCode < 100 || res.StatusCode > 699 || len(res.GetHeaders("via")) != 1 ||
		res.From() == nil || res.To() == nil || res.CallID() == nil {
		e.count.drop("response")
		return
	}
	e.tx.mu.Lock()
	c := e.tx.clients[key]
	e.tx.mu.Unlock()
	if c == nil {
		e.count.drop("stray-response")
		return
	}
	if !c.in.tryDo(func() { c.receive(res) }) {
		e.count.drop("flood")
	}
}

// receive runs in c.in. A repeated refusal means that our ACK was lost; sipgo
// would wait for T2 with its lock held before it sends another.
func (c *client) receive(res *gosip.Response) {
	if c.final >= 300 {
		if res.StatusCode >= 300 && c.Origin().IsInvite() {
			c.hop.WriteMsg(ackOfRefusal(c.Origin(), res))
		}
		return
	}
	if res.StatusCode >= 200 {
		c.final = res.StatusCode
	}
	c.Receive(res)
}

// ackOfRefusal is the ACK to a final response other than 2xx (RFC 3261 17.1.1.3).
func ackOfRefusal(invite *gosip.Request, res *gosip.Response) *gosip.Request {
	ack := gosip.NewRequest(gosip.ACK, invite.Recipient)
	for _, h := range []gosip.Header{invite.Via().Clone(), gosip.HeaderClone(invite.From()), gosip.HeaderClone(res.To()),
		gosip.HeaderClone(invite.CallID()), &gosip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: gosip.ACK}, maxForwards(70)} {
		ack.AppendHeader(h)
	}
	setBody(ack, nil)
	return ack
}

func maxForwards(n int) gosip.Header {
	h := gosip.MaxForwardsHeader(n)
	return &h
}

// lost ends the client transactions of a connection that is gone, so that the
// next address is tried at once.
func (t *transactions) lost(s *stream) {
	t.mu.Lock()
	var gone []*client
	for _, c := range t.clients {
		if c.hop.stream == s {
			gone = append(gone, c)
		}
	}
	t.mu.Unlock()
	for _, c := range gone {
		c.Terminate()
	}
}

// close ends everything.
func (t *transactions) close() {
	t.mu.Lock()
	servers, clients := make([]*server, 0, len(t.servers)), make([]*client, 0, len(t.clients))
	for _, s := range t.servers {
		servers = append(servers, s)
	}
	for _, c := range t.clients {
		clients = append(clients, c)
	}
	t.mu.Unlock()
	for _, s := range servers {
		s.Terminate()
	}
	for _, c := range clients {
		c.Terminate()
	}
}
