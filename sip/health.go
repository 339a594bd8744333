package sip

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

const (
	missesToLeave = 2                // OPTIONS without an answer
	leaveFor      = 30 * time.Second // a silent address that nobody asks by OPTIONS
	busyMost      = 5 * time.Minute  // of a Retry-After
	maxSites      = 4096             // addresses something is known of
)

// site is an address as a trunk's (or nobody's) calls reach it.
type site struct {
	trunk   string
	network string
	addr    netip.AddrPort
}

// gateway is a target of a trunk as it is written: a host, and a port if there is one.
type gateway struct {
	trunk, host string
	port        int
}

func gatewayOf(trunk string, uri gosip.Uri) gateway {
	return gateway{trunk, strings.ToLower(strings.Trim(uri.Host, "[]")), uri.Port}
}

// standing is what is known of a site. One without a standing is well.
type standing struct {
	misses int
	left   bool
	until  time.Time // left no longer than this; zero: until it answers
}

// health knows which addresses answer. What calls see and what OPTIONS say both
// count. An address that is left goes last: it is tried while all are left, and
// before a call is given up.
type health struct {
	log *slog.Logger

	mu      sync.Mutex
	sites   map[site]*standing
	places  map[gateway][]site // where a place was found last
	watched map[gateway]bool   // asked by OPTIONS
}

func newHealth(log *slog.Logger) *health {
	return &health{log: log, sites: map[site]*standing{}, places: map[gateway][]site{}, watched: map[gateway]bool{}}
}

// watch notes that a place is asked by OPTIONS from now on.
func (h *health) watch(p gateway) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watched[p] = true
}

// isWatched: somebody will find s again. The caller holds h.mu.
func (h *health) isWatched(s site) bool {
	for p := range h.watched {
		if p.trunk == s.trunk && slices.Contains(h.places[p], s) {
			return true
		}
	}
	return false
}

// seen notes where a place is now.
func (h *health) seen(p gateway, found []candidate) {
	sites := make([]site, len(found))
	for i, c := range found {
		sites[i] = c.site
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.places) >= maxSites {
		clear(h.places)
	}
	h.places[p] = sites
}

// sort puts what is left behind the others; otherwise the order stays.
func (h *health) sort(all []candidate) []candidate {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Compare(h.rank(a.site, now), h.rank(b.site, now))
	})
	return all
}

// sortPlaces does the same with places: one is left when all its addresses are.
func (h *health) sortPlaces(trunk string, all []gosip.Uri) []gosip.Uri {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	rank := func(uri gosip.Uri) int {
		sites := h.places[gatewayOf(trunk, uri)]
		for _, s := range sites {
			if h.rank(s, now) == 0 {
				return 0
			}
		}
		return min(len(sites), 1)
	}
	slices.SortStableFunc(all, func(a, b gosip.Uri) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// rank is 1 for a site that is left. The caller holds h.mu.
func (h *health) rank(s site, now time.Time) int {
	st := h.sites[s]
	if st == nil || !st.left || !st.until.IsZero() && !now.Before(st.until) {
		return 0
	}
	return 1
}

// alive is any sign of life.
func (h *health) alive(s site) {
	h.mu.Lock()
	st := h.sites[s]
	delete(h.sites, s)
	h.mu.Unlock()
	if st != nil && st.left {
		h.log.Info("sip target found again", "trunk", s.trunk, "transport", s.network, "address", s.addr)
	}
}

// failed is a call that got no answer: the site is left at once.
func (h *health) failed(s site, why string) {
	until := time.Time{}
	h.mu.Lock()
	if !h.isWatched(s) {
		until = time.Now().Add(leaveFor)
	}
	h.mu.Unlock()
	h.leave(s, until, why)
}

// busy is a 503. It holds off calls for as long as its Retry-After says
// (RFC 3261 21.5.4), and without one says nothing of the next call.
func (h *health) busy(s site, res *gosip.Response) {
	if wait, _ := delta(res, "Retry-After"); wait > 0 {
		h.leave(s, time.Now().Add(min(wait, busyMost)), "503 with Retry-After")
	}
}

// missed is an OPTIONS without a good answer.
func (h *health) missed(s site, why string) {
	h.mu.Lock()
	st := h.standing(s)
	st.misses++
	leave := st.misses >= missesToLeave
	h.mu.Unlock()
	if leave {
		h.leave(s, time.Time{}, why)
	}
}

func (h *health) leave(s site, until time.Time, why string) {
	h.mu.Lock()
	st := h.standing(s)
	now := time.Now()
	first := h.rank(s, now) == 0
	st.left, st.until = true, until
	h.mu.Unlock()
	if first {
		h.log.Warn("sip target left", "trunk", s.trunk, "transport", s.network, "address", s.addr, "why", why)
	}
}

// standing returns what is known of s, ready to be changed. The caller holds h.mu.
func (h *health) standing(s site) *standing {
	st := h.sites[s]
	if st == nil {
		if len(h.sites) >= maxSites {
			h.forget()
		}
		st = &standing{}
		h.sites[s] = st
	}
	return st
}

// forget makes room: what nobody has to wait for any more, else anything.
func (h *health) forget() {
	now := time.Now()
	for s := range h.sites {
		if h.rank(s, now) == 0 {
			delete(h.sites, s)
		}
	}
	for s := range h.sites {
		if len(h.sites) < maxSites {
			return
		}
		delete(h.sites, s)
	}
}

// TargetState says how many addresses of a trunk's target are known to answer.
type TargetState struct {
	Trunk    string
	Target   int // in the order written, from 1
	Up, Left int // addresses
}

// state counts the addresses of a place.
func (h *health) state(p gateway) (up, left int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for _, s := range h.places[p] {
		left += h.rank(s, now)
		up += 1 - h.rank(s, now)
	}
	return up, left
}
