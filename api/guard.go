package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// guard stands before every route: limits, common headers, an answer in JSON
// for what no route takes, one log line, and a panic that ends one request only.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &answer{ResponseWriter: rw}
		start := time.Now()
		_, pattern := mux.Handler(r)
		defer func() {
			s.recovered(w, pattern, recover())
			s.log.Debug("http request", "route", pattern, "status", w.status, "bytes", w.bytes, "ms", time.Since(start).Milliseconds())
			if w.torn {
				panic(http.ErrAbortHandler) // the client must see that the body is not whole
			}
		}()
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		r.Body = http.MaxBytesReader(w, r.Body, max(maxBody, bodies[pattern]))
		if pattern == "" {
			s.unrouted(w, r, mux)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a 500. The value may hold anything a request
// held, so only its type, or the runtime's own words, are logged.
func (s *Server) recovered(w *answer, pattern string, value any) {
	if value == nil {
		return
	}
	if value == http.ErrAbortHandler {
		w.torn = true
		return
	}
	what := fmt.Sprintf("%T", value)
	if e, ok := value.(runtime.Error); ok {
		what = e.Error()
	}
	s.log.Error("http request panicked", "route", pattern, "panic", what, "stack", string(debug.Stack()))
	if w.status != 0 {
		w.torn = true
		return
	}
	f, _ := faultOf(nil)
	writeFault(w, f)
}

// unrouted answers what the mux would answer in plain text: 404, and 405 with
// the methods that the path has.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	h, _ := mux.Handler(r)
	probe := &answer{ResponseWriter: discard{http.Header{}}}
	h.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.Header().Get("Allow"))
		writeFault(w, &fault{probe.status, "method-not-allowed", "this path takes " + probe.Header().Get("Allow")})
		return
	}
	writeFault(w, &fault{http.StatusNotFound, "not-found", "there is nothing at this path; /v1/openapi.json lists what there is"})
}

// admitted checks the bearer token and answers 401 when it is not ours. The
// comparison is of hashes, in constant time: neither the length nor a common
// beginning shows in how long it takes.
func (s *Server) admitted(w http.ResponseWriter, r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ringdown"`)
		writeFault(w, &fault{http.StatusUnauthorized, "unauthorized", "this needs the header Authorization: Bearer <token>"})
		return false
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ringdown", error="invalid_token"`)
		writeFault(w, &fault{http.StatusUnauthorized, "unauthorized", "this token is not valid here"})
		return false
	}
	return true
}

// fail answers with the error, or tears the connection when part of a body is
// already out: half an answer must not look like a whole one.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	gone := r.Context().Err() != nil
	f, inside := faultOf(err)
	if inside && !gone {
		s.log.Error("http request failed", "route", r.Pattern, "id", r.PathValue("id"), "err", err)
	}
	if a, ok := w.(*answer); ok && a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	if !gone {
		w.Header().Del("Content-Disposition")
		writeFault(w, f)
	}
}

// answer remembers what went out.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
	torn   bool
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// discard is a ResponseWriter for an answer nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
