package sip

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"ringdown/call"
)

// Two endpoints talk to each other over real sockets: what one says as UAC the
// other understands as UAS, on UDP and TCP, and nothing of it is virtual.
func TestTwoEndpointsOnLoopback(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			ours, theirs := newLoopback(t, network), newLoopback(t, network)
			signals := make(chan call.Signal, 64)
			d := call.Dial{From: "+4790000001", MaxForwards: 69, Body: ourSDP}
			d.Target.URI = "sip:+4721000001@" + theirs.addr + ";transport=" + network
			leg, err := ours.Dial(t.Context(), d, into(signals))
			if err != nil {
				t.Fatal(err)
			}
			a := <-theirs.admits
			if a.Party.User != "+4790000001" || a.To != "+4721000001" || string(a.Body) != string(ourSDP) || a.Transport != network {
				t.Errorf("%+v", a.Invite)
			}
			a.leg.Progress(180, nil)
			await[call.Ringing](t, signals)
			a.leg.Answer(ourSDP)
			if s := await[call.Answered](t, signals); string(s.Body) != string(ourSDP) {
				t.Errorf("answer %q", s.Body)
			}
			await[call.Acked](t, a.signals)
			a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
			if s := await[call.Bye](t, signals); s.Cause.Q850 != 16 {
				t.Errorf("%+v", s.Cause)
			}
			await[call.Gone](t, signals)
			await[call.Gone](t, a.signals)
			leg.Hangup(call.Cause{})
		})
	}
}

type loopback struct {
	*Endpoint
	addr   string
	admits chan admittedCall
}

func newLoopback(t *testing.T, network string) *loopback {
	conns, listeners, err := Listen(Config{Listen: []string{network + "://127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	l := &loopback{admits: make(chan admittedCall, 1)}
	if network == "udp" {
		l.addr = conns[0].LocalAddr().String()
	} else {
		l.addr = listeners[0].Addr().String()
	}
	l.Endpoint, err = New(Config{}, Deps{
		Admit: func(in call.Invite, leg call.Leg) (func(call.Signal), *call.Cause) {
			a := admittedCall{in, leg, make(chan call.Signal, 64)}
			l.admits <- a
			return func(s call.Signal) { a.signals <- s }, nil
		},
		Trunk: func(a netip.Addr) (string, bool) { return "loopback", a.IsLoopback() },
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, conns, listeners)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

// await waits for a signal in real time.
func await[S call.Signal](t *testing.T, signals chan call.Signal) S {
	t.Helper()
	select {
	case s := <-signals:
		if s, ok := s.(S); ok {
			return s
		}
		t.Fatalf("signal %T, want %T", s, *new(S))
	case <-time.After(10 * time.Second):
		t.Fatalf("no signal, want %T", *new(S))
	}
	return *new(S)
}
