package api

import (
	"bufio"
	"errors"
	"net/http"
)

// Bounds of a page of /v1/recordings.
const (
	pageUsual = 100
	pageMost  = 1000
)

// audioBuffer is two seconds of a decoded two-channel recording: a fault before
// that is still answered in words.
const audioBuffer = 64 << 10

// recordingList is the answer of /v1/recordings.
type recordingList struct {
	Recordings []Recording `json:"recordings"`
	Next       string      `json:"next,omitempty"` // give it as after for the next page; none: this was the last
}

var errPageFull = errors.New("page is full")

func (s *Server) recordings(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	f := RecordingFilter{Account: q.account(), Since: q.since(), After: q.after()}
	limit := q.count("limit", pageUsual, pageMost)
	if err := q.done(); err != nil {
		return err
	}
	list := recordingList{Recordings: []Recording{}}
	err := s.deps.Recordings.List(r.Context(), f, func(rec Recording) error {
		if len(list.Recordings) == limit {
			list.Next = list.Recordings[limit-1].ID
			return errPageFull
		}
		list.Recordings = append(list.Recordings, rec)
		return nil
	})
	if err != nil && !errors.Is(err, errPageFull) {
		return err
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// manifest answers with the manifests of all parts.
func (s *Server) manifest(w http.ResponseWriter, r *http.Request) error {
	id, err := pathRecording(r)
	if err != nil {
		return err
	}
	b, err := s.deps.Recordings.Manifest(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(b)
	return err
}

// audio streams the decoded recording. Its length is not announced; a fault on
// the way breaks the connection, so that a part is never taken for the whole.
func (s *Server) audio(w http.ResponseWriter, r *http.Request) error {
	id, err := pathRecording(r)
	if err != nil {
		return err
	}
	q := queryOf(r)
	if format := q.get("format"); format != "" && format != "wav" {
		q.fault("format is not wav, the only one there is")
	}
	if err := q.done(); err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+`.wav"`)
	out, err := newStream(w, "audio/wav")
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		if _, err := s.deps.Recordings.Manifest(r.Context(), id); err != nil {
			return err
		}
		return out.begin()
	}
	buffer := bufio.NewWriterSize(out, audioBuffer)
	if err = s.deps.Recordings.ExportWAV(r.Context(), id, buffer); err == nil {
		err = buffer.Flush()
	}
	s.log.Info("recording exported by api", "recording", id, "whole", err == nil)
	return err
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	id, err := pathRecording(r)
	if err != nil {
		return err
	}
	if err := patient(w); err != nil {
		return err
	}
	v, err := s.deps.Recordings.Verify(r.Context(), id)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}
