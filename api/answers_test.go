package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ringdown/call"
)

type raw = json.RawMessage

func TestReady(t *testing.T) {
	d := describe(t)
	for _, c := range []struct {
		name   string
		set    func(*world)
		status int
		words  []string
	}{
		{"well", func(*world) {}, 200, []string{`"ready": true`, `"draining": false`, `"nats"`}},
		{"nothing to check", func(o *world) { o.checks = nil }, 200, []string{`"ready": true`, `"checks": []`}},
		{"one is not", func(o *world) { o.checks[1] = Check{Name: "nats", Reason: "not connected"} }, 503, []string{`"ready": false`, `"not connected"`, `"draining": false`}},
		{"draining", func(o *world) { o.draining = true }, 503, []string{`"ready": false`, `"draining": true`}},
	} {
		o := newWorld()
		c.set(o)
		w := ask(o.server(t), "GET", "/readyz")
		d.judge(t, "GET", "/readyz", w)
		if w.Code != c.status {
			t.Errorf("%s: %d", c.name, w.Code)
		}
		for _, word := range c.words {
			if !strings.Contains(w.Body.String(), word) {
				t.Errorf("%s: no %s in %s", c.name, word, w.Body)
			}
		}
	}
}

func TestMetricsRoute(t *testing.T) {
	w := ask(newWorld().server(t), "GET", "/metrics")
	if w.Header().Get("Content-Type") != metricsType || !strings.Contains(w.Body.String(), `ringdown_calls{status="in-progress"} 1`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

func TestCalls(t *testing.T) {
	d := describe(t)
	for target, want := range map[string][]string{
		"/v1/calls":               {call1, call2},
		"/v1/calls?account=demo":  {call1},
		"/v1/calls?account=other": {call2},
		"/v1/calls?account=none":  {},
	} {
		w := ask(newWorld().server(t), "GET", target)
		d.judge(t, "GET", "/v1/calls", w)
		var list callList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || list.Calls == nil {
			t.Fatal(target, err, w.Body)
		}
		var got []string
		for _, c := range list.Calls {
			got = append(got, string(c.ID))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
	w := ask(newWorld().server(t), "GET", "/v1/calls/"+nobody)
	d.judge(t, "GET", "/v1/calls/{id}", w)
	if w.Code != 404 || !strings.Contains(w.Body.String(), "/v1/calls/"+nobody+"/events") {
		t.Error(w.Code, w.Body)
	}
}

func TestHangup(t *testing.T) {
	d := describe(t)
	o := newWorld()
	s := o.server(t)
	for id, status := range map[string]int{call1: 202, nobody: 404} {
		w := ask(s, "POST", "/v1/calls/"+id+"/hangup")
		d.judge(t, "POST", "/v1/calls/{id}/hangup", w)
		if w.Code != status {
			t.Errorf("%s: %d", id, w.Code)
		}
	}
	if fmt.Sprint(o.hungUp) != fmt.Sprint([]string{call1}) {
		t.Errorf("hung up %v", o.hungUp)
	}
	if !strings.Contains(o.log.String(), "call="+call1) {
		t.Error("a hangup by api leaves no line in the log")
	}
}

func TestEvents(t *testing.T) {
	for target, want := range map[string]string{
		"/v1/events":                                          "1-1 2-1 1-2",
		"/v1/events?account=demo":                             "1-1 1-2",
		"/v1/events?account=_sys":                             "",
		"/v1/events?since=2026-11-21T12:01:00Z":               "2-1 1-2",
		"/v1/events?since=2026-11-21T13:02:00%2B01:00":        "1-2",
		"/v1/events?account=other&since=2026-11-21T12:02:00Z": "",
		"/v1/calls/" + call1 + "/events":                      "1-1 1-2",
	} {
		w := ask(newWorld().server(t), "GET", target)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
		var got []string
		for line := range strings.Lines(w.Body.String()) {
			var e struct{ ID string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID[len(e.ID)-3:])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", target, got, want)
		}
	}
}

func TestUnknownCallHasNoEvents(t *testing.T) {
	w := ask(newWorld().server(t), "GET", "/v1/calls/"+nobody+"/events")
	describe(t).judge(t, "GET", "/v1/calls/{id}/events", w)
	if w.Code != 404 {
		t.Error(w.Code)
	}
}

func TestRecordingPages(t *testing.T) {
	d := describe(t)
	s := newWorld().server(t)
	page := func(q string) (ids, next string) {
		w := ask(s, "GET", "/v1/recordings"+q)
		d.judge(t, "GET", "/v1/recordings", w)
		var list recordingList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		for _, r := range list.Recordings {
			ids += r.ID[len(r.ID)-1:]
		}
		return ids, list.Next
	}
	for q, want := range map[string][2]string{
		"":                               {"123", ""},
		"?limit=3":                       {"123", ""},
		"?limit=2":                       {"12", rec2},
		"?limit=2&after=" + rec2:         {"3", ""},
		"?limit=1&account=demo":          {"1", rec1},
		"?account=demo&after=" + rec1:    {"3", ""},
		"?since=2026-11-21T13:00:00Z":    {"23", ""},
		"?since=2026-11-22T13:00:00.5Z":  {"", ""},
		"?account=other&limit=1000":      {"2", ""},
		"?account=nobody-of-this-name-1": {"", ""},
	} {
		if ids, next := page(q); ids != want[0] || next != want[1] {
			t.Errorf("%s: %s next %s, want %v", q, ids, next, want)
		}
	}
}

func TestRecordingAnswers(t *testing.T) {
	d := describe(t)
	inside := errors.New("disk is on fire at /var/secret")
	for _, route := range []string{"", "/audio", "/verify"} {
		path := "/v1/recordings/{id}" + route
		for _, c := range []struct {
			id     string
			fault  error
			status int
		}{
			{rec1, nil, 200},
			{"rec_01JD0000000000000000000009", nil, 404},
			{rec1, fmt.Errorf("recording %s: %w", rec1, ErrNotFinal), 409},
			{rec1, ErrErased, 410},
			{rec1, ErrUndecodable, 422},
			{rec1, ErrDamaged, 422},
			{rec1, inside, 500},
		} {
			if _, described := d.doc.Paths[path]["get"].Responses[jsonNumber(c.status)]; !described && c.status < 500 {
				continue
			}
			o := newWorld()
			o.fault = c.fault
			w := ask(o.server(t), "GET", strings.ReplaceAll(path, "{id}", c.id))
			if w.Code != c.status {
				t.Errorf("%s with %v: %d", path, c.fault, w.Code)
				continue
			}
			if c.status < 500 {
				d.judge(t, "GET", path, w)
			} else if strings.Contains(w.Body.String(), "fire") || !strings.Contains(o.log.String(), "fire") {
				t.Errorf("%s: an inner fault belongs in the log, not in the answer %s", path, w.Body)
			}
			if route == "/audio" && (c.status == 200) != strings.Contains(w.Header().Get("Content-Disposition"), rec1+".wav") {
				t.Errorf("%d: %v", c.status, w.Header())
			}
		}
	}
	o := newWorld()
	if w := ask(o.server(t), "GET", "/v1/recordings/"+rec1+"/audio?format=wav"); w.Body.String() != string(o.wav) {
		t.Errorf("audio: %q", w.Body)
	}
	if w := ask(o.server(t), "GET", "/v1/recordings/"+rec1); w.Body.String() != manifestOf(rec1) {
		t.Errorf("the manifest is not what the recorder says: %q", w.Body)
	}
}

func TestBadQueries(t *testing.T) {
	s := newWorld().server(t)
	for _, target := range []string{
		"/v1/events?account=Demo", "/v1/events?account=a&account=b", "/v1/events?since=yesterday", "/v1/events?folow=true",
		"/v1/events?follow=yes", "/v1/events?account=%zz", "/v1/events?account=" + strings.Repeat("a", 64), "/v1/calls?account=*",
		"/v1/recordings?limit=0", "/v1/recordings?limit=1001", "/v1/recordings?limit=ten", "/v1/recordings?after=rec_1",
		"/v1/recordings/" + rec1 + "/audio?format=mp3", "/v1/events?a;b",
	} {
		if w := ask(s, "GET", target); w.Code != 400 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestHeadStreamsNothing(t *testing.T) {
	o := newWorld()
	s := o.server(t)
	for path, status := range map[string]int{
		"/v1/events?follow=true":                                   200,
		"/v1/recordings/" + rec1 + "/audio":                        200,
		"/v1/recordings/rec_01JD0000000000000000000009/audio":      404,
		"/v1/calls/" + call1 + "/events":                           200,
		"/v1/recordings/" + rec1 + "/audio?format=opus":            400,
		"/v1/recordings/rec_01JD0000000000000000000009/audio?x=yz": 400,
	} {
		if w := ask(s, "HEAD", path); w.Code != status {
			t.Errorf("HEAD %s: %d", path, w.Code)
		} else if status == 200 && w.Body.Len() > 0 {
			t.Errorf("HEAD %s: %q", path, w.Body)
		}
	}
}

// A panic ends one request, and what it held stays out of the log.
func TestPanic(t *testing.T) {
	for name, value := range map[string]any{"text": "+4721000001 is in here", "runtime": nil} {
		o := newWorld()
		s := o.server(t)
		s.deps.Calls = func() []call.View {
			if value == nil {
				return []call.View(nil)[:len(o.calls)]
			}
			panic(value)
		}
		w := ask(s, "GET", "/v1/calls")
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if log := o.log.String(); strings.Contains(log, "4721000001") || !strings.Contains(log, "panicked") || !strings.Contains(log, "answers_test.go") {
			t.Errorf("%s: log %s", name, log)
		}
		if w := ask(s, "GET", "/healthz"); w.Code != 200 {
			t.Error("the next request suffers")
		}
	}
}

// No query and no path, only the route, may reach the log.
func TestLogNamesRoutesOnly(t *testing.T) {
	o := newWorld()
	s := o.server(t)
	ask(s, "GET", "/v1/events?account=secretive&since=2026-11-21T12:00:00Z")
	ask(s, "GET", "/v1/calls/4721000001")
	ask(s, "GET", "/4721000001")
	if log := o.log.String(); strings.Contains(log, "secretive") || strings.Contains(log, "4721000001") || strings.Count(log, "http request") != 3 {
		t.Error(log)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/v1/events", "account=demo&since=2026-11-21T12:00:00Z")
	f.Add("/v1/calls/"+call1, "follow=1")
	f.Add("/v1/recordings/"+rec1+"/audio", "format=wav")
	f.Add("/v1/recordings", "limit=10&after="+rec1)
	f.Add("//v1/../v1/calls/%2e%2e", ";&==&%")
	f.Fuzz(func(t *testing.T, path, query string) {
		o := newWorld()
		s := o.server(t)
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		for _, method := range []string{"GET", "POST", "HEAD"} {
			r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Authorization": {"Bearer " + token}}, Body: http.NoBody}
			ctx, stop := context.WithCancel(t.Context())
			stop() // so that nothing is followed for ever
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r.WithContext(ctx))
			if w.Code >= 500 || strings.Contains(o.log.String(), "panicked") {
				t.Fatalf("%s %q?%q: %d\n%s", method, path, query, w.Code, &o.log)
			}
		}
	})
}
