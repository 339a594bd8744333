package sip

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

// States of a registration, as they are counted and logged.
const (
	regTrying  = "trying"     // no binding yet, and none refused yet
	registered = "registered" // there is one, whatever its next refresh says
	regFailed  = "failed"     // there is none; it is tried again
	regLeft    = "left"       // taken back at goodbye
)

const (
	registerNext = 8 * time.Second  // without a response, before another address is tried
	keepAlive    = 25 * time.Second // RFC 5626 4.4.1 asks for less than 30 s over UDP
	backoffFirst = 5 * time.Second
	backoffMost  = 5 * time.Minute
	refusedFirst = time.Minute // a registrar that said no will say so again
	refusedMost  = 30 * time.Minute
	waitMost     = time.Hour        // of a Retry-After
	shortBinding = 10 * time.Second // the least that a registrar is believed to have granted
	longBinding  = 7 * 24 * time.Hour
	maxServiceTo = 4 // routes of a Service-Route
)

// registration keeps one binding of ours at a trunk's registrar (RFC 3261 10.2):
// made, refreshed well before it ends, made again when it is lost, taken back at
// goodbye. Its fields belong to its order, except bound.
type registration struct {
	serial
	ep        *Endpoint
	trunk     string
	registrar gosip.Uri
	user      string // whom we register
	contact   string // user part of our Contact
	proof     *proof
	callID    string
	tag       string
	seq       uint32
	asked     time.Duration // Expires of our requests

	state    string
	until    time.Time // the binding ends
	waiting  []way     // addresses still to try in this round
	round    int       // requests sent; whatever an older one brings is late
	failures int       // rounds in a row that came to nothing
	retry    time.Duration
	raised   bool // in this round, by a 423
	hop      *hop // of the binding
	held     *hop // kept open for it
	timer    *time.Timer
	lapse    *time.Timer
	alive    *time.Timer
	left     chan struct{} // closed when goodbye is said
	gone     bool          // the trunk has no such registration any more: nothing is told of it

	spec routing.Register // what it was begun for
	auth routing.Auth
}

// bound is what others must know of a binding: where its calls come from, under
// which name, and by which way ours go out.
type bound struct {
	state   string
	hosts   []netip.Addr
	contact string
	routes  []gosip.Uri // Service-Route (RFC 3608)
}

// contactUser is the user part of the Contact of a trunk's registration. The one
// that is ours is the same at each start, so that a binding that a crash left
// behind is replaced and not doubled.
func contactUser(trunk string, r routing.Register) string {
	if r.Contact != "" {
		return r.Contact
	}
	sum := sha256.Sum256([]byte("ringdown contact\n" + trunk + "\n" + r.Registrar + "\n" + r.User))
	return "rd" + hex.EncodeToString(sum[:6])
}

// beginRegistration begins to register with one trunk.
func (e *Endpoint) beginRegistration(id string, p routing.Trunk) {
	uri, err := parseTarget(p.Register.Registrar)
	if err != nil {
		return // routing has refused such a table
	}
	r := &registration{
		ep: e, trunk: id, registrar: uri, user: p.Register.User, contact: contactUser(id, p.Register),
		proof: e.proofFor(e.deps.Policy, id, uri.Host), callID: newTag() + newTag(), tag: newTag(),
		asked: p.Register.Asked(), state: regTrying, spec: p.Register, auth: p.Auth,
	}
	if r.user == "" {
		r.user = userPart(p.Auth.Username)
	}
	r.caught = e.panicked
	e.mu.Lock()
	e.registrations = append(e.registrations, r)
	e.mu.Unlock()
	r.do(func() { r.tell(bound{state: regTrying, contact: r.contact}); r.begin() })
}

// begin starts a round: the registrar's addresses are looked up beside the
// order, the one that holds the binding goes first.
func (r *registration) begin() {
	stop(r.timer)
	if r.left != nil {
		return
	}
	r.retry, r.raised = 0, false
	r.ep.spawn(func() { // ends with the look-up
		var found []way
		guard(func() { found = r.ep.find(r.ep.ctx, r.registrar, r.trunk) }, r.ep.panicked)
		r.do(func() {
			if r.hop != nil {
				slices.SortStableFunc(found, func(a, b way) int { return btoi(b.addr == r.hop.addr) - btoi(a.addr == r.hop.addr) })
			}
			r.waiting = found
			r.next(0)
		})
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// next tries the next address, or ends the round. status says why the one
// before did not do.
func (r *registration) next(status int) {
	for len(r.waiting) > 0 && r.left == nil {
		w := r.waiting[0]
		r.waiting = r.waiting[1:]
		h, err := r.ep.reach(r.ep.ctx, w)
		if err == nil && r.send(h, r.proof.begin(), r.asked) {
			return
		}
		status = 503
	}
	r.fail(status)
}

// request builds a REGISTER.
func (r *registration) request(h *hop, expires time.Duration) *gosip.Request {
	uri := r.registrar
	uri.User, uri.UriParams = "", nil
	req := newRequest(gosip.REGISTER, uri, h, r.ep.branch(), 70)
	who := gosip.Uri{Scheme: "sip", User: r.user, Host: uri.Host}
	r.seq++
	id := gosip.CallIDHeader(r.callID)
	contact := h.contact()
	contact.Address.User = r.contact
	contact.Params = gosip.HeaderParams{{K: "expires", V: seconds(expires)}}
	for _, header := range []gosip.Header{
		&gosip.FromHeader{Address: who, Params: gosip.HeaderParams{{K: "tag", V: r.tag}}}, &gosip.ToHeader{Address: who}, &id,
		&gosip.CSeqHeader{SeqNo: r.seq, MethodName: gosip.REGISTER}, contact, gosip.NewHeader("Expires", seconds(expires)),
		allowHeader(), gosip.NewHeader("Supported", "path"),
	} {
		req.AppendHeader(header)
	}
	setBody(req, nil)
	return req
}

// send sends a REGISTER to h and waits for what becomes of it.
func (r *registration) send(h *hop, x *exchange, expires time.Duration) bool {
	req := r.request(h, expires)
	x.sign(req)
	r.round++
	round := r.round
	current := func(f func()) {
		r.do(func() {
			if r.round == round {
				f()
			}
		})
	}
	r.ep.door.expect(h.addr.Addr())
	over := func() { r.ep.door.forget(h.addr.Addr()) }
	h.hold(1)
	_, err := r.ep.request(req, h, func(res *gosip.Response) {
		if !res.IsProvisional() {
			current(func() { r.round++; r.answered(h, x, req, res, expires) })
		}
	}, func() {
		over()
		h.hold(-1)
		current(func() { r.round++; r.next(408) })
	})
	if err != nil {
		over()
		h.hold(-1)
		return false
	}
	if len(r.waiting) > 0 {
		time.AfterFunc(registerNext, func() { current(func() { r.round++; r.next(408) }) })
	}
	return true
}

// answered takes a final response.
func (r *registration) answered(h *hop, x *exchange, req *gosip.Request, res *gosip.Response, expires time.Duration) {
	least, _ := delta(res, "Min-Expires")
	after, _ := delta(res, "Retry-After")
	switch {
	case r.left != nil:
		if !x.take(req, res) || !r.send(h, x, 0) {
			close(r.left)
		}
	case res.IsSuccess():
		r.granted(h, res, expires)
	case x.take(req, res):
		if !r.send(h, x, expires) {
			r.next(503)
		}
	case res.StatusCode == 423 && !r.raised && least > r.asked && least <= longBinding: // RFC 3261 10.2.8
		r.asked, r.raised = least, true
		if !r.send(h, x, r.asked) {
			r.next(503)
		}
	case res.StatusCode == 408 || res.StatusCode >= 500 && res.StatusCode < 600:
		r.retry = max(r.retry, min(after, waitMost))
		r.next(res.StatusCode)
	default: // no, or elsewhere: a redirection could lead our password anywhere
		r.retry = max(r.retry, min(after, waitMost))
		r.waiting = nil
		r.next(res.StatusCode)
	}
}

// granted is a binding made or refreshed.
func (r *registration) granted(h *hop, res *gosip.Response, asked time.Duration) {
	length := r.lengthOf(res, asked)
	if r.state != registered {
		r.ep.log.Info("sip registered", "trunk", r.trunk, "for", length)
	}
	r.state, r.failures, r.until = registered, 0, time.Now().Add(length)
	r.keep(h)
	r.tell(bound{registered, []netip.Addr{h.addr.Addr()}, r.contact, serviceRoutes(res)})
	stop(r.timer)
	r.timer = r.after(refreshAfter(length), r.begin)
	stop(r.lapse)
	r.lapse = r.after(length, r.lapsed)
}

// refreshAfter leaves a fifth of the binding for tries that fail, at least 5 s
// and at most 5 minutes.
func refreshAfter(length time.Duration) time.Duration {
	return length - min(max(length/5, 5*time.Second), 5*time.Minute)
}

// lengthOf reads what was granted: the expires of our Contact, else Expires,
// else what we asked for (RFC 3261 10.2.4).
func (r *registration) lengthOf(res *gosip.Response, asked time.Duration) time.Duration {
	length := asked
	if d, ok := readSeconds(headerText(res, "Expires")); ok {
		length = d
	}
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*gosip.ContactHeader)
		if !ok || plainUser(c.Address.User) != plainUser(r.contact) {
			continue
		}
		if v, has := c.Params.Get("expires"); has {
			if d, ok := readSeconds(v); ok {
				length = d
			}
		}
	}
	return min(max(length, shortBinding), longBinding)
}

// fail ends a round that came to nothing; the binding that is there stays until
// its end.
func (r *registration) fail(status int) {
	if r.left != nil || r.ep.closed() {
		return
	}
	r.failures++
	first, most := backoffFirst, backoffMost
	if status >= 300 && status < 500 && status != 408 {
		first, most = refusedFirst, refusedMost
	}
	wait := first
	for range min(r.failures-1, 20) {
		wait = min(2*wait, most)
	}
	wait = max(wait*3/4+randomSteps(int64(wait/(20*time.Millisecond))), r.retry) // 75 to 125 %
	if r.state != registered {
		r.state = regFailed
		r.tell(bound{state: regFailed, contact: r.contact})
	}
	r.ep.log.Warn("sip registration failed", "trunk", r.trunk, "status", status, "again_in", wait.Round(time.Second), "state", r.state)
	stop(r.timer)
	r.timer = r.after(wait, r.begin)
}

// lapsed is the end of a binding that was not refreshed in time.
func (r *registration) lapsed() {
	if r.left != nil || time.Now().Before(r.until) {
		return
	}
	r.ep.log.Warn("sip registration lapsed", "trunk", r.trunk)
	r.state = regFailed
	r.keep(nil)
	r.tell(bound{state: regFailed, contact: r.contact})
}

// keep holds the way that the registrar's calls come back by: its connection
// stays open, and packets keep the NATs in between from forgetting it.
func (r *registration) keep(h *hop) {
	if h != nil {
		h.hold(1)
	}
	if r.held != nil {
		r.held.hold(-1)
	}
	r.hop, r.held = h, h
	stop(r.alive)
	if h != nil {
		r.alive = r.after(keepAlive, r.beat)
	}
}

// beat is a keep-alive (RFC 5626 4.4); a connection that is gone takes the
// binding with it, which is then made again at once.
func (r *registration) beat() {
	h := r.held
	if h == nil || r.ep.closed() {
		return
	}
	if !h.reachable() || h.writeBytes([]byte("\r\n\r\n")) != nil && h.stream != nil {
		r.keep(nil)
		r.begin()
		return
	}
	r.alive = r.after(keepAlive, r.beat)
}

func (r *registration) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { r.do(f) })
}

// halt ends everything at once.
func (r *registration) halt() {
	for _, t := range []*time.Timer{r.timer, r.lapse, r.alive} {
		stop(t)
	}
}

// leave takes the binding back (RFC 3261 10.2.2). The registrar's addresses stay
// welcome: calls in progress come from there.
func (r *registration) leave(done chan struct{}) {
	r.halt()
	was, h := r.state, r.held
	r.left, r.state = done, regLeft
	r.round++
	b := r.ep.bindings.of(r)
	b.state = regLeft
	r.tell(b)
	if was != registered || h == nil || !r.send(h, r.proof.begin(), 0) {
		close(done)
	}
}

// Leave takes back every registration, so that no call is sent to us any more.
// It returns when the registrars have answered or ctx ends.
func (e *Endpoint) Leave(ctx context.Context) {
	e.mu.Lock()
	all := slices.Clone(e.registrations)
	e.mu.Unlock()
	var waits []chan struct{}
	for _, r := range all {
		done := make(chan struct{})
		waits = append(waits, done)
		r.do(func() {
			if r.left != nil {
				close(done)
				return
			}
			r.leave(done)
		})
	}
	for _, done := range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}
