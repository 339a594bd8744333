package api

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a request. A stream (events, audio) moves its deadline with every write.
const (
	maxHeader    = 16 << 10
	maxBody      = 64 << 10
	headerWait   = 5 * time.Second
	readWait     = 10 * time.Second
	writeWait    = 30 * time.Second
	idleWait     = 2 * time.Minute
	farewellWait = 5 * time.Second
)

// Server answers HTTP for one node.
type Server struct {
	deps    Deps
	log     *slog.Logger
	token   [sha256.Size]byte // of the bearer token; the token itself is not kept
	local   bool              // reachable from this machine only
	cert    *tls.Config       // nil: plain HTTP
	handler http.Handler
	ending  chan struct{} // closed when Run is told to end: streams that follow end with it
}

// New checks the configuration and reads the certificate. It opens no socket.
func New(c Config, deps Deps) (*Server, error) {
	var faults []error
	c.Validate(func(path, msg string) {
		faults = append(faults, fmt.Errorf("http.%s: %s", path, msg))
	})
	if c.Token == "" {
		faults = append(faults, errors.New("http.token: is missing"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s := &Server{
		deps:   deps,
		log:    deps.Log,
		token:  sha256.Sum256([]byte(c.Token)),
		ending: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.local, _ = loopback(c.Listen) // the error was reported above
	if c.TLS.Enabled() {
		pair, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("http.tls: %w", err)
		}
		s.cert = &tls.Config{
			Certificates: []tls.Certificate{pair},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		}
	}
	s.handler = s.routes()
	return s, nil
}

// Run answers on l until ctx ends, then gives requests in progress five seconds
// and cuts the rest. It closes l. To be called once.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s.handler,
		TLSConfig:         s.cert,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerWait,
		ReadTimeout:       readWait,
		WriteTimeout:      writeWait,
		IdleTimeout:       idleWait,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	gone := make(chan error, 1)
	go func() { // ends with Shutdown or Close below, or with the listener's own fault
		if s.cert != nil {
			gone <- server.ServeTLS(l, "", "")
		} else {
			gone <- server.Serve(l)
		}
	}()
	select {
	case err := <-gone:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	close(s.ending)
	late, done := context.WithTimeout(base, farewellWait)
	defer done()
	if err := server.Shutdown(late); err != nil {
		cut()
		server.Close()
	}
	<-gone
	return nil
}
