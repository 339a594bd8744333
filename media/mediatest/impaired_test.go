package mediatest

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestImpaired: an impaired socket does to packets what the link says, the same at
// every run, and says what went out.
func TestImpaired(t *testing.T) {
	once := func() (got []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := NewNetwork(1, Link{})
			a, err := n.Dial(netip.MustParseAddrPort("10.0.0.1:4000"))
			if err != nil {
				t.Fatal(err)
			}
			b, err := n.Dial(netip.MustParseAddrPort("10.0.0.2:4000"))
			if err != nil {
				t.Fatal(err)
			}
			i := Impair(a, 7, Link{Delay: time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.1, Duplicate: 0.1, Reorder: 0.1})
			for k := range 200 {
				if n, err := i.WriteToUDPAddrPort([]byte{byte(k)}, b.AddrPort()); n != 1 || err != nil {
					t.Fatal(n, err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			sent := i.Sent()
			for k, pkt := range b.Drain() {
				got = append(got, pkt...)
				if sent[k][0] != pkt[0] {
					t.Fatalf("packet %d went out as %d", sent[k][0], pkt[0])
				}
			}
			if len(sent) != len(got) {
				t.Errorf("%d went out, %d arrived", len(sent), len(got))
			}
			a.Close()
			if _, err := Impair(a, 1, Link{}).WriteToUDPAddrPort([]byte{1}, b.AddrPort()); err == nil {
				t.Error("a closed socket took a packet")
			}
		})
		return got
	}
	first, second := once(), once()
	if !slices.Equal(first, second) {
		t.Error("two runs differ")
	}
	unique := slices.Compact(slices.Sorted(slices.Values(first)))
	if lost, doubled := 200-len(unique), len(first)-len(unique); lost < 5 || lost > 40 || doubled < 5 || doubled > 40 || slices.IsSorted(first) {
		t.Errorf("%d lost, %d doubled, in order: %v", lost, doubled, slices.IsSorted(first))
	}
}
