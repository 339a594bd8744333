package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// fault is an answer that is not the one hoped for: what goes out as
// {"error":{"code","message"}}.
type fault struct {
	status        int
	code, message string
}

func (f *fault) Error() string { return f.message }

func bad(format string, args ...any) error {
	return &fault{http.StatusBadRequest, "bad-request", fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &fault{http.StatusNotFound, "not-found", fmt.Sprintf(format, args...)}
}

// faultOf turns what a handler returned into an answer. An error nobody planned
// for says nothing to the outside; inside is true for it, and it has to be logged.
func faultOf(err error) (f *fault, inside bool) {
	if errors.As(err, &f) {
		return f, false
	}
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{ErrNotFound, http.StatusNotFound, "not-found"},
		{ErrNotFinal, http.StatusConflict, "not-final"},
		{ErrErased, http.StatusGone, "erased"},
		{ErrUndecodable, http.StatusUnprocessableEntity, "undecodable"},
		{ErrDamaged, http.StatusUnprocessableEntity, "damaged"},
		{ErrConflict, http.StatusConflict, "conflict"},
		{ErrTableInFile, http.StatusConflict, "table-in-file"},
		{ErrWhole, http.StatusConflict, "not-lost"},
		{ErrInDoubt, http.StatusServiceUnavailable, "in-doubt"},
		{ErrNoChangesNow, http.StatusServiceUnavailable, "no-changes-now"},
		{ErrMark, http.StatusBadRequest, "bad-request"},
	} {
		if errors.Is(err, known.err) {
			return &fault{known.status, known.code, err.Error()}, false
		}
	}
	return &fault{http.StatusInternalServerError, "internal", "something went wrong inside the node; its log says what"}, true
}

type faultBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func writeFault(w http.ResponseWriter, f *fault) {
	var body faultBody
	body.Error.Code, body.Error.Message = f.code, f.message
	writeJSON(w, f.status, body)
}

// writeJSON answers with v, complete: no other byte may have been written. A
// client that went away is nobody's error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("api: internal error: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
