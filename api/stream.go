package api

import (
	"errors"
	"net/http"
	"time"
)

// patient lifts the deadlines of this request. The server's are for a request
// that is read and answered at once; left alone they would end the request's
// context in the middle of long work.
func patient(w http.ResponseWriter) error {
	c := http.NewResponseController(w)
	return supported(errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})))
}

// stream is a body without a known length: it starts with the first byte, may
// take as long as it likes, and breaks when the client takes nothing for
// [writeWait].
type stream struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	begun bool
}

func newStream(w http.ResponseWriter, kind string) (*stream, error) {
	w.Header().Set("Content-Type", kind)
	return &stream{w: w, c: http.NewResponseController(w)}, patient(w)
}

// begin sends the header, so that the client knows it was let in.
func (s *stream) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	s.w.WriteHeader(http.StatusOK)
	return s.flush()
}

func (s *stream) Write(b []byte) (int, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	if err := supported(s.c.SetWriteDeadline(time.Now().Add(writeWait))); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

func (s *stream) flush() error { return supported(s.c.Flush()) }

// supported forgives a ResponseWriter that has no connection below it.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
