package main

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// TestFaceLogs: what goes wrong behind the HTTP face stands in the node's log,
// as the answer promises.
func TestFaceLogs(t *testing.T) {
	said := &listener{word: "http request failed", heard: make(chan struct{})}
	d := &demo{dir: t.TempDir(), s: stdio{out: io.Discard, err: said}, quiet: true, start: time.Now()}
	defer d.stop()
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.node.disk.Close()
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		"http://"+d.node.web.Addr().String()+"/v1/recordings", nil)
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Authorization", "Bearer "+d.node.token)
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", answer.StatusCode)
	}
	select {
	case <-said.heard:
	case <-time.After(5 * time.Second):
		t.Error("nothing in the log")
	}
}
