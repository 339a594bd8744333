package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media/relay"
)

func TestLagCountsForAMoment(t *testing.T) {
	var l lag
	now := time.Now()
	late := now.Add(lagLimit + time.Millisecond)
	for _, at := range []time.Time{now.Add(lagLimit), late, now, late} {
		if l.woken(now, at); l.tooLong(at) {
			t.Error("a pause is taken for a load")
		}
	}
	l.woken(now, late)
	if !l.tooLong(late) || !l.tooLong(late.Add(lagMemory-1)) || l.tooLong(late.Add(lagMemory)) {
		t.Error("a bad moment counts for lagMemory, not more or less")
	}
}

func TestLagIsNoneOnAnIdleNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lag
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.run(ctx) }()
		time.Sleep(10 * time.Second)
		if l.until.Load() != 0 {
			t.Error("late, though nothing runs")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestBusyWithoutPortsOrTime(t *testing.T) {
	anyPort := func(netip.AddrPort) (net.PacketConn, error) { return net.ListenPacket("udp", "127.0.0.1:0") }
	pool, err := relay.NewPool(relay.Config{Address: "127.0.0.1", Ports: "30000-30003"}, anyPort, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	n := &node{pool: pool}
	if got := n.busy(); got != "" {
		t.Errorf("with ports for one call: %q", got)
	}
	for range lagTwice {
		n.lag.woken(time.Now(), time.Now().Add(time.Second))
	}
	if got := n.busy(); got != "the node is late" {
		t.Errorf("late: %q", got)
	}
	n.lag.until.Store(0)
	if _, err := pool.NewRelay("call", nil); err != nil {
		t.Fatal(err)
	}
	if got := n.busy(); got != "no media ports left" {
		t.Errorf("with no port left: %q", got)
	}
}
