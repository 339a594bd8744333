package relay

import (
	"net/netip"
	"testing"
	"time"
)

const ms = int64(time.Millisecond)

var (
	described = endpointOf(netip.MustParseAddrPort("10.2.0.1:5000"))
	otherPort = endpointOf(netip.MustParseAddrPort("10.2.0.1:6000"))
	thirdPort = endpointOf(netip.MustParseAddrPort("10.2.0.1:7000"))
	natted    = endpointOf(netip.MustParseAddrPort("192.0.2.7:31000"))
	rival     = endpointOf(netip.MustParseAddrPort("192.0.2.8:31000"))
	stranger  = endpointOf(netip.MustParseAddrPort("198.51.100.9:5000"))
	trunk     = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	both      = append([]netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}, trunk...)
)

// arrival is one packet at a source.
type arrival struct {
	from endpoint
	at   int64 // ms
	seq  uint16
	ssrc uint32
	pt   uint8
	want bool
}

// stream is n packets, 20 ms apart, of which those from index ok on are accepted.
func stream(from endpoint, at int64, seq uint16, n, ok int) (all []arrival) {
	for i := range n {
		all = append(all, arrival{from, at + int64(i)*20, seq + uint16(i), 1, 0, i >= ok})
	}
	return all
}

func join(parts ...[]arrival) (all []arrival) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestSource(t *testing.T) {
	for _, c := range []struct {
		name     string
		latch    bool
		allow    []netip.Prefix
		arrivals []arrival
		target   endpoint
	}{
		{"strict: the description", false, nil, stream(described, 0, 1, 3, 0), described},
		{"strict: a stranger", false, nil, stream(stranger, 0, 1, 20, 20), described},
		{"strict: its port is learnt once, and is not sent to", false, nil,
			join(stream(otherPort, 0, 1, 2, 0), stream(thirdPort, 50, 1, 20, 20), stream(otherPort, 900, 9, 1, 0)), described},
		{"strict: the described port wins at any time", false, nil,
			join(stream(otherPort, 0, 1, 2, 0), stream(described, 9000, 1, 1, 0), stream(otherPort, 9100, 3, 5, 5)), described},
		{"strict: no other port after the described one", false, nil,
			join(stream(described, 0, 1, 1, 0), stream(otherPort, 20, 1, 20, 20)), described},
		{"strict with a trunk's range", false, both,
			join(stream(natted, 0, 1, 2, 0), stream(rival, 50, 1, 20, 20), stream(stranger, 60, 1, 5, 5)), described},
		{"latch: after five in sequence over 80 ms", true, nil, stream(natted, 0, 65534, 9, 4), natted},
		{"latch: five at once are not enough", true, nil, []arrival{
			{natted, 0, 1, 1, 0, false}, {natted, 1, 2, 1, 0, false}, {natted, 2, 3, 1, 0, false}, {natted, 3, 4, 1, 0, false},
			{natted, 4, 5, 1, 0, false}, {natted, 79, 6, 1, 0, false}, {natted, 80, 7, 1, 0, true}}, natted},
		{"latch: a gap begins again", true, nil, join(stream(natted, 0, 1, 4, 4), stream(natted, 100, 9, 6, 4)), natted},
		{"latch: another SSRC begins again", true, nil, []arrival{
			{natted, 0, 1, 1, 0, false}, {natted, 20, 2, 1, 0, false}, {natted, 40, 3, 1, 0, false}, {natted, 60, 4, 1, 0, false},
			{natted, 80, 5, 2, 0, false}, {natted, 100, 6, 1, 0, false}}, described},
		{"latch: a payload type nobody named", true, nil, []arrival{
			{natted, 0, 1, 1, 9, false}, {natted, 20, 2, 1, 9, false}, {natted, 40, 3, 1, 9, false}, {natted, 60, 4, 1, 9, false},
			{natted, 80, 5, 1, 9, false}, {natted, 100, 6, 1, 9, false}}, described},
		{"latch: streams that compete block each other", true, nil, []arrival{
			{natted, 0, 1, 1, 0, false}, {rival, 10, 1, 2, 0, false}, {natted, 20, 2, 1, 0, false}, {rival, 30, 2, 2, 0, false},
			{natted, 40, 3, 1, 0, false}, {rival, 50, 3, 2, 0, false}, {natted, 60, 4, 1, 0, false}, {rival, 70, 4, 2, 0, false},
			{natted, 80, 5, 1, 0, false}, {rival, 90, 5, 2, 0, false}, {natted, 100, 6, 1, 0, false}, {rival, 110, 6, 2, 0, false}}, described},
		{"latch: the described source wins at once, also late", true, nil,
			join(stream(natted, 0, 1, 3, 3), stream(described, 2990, 1, 2, 0), stream(natted, 3040, 4, 9, 9)), described},
		{"latch: it takes over within 3 s", true, nil,
			join(stream(natted, 0, 1, 5, 4), stream(described, 2900, 1, 1, 0), stream(natted, 2960, 6, 5, 5)), described},
		{"latch: locked after that", true, nil,
			join(stream(natted, 0, 1, 5, 4), stream(described, 3100, 1, 5, 5), stream(rival, 3200, 1, 20, 20), stream(natted, 3600, 6, 5, 0)), natted},
		{"latch: nobody takes over from a source that sends", true, nil,
			join(stream(natted, 0, 1, 5, 4), []arrival{
				{rival, 100, 1, 2, 0, false}, {natted, 110, 6, 1, 0, true}, {rival, 120, 2, 2, 0, false}, {natted, 130, 7, 1, 0, true},
				{rival, 140, 3, 2, 0, false}, {natted, 150, 8, 1, 0, true}, {rival, 160, 4, 2, 0, false}, {natted, 170, 9, 1, 0, true},
				{rival, 180, 5, 2, 0, false}, {rival, 200, 6, 2, 0, false}, {rival, 220, 7, 2, 0, false}, {natted, 230, 10, 1, 0, true}}), natted},
		{"latch in a trunk's range: a stranger never", true, trunk, stream(stranger, 0, 1, 50, 50), endpoint{}},
		{"latch in a trunk's range: the description is outside and gets nothing", true, trunk, stream(described, 0, 1, 50, 50), endpoint{}},
		{"latch in a trunk's range: learnt inside", true, trunk, stream(natted, 0, 1, 5, 4), natted},
	} {
		var s source
		s.negotiate(described, c.latch, c.allow, [2]uint64{1}, 0)
		for i, a := range c.arrivals {
			may := s.may(a.from, a.at*ms)
			got := s.accept(a.from, &header{pt: a.pt, seq: a.seq, ssrc: a.ssrc}, a.at*ms)
			if got && !may {
				t.Errorf("packet %d is accepted from where none may come", i)
			}
			if got != a.want {
				t.Errorf("%s: packet %d from %v accepted: %v", c.name, i, a.from.addrPort(), got)
			}
		}
		if got := s.target(); got != c.target {
			t.Errorf("%s: sends to %v", c.name, got.addrPort())
		}
	}
}

func TestNegotiationKeepsOrForgets(t *testing.T) {
	locked := func() source {
		var s source
		s.negotiate(described, true, nil, [2]uint64{1}, 0)
		for _, a := range stream(natted, 0, 1, 5, 4) {
			s.accept(a.from, &header{seq: a.seq, ssrc: a.ssrc}, a.at*ms)
		}
		return s
	}
	for name, c := range map[string]struct {
		exact endpoint
		latch bool
		allow []netip.Prefix
		keeps bool
	}{
		"the same":        {described, true, nil, true},
		"another port":    {otherPort, true, nil, false},
		"another rule":    {described, false, nil, false},
		"another network": {described, true, trunk, false},
	} {
		s := locked()
		s.negotiate(c.exact, c.latch, c.allow, [2]uint64{1}, 9000*ms)
		if kept := s.locked == natted; kept != c.keeps {
			t.Errorf("%s: kept %v", name, kept)
		}
	}
	// A refresh opens the window again, for a source that has gone silent only.
	s := locked()
	s.negotiate(described, true, nil, [2]uint64{1}, 9000*ms)
	for i, a := range stream(rival, 9010, 1, 6, 4) {
		if got := s.accept(a.from, &header{seq: a.seq, ssrc: a.ssrc}, a.at*ms); got != a.want {
			t.Errorf("after a refresh, packet %d: %v", i, got)
		}
	}
}

func TestSourceBeforeAnyDescription(t *testing.T) {
	var s source
	for _, from := range []endpoint{described, {}} { // the zero one: a conn that could not say
		if s.accept(from, &header{}, 0) {
			t.Errorf("accepted a packet from %v", from.addrPort())
		}
	}
	if !s.target().isZero() {
		t.Errorf("sends to %v", s.target().addrPort())
	}
}

func TestEndpoint(t *testing.T) {
	for _, text := range []string{"192.0.2.1:5000", "[2001:db8::1]:5000"} {
		a := netip.MustParseAddrPort(text)
		if got := endpointOf(a).addrPort(); got != a {
			t.Errorf("%v became %v", a, got)
		}
	}
	if !endpointOf(netip.AddrPort{}).isZero() {
		t.Error("no address is an endpoint")
	}
	if n := endpointOf(netip.MustParseAddrPort("192.0.2.1:65535")).next(); !n.isZero() {
		t.Errorf("the port after 65535 is %v", n)
	}
}

func TestRate(t *testing.T) {
	var b bucket
	every := interval()
	if every != 5*ms {
		t.Fatalf("one packet each %v", time.Duration(every))
	}
	passed := 0
	for i := range int64(50_000) { // 50,000 packets in a second
		if b.take(i*ms/50, every) {
			passed++
		}
	}
	if passed < 295 || passed > 301 {
		t.Errorf("%d of 50,000 passed", passed)
	}
	if b.take(1000*ms, every) {
		t.Error("full, and takes one more")
	}
	if !b.take(1005*ms, every) {
		t.Error("still full after an interval")
	}
	b = bucket{}
	for i := range int64(10_000) {
		if !b.take(i*20*ms, every) {
			t.Fatalf("packet %d of a normal stream was capped", i)
		}
	}
	for range 50 { // a second that stood still comes at once
		if !b.take(10_000*20*ms+1000*ms, every) {
			t.Fatal("a burst of a second was capped")
		}
	}
	for _, c := range []struct {
		want  int64
		times []time.Duration
	}{
		{5 * ms, nil},
		{5 * ms, []time.Duration{0, 60 * time.Millisecond}},
		{5 * ms / 2, []time.Duration{10 * time.Millisecond, 20 * time.Millisecond}},
		{5 * ms / 4, []time.Duration{1, 0}},
	} {
		if got := interval(c.times...); got != c.want {
			t.Errorf("packet times %v: one each %v", c.times, time.Duration(got))
		}
	}
}
