package outbox

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"ringdown/events"
)

func benchBox(b *testing.B) *Outbox {
	o, err := Open(Config{Dir: b.TempDir(), Node: "edge-1", Reserve: 64 << 10, Queue: 1 << 30, Cap: 1 << 40}, testKey, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		o.Close()
	})
	return o
}

// BenchmarkPublish is what the goroutine of a call pays, and how many events a
// second the disk takes.
func BenchmarkPublish(b *testing.B) {
	o := benchBox(b)
	e := ev(events.NewID("call", time.Now()), events.CallReceived)
	b.ReportAllocs()
	begun := time.Now()
	for b.Loop() {
		o.Publish(e, nil)
	}
	if err := o.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "durable/s")
}

// BenchmarkDurable is how long one event alone takes to be safe, at the pace of
// calls that do not wait for each other.
func BenchmarkDurable(b *testing.B) {
	o := benchBox(b)
	e := ev(events.NewID("call", time.Now()), events.CallReceived)
	var took []time.Duration
	var wg sync.WaitGroup
	for b.Loop() {
		wg.Add(1)
		begun := time.Now()
		o.Publish(e, func(error) {
			took = append(took, time.Since(begun))
			wg.Done()
		})
		wg.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
