package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// tableWorld is a directory that answers what it is told to.
type tableWorld struct {
	status  DirectoryStatus
	changes []DirectoryChange
	result  ChangeResult
	err     error
	filter  NumberFilter
	page    NumberPage
	commits []DirectoryCommit
}

func (o *tableWorld) Status() DirectoryStatus {
	s := o.status
	if s.Source == "" {
		s = DirectoryStatus{Source: "file", Version: "0123456789ab", Counts: map[string]int{"numbers": 2}}
	}
	return s
}

func (o *tableWorld) Change(_ context.Context, c DirectoryChange) (ChangeResult, error) {
	o.changes = append(o.changes, c)
	r := o.result
	r.Dry = c.Dry
	r.Version, r.Before = "0123456789ab", "ba9876543210"
	return r, o.err
}

func (o *tableWorld) Restore(context.Context) (ChangeResult, error) {
	return ChangeResult{Commit: 3, Previous: 2, Version: "0123456789ab", Before: "0123456789ab"}, o.err
}

func (o *tableWorld) Numbers(f NumberFilter) (NumberPage, error) {
	o.filter = f
	return o.page, o.err
}

func (o *tableWorld) History(context.Context) ([]DirectoryCommit, error) { return o.commits, o.err }

func (o *tableWorld) Export(w io.Writer) error {
	if o.err != nil {
		return o.err
	}
	_, err := io.WriteString(w, "{}\n")
	return err
}

// post sends a body of a kind.
func post(s *Server, target, kind string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, body)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func TestChangeOfTheTable(t *testing.T) {
	d := describe(t)
	const path = "/v1/directory/changes"
	for name, c := range map[string]struct {
		target, kind string
		body         io.Reader
		err          error
		status       int
		holds        string
	}{
		"taken":       {path, "application/json", strings.NewReader(`{"put":{}}`), nil, 200, `"commit": 7`},
		"dry":         {path + "?dry_run=true", "application/json; charset=utf-8", strings.NewReader(`{}`), nil, 200, `"dry_run": true`},
		"yaml":        {path, "application/yaml", strings.NewReader("put: {}\n"), nil, 200, `"commit": 7`},
		"neither":     {path, "text/csv", strings.NewReader(`{}`), nil, 415, "unsupported-media-type"},
		"no kind":     {path, "", strings.NewReader(`{}`), nil, 415, "unsupported-media-type"},
		"conflict":    {path, "application/json", strings.NewReader(`{"base":1}`), fmt.Errorf("%w: by far", ErrConflict), 409, `"conflict"`},
		"in the file": {path, "application/json", strings.NewReader(`{}`), ErrTableInFile, 409, "table-in-file"},
		"away":        {path, "application/json", strings.NewReader(`{}`), ErrNoChangesNow, 503, "no-changes-now"},
		"in doubt":    {path, "application/json", strings.NewReader(`{}`), ErrInDoubt, 503, "in-doubt"},
		"invalid": {path, "application/json", strings.NewReader(`{}`),
			ChangeFaults{{"put.numbers[3].flow", `there is no flow "x"`}, {"by", "is not an id"}}, 422, "put.numbers[3].flow"},
		"unknown":   {path + "?dryrun=true", "application/json", strings.NewReader(`{}`), nil, 400, "bad-request"},
		"too large": {path, "application/json", io.LimitReader(endless{}, maxChange+1), nil, 413, "too-large"},
	} {
		world := newWorld()
		world.directory.err, world.directory.result = c.err, ChangeResult{Commit: 7, Previous: 6, Added: map[string]int{"numbers": 1}}
		w := post(world.server(t), c.target, c.kind, c.body)
		d.judge(t, http.MethodPost, path, w)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.holds) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if asked := len(world.directory.changes) == 1; asked != (c.err != nil || c.status == 200) {
			t.Errorf("%s: %d changes came through", name, len(world.directory.changes))
		} else if asked && world.directory.changes[0].YAML != (name == "yaml") {
			t.Errorf("%s: taken as the other kind", name)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// A large body is taken by the one route that needs it.
func TestLargeBodies(t *testing.T) {
	world := newWorld()
	body := `{"put":{},"note":"` + strings.Repeat("x", 1<<20) + `"}`
	if w := post(world.server(t), "/v1/directory/changes", "application/json", strings.NewReader(body)); w.Code != http.StatusOK || len(world.directory.changes[0].Body) != len(body) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNumbersAreFiltered(t *testing.T) {
	d := describe(t)
	world := newWorld()
	world.directory.page = NumberPage{Numbers: []json.RawMessage{[]byte(`{"number":"+4721000001"}`)}, Next: "mark"}
	w := ask(world.server(t), http.MethodGet, "/v1/numbers?account=demo&flow=sales&state=suspended&after=m&limit=2")
	d.judge(t, http.MethodGet, "/v1/numbers", w)
	if want := (NumberFilter{"demo", "sales", "suspended", "m", 2}); w.Code != 200 || world.directory.filter != want {
		t.Errorf("%d, asked for %+v", w.Code, world.directory.filter)
	}
	if strings.Contains(world.log.String(), "4721") {
		t.Errorf("the log holds a number:\n%s", &world.log)
	}
	world.directory.err = ErrMark
	w = ask(world.server(t), http.MethodGet, "/v1/numbers?after=forged")
	d.judge(t, http.MethodGet, "/v1/numbers", w)
	if w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
	for _, bad := range []string{"flow=_sys", "flow=A", "state=%2B4721000001", "limit=0", "limit=1001", "account=x.y"} {
		if w := ask(newWorld().server(t), http.MethodGet, "/v1/numbers?"+bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

func TestDirectoryIsShown(t *testing.T) {
	d := describe(t)
	world := newWorld()
	at := noon
	world.directory.status = DirectoryStatus{Source: "nats", Version: "0123456789ab", Commit: 9, At: &at, Node: "edge-1", By: "ops", Counts: map[string]int{"numbers": 3}, Saved: 9,
		Fault: &DirectoryFault{Kind: "head", Message: "the newest commit was not written with this directory key", Since: noon}}
	world.directory.commits = []DirectoryCommit{{Commit: 9, At: noon, Node: "edge-1", By: "ops", Note: "more numbers", Version: "0123456789ab", Added: map[string]int{"numbers": 1}}}
	for path, holds := range map[string]string{"/v1/directory": `"kind": "head"`, "/v1/directory/history": "more numbers", "/v1/directory/export": "{}"} {
		w := ask(world.server(t), http.MethodGet, path)
		d.judge(t, http.MethodGet, path, w)
		if w.Code != 200 || !strings.Contains(w.Body.String(), holds) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	world.directory.err = ErrTableInFile
	for _, r := range [][2]string{{"GET", "/v1/directory/history"}, {"GET", "/v1/directory/export"}, {"POST", "/v1/directory/restore"}} {
		w := ask(world.server(t), r[0], r[1])
		d.judge(t, r[0], r[1], w)
		if w.Code != http.StatusConflict {
			t.Errorf("%s: %d", r, w.Code)
		}
	}
	world.directory.err = errors.New("the disk of 4721000001 is on fire")
	if w := ask(world.server(t), "GET", "/v1/directory/history"); w.Code != 500 || strings.Contains(w.Body.String(), "4721") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
