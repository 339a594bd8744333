package sip

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

// leastRegistered is the shortest registration that is granted (RFC 3261 10.3).
const leastRegistered = time.Minute

// registrar knows where the users of trunks have registered their phones (RFC
// 3261 10.3). Whoever registers has proven a password; the table is bounded by
// the configuration: users times contacts. Calls go back the way the REGISTER
// came, whatever its Contact says, so a phone behind a NAT and a browser are
// reached and nobody can aim our calls at somebody else (RFC 5626 5.3).
type registrar struct {
	mu     sync.Mutex
	phones map[phoneUser][]phone
	closed bool
}

type phoneUser struct{ trunk, name string }

// phone is one registration.
type phone struct {
	contact gosip.Uri
	key     string // what makes it the same phone: +sip.instance, or the Contact
	hop     *hop
	callID  string
	seq     uint32
	until   time.Time
	timer   *time.Timer
}

// registers reports whether phones may register with a trunk.
func (e *Endpoint) registers(trunk string) (routing.Registrar, bool) {
	p, ok := e.deps.Policy(trunk)
	return p.Registrar, ok && p.Registrar.Contacts > 0
}

// takesPhones reports whether there is such a trunk.
func (e *Endpoint) takesPhones() bool {
	return slices.ContainsFunc(e.deps.ByDigest(""), func(trunk string) bool {
		_, ok := e.registers(trunk)
		return ok
	})
}

// mayRegister reports whether a request is a REGISTER to a trunk that takes it.
func (e *Endpoint) mayRegister(in *incoming) bool {
	_, ok := e.registers(in.trunk)
	return ok && in.Method == gosip.REGISTER && in.toTag == ""
}

// onRegister takes a REGISTER whose sender has proven to be in.user.
func (e *Endpoint) onRegister(in *incoming) {
	rules, ok := e.registers(in.trunk)
	if !ok || in.user == "" {
		in.reply(403, nil)
		return
	}
	if plainUser(in.To().Address.User) != in.user { // for himself only (RFC 3261 10.3 step 4)
		in.reply(403, nil)
		return
	}
	asked, status := askedPhones(in, rules)
	if status == 0 {
		status = e.registrar.update(phoneUser{in.trunk, in.user}, asked, rules.Contacts, in)
		if !in.from.reachable() { // it went meanwhile, and nobody has said so to the registrar
			e.registrar.lost(in.from.stream)
		}
	}
	switch status {
	case 0:
		in.reply(200, nil, e.registrar.headers(phoneUser{in.trunk, in.user})...)
	case 423:
		in.reply(423, nil, gosip.NewHeader("Min-Expires", strconv.Itoa(int(leastRegistered.Seconds()))))
	default:
		in.reply(status, nil)
	}
}

// askedPhones reads what a REGISTER asks for: phones with the time they want,
// zero to be forgotten; nil: only to be told. star is one phone without a key.
func askedPhones(in *incoming, rules routing.Registrar) (all []phone, status int) {
	common := rules.Longest()
	if h := in.GetHeader("expires"); h != nil {
		n, ok := deltaSeconds(h.Value())
		if !ok {
			return nil, 400
		}
		common = n
	}
	for _, h := range in.GetHeaders("contact") {
		c, ok := h.(*gosip.ContactHeader)
		if !ok {
			return nil, 400
		}
		if c.Address.Wildcard {
			if len(in.GetHeaders("contact")) > 1 || common != 0 {
				return nil, 400
			}
			return []phone{{}}, 0
		}
		lasts := common
		if v, ok := c.Params.Get("expires"); ok {
			if lasts, ok = deltaSeconds(v); !ok {
				return nil, 400
			}
		}
		if lasts > 0 && lasts < leastRegistered {
			return nil, 423
		}
		if c.Address.Host == "" || !strings.EqualFold(c.Address.Scheme, "sip") {
			return nil, 400
		}
		p := phone{contact: *c.Address.Clone(), key: c.Address.String(), callID: in.CallID().Value(), seq: in.CSeq().SeqNo}
		p.contact.Headers = nil
		if id, ok := c.Params.Get("+sip.instance"); ok && len(id) <= maxRealmText {
			p.key = id
		}
		if lasts = min(lasts, rules.Longest()); lasts > 0 {
			p.until = time.Now().Add(lasts)
		}
		if slices.ContainsFunc(all, func(have phone) bool { return have.key == p.key }) {
			return nil, 400
		}
		all = append(all, p)
	}
	return all, 0
}

// maxRealmText bounds what a phone may call itself.
const maxRealmText = 128

// deltaSeconds reads the value of Expires.
func deltaSeconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

// update does what a REGISTER asks for, all of it or nothing, and returns the
// status to refuse it with, 0 when it is done.
func (r *registrar) update(u phoneUser, asked []phone, most int, in *incoming) (status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 503
	}
	left := slices.Clone(r.phones[u])
	var gone, fresh []phone
	for _, p := range asked {
		if p.key == "" { // all of them
			gone, left = append(gone, left...), nil
			continue
		}
		i := slices.IndexFunc(left, func(have phone) bool { return have.key == p.key })
		if i >= 0 {
			if left[i].callID == p.callID && p.seq <= left[i].seq { // an old one comes late (10.3 step 7)
				return 500
			}
			gone = append(gone, left[i])
			left = slices.Delete(left, i, i+1)
		}
		if !p.until.IsZero() {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > most {
		return 403
	}
	for len(left)+len(fresh) > most { // the oldest gives way: a browser that was closed says nothing
		gone, left = append(gone, left[0]), left[1:]
	}
	for i := range fresh {
		r.begin(u, &fresh[i], in)
	}
	for _, p := range gone {
		p.end()
	}
	r.set(u, append(left, fresh...))
	return 0
}

// begin keeps the way to a phone open and its end in mind.
func (r *registrar) begin(u phoneUser, p *phone, in *incoming) {
	p.hop = in.from.to(in.src)
	p.hop.hold(1)
	p.hop.ep.door.expect(in.src.Addr())
	key, seq := p.key, p.seq
	p.timer = time.AfterFunc(time.Until(p.until), func() {
		r.drop(u, func(have phone) bool { return have.key == key && have.seq == seq && !have.until.After(time.Now()) })
	})
}

func (p phone) end() {
	p.timer.Stop()
	p.hop.hold(-1)
	p.hop.ep.door.forget(p.hop.addr.Addr())
}

func (r *registrar) set(u phoneUser, all []phone) {
	switch {
	case len(all) == 0:
		delete(r.phones, u)
	case r.phones == nil:
		r.phones = map[phoneUser][]phone{u: all}
	default:
		r.phones[u] = all
	}
}

// drop forgets the phones of a user that are meant.
func (r *registrar) drop(u phoneUser, meant func(phone) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(u, slices.DeleteFunc(slices.Clone(r.phones[u]), func(p phone) bool {
		if meant(p) {
			p.end()
			return true
		}
		return false
	}))
}

// lost forgets the phones whose connection is gone.
func (r *registrar) lost(s *stream) {
	r.mu.Lock()
	var users []phoneUser
	for u, all := range r.phones {
		if slices.ContainsFunc(all, func(p phone) bool { return p.hop.stream == s }) {
			users = append(users, u)
		}
	}
	r.mu.Unlock()
	for _, u := range users {
		r.drop(u, func(p phone) bool { return p.hop.stream == s })
	}
}

// close forgets everyone.
func (r *registrar) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, all := range r.phones {
		for _, p := range all {
			p.end()
		}
	}
	r.phones, r.closed = nil, true
}

var errNotRegistered = errors.New("the user has registered no phone")

// find returns where a user is reached, the newest registration first.
func (r *registrar) find(trunk, user string) (all []candidate, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range slices.Backward(r.phones[phoneUser{trunk, user}]) {
		if p.hop.reachable() {
			all = append(all, candidate{uri: *p.contact.Clone(), site: site{trunk, p.hop.network, p.hop.addr}, hop: p.hop})
		}
	}
	if len(all) == 0 {
		return nil, errNotRegistered
	}
	return all, nil
}

// headers are the Contacts of a user, as a 200 to REGISTER lists them.
func (r *registrar) headers(u phoneUser) (all []gosip.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.phones[u] {
		left := max(int(time.Until(p.until).Round(time.Second).Seconds()), 1)
		all = append(all, &gosip.ContactHeader{Address: *p.contact.Clone(), Params: gosip.HeaderParams{{K: "expires", V: strconv.Itoa(left)}}})
	}
	return all
}

// count is how many phones are registered, by trunk.
func (r *registrar) count() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for u, all := range r.phones {
		n[u.trunk] += len(all)
	}
	return n
}
