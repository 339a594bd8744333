package sip

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
	"ringdown/sip/digest"
)

// proof is what we prove ourselves by towards one trunk. It never changes, so
// any leg may share it; nil has nothing to show and answers no challenge.
type proof struct {
	trunk  string
	auth   routing.Auth
	wallet *wallet
}

// proofFor returns the credentials for requests that go to host through a
// trunk, as policy knows it: a host of the trunk's own targets, or its registrar. So wherever else
// a request is led (a redirect, a transfer) they do not go along.
func (e *Endpoint) proofFor(policy func(string) (routing.Trunk, bool), trunk, host string) *proof {
	p, ok := policy(trunk)
	if !ok || p.Auth.Username == "" {
		return nil
	}
	own := p.Register.Registrar != "" && sameHost(p.Register.Registrar, host)
	for _, t := range p.Targets {
		own = own || sameHost(t.URI, host)
	}
	if !own {
		return nil
	}
	return &proof{trunk, p.Auth, &e.wallet}
}

// proofOf returns the credentials for requests inside a call that a trunk made:
// they go where the call came from, which was found to be the trunk.
func (e *Endpoint) proofOf(trunk string) *proof {
	p, ok := e.deps.Policy(trunk)
	if !ok || p.Auth.Username == "" {
		return nil
	}
	return &proof{trunk, p.Auth, &e.wallet}
}

func sameHost(uri, host string) bool {
	u, err := parseTarget(uri)
	if err != nil {
		return false
	}
	a, errA := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	b, errB := netip.ParseAddr(strings.Trim(host, "[]"))
	if errA == nil && errB == nil {
		return a.Unmap() == b.Unmap()
	}
	return strings.EqualFold(strings.TrimSuffix(u.Host, "."), strings.TrimSuffix(host, "."))
}

// may reports whether our password is for a realm. Without a configured realm
// it is for each that the trunk itself asks for.
func (p *proof) may(realm string) bool { return p.auth.Realm == "" || p.auth.Realm == realm }

// exchange is one request of ours with what it takes to get it accepted: the
// challenges to it and its repetitions. It belongs to the order of its owner.
type exchange struct {
	*proof
	answered map[string]int // by place: challenges of this exchange that were answered
	rounds   int
	refused  bool // the credentials were shown and not accepted
}

// maxRounds bounds the repetitions of one request, maxEach those for one realm:
// a proxy and the server behind it may each ask, and each may find a nonce stale.
const (
	maxRounds = 3
	maxEach   = 2
)

func (p *proof) begin() *exchange { return &exchange{proof: p, answered: map[string]int{}} }

// The headers of a challenge and of its answer (RFC 3261 22.2, 22.3).
var challengeHeaders = []struct{ asks, answers string }{
	{"WWW-Authenticate", "Authorization"},
	{"Proxy-Authenticate", "Proxy-Authorization"},
}

// sign adds credentials for every realm of the trunk that has asked before, so
// that a nonce that still holds spares the challenge.
func (x *exchange) sign(req *gosip.Request) {
	if x == nil || x.proof == nil {
		return
	}
	for _, h := range challengeHeaders {
		for req.RemoveHeader(h.answers) {
		}
	}
	for _, c := range x.wallet.credentials(x.proof, string(req.Method), req.Recipient.String()) {
		req.AppendHeader(gosip.NewHeader(c.header, c.String()))
	}
}

// take notes the challenges of a response and reports whether req should be
// sent again, signed: something was asked that we may answer, and it is not
// the same question after the same answer.
func (x *exchange) take(req *gosip.Request, res *gosip.Response) bool {
	if x == nil || x.proof == nil || res.StatusCode != 401 && res.StatusCode != 407 || x.rounds >= maxRounds {
		return false
	}
	again := false
	for _, h := range challengeHeaders {
		for _, c := range challengesOf(res, h.asks) {
			if !x.may(c.Realm) {
				continue
			}
			key := place{x.trunk, h.answers, c.Realm}
			shown, sent := shownIn(req, key)
			if n := x.answered[key.String()]; n >= maxEach || n > 0 && sent && (shown == c.Nonce || !c.Stale) {
				x.refused = true
				return false // our answer in this very exchange was not accepted
			}
			x.wallet.keep(key, c)
			x.answered[key.String()]++
			again = true
		}
	}
	if again {
		x.rounds++
	}
	return again
}

// challengesOf returns one challenge for each realm: the first that we can
// answer, since the strongest stands first (RFC 8760 2.4).
func challengesOf(res *gosip.Response, header string) (all []digest.Challenge) {
	for _, h := range res.GetHeaders(header) {
		c, err := digest.ParseChallenge(h.Value())
		if err == nil && c.Usable() && !slices.ContainsFunc(all, func(o digest.Challenge) bool { return o.Realm == c.Realm }) {
			all = append(all, c)
		}
	}
	return all
}

// shownIn returns the nonce of the credentials that req showed for a place.
func shownIn(req *gosip.Request, key place) (nonce string, ok bool) {
	for _, h := range req.GetHeaders(key.header) {
		if c, err := digest.ParseCredentials(h.Value()); err == nil && c.Realm == key.realm {
			return c.Nonce, true
		}
	}
	return "", false
}

// place is where a nonce holds.
type place struct{ trunk, header, realm string }

func (p place) String() string { return p.header + "\n" + p.realm }

const (
	// nonceKept is how long a nonce is shown without being asked for again.
	nonceKept = time.Hour
	// maxPlaces bounds the realms remembered of one trunk.
	maxPlaces = 4
)

// wallet holds the last challenge of each place, for all legs: the count of a
// nonce rises over all requests that show it.
type wallet struct {
	mu     sync.Mutex
	places map[place]*held
}

type held struct {
	challenge digest.Challenge
	nc        uint32
	at        time.Time
}

func (w *wallet) keep(key place, c digest.Challenge) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.places == nil {
		w.places = map[place]*held{}
	}
	if h := w.places[key]; h != nil && h.challenge.Nonce == c.Nonce {
		h.challenge = c // two legs were given the same nonce: the count goes on
		return
	}
	w.places[key] = &held{challenge: c, at: time.Now()}
	var oldest place
	count := 0
	for k, h := range w.places {
		if k.trunk != key.trunk {
			continue
		}
		count++
		if k != key && (oldest == place{} || h.at.Before(w.places[oldest].at)) {
			oldest = k
		}
	}
	if count > maxPlaces {
		delete(w.places, oldest)
	}
}

type signature struct {
	digest.Credentials
	header string
}

// credentials returns what to show for a request, in a fixed order.
func (w *wallet) credentials(p *proof, method, uri string) (all []signature) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, h := range w.places {
		switch {
		case key.trunk != p.trunk || !p.may(key.realm):
		case time.Since(h.at) > nonceKept:
			delete(w.places, key)
		default:
			h.nc++
			s := digest.Secret{Username: p.auth.Username, Password: p.auth.Password.Reveal()}
			if c, ok := h.challenge.Answer(s, method, uri, newTag(), h.nc); ok {
				all = append(all, signature{c, key.header})
			}
		}
	}
	slices.SortFunc(all, func(a, b signature) int { return strings.Compare(a.header+a.Realm, b.header+b.Realm) })
	return all
}

// likewise gives the ACK to a 2xx the credentials of its INVITE (RFC 3261 22.1).
func likewise(ack, invite *gosip.Request) {
	for _, h := range challengeHeaders {
		for _, c := range invite.GetHeaders(h.answers) {
			ack.AppendHeader(gosip.HeaderClone(c))
		}
	}
}

// ask sends a request of the dialog other than INVITE and ACK and answers the
// challenges to it: a final response that comes to on is the last word. on and
// ended run in the leg's order; after an error neither will.
func (l *leg) ask(req *gosip.Request, h *hop, on func(*gosip.Response), ended func()) error {
	return l.askIn(&l.dlg, req, h, on, ended)
}

// askIn is ask for another dialog of the leg.
func (l *leg) askIn(d *dialog, req *gosip.Request, h *hop, on func(*gosip.Response), ended func()) error {
	return l.askSigned(l.proof.begin(), d, req, h, on, ended)
}

func (l *leg) askSigned(x *exchange, d *dialog, req *gosip.Request, h *hop, on func(*gosip.Response), ended func()) error {
	x.sign(req)
	done := false // told, or sent again
	_, err := l.ep.request(req, h, func(res *gosip.Response) {
		l.do(func() {
			switch {
			case done:
			case !x.take(req, res):
				on(res)
			default:
				done = true
				d.localSeq++
				if l.askSigned(x, d, l.ep.again(req, d.localSeq), h, on, ended) != nil {
					ended()
				}
			}
		})
	}, func() {
		l.do(func() {
			if !done {
				ended()
			}
		})
	})
	return err
}

// again copies a request for another transaction: the same Call-ID, From and
// To, the next CSeq (RFC 3261 22.2).
func (e *Endpoint) again(req *gosip.Request, seq uint32) *gosip.Request {
	next := req.Clone()
	next.Via().Params.Add("branch", e.branch())
	next.CSeq().SeqNo = seq
	return next
}
