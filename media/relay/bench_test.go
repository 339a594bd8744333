package relay

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// sink takes what is written and never has anything to read.
type sink struct {
	net.PacketConn
	closed chan struct{}
}

func (s sink) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-s.closed
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (s sink) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }

func (s sink) Close() error { close(s.closed); return nil }

// deaf is a tap as cheap as can be.
type deaf struct{ bytes int }

func (*deaf) Formats(media.Side, []media.Format) {}

func (d *deaf) Packet(p media.Packet) { d.bytes += len(p.Payload) }

// path is a call that stands, and one packet of its caller.
func path(tb testing.TB) (r *Relay, in *socket, pkt []byte, src netip.AddrPort) {
	p, err := NewPool(Config{Address: "10.0.0.1"}, func(netip.AddrPort) (net.PacketConn, error) {
		return sink{closed: make(chan struct{})}, nil
	}, silent())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	if r, err = p.NewRelay("call_1", nil); err != nil {
		tb.Fatal(err)
	}
	if _, err := r.Offer(media.Caller, []byte("c=IN IP4 10.1.0.1\nm=audio 4000 RTP/AVP 0\n"), media.Source{}); err != nil {
		tb.Fatal(err)
	}
	if _, err := r.Answer(media.Callee, []byte("c=IN IP4 10.2.0.1\nm=audio 5000 RTP/AVP 0\n"), media.Source{}); err != nil {
		tb.Fatal(err)
	}
	tone := mediatest.Tone{Hz: 440}
	return r, r.legs[0].pair.rtp, tone.Next(), netip.MustParseAddrPort("10.1.0.1:4000")
}

func TestForwardDoesNotAllocate(t *testing.T) {
	for name, tap := range map[string]media.Tap{"bare": nil, "tapped": &deaf{}} {
		r, in, pkt, src := path(t)
		r.Tap(tap)
		at := time.Now()
		const runs = 1000
		n := testing.AllocsPerRun(runs, func() {
			at = at.Add(mediatest.Frame)
			in.deliver(pkt, src, at)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
		if f := r.Close().Caller; f.Packets != runs+1 { // and one to warm up
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for name, tap := range map[string]media.Tap{"bare": nil, "tapped": &deaf{}} {
		b.Run(name, func(b *testing.B) {
			r, in, pkt, src := path(b)
			r.Tap(tap)
			b.ReportAllocs()
			at := time.Now()
			for b.Loop() {
				at = at.Add(mediatest.Frame)
				in.deliver(pkt, src, at)
			}
			if f := r.Close().Caller; f.Packets == 0 || f.Drops != [media.DropCount]uint64{} {
				b.Errorf("%+v", f)
			}
		})
	}
}

// A stranger's packet must cost less than a friend's.
func BenchmarkStranger(b *testing.B) {
	_, in, pkt, _ := path(b)
	src, at := netip.MustParseAddrPort("198.51.100.1:4000"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		in.deliver(pkt, src, at)
	}
}

// BenchmarkForwardMany is BenchmarkForward in a thousand calls by turns, whose
// state does not fit the processor's own caches.
func BenchmarkForwardMany(b *testing.B) {
	const calls = 1000
	p, err := NewPool(Config{Address: "10.0.0.1", Ports: "20000-29999"}, func(netip.AddrPort) (net.PacketConn, error) {
		return sink{closed: make(chan struct{})}, nil
	}, silent())
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	var in [2 * calls]*socket
	for i := range calls {
		r, err := p.NewRelay("call", nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Offer(media.Caller, []byte("c=IN IP4 10.1.0.1\nm=audio 4000 RTP/AVP 0\n"), media.Source{}); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Answer(media.Callee, []byte("c=IN IP4 10.2.0.1\nm=audio 5000 RTP/AVP 0\n"), media.Source{}); err != nil {
			b.Fatal(err)
		}
		in[2*i], in[2*i+1] = r.legs[0].pair.rtp, r.legs[1].pair.rtp
	}
	tone := mediatest.Tone{Hz: 440}
	pkt := tone.Next()
	src := [2]netip.AddrPort{netip.MustParseAddrPort("10.1.0.1:4000"), netip.MustParseAddrPort("10.2.0.1:5000")}
	b.ReportAllocs()
	at, i := time.Now(), 0
	for b.Loop() {
		if i++; i == 2*calls {
			i, at = 0, at.Add(mediatest.Frame)
		}
		in[i*769%(2*calls)].deliver(pkt, src[i*769%(2*calls)&1], at)
	}
	if s := p.Stats(); s.Drops != [media.DropCount]uint64{} || s.RTP == 0 {
		b.Errorf("%+v", s)
	}
}
