package api

import (
	"net/http"
)

// access says who may use a route. There is no zero value that lets anybody in.
type access int

const (
	byToken  access = iota // only with the bearer token
	fromHere               // without it when the listener is on loopback, else with it
	anybody
)

// route is one line of the table: the only place where a path stands. The
// document openapi.json is compared with it by a test.
type route struct {
	method, path string
	access       access
	serve        func(http.ResponseWriter, *http.Request) error
}

// bodies are the routes that take more than maxBody.
var bodies = map[string]int64{"POST /v1/directory/changes": maxChange}

func (s *Server) table() []route {
	return []route{
		{"GET", "/healthz", anybody, s.health},
		{"GET", "/readyz", anybody, s.ready},
		{"GET", "/metrics", fromHere, s.metrics},
		{"GET", "/v1/openapi.json", anybody, s.document},
		{"GET", "/v1/version", byToken, s.version},
		{"GET", "/v1/calls", byToken, s.calls},
		{"GET", "/v1/calls/{id}", byToken, s.call},
		{"POST", "/v1/calls/{id}/hangup", byToken, s.hangup},
		{"POST", "/v1/calls/{id}/orders", byToken, s.order},
		{"GET", "/v1/calls/{id}/events", byToken, s.callEvents},
		{"GET", "/v1/events", byToken, s.events},
		{"GET", "/v1/recordings", byToken, s.recordings},
		{"GET", "/v1/recordings/{id}", byToken, s.manifest},
		{"GET", "/v1/recordings/{id}/audio", byToken, s.audio},
		{"GET", "/v1/recordings/{id}/verify", byToken, s.verify},
		{"GET", "/v1/directory", byToken, s.directory},
		{"POST", "/v1/directory/changes", byToken, s.changeDirectory},
		{"POST", "/v1/directory/restore", byToken, s.restoreDirectory},
		{"GET", "/v1/directory/history", byToken, s.directoryHistory},
		{"GET", "/v1/directory/export", byToken, s.exportDirectory},
		{"GET", "/v1/numbers", byToken, s.numbers},
	}
}

// routes is the whole face: the table behind the guards every request passes.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			if r.access == byToken || r.access == fromHere && !s.local {
				if !s.admitted(w, req) {
					return
				}
			}
			if err := r.serve(w, req); err != nil {
				s.fail(w, req, err)
			}
		})
	}
	return s.guard(mux)
}
