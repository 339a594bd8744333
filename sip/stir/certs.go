package stir

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	maxCerts     = 512      // URLs remembered
	maxChain     = 5        // certificates behind one URL
	maxPEM       = 64 << 10 // bytes behind one URL
	keepLeast    = time.Minute
	keepDefault  = time.Hour // when the server does not say
	keepMost     = 24 * time.Hour
	keepFailure  = 30 * time.Second
	fetchTimeout = 3 * time.Second
)

// Getter fetches what is behind an https URL and says how long it may be kept,
// 0 when the server did not say. It is called by many goroutines.
type Getter func(ctx context.Context, url string) (pem []byte, keep time.Duration, err error)

// store keeps certificates by URL. However many calls need one at once, it is
// fetched once; one that cannot be had is not asked for again for a while.
type store struct {
	get   Getter
	group singleflight.Group

	mu   sync.Mutex
	kept map[string]entry
}

type entry struct {
	chain []*x509.Certificate
	err   error
	until time.Time
}

func newStore(get Getter) *store { return &store{get: get, kept: map[string]entry{}} }

// chain returns the certificates behind a URL, the signer's first. The slice is
// shared and not to be changed.
func (s *store) chain(ctx context.Context, url string, at time.Time) ([]*x509.Certificate, error) {
	if err := checkX5U(url); err != nil {
		return nil, fail(ReasonCertificate, "x5u "+err.Error())
	}
	s.mu.Lock()
	e, ok := s.kept[url]
	s.mu.Unlock()
	if ok && at.Before(e.until) {
		return e.chain, e.err
	}
	ch := s.group.DoChan(url, func() (any, error) {
		// Not the caller's ctx: others may wait for the same certificate.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		return s.keep(url, s.fetch(ctx, url, at), at), nil
	})
	select {
	case r := <-ch:
		e := r.Val.(entry)
		return e.chain, e.err
	case <-ctx.Done():
		return nil, fail(ReasonFetch, "not there in time")
	}
}

func (s *store) fetch(ctx context.Context, url string, at time.Time) entry {
	b, keep, err := s.get(ctx, url)
	if err != nil {
		return entry{err: &failure{ReasonFetch, err}, until: at.Add(keepFailure)}
	}
	chain, err := readChain(b)
	if err != nil {
		return entry{err: err, until: at.Add(keepFailure)}
	}
	if keep == 0 {
		keep = keepDefault
	}
	return entry{chain: chain, until: at.Add(min(max(keep, keepLeast), keepMost))}
}

// keep notes what was fetched. When the table is full, what is out of date goes
// first, then anything: it can be fetched again.
func (s *store) keep(url string, e entry, at time.Time) entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxCerts {
		for u, old := range s.kept {
			if !at.Before(old.until) {
				delete(s.kept, u)
			}
		}
		for u := range s.kept {
			if len(s.kept) < maxCerts {
				break
			}
			delete(s.kept, u)
		}
	}
	s.kept[url] = e
	return e
}

func readChain(b []byte) (chain []*x509.Certificate, err error) {
	if len(b) > maxPEM {
		return nil, fail(ReasonCertificate, "file is too long")
	}
	for len(chain) < maxChain {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &failure{ReasonCertificate, err}
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, fail(ReasonCertificate, "file holds no certificate")
	}
	return chain, nil
}
