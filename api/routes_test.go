package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// fill puts real ids into a path of the table.
func fill(path string) string {
	id := call1
	if strings.HasPrefix(path, "/v1/recordings") {
		id = rec1
	}
	return strings.ReplaceAll(path, "{id}", id)
}

func TestDocumentAndTableAgree(t *testing.T) {
	d := describe(t)
	var table, document []string
	s := newWorld().server(t)
	ids := map[string]bool{}
	for _, r := range s.table() {
		table = append(table, r.method+" "+r.path)
	}
	for path, ops := range d.doc.Paths {
		for method, op := range ops {
			document = append(document, strings.ToUpper(method)+" "+path)
			if op.ID == "" || ids[op.ID] {
				t.Errorf("%s %s: operationId %q is empty or used twice", method, path, op.ID)
			}
			ids[op.ID] = true
		}
	}
	slices.Sort(table)
	slices.Sort(document)
	if !slices.Equal(table, document) {
		t.Errorf("the table has\n%s\nthe document has\n%s", strings.Join(table, "\n"), strings.Join(document, "\n"))
	}
}

func TestDocumentAndAccessAgree(t *testing.T) {
	d := describe(t)
	for _, r := range newWorld().server(t).table() {
		op := d.doc.Paths[r.path][strings.ToLower(r.method)]
		open, asks := op.Security != nil, false
		for _, s := range op.Security {
			_, asked := s["token"]
			asks = asks || asked
			open = open && asked == false
		}
		want := map[access][2]bool{byToken: {false, true}, fromHere: {false, true}, anybody: {true, false}}[r.access]
		if got := [2]bool{open, asks}; got != want {
			t.Errorf("%s %s: the document says open %v, token %v; the table says %v", r.method, r.path, open, asks, r.access)
		}
	}
}

// Every filter that is described is taken, and no other.
func TestDocumentAndParametersAgree(t *testing.T) {
	d := describe(t)
	good := map[string]string{"account": "demo", "since": "2026-11-21T12:00:00Z", "follow": "false", "after": rec1, "limit": "5", "format": "wav",
		"flow": "sales", "state": "active", "dry_run": "true"}
	for _, r := range newWorld().server(t).table() {
		described := map[string]bool{}
		for _, p := range d.doc.Paths[r.path][strings.ToLower(r.method)].Parameters {
			if p.Ref != "" {
				p = d.doc.Components.Parameters[p.Ref[strings.LastIndexByte(p.Ref, '/')+1:]]
			}
			if p.In == "query" {
				described[p.Name] = true
			}
		}
		for name := range described {
			if good[name] == "" {
				t.Fatalf("%s %s: no value for %q in this test", r.method, r.path, name)
			}
		}
		if len(described) == 0 {
			continue
		}
		for name, value := range good {
			w := ask(newWorld().server(t), r.method, fill(r.path)+"?"+name+"="+value)
			if taken := w.Code == http.StatusOK; taken != described[name] {
				t.Errorf("%s %s?%s: described %v, answered %d", r.method, r.path, name, described[name], w.Code)
			}
		}
	}
}

// Each route with each kind of token, on each kind of listener.
func TestAccess(t *testing.T) {
	cert := pemFiles(t)
	d := describe(t)
	headers := map[string]string{
		"none":      "",
		"wrong":     "Bearer " + strings.Repeat("x", len(token)),
		"shortened": "Bearer " + token[:len(token)-1],
		"longer":    "Bearer " + token + "x",
		"basic":     "Basic " + token,
		"bare":      token,
		"empty":     "Bearer ",
	}
	for _, far := range []bool{false, true} {
		server := func() *Server {
			return newWorld().server(t, func(c *Config) {
				if far {
					c.Listen, c.TLS = "192.0.2.1:8443", cert
				}
			})
		}
		for _, r := range server().table() {
			open := r.access == anybody || r.access == fromHere && !far
			for kind, header := range headers {
				w := ask(server(), r.method, fill(r.path), "Authorization", header)
				d.judge(t, r.method, r.path, w)
				if open != (w.Code != http.StatusUnauthorized) {
					t.Errorf("%s %s, far %v, token %s: %d", r.method, r.path, far, kind, w.Code)
				}
				if !open && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s %s: a 401 without WWW-Authenticate", r.method, r.path)
				}
			}
			w := ask(server(), r.method, fill(r.path), "Authorization", "bearer "+token)
			d.judge(t, r.method, r.path, w)
			if unwritten := r.path == "/v1/calls/{id}/orders" && w.Code == http.StatusBadRequest; w.Code >= 300 && !unwritten { // an order is nothing without a body
				t.Errorf("%s %s, far %v, with the token: %d %s", r.method, r.path, far, w.Code, w.Body)
			}
		}
	}
}

// No id that could mean something to a path, a subject or a log gets past the form.
func TestForeignIDs(t *testing.T) {
	d := describe(t)
	ids := []string{
		"call_", "rec_", "call_01jd0000000000000000000001", call1 + "0", call1[:len(call1)-1], "x" + rec1,
		"..%2F..%2Fetc%2Fpasswd", "%2E%2E", "*", "%3E", "call_01JD000000000000000000000%00", "a.b.c", "%0a",
		"4721000001", strings.Repeat("A", 4096), "call_01JDILOU00000000000000000",
	}
	for _, r := range newWorld().server(t).table() {
		if !strings.Contains(r.path, "{id}") {
			continue
		}
		for _, id := range ids {
			world := newWorld()
			w := ask(world.server(t), r.method, strings.ReplaceAll(r.path, "{id}", id))
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s %s with id %.40q: %d", r.method, r.path, id, w.Code)
				continue
			}
			d.judge(t, r.method, r.path, w)
			if strings.Contains(world.log.String(), "passwd") || strings.Contains(world.log.String(), "4721000001") {
				t.Errorf("%s %s: the id stands in the log:\n%s", r.method, r.path, &world.log)
			}
		}
	}
}

func TestNothingThere(t *testing.T) {
	s := newWorld().server(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1", 404, ""},
		{"GET", "/v1/calls/" + call1 + "/secrets", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
		{"POST", "/v1/calls", 405, "GET, HEAD"},
		{"GET", "/v1/calls/" + call1 + "/hangup", 405, "POST"},
		{"DELETE", "/v1/recordings/" + rec1, 405, "GET, HEAD"},
	} {
		w := ask(s, c.method, c.path)
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, Allow %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
		if !strings.HasPrefix(w.Body.String(), "{\n  \"error\": {") {
			t.Errorf("%s %s: not our error: %s", c.method, c.path, w.Body)
		}
	}
}

func TestCommonHeaders(t *testing.T) {
	s := newWorld().server(t)
	for _, path := range []string{"/healthz", "/v1/calls", "/v1/recordings/" + rec1 + "/audio", "/nothing"} {
		h := ask(s, "GET", path).Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}
