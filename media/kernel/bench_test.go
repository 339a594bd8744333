//go:build netns && linux

package kernel

import (
	"net/netip"
	"testing"
	"time"
)

// BenchmarkSet is what it costs to have a flow in place of another, with the
// question about its way.
func BenchmarkSet(b *testing.B) {
	e, err := Open(Config{Interfaces: []string{"lo"}, Flows: 64}, testLog(b))
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	f := local("127.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		f.Tag++
		if _, err := e.Set(f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what the counts of 1,000 calls cost.
func BenchmarkRead(b *testing.B) {
	e, err := Open(Config{Interfaces: []string{"lo"}, Flows: 2000}, testLog(b))
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	f := local("127.0.0.1")
	for n := range uint16(2000) {
		f.In = netip.AddrPortFrom(f.In.Addr(), 20000+n)
		if _, err := e.Set(f); err != nil {
			b.Fatal(err)
		}
	}
	var last time.Time
	b.ReportAllocs()
	for b.Loop() {
		e.Read(func(_ uint64, c Counts) { last = c.Last })
	}
	if !last.IsZero() {
		b.Error("counts of nothing")
	}
}
