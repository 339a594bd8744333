//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary play the node it starts: fakeEnv says how.
const fakeEnv = "RINGDOWN_BENCH_FAKE"

func TestMain(m *testing.M) {
	switch as := os.Getenv(fakeEnv); as {
	case "":
		os.Exit(m.Run())
	case "dies":
		fmt.Println("first words")
		fmt.Println("address already in use")
		os.Exit(1)
	default:
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		go http.ListenAndServe(as, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		<-term
		fmt.Println("goodbye")
		os.Exit(0)
	}
}

func fakeNode(t *testing.T) *node {
	t.Helper()
	at, err := freePort("tcp")
	if err != nil {
		t.Skip(err)
	}
	return &node{binary: os.Args[0], dir: t.TempDir(), http: at}
}

func TestNodeLives(t *testing.T) {
	n := fakeNode(t)
	t.Setenv(fakeEnv, n.http)
	for range 2 { // killed and started again
		if err := n.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := sampleOf(n.pid()); err != nil {
			t.Error(err)
		}
		n.kill()
		if _, err := sampleOf(n.pid()); err == nil {
			t.Error("still there after kill")
		}
	}
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.stop(); err != nil || n.lastWords() != "goodbye" {
		t.Errorf("stop: %v, last words %q", err, n.lastWords())
	}
}

func TestNodeDies(t *testing.T) {
	n := fakeNode(t)
	t.Setenv(fakeEnv, "dies")
	err := n.start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready; the last it said: address already in use") {
		t.Errorf("start: %v", err)
	}
	if _, err := n.ask(t.Context(), "events", "tail", "--config", "x"); err == nil || !strings.HasPrefix(err.Error(), "ringdown events tail: exit status 1") {
		t.Errorf("ask: %v", err)
	}
}

func TestNoLifeWithoutABinary(t *testing.T) {
	if _, err := newNode(t.Context(), "/nonexistent/ringdown", t.TempDir(), plan{Lines: lines(2)}); err == nil {
		t.Error("accepted")
	}
}

func TestKillReport(t *testing.T) {
	r := killReport{Machine: "m", Calls: 50, Rounds: 2, Faults: []string{"x: ended 0 times"}}
	r.merge(figures{Calls: 100, Answered: 99, LostMS: 240, TailMS: 240})
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"calls_per_round":50`, `"calls":100`, `"worst_lost_ms":240`, `"faults":["x: ended 0 times"]`} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	var text bytes.Buffer
	r.write(&text)
	for _, want := range []string{"2 rounds of 50", "100 received, 99 answered", "at most 240 ms lost", "FAULT      x: ended 0 times"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
