package api

import (
	"errors"
	"net/http"

	"ringdown/call"
)

// callList is the answer of /v1/calls.
type callList struct {
	Calls []call.View `json:"calls"`
}

func (s *Server) calls(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	account := q.account()
	if err := q.done(); err != nil {
		return err
	}
	list := callList{Calls: []call.View{}}
	for _, c := range s.deps.Calls() {
		if account == "" || c.Account == account {
			list.Calls = append(list.Calls, c)
		}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (s *Server) call(w http.ResponseWriter, r *http.Request) error {
	id, err := pathCall(r)
	if err != nil {
		return err
	}
	for _, c := range s.deps.Calls() {
		if c.ID == call.ID(id) {
			writeJSON(w, http.StatusOK, c)
			return nil
		}
	}
	return notLive(id)
}

// hangup asks; that the call has ended is told by its event call.ended.
func (s *Server) hangup(w http.ResponseWriter, r *http.Request) error {
	id, err := pathCall(r)
	if err != nil {
		return err
	}
	if err := s.deps.Hangup(id); errors.Is(err, ErrNotFound) {
		return notLive(id)
	} else if err != nil {
		return err
	}
	s.log.Info("hangup asked for by api", "call", id)
	writeJSON(w, http.StatusAccepted, map[string]string{"call": id, "status": "ending"})
	return nil
}

func notLive(id string) error {
	return missing("no live call has this id; if it has ended, /v1/calls/%s/events tells of it", id)
}
