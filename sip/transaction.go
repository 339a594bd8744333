package sip

import (
	"hash/maphash"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// transactions matches messages to our state machines (RFC 3261 17.1.3,
// 17.2.3): [server] and [client]. Requests are told apart by their source
// address too, so that nobody can meddle with a transaction by guessing its
// branch. What outlives an answered transaction, for 64*T1, is its bytes and no
// message: a busy node has many times more of these than it has calls.
type transactions struct {
	seeds [2]maphash.Seed
	timers

	mu      sync.Mutex
	servers map[txKey]*server
	merged  map[txKey]txKey // From tag, Call-ID and CSeq of a request outside dialogs: its key
	clients map[txKey]*client
}

// txKey stands for what identifies a transaction: two hashes of it under seeds
// of this process. Nobody outside can make two of them meet, and it keeps no
// text for half a minute.
type txKey [2]uint64

// txState is where a transaction is (RFC 3261 17.1, 17.2; RFC 6026 7).
type txState uint8

const (
	txTrying     txState = iota // an INVITE's client is said to be calling
	txProceeding                // an INVITE's server begins here
	txAccepted                  // of an INVITE, after a 2xx: RFC 6026
	txCompleted                 // after any other final response
	txConfirmed                 // an INVITE's server, after the ACK to it
	txTerminated
)

const t4 = 5 * time.Second // how long a message stays in the network (RFC 3261 17.1.2.2)

// maxServers bounds what a flood of requests can hold for the 32 s that a
// transaction lingers, at half a kilobyte each. Beyond it requests are answered
// without state.
const maxServers = 150000

func newTransactions(panicked func(any)) *transactions {
	return &transactions{
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		timers:  newTimers(panicked),
		servers: map[txKey]*server{}, merged: map[txKey]txKey{}, clients: map[txKey]*client{},
	}
}

// len is how many transactions are not over.
func (t *transactions) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.servers) + len(t.clients)
}

func (t *transactions) hash(b []byte) txKey {
	return txKey{maphash.Bytes(t.seeds[0], b), maphash.Bytes(t.seeds[1], b)}
}

// incoming is a request as it reached us.
type incoming struct {
	*gosip.Request
	from  *hop           // where it came from
	src   netip.AddrPort // its source
	trunk string         // of the source; empty: an address we dialled
	toTag string         // as received; ours is put on the request at once
	user  string         // of trunk, whose password was proven; empty: none was
	tx    *server        // nil for ACK and CANCEL

	agreed []gosip.Header // of our 2xx; set and read in the leg's order
	early  *earlyDialog   // a callee's, whose request came before his answer; likewise
}

// reply answers in, inside its transaction or, for a CANCEL, without one.
func (in *incoming) reply(status int, body []byte, headers ...gosip.Header) {
	res := respond(in, status, body, headers...)
	b, err := in.from.marshal(res)
	switch {
	case err != nil: // told by marshal; nothing of it can go out
	case in.tx == nil:
		in.from.writeBytes(b)
	default:
		in.tx.respond(status, b)
	}
}

// key names the server transaction of in as method.
func (t *transactions) key(in *incoming, method gosip.RequestMethod) txKey {
	via := in.Via()
	branch, _ := via.Params.Get("branch")
	addr := in.src.Addr().As16()
	b := append(make([]byte, 0, 256), addr[:]...)
	b = append(b, byte(in.src.Port()>>8), byte(in.src.Port()))
	b = appendParts(b, in.from.network, via.Host, string(method), branch)
	b = strconv.AppendInt(b, int64(via.Port), 10)
	if len(branch) <= len(branchID) || !strings.HasPrefix(branch, branchID) {
		// RFC 2543 branches need not be unique (RFC 3261 17.2.3)
		b = appendParts(in.appendMerge(b), in.Recipient.String())
	}
	return t.hash(b)
}

// appendParts adds words that hold no NUL, which screen refuses.
func appendParts(b []byte, words ...string) []byte {
	for _, w := range words {
		b = append(append(b, w...), 0)
	}
	return b
}

// appendMerge adds what two copies of one request have in common (RFC 3261 8.2.2.2).
func (in *incoming) appendMerge(b []byte) []byte {
	tag, _ := in.From().Params.Get("tag")
	cseq := in.CSeq()
	method := cseq.MethodName
	if method == gosip.ACK || method == gosip.CANCEL {
		method = gosip.INVITE
	}
	b = appendParts(b, tag, in.CallID().Value(), string(method))
	return append(strconv.AppendUint(b, uint64(cseq.SeqNo), 10), 0)
}

func (t *transactions) mergeKey(in *incoming) txKey {
	return t.hash(in.appendMerge(make([]byte, 0, 256)))
}

// find returns the transaction a request belongs to, or nil.
func (t *transactions) find(in *incoming, method gosip.RequestMethod) *server {
	key := t.key(in, method)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.servers[key]
}

// isMerged reports whether another copy of a request outside dialogs came by
// another way and is being answered.
func (t *transactions) isMerged(in *incoming) bool {
	key, merge := t.key(in, in.Method), t.mergeKey(in)
	t.mu.Lock()
	defer t.mu.Unlock()
	first, ok := t.merged[merge]
	return ok && first != key
}

// serve makes the transaction of a new request; nil when there are too many.
func (t *transactions) serve(in *incoming) *server {
	s := &server{t: t, hop: in.from, key: t.key(in, in.Method), invite: in.IsInvite()}
	s.tag, _ = in.To().Params.Get("tag")
	if s.invite {
		s.state = txProceeding
	}
	merge := t.mergeKey(in)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.servers) >= maxServers {
		return nil
	}
	t.servers[s.key] = s
	if _, other := t.merged[merge]; in.toTag == "" && !other {
		s.merge, t.merged[merge] = merge, s.key
	}
	return s
}

func (t *transactions) forget(s *server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.servers, s.key)
	if t.merged[s.merge] == s.key {
		delete(t.merged, s.merge)
	}
}

// request sends req in a transaction, to h or to the hop that it fits. on gets
// every response, a repeated or forked 2xx included; ended is called once, when
// nothing more will come for its owner: right after a refusal or an answer, or
// 64*T1 after a 2xx to an INVITE.
// Both are called in the transaction's order, from whoever brought the message
// or the time, and must not wait. An error means that ended will not be called.
func (e *Endpoint) request(req *gosip.Request, h *hop, on func(*gosip.Response), ended func()) (*client, error) {
	t := e.tx
	key, ok := t.clientKey(req)
	if !ok {
		return nil, errBranch
	}
	wire, err := h.marshal(req)
	if err != nil {
		return nil, err
	}
	way := e.fit(req, h, len(wire))
	if way != h {
		if wire, err = way.marshal(req); err != nil {
			return nil, err
		}
	}
	c := &client{t: t, hop: way, instead: way != h, key: key, invite: req.IsInvite(), req: req, wire: wire, on: on, ended: ended}
	c.in.caught = e.panicked
	c.in.running = true // what comes before it has begun waits for drain
	if !e.track(c) {
		return nil, net.ErrClosed
	}
	err = c.begin()
	c.in.drain()
	switch {
	case err == nil:
		return c, nil
	case e.fallBack(c):
		branch, _ := req.Via().Params.Get("branch")
		req.ReplaceHeader(h.via(branch))
		req.SetTransport(h.transport())
		return e.request(req, h, on, ended)
	}
	return nil, err
}

// track takes a client transaction into the table; false: the endpoint is closed.
func (e *Endpoint) track(c *client) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isClosed {
		return false
	}
	e.tx.mu.Lock()
	defer e.tx.mu.Unlock()
	e.tx.clients[c.key] = c
	return true
}

// clientKey names the client transaction of a request of ours or of a response
// to it (RFC 3261 17.1.3).
func (t *transactions) clientKey(m interface {
	Via() *gosip.ViaHeader
	CSeq() *gosip.CSeqHeader
}) (key txKey, ok bool) {
	via, cseq := m.Via(), m.CSeq()
	if via == nil || cseq == nil {
		return key, false
	}
	branch, _ := via.Params.Get("branch")
	if len(branch) <= len(branchID) || !strings.HasPrefix(branch, branchID) {
		return key, false
	}
	return t.hash(appendParts(make([]byte, 0, 128), branch, string(cseq.MethodName))), true
}

// onResponse gives a response to its transaction.
func (e *Endpoint) onResponse(res *gosip.Response) {
	e.count.add(e.count.answers, class(res.StatusCode))
	key, ok := e.tx.clientKey(res)
	// More than one Via: it was meant for somebody else (RFC 3261 8.1.3.3).
	if !ok || res.StatusCode < 100 || res.StatusCode > 699 || len(res.GetHeaders("via")) != 1 ||
		res.From() == nil || res.To() == nil || res.CallID() == nil {
		e.count.drop("response")
		return
	}
	e.tx.mu.Lock()
	c := e.tx.clients[key]
	e.tx.mu.Unlock()
	switch {
	case c == nil:
		e.count.drop("stray-response")
	case !c.in.tryHere(func() { c.receive(res) }):
		e.count.drop("flood")
	}
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
	t.timers.stop()
	for _, s := range servers {
		s.Terminate()
	}
	for _, c := range clients {
		c.Terminate()
	}
}
