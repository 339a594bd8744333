package digest

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// Verdict is what a Guard says of credentials.
type Verdict uint8

const (
	Missing  Verdict = iota // nothing that answers a challenge of ours
	Accepted                // right, and not seen before
	Stale                   // right, but the nonce is old, used up or of an earlier process: ask again
	Wrong                   // they answer a nonce of ours, with another password, name or algorithm
)

const (
	// Lifetime is how long a nonce may be used.
	Lifetime = 5 * time.Minute
	// Nonces is how many used ones are remembered; beyond that the one used
	// first is given up, and with it all that are as old.
	Nonces = 8192

	nonceHead = 16 // time and a random number
	nonceSize = nonceHead + 16
)

// Guard asks for credentials and checks them. A nonce is its time and a random
// number under a key of this process, bound to the realm and to who was asked:
// nothing is kept for one that was handed out, only for those that were used
// with the right password. It may be used from any goroutine.
type Guard struct {
	key []byte
	now func() time.Time

	mu    sync.Mutex
	used  map[[nonceHead]byte]*list.Element
	order *list.List // of *usage, used first in front
	floor int64      // nonces of this time (ms) and before are stale
}

type usage struct {
	id [nonceHead]byte
	at int64  // when the nonce was made, in ms
	nc uint32 // the highest count seen
}

// NewGuard makes a guard with a key of its own.
func NewGuard() *Guard {
	key := make([]byte, 32)
	rand.Read(key)
	return &Guard{key: key, now: time.Now, used: map[[nonceHead]byte]*list.Element{}, order: list.New()}
}

// Challenges returns one challenge for each algorithm, in that order (RFC 8760
// 2.4: the strongest first). who is the address that asks.
func (g *Guard) Challenges(realm, who string, algorithms []string, stale bool) []Challenge {
	all := make([]Challenge, 0, len(algorithms))
	for _, a := range algorithms {
		all = append(all, Challenge{Realm: realm, Nonce: g.nonce(realm, who), Algorithm: a, QOP: []string{qopAuth}, Stale: stale})
	}
	return all
}

func (g *Guard) nonce(realm, who string) string {
	b := make([]byte, nonceSize)
	binary.BigEndian.PutUint64(b, uint64(g.now().UnixMilli()))
	rand.Read(b[8:nonceHead])
	copy(b[nonceHead:], g.mac(b[:nonceHead], realm, who))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (g *Guard) mac(head []byte, realm, who string) []byte {
	m := hmac.New(sha256.New, g.key)
	m.Write(head)
	m.Write([]byte(realm + "\n" + who))
	return m.Sum(nil)[:nonceSize-nonceHead]
}

// ours takes a nonce apart; false: we did not make it, for this realm and who.
func (g *Guard) ours(nonce, realm, who string) (id [nonceHead]byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSize {
		return id, false
	}
	copy(id[:], b)
	return id, hmac.Equal(b[nonceHead:], g.mac(b[:nonceHead], realm, who))
}

// Check judges credentials of a request. password returns what belongs to a
// user name; an unknown user costs the same time and ends the same way.
// algorithms are those that were offered.
func (g *Guard) Check(c Credentials, method, realm, who string, algorithms []string, password func(user string) (string, bool)) Verdict {
	if c.Realm != realm {
		return Missing
	}
	id, ours := g.ours(c.Nonce, realm, who)
	secret, known := password(c.Username)
	if !known {
		secret = "an unknown user has a password too"
	}
	offered := false
	for _, a := range algorithms {
		offered = offered || strings.EqualFold(a, c.Algorithm) || a == MD5 && c.Algorithm == ""
	}
	want := c.response(Secret{c.Username, secret}, method)
	right := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(c.Response))) == 1
	switch {
	case !ours:
		return Missing // of an earlier process, or made up: nobody is blamed for it
	case !right || !known || !offered:
		return Wrong
	case !g.use(id, c):
		return Stale
	}
	return Accepted
}

// use notes that a nonce was used; false when it may not be any more: it is too
// old, or its count did not rise. Without a count it is good once.
func (g *Guard) use(id [nonceHead]byte, c Credentials) bool {
	now, at := g.now().UnixMilli(), int64(binary.BigEndian.Uint64(id[:8]))
	nc := c.NC
	if c.QOP == "" {
		nc = 1<<32 - 1
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget(now)
	if at <= g.floor || now-at > Lifetime.Milliseconds() || nc == 0 {
		return false
	}
	if e, again := g.used[id]; again {
		u := e.Value.(*usage)
		if nc <= u.nc {
			return false
		}
		u.nc = nc
		return true
	}
	if g.order.Len() >= Nonces {
		g.drop(g.order.Front())
		if at <= g.floor {
			return false
		}
	}
	g.used[id] = g.order.PushBack(&usage{id, at, nc})
	return true
}

// forget lets go of nonces that are stale by their age anyway.
func (g *Guard) forget(now int64) {
	for e := g.order.Front(); e != nil && now-e.Value.(*usage).at > Lifetime.Milliseconds(); e = g.order.Front() {
		delete(g.used, g.order.Remove(e).(*usage).id)
	}
}

func (g *Guard) drop(e *list.Element) {
	u := g.order.Remove(e).(*usage)
	delete(g.used, u.id)
	g.floor = max(g.floor, u.at)
}
