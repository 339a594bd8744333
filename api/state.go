package api

import (
	_ "embed"
	"net/http"
)

// openapi.json describes every route; it is written by hand and held to the
// table and to real answers by tests.
//
//go:embed openapi.json
var openapi []byte

// health says that the process answers; no dependency is asked.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready    bool    `json:"ready"`
	Draining bool    `json:"draining"`
	Checks   []Check `json:"checks"`
}

// ready answers 503 when a new call should go to another node.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	state := readiness{Draining: s.deps.Draining(), Checks: s.deps.Ready()}
	state.Ready = !state.Draining
	for _, c := range state.Checks {
		state.Ready = state.Ready && c.OK
	}
	if state.Checks == nil {
		state.Checks = []Check{}
	}
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, state)
	return nil
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	var m Metrics
	for _, write := range s.deps.Metrics {
		write(&m)
	}
	w.Header().Set("Content-Type", metricsType)
	_, err := m.WriteTo(w)
	return err
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, s.deps.Version)
	return nil
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openapi)
	return err
}
