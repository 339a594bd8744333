package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestRoomFailsDuringACall: whichever room fails, the others stay until both
// sides of the calls that are up have been told goodbye.
func TestRoomFailsDuringACall(t *testing.T) {
	said := &listener{word: "a room failed", heard: make(chan struct{})}
	d := &demo{dir: t.TempDir(), s: stdio{out: io.Discard, err: said}, quiet: true, start: time.Now()}
	defer d.stop()
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), demoSetup)
	defer cancel()
	call, err := d.caller.Call(ctx, "sip:"+demoNumber+"@"+strings.TrimPrefix(d.config.SIP.Listen[0], "udp://"), siptest.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Answered(ctx); err != nil {
		t.Fatal(err)
	}
	agent := <-d.agentDialogs
	d.node.web.Close() // the HTTP face breaks
	select {
	case <-said.heard:
	case <-ctx.Done():
		t.Fatal("the node goes on as if nothing had happened")
	}
	if err := call.Hangup(ctx); err != nil { // the call is still up, and still served
		t.Errorf("the caller could not hang up: %v", err)
	}
	if end, err := agent.Wait(ctx); err != nil || end.By != "remote" {
		t.Errorf("the callee was not told: %+v, %v", end, err)
	}
	if err := <-d.served; err == nil || !strings.Contains(err.Error(), "http: ") {
		t.Errorf("run returned %v", err)
	} else {
		d.served <- err
	}
}

// listener tells when a word stands in a log.
type listener struct {
	word  string
	heard chan struct{}
	once  sync.Once
}

func (l *listener) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(l.word)) {
		l.once.Do(func() { close(l.heard) })
	}
	return len(b), nil
}
