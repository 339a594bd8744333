package sip

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/routing"
)

// trunkSet is a table of trunks that changes.
type trunkSet struct {
	mu  sync.Mutex
	all []routing.Trunk
}

func (s *trunkSet) put(all ...routing.Trunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = all
}

func (s *trunkSet) ids() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		ids = append(ids, t.ID)
	}
	return ids
}

func (s *trunkSet) policy(id string) (routing.Trunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		if t.ID == id {
			return t, true
		}
	}
	return routing.Trunk{}, false
}

func provider(user string) routing.Trunk {
	return routing.Trunk{ID: "provider", Register: routing.Register{Registrar: "sip:10.2.0.1", Contact: "ringdown"},
		Auth: routing.Auth{Username: user, Password: routing.NewSecret("env:P", "zanzibar"), Realm: "provider.example"}}
}

// A trunk that comes is registered with, one whose user changes is left and
// registered with anew, in this order, and one that goes is left.
func TestRenewRegistrations(t *testing.T) {
	var set trunkSet
	inWorld(t, Config{}, Deps{Policy: set.policy, Trunks: set.ids}, func(w *world) {
		renew := func(all ...routing.Trunk) {
			set.put(all...)
			w.ep.Renew()
		}
		w.callee.quiet(time.Minute)
		renew(provider("alice"))
		first := w.callee.want("REGISTER")
		w.callee.accept(first, contactFor(3600))
		if w.registration() != registered {
			t.Fatal(w.registration())
		}
		renew(provider("alice"))
		w.callee.quiet(5 * time.Second) // nothing is new

		renew(provider("bob"))
		left := w.callee.want("REGISTER")
		if left.get("Expires") != "0" || !strings.Contains(left.get("To"), "alice") {
			t.Fatalf("%s", left.raw)
		}
		w.callee.accept(left)
		again := w.callee.want("REGISTER")
		if again.get("Expires") != "3600" || !strings.Contains(again.get("To"), "bob") {
			t.Fatalf("%s", again.raw)
		}
		w.callee.accept(again, contactFor(3600))
		if w.registration() != registered {
			t.Fatal(w.registration())
		}

		renew()
		if gone := w.callee.want("REGISTER"); gone.get("Expires") != "0" {
			t.Fatalf("%s", gone.raw)
		}
		time.Sleep(2 * leaveAtMost) // unanswered
		synctest.Wait()
		if all := w.ep.Stats().Registrations; len(all) != 0 {
			t.Errorf("%v", all)
		}
		if id, ok := w.ep.trunkAt(netip.MustParseAddrPort(calleeAddr).Addr()); ok {
			t.Errorf("the registrar's address still belongs to %s", id)
		}
	})
}

// A trunk is watched from when its interval says so, and as long as it does.
func TestRenewWatching(t *testing.T) {
	var set trunkSet
	inWorld(t, Config{}, Deps{Policy: set.policy, Trunks: set.ids}, func(w *world) {
		trunk := routing.Trunk{ID: "gateway", Targets: []routing.TrunkTarget{{URI: "sip:10.2.0.1"}}}
		renew := func(seconds int) {
			trunk.Health.Interval = routing.Seconds(seconds)
			if seconds == 0 {
				trunk.Health = routing.Health{}
			}
			set.put(trunk)
			w.ep.Renew()
		}
		renew(0)
		w.callee.quiet(time.Minute)
		for range 2 { // and once more when it was ended
			renew(3600)
			w.callee.accept(w.callee.wantAfter("OPTIONS", ""))
			renew(3600)
			w.callee.quiet(time.Minute)
			renew(10) // at once, and not at the end of the hour
			w.callee.accept(w.callee.want("OPTIONS"))
			w.callee.accept(w.callee.wantAfter("OPTIONS", ""))
			renew(0)
			w.callee.quiet(2 * time.Hour)
		}
	})
}
