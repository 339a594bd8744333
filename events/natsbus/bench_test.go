package natsbus

import (
	"context"
	"errors"
	"testing"
	"time"

	"ringdown/events"
	"ringdown/events/outbox"
)

// BenchmarkDrain is how fast a backlog of many calls gets into the embedded
// broker, which syncs each message (F-09 asks for 500 events a second).
func BenchmarkDrain(b *testing.B) {
	box, err := outbox.Open(outbox.Config{Dir: b.TempDir(), Node: "edge-1", Reserve: 64 << 10, Queue: 1 << 30}, testKey, quiet())
	if err != nil {
		b.Fatal(err)
	}
	bus, err := Open(Config{Dir: b.TempDir(), Key: testKey}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- box.Run(ctx) }()
	var calls []string
	for range 100 {
		calls = append(calls, events.NewID("call", time.Now()))
	}
	n := 0
	for b.Loop() {
		e := events.Event{Account: "demo", Call: calls[n%len(calls)], Type: events.CallRinging, Time: time.Now(), Data: events.CallRingingData{Status: "ringing"}}
		if n < len(calls) {
			e.Type, e.Data = events.CallReceived, events.CallReceivedData{Transport: "udp"}
		}
		box.Publish(e, nil)
		n++
	}
	if err := box.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	go func() { done <- bus.Run(ctx, box) }()
	for bus.Flush(ctx) != nil {
	}
	b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "events/s")
	cancel()
	if err := errors.Join(<-done, <-done, box.Close(), bus.Close()); err != nil {
		b.Fatal(err)
	}
}
