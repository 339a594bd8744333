package sip

import (
	"reflect"
	"slices"
	"time"

	"ringdown/routing"
)

// leaveAtMost is how long a registrar may take to let go of a trunk that is gone
// or changed, before it counts as if it had.
const leaveAtMost = 4 * time.Second

// Renew looks at the trunks again when they may be others: it begins to register
// with and to watch those that are new, leaves those that are gone, and begins
// anew where the account with the registrar is another. Calls and all else ask
// for their trunk's policy when they need it. Nothing happens before Run.
func (e *Endpoint) Renew() {
	e.renewing.Lock()
	defer e.renewing.Unlock()
	e.mu.Lock()
	all, running := slices.Clone(e.registrations), e.running
	e.mu.Unlock()
	if !running || e.closed() {
		return
	}
	wanted := map[string]routing.Trunk{}
	for _, id := range e.deps.Trunks() {
		p, ok := e.deps.Policy(id)
		if !ok {
			continue
		}
		if p.Register.Registrar != "" {
			wanted[id] = p
		}
		e.keepWatch(id, p)
	}
	for _, r := range all {
		if p, ok := wanted[r.trunk]; ok && r.suits(p) {
			delete(wanted, r.trunk)
			continue
		}
		next, again := wanted[r.trunk]
		delete(wanted, r.trunk)
		e.replace(r, next, again)
	}
	for _, id := range e.deps.Trunks() {
		if p, ok := wanted[id]; ok {
			e.beginRegistration(id, p)
		}
	}
}

// suits reports whether a registration is the one that a trunk asks for.
func (r *registration) suits(p routing.Trunk) bool {
	return r.spec == p.Register && reflect.DeepEqual(r.auth, p.Auth)
}

// replace takes a binding back and then begins the one that takes its place, in
// this order: the registrar may know them by the same Contact.
func (e *Endpoint) replace(r *registration, next routing.Trunk, again bool) {
	e.mu.Lock()
	e.registrations = slices.DeleteFunc(e.registrations, func(have *registration) bool { return have == r })
	e.mu.Unlock()
	done := make(chan struct{})
	r.do(func() {
		if r.left != nil {
			close(done)
			return
		}
		r.leave(done)
	})
	e.spawn(func() { // ends with the answer, when it is overdue, or with the endpoint
		late := time.NewTimer(leaveAtMost)
		defer late.Stop()
		select {
		case <-done:
		case <-late.C:
		case <-e.ctx.Done():
		}
		r.do(func() {
			r.halt()
			r.keep(nil)
			r.gone = true
			e.bindings.drop(r)
		})
		if again && !e.closed() {
			e.beginRegistration(r.trunk, next)
		}
	})
}

// keepWatch sees to it that a trunk is watched if it is to be.
func (e *Endpoint) keepWatch(trunk string, p routing.Trunk) {
	e.mu.Lock()
	poke, watched := e.watches[trunk]
	begin := !watched && p.Health.Every() > 0
	if begin {
		e.watches[trunk] = make(chan struct{}, 1)
	}
	e.mu.Unlock()
	switch {
	case begin:
		e.spawn(func() { e.watch(trunk) }) // ended by Close, or when the trunk is not to be watched any more
	case watched:
		select {
		case poke <- struct{}{}:
		default: // it looks already
		}
	}
}

// unwatch ends a watch whose trunk is not to be watched any more; false when it
// is again.
func (e *Endpoint) unwatch(trunk string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.deps.Policy(trunk); ok && p.Health.Every() > 0 {
		return false
	}
	delete(e.watches, trunk)
	return true
}
