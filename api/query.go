package api

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// What an id may look like. Nothing that does not match is looked up, printed or
// logged.
var (
	callID      = regexp.MustCompile(`^call_[0-9A-HJKMNP-TV-Z]{26}$`)
	recordingID = regexp.MustCompile(`^rec_[0-9A-HJKMNP-TV-Z]{26}$`)
	accountID   = regexp.MustCompile(`^([a-z0-9][a-z0-9_-]{0,62}|_sys)$`)
)

// IsCallID reports whether s has the form of a call's id.
func IsCallID(s string) bool { return callID.MatchString(s) }

// IsRecordingID reports whether s has the form of a recording's id.
func IsRecordingID(s string) bool { return recordingID.MatchString(s) }

// IsAccountID reports whether s has the form of an account's id.
func IsAccountID(s string) bool { return accountID.MatchString(s) }

func pathCall(r *http.Request) (string, error) {
	if id := r.PathValue("id"); IsCallID(id) {
		return id, nil
	}
	return "", bad("this is not the id of a call: call_ and 26 characters")
}

func pathRecording(r *http.Request) (string, error) {
	if id := r.PathValue("id"); IsRecordingID(id) {
		return id, nil
	}
	return "", bad("this is not the id of a recording: rec_ and 26 characters")
}

// query reads the parameters of one request; the first fault sticks.
type query struct {
	values url.Values
	taken  map[string]bool
	err    error
}

func queryOf(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values, taken: map[string]bool{}}
	if err != nil {
		q.err = bad("the query string cannot be read")
	}
	return q
}

// get returns the one value of the parameter, empty when it was not given.
func (q *query) get(name string) string {
	q.taken[name] = true
	v := q.values[name]
	if len(v) > 1 {
		q.fault("%s is given more than once", name)
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

func (q *query) fault(format string, args ...any) {
	if q.err == nil {
		q.err = bad(format, args...)
	}
}

func (q *query) account() string {
	v := q.get("account")
	if v != "" && !IsAccountID(v) {
		q.fault("account is not an account's id")
	}
	return v
}

// id is a word that may be an id, of something that this room does not know.
func (q *query) id(name string) string {
	v := q.get(name)
	if v != "" && (!IsAccountID(v) || v[0] == '_') {
		q.fault("%s is not an id", name)
	}
	return v
}

func (q *query) after() string {
	v := q.get("after")
	if v != "" && !IsRecordingID(v) {
		q.fault("after is not the id of a recording")
	}
	return v
}

func (q *query) since() time.Time {
	v := q.get("since")
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		q.fault("since is not a time in RFC 3339, for example 2026-01-31T12:00:00Z")
	}
	return t
}

func (q *query) flag(name string) bool {
	switch q.get(name) {
	case "", "false", "0":
		return false
	case "true", "1":
		return true
	}
	q.fault("%s is neither true nor false", name)
	return false
}

func (q *query) count(name string, usual, most int) int {
	v := q.get(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		q.fault("%s is not a number from 1 to %d", name, most)
	}
	return n
}

// done returns the first fault. A parameter nobody asked for is one: a filter
// with a typing error must not answer with everything.
func (q *query) done() error {
	for name := range q.values {
		if !q.taken[name] {
			q.fault("there is a parameter that this path does not take; /v1/openapi.json lists those it does")
		}
	}
	return q.err
}
