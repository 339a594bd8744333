package kernel

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func good() Flow {
	return Flow{
		In: netip.MustParseAddrPort("192.0.2.1:20000"), From: netip.MustParseAddrPort("198.51.100.7:4000"),
		Out: netip.MustParseAddrPort("192.0.2.1:20002"), To: netip.MustParseAddrPort("203.0.113.9:5000"),
		Types: [2]uint64{1 << 8}, Every: 5 * time.Millisecond, Burst: 100,
	}
}

func TestFlowsThatCannotBe(t *testing.T) {
	if f := good(); f.Validate() != nil {
		t.Fatal(f.Validate())
	}
	open := good()
	open.In, open.Out = netip.MustParseAddrPort("[::]:20000"), netip.MustParseAddrPort("0.0.0.0:20002")
	if err := open.Validate(); err != nil {
		t.Errorf("unspecified addresses of ours: %v", err)
	}
	for _, c := range []struct {
		spoil func(*Flow)
		want  string
	}{
		{func(f *Flow) { f.In = netip.AddrPort{} }, "in: no address and port"},
		{func(f *Flow) { f.From = netip.AddrPortFrom(f.From.Addr(), 0) }, "from: no address and port"},
		{func(f *Flow) { f.To = netip.MustParseAddrPort("[2001:db8::1]:5000") }, "to: not of the IP version of from"},
		{func(f *Flow) { f.Out = netip.MustParseAddrPort("[::ffff:192.0.2.1]:5000") }, "out: IPv4 address written as IPv6"},
		{func(f *Flow) { f.To = netip.MustParseAddrPort("224.0.0.5:5000") }, "to: not the address of one machine"},
		{func(f *Flow) { f.To = netip.MustParseAddrPort("0.0.0.0:5000") }, "to: not the address of one machine"},
		{func(f *Flow) {
			link := netip.MustParseAddrPort("[fe80::1%eth0]:5000")
			f.In, f.From, f.Out, f.To = link, link, link, link
		}, "from: address means nothing without its link"},
		{func(f *Flow) { f.Every = 0 }, "no packet-rate cap"},
		{func(f *Flow) { f.Burst = -1 }, "no packet-rate cap"},
		{func(f *Flow) { f.Every, f.Burst = time.Hour, math.MaxInt32 }, "packet-rate cap of centuries"},
		{func(f *Flow) { f.Types = [2]uint64{} }, "no payload type"},
		{func(f *Flow) { f.To = f.In }, "leads to itself"},
		{func(f *Flow) { f.Remap[7] = Remap{0, 128} }, "no payload type is above 127"},
		{func(f *Flow) { f.Remap[7] = Remap{0, 72} }, "payload type 72 looks like RTCP"},
	} {
		f := good()
		c.spoil(&f)
		if err := f.Validate(); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []Config{{Flows: -1}, {Flows: mostFlows + 1}, {RingBytes: -1}, {RingBytes: mostRing + 1}} {
		if c.validate() == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := (Config{Flows: mostFlows, RingBytes: mostRing}).validate(); err != nil {
		t.Error(err)
	}
}

func TestLost(t *testing.T) {
	for _, c := range []struct{ expected, unique, lost uint64 }{{10, 8, 2}, {10, 10, 0}, {8, 9, 0}} {
		counts := Counts{Expected: c.expected, Unique: c.unique}
		if got := counts.Lost(); got != c.lost {
			t.Errorf("%d of %d: lost %d, want %d", c.unique, c.expected, got, c.lost)
		}
	}
}
