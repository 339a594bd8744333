// Package keystest is the suite that every provider of epoch roots passes.
package keystest

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"ringdown/privacy/keys"
	"ringdown/privacy/seal"
)

// Provider runs the suite. open returns a provider; each fresh one begins without
// roots, and reopen gives the same roots again as after a restart.
func Provider(t *testing.T, open func(t *testing.T) (p keys.Provider, reopen func() keys.Provider)) {
	for name, test := range map[string]func(*testing.T, keys.Provider, func() keys.Provider){
		"empty":      empty,
		"round trip": roundTrip,
		"bound":      bound,
		"damaged":    damaged,
		"epochs":     epochs,
		"destroyed":  destroyed,
		"at once":    atOnce,
	} {
		t.Run(name, func(t *testing.T) {
			p, reopen := open(t)
			test(t, p, reopen)
		})
	}
}

var (
	aad = []byte("region, account, slot")
	key = bytes.Repeat([]byte{0x5A}, seal.KeySize)
)

func newEpoch(t *testing.T, p keys.Provider) uint32 {
	t.Helper()
	e, err := p.NewEpoch()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wrap(t *testing.T, p keys.Provider, epoch uint32) []byte {
	t.Helper()
	w, err := p.Wrap(epoch, aad, key)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// opens reports whether wrapped opens to key; every failure has a class.
func opens(t *testing.T, p keys.Provider, epoch uint32, wrapped []byte) bool {
	t.Helper()
	got, err := p.Unwrap(epoch, aad, wrapped)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, seal.ErrBox) {
		t.Errorf("unwrap fails without a class: %v", err)
	}
	if err == nil && !bytes.Equal(got, key) {
		t.Errorf("unwraps to %x", got)
	}
	return err == nil
}

func empty(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	if have, where, err := p.Status(); err != nil || len(have) != 0 || where == "" {
		t.Errorf("status: %v, %q, %v", have, where, err)
	}
	if _, err := p.Wrap(1, aad, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("wrap without a root: %v", err)
	}
	if _, err := p.Unwrap(1, aad, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unwrap without a root: %v", err)
	}
	if err := p.DestroyEpoch(1); err != nil {
		t.Errorf("destroying nothing: %v", err)
	}
}

func roundTrip(t *testing.T, p keys.Provider, reopen func() keys.Provider) {
	e := newEpoch(t, p)
	w := wrap(t, p, e)
	if bytes.Contains(w, key[:8]) {
		t.Error("the key is readable in its wrapping")
	}
	if bytes.Equal(w, wrap(t, p, e)) {
		t.Error("the same key is wrapped the same way twice")
	}
	if !opens(t, p, e, w) || !opens(t, reopen(), e, w) {
		t.Error("does not open again")
	}
}

func bound(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	e := newEpoch(t, p)
	w := wrap(t, p, e)
	for _, other := range [][]byte{nil, aad[1:], append(bytes.Clone(aad), 0)} {
		if _, err := p.Unwrap(e, other, w); !errors.Is(err, seal.ErrBox) {
			t.Errorf("in another place: %v", err)
		}
	}
}

func damaged(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	e := newEpoch(t, p)
	w := wrap(t, p, e)
	for i := range w {
		bad := bytes.Clone(w)
		bad[i] ^= 1
		if opens(t, p, e, bad) || opens(t, p, e, w[:i]) {
			t.Errorf("damaged or cut at byte %d it opens", i)
		}
	}
}

func epochs(t *testing.T, p keys.Provider, reopen func() keys.Provider) {
	var made []uint32
	for range 12 { // two digits: numbers, not names, are in order
		made = append(made, newEpoch(t, p))
	}
	if !slices.IsSorted(made) || len(slices.Compact(slices.Clone(made))) != len(made) {
		t.Errorf("epochs %v do not count up", made)
	}
	for _, provider := range []keys.Provider{p, reopen()} {
		if have, _, err := provider.Status(); err != nil || !slices.Equal(have, made) {
			t.Errorf("status: %v, %v; made %v", have, err, made)
		}
	}
	w := wrap(t, p, made[3])
	for _, e := range made {
		if opens(t, p, e, w) != (e == made[3]) {
			t.Errorf("wrapped under %d, tried under %d", made[3], e)
		}
	}
}

func destroyed(t *testing.T, p keys.Provider, reopen func() keys.Provider) {
	first, last := newEpoch(t, p), newEpoch(t, p)
	kept, gone := wrap(t, p, first), wrap(t, p, last)
	for range 2 {
		if err := p.DestroyEpoch(last); err != nil {
			t.Fatal(err)
		}
	}
	newEpoch(t, p) // even if it has the number again
	for _, provider := range []keys.Provider{p, reopen()} {
		if opens(t, provider, last, gone) {
			t.Error("a destroyed epoch opens")
		}
		if !opens(t, provider, first, kept) {
			t.Error("another epoch went with it")
		}
	}
}

func atOnce(t *testing.T, p keys.Provider, _ func() keys.Provider) {
	e := newEpoch(t, p)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				w, err := p.Wrap(e, aad, key)
				if err != nil || !opens(t, p, e, w) {
					t.Errorf("at once: %v", err)
				}
			}
		})
	}
	all.Wait()
}
