package directory

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"ringdown/routing"
)

// filled puts a table of n numbers into a bucket, without making one of it here.
func filled(b *testing.B, into bucket, n int) {
	b.Helper()
	d, _ := newNode(b, into, b.TempDir())
	spec := someSpec(0)
	for i := range 100 {
		spec.Accounts = append(spec.Accounts, routing.Account{ID: fmt.Sprintf("account-%02d", i), Agency: "demo-agency"})
	}
	all, _ := d.schema.objects(&spec, "")
	for i := range n {
		all = append(all, object{numbers, fmt.Sprintf("+4721%07d", i),
			fmt.Appendf(nil, `{"number":"+4721%07d","account":"account-%02d","flow":"sales","attribution":{"campaign":"autumn-%d","source":"google-ads"}}`, i, i%100, i%1000)})
	}
	next, counted, _, err := d.ring.with(nothing(), delta{put: all}, false)
	if err != nil {
		b.Fatal(err)
	}
	h := next.head
	h.Commit, h.At, h.Node, h.Changed = 1, time.Now(), "edge-0", counted
	if _, err := into.ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	if next.value, err = d.ring.seal(headPlace, h.encode()); err != nil {
		b.Fatal(err)
	}
	bytes := 0
	for _, p := range next.pages {
		bytes += len(p.value)
	}
	if err := into.put(b.Context(), next.pages[:]); err != nil {
		b.Fatal(err)
	}
	if _, err := into.swap(b.Context(), next.value, 0); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d numbers lie in the bucket as %d bytes", n, bytes)
}

// BenchmarkTable: many numbers at a real broker inside the process. load is a first
// start without anything on the disk, until the table is in use; disk the same from
// the disk alone; change is one number changed on one node until another uses it.
func BenchmarkTable(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			if testing.Short() && size > 100_000 {
				b.Skip("a million numbers take their time: without -short")
			}
			benchTable(b, size)
		})
	}
}

func benchTable(b *testing.B, size int) {
	s := broker(b, b.TempDir())
	js := connect(b, s)
	st := &store{js: js, bucket: "ringdown-directory", timeout: time.Minute, replicas: 1, maxBytes: 1 << 30}
	filled(b, st, size)
	dir := b.TempDir()
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			d, _ := newNode(b, st, dir)
			look(b, d)
			if d.Table().Len() != size {
				b.Fatal(d.Status())
			}
			b.StopTimer()
			d.save()
			heap(b, size)
			runtime.KeepAlive(d)
			b.StartTimer()
		}
	})
	b.Run("disk", func(b *testing.B) {
		for b.Loop() {
			d, _ := newNode(b, nil, dir)
			if d.Table().Len() != size {
				b.Fatal(d.Status())
			}
		}
	})
	b.Run("change", func(b *testing.B) {
		seen := make(chan uint64, 10)
		_, _, _ = running(b, connect(b, s), dir, func(d *Deps) {
			d.Swap = func(_ *routing.Table, t Told) { seen <- t.Commit }
		})
		<-seen
		one, _, _ := running(b, js, b.TempDir())
		await(b, one)
		n := number(0)
		n.Account = "account-00"
		state, longest := true, time.Duration(0)
		for b.Loop() {
			if n.State = ""; state {
				n.State = routing.Suspended
			}
			state = !state
			began := time.Now()
			r := commit(b, one, Change{Put: routing.Spec{Numbers: []routing.TrackingNumber{n}}})
			for <-seen != r.Commit {
			}
			longest = max(longest, time.Since(began))
		}
		b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
	})
}

// heap reports what a node holds.
func heap(b *testing.B, size int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/float64(size), "heap-bytes/number")
}

// BenchmarkDecodeNumber is what a million times makes most of a load.
func BenchmarkDecodeNumber(b *testing.B) {
	s := mustSchema(b)
	o := object{numbers, "+4721000001", []byte(`{"number":"+4721000001","account":"demo","flow":"sales","attribution":{"campaign":"autumn","source":"google-ads"}}`)}
	b.ReportAllocs()
	for b.Loop() {
		var spec routing.Spec
		if err := s.put(&spec, o); err != nil {
			b.Fatal(err)
		}
	}
}
