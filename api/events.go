package api

import (
	"context"
	"encoding/json"
	"net/http"
)

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	f := EventFilter{Account: q.account(), Since: q.since()}
	follow := q.flag("follow")
	if err := q.done(); err != nil {
		return err
	}
	return s.tell(w, r, f, follow)
}

func (s *Server) callEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := pathCall(r)
	if err != nil {
		return err
	}
	q := queryOf(r)
	follow := q.flag("follow")
	if err := q.done(); err != nil {
		return err
	}
	return s.tell(w, r, EventFilter{Call: id}, follow)
}

// tell writes one event a line and sends each line at once. A call nobody has
// heard of is 404; an account or a time without events is an empty body.
func (s *Server) tell(w http.ResponseWriter, r *http.Request, f EventFilter, follow bool) error {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	if follow {
		go func() { // ends with the request
			select {
			case <-s.ending:
				stop()
			case <-ctx.Done():
			}
		}()
	}
	out, err := newStream(w, "application/x-ndjson")
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		return out.begin()
	}
	if follow {
		if err := out.begin(); err != nil {
			return err
		}
	}
	err = s.deps.Events(ctx, f, follow, func(event json.RawMessage) error {
		if _, err := out.Write(append(event[:len(event):len(event)], '\n')); err != nil {
			return err
		}
		return out.flush()
	})
	switch {
	case ctx.Err() != nil && r.Context().Err() == nil:
		return nil // the node says goodbye: what was sent is whole
	case err != nil:
		return err
	case f.Call != "" && !out.begun:
		return missing("no event of this call is stored")
	}
	return out.begin()
}
