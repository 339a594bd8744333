package sip

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// lookAgain is how often files are looked at for a change, at the most.
const lookAgain = time.Second

// watched is a value made of files and made anew when they change. A change
// that cannot be read is told once and the value before stays.
type watched[T any] struct {
	paths  []string
	read   func() (T, error)
	failed func(error)

	mu     sync.Mutex
	value  T
	seen   []os.FileInfo // of the files when they were last read, well or not
	bad    bool          // not well: tried again
	looked time.Time
}

// watch reads the files for the first time; that must succeed.
func watch[T any](paths []string, read func() (T, error), failed func(error)) (*watched[T], error) {
	w := &watched[T]{paths: paths, read: read, failed: failed, looked: time.Now()}
	w.seen, _ = w.stat()
	var err error
	w.value, err = read()
	return w, err
}

// get returns the value, read anew when a file has changed.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.looked) < lookAgain {
		return w.value
	}
	w.looked = now
	seen, err := w.stat() // before reading: what changes meanwhile is seen the next time
	changed := err != nil || !slices.EqualFunc(seen, w.seen, sameFile)
	if !changed && !w.bad {
		return w.value
	}
	tell := changed && (err == nil || w.seen != nil)
	w.seen = seen
	if err == nil {
		var v T
		if v, err = w.read(); err == nil {
			w.value, w.bad = v, false
			return v
		}
	}
	if w.bad = true; tell {
		w.failed(err)
	}
	return w.value
}

// stat returns nil and an error when a file is not there.
func (w *watched[T]) stat() ([]os.FileInfo, error) {
	var all []os.FileInfo
	for _, p := range w.paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// credentials are our certificate and the authorities that we believe. They are
// safe for any number of callers.
type credentials struct {
	min     uint16
	pair    *watched[*tls.Certificate] // nil: we have none
	clients *watched[*x509.CertPool]   // of callers; nil: nobody is asked for a certificate
	failed  func(file string) func(error)

	mu    sync.Mutex
	roots map[string]*watched[*x509.CertPool] // of servers, by file
}

// newCredentials reads the files that c names.
func newCredentials(c TLS, log *slog.Logger, count *counts) (*credentials, error) {
	k := &credentials{min: versions[c.MinVersion], roots: map[string]*watched[*x509.CertPool]{}}
	k.failed = func(file string) func(error) {
		return func(err error) {
			count.drop("tls-reload")
			log.Error("tls file has changed and cannot be used, the one before stays", "file", file, "err", err)
		}
	}
	var err error
	if c.Cert != "" {
		k.pair, err = watch([]string{c.Cert, c.Key}, func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
			return &pair, err
		}, k.failed(c.Cert))
		if err != nil {
			return nil, fmt.Errorf("sip.tls.cert: %w", err)
		}
	}
	if c.ClientCA != "" {
		if k.clients, err = watch([]string{c.ClientCA}, readPool(c.ClientCA), k.failed(c.ClientCA)); err != nil {
			return nil, fmt.Errorf("sip.tls.client_ca: %w", err)
		}
	}
	return k, nil
}

func readPool(file string) func() (*x509.CertPool, error) {
	return func() (*x509.CertPool, error) {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New(file + " holds no certificate in PEM")
		}
		return pool, nil
	}
}

// authorities returns what servers are verified against; nil means the system's.
func (k *credentials) authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.roots[file]
	if w == nil {
		var err error
		if w, err = watch([]string{file}, readPool(file), k.failed(file)); err != nil {
			return nil, err
		}
		k.roots[file] = w
	}
	return w.get(), nil
}
