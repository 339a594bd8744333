package locate

import (
	"container/list"
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	cacheSize   = 1024 // questions
	maxTTL      = 24 * time.Hour
	maxNegative = 5 * time.Minute        // that there is no such record
	noSOA       = 5 * time.Second        // the same, when the answer does not say for how long
	failedFor   = 5 * time.Second        // that no server answered
	staleFor    = 24 * time.Hour         // how long an old answer is better than none (RFC 8767)
	staleAgain  = 30 * time.Second       // until the servers are asked again meanwhile
	staleWait   = 500 * time.Millisecond // how long an answer is waited for when an old one is there
	systemTTL   = 30 * time.Second       // of what System says
)

// question is what is asked, the name in lower case with its last dot.
type question struct {
	name  string
	qtype uint16 // 0: System
}

// answer is what is known to a question. Nobody changes the records.
type answer struct {
	records []dns.RR
	addrs   []netip.Addr // of System
	ttl     time.Duration
	err     error
}

// cache holds the answers used last and joins those who ask the same.
type cache struct {
	mu      sync.Mutex
	entries map[question]*list.Element
	order   *list.List // of *entry, used last in front
	flights map[question]*flight
}

type entry struct {
	q     question
	a     answer
	until time.Time // fresh
	stale time.Time // good enough when nobody answers; zero: never
}

// flight is a question on its way.
type flight struct {
	done chan struct{} // closed when a is there
	a    answer
}

func (c *cache) init() {
	c.entries, c.order, c.flights = map[question]*list.Element{}, list.New(), map[question]*flight{}
}

// get returns the fresh answer, or the flight to wait for and an old answer if
// there is one; mine says that the asker has to fly it.
func (c *cache) get(q question, now time.Time) (a answer, old *answer, f *flight, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.entries[q]; ok {
		e := el.Value.(*entry)
		c.order.MoveToFront(el)
		if now.Before(e.until) {
			return e.a, nil, nil, false
		}
		if now.Before(e.stale) {
			known := e.a
			old = &known
		}
	}
	if f = c.flights[q]; f != nil {
		return answer{}, old, f, false
	}
	f = &flight{done: make(chan struct{})}
	c.flights[q] = f
	return answer{}, old, f, true
}

// land keeps what a flight brought and tells those who wait. When it brought
// nothing, an older answer stands in; stale says so.
func (c *cache) land(q question, f *flight, a answer, now time.Time) (stale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	delete(c.flights, q)
	old := c.entries[q]
	if a.err != nil && old != nil && now.Before(old.Value.(*entry).stale) {
		e := old.Value.(*entry)
		e.until = now.Add(staleAgain)
		c.order.MoveToFront(old)
		f.a = e.a
		return true
	}
	f.a = a
	if old == nil {
		if c.order.Len() >= cacheSize {
			last := c.order.Back()
			delete(c.entries, c.order.Remove(last).(*entry).q)
		}
		old = c.order.PushFront(&entry{q: q})
		c.entries[q] = old
	}
	e := old.Value.(*entry)
	e.a, e.until, e.stale = a, now.Add(a.ttl), time.Time{}
	if a.err == nil {
		e.stale = e.until.Add(staleFor)
	}
	c.order.MoveToFront(old)
	return false
}

func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}

// lookup returns the records of a name: none when there are none, an error when
// that could not be found out.
func (r *Resolver) lookup(ctx context.Context, name string, qtype uint16) ([]dns.RR, error) {
	a := r.ask(ctx, question{dns.CanonicalName(name), qtype}, r.query)
	return a.records, a.err
}

// system asks the system for addresses.
func (r *Resolver) system(ctx context.Context, host string) ([]netip.Addr, error) {
	if r.o.System == nil {
		return nil, nil
	}
	a := r.ask(ctx, question{name: dns.CanonicalName(host)}, func(ctx context.Context, _ question) answer {
		addrs, err := r.o.System(ctx, host)
		if err != nil {
			return answer{err: err, ttl: failedFor}
		}
		return answer{addrs: addrs[:min(len(addrs), maxRecords)], ttl: systemTTL}
	})
	return a.addrs, a.err
}

// ask answers from the cache, or flies the question. The flight does not end
// with the asker: others may wait for it.
func (r *Resolver) ask(ctx context.Context, q question, fly func(context.Context, question) answer) answer {
	a, old, f, mine := r.cache.get(q, time.Now())
	if f == nil {
		r.count.hits.Add(1)
		return a
	}
	if mine {
		r.spawn(func() { // ends with the answer, or after locateTimeout
			ctx, cancel := context.WithTimeout(r.ctx, locateTimeout)
			defer cancel()
			a := answer{err: errBroken, ttl: failedFor}
			defer func() {
				if recover() != nil { // a parser's fault costs this question
					r.o.Log.Error("look-up panicked", "stack", string(debug.Stack()))
				}
				if r.cache.land(q, f, a, time.Now()) {
					r.count.stale.Add(1)
					r.o.Log.Warn("name servers do not answer, going by what they said before")
				}
			}()
			a = fly(ctx, q)
		})
	}
	var enough <-chan time.Time
	if old != nil {
		timer := time.NewTimer(staleWait)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-f.done:
		return f.a
	case <-enough:
		r.count.stale.Add(1)
		return *old
	case <-ctx.Done():
		return answer{err: errSilent}
	}
}

var errBroken = errors.New("look-up broke off")
