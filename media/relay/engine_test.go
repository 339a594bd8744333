package relay

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// The real sockets of this machine, both families where it has them.
func TestRealSockets(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			phones := [2]*net.UDPConn{}
			for i := range phones {
				c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
				if err != nil {
					t.Skipf("no %s here: %v", host, err)
				}
				defer c.Close()
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				phones[i] = c
			}
			p, err := NewPool(Config{Address: host, Ports: "42000-42199", Engine: enginePortable}, nil, silent())
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			r, err := p.NewRelay("call_1", nil)
			if err != nil {
				t.Fatal(err)
			}
			body := func(c *net.UDPConn) []byte {
				at := c.LocalAddr().(*net.UDPAddr).AddrPort()
				return []byte("c=IN IP4 " + at.Addr().String() + "\nm=audio " + portText(at) + " RTP/AVP 0\n")
			}
			if _, err := r.Offer(media.Caller, body(phones[0]), media.Source{}); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Answer(media.Callee, body(phones[1]), media.Source{}); err != nil {
				t.Fatal(err)
			}
			to := netip.AddrPortFrom(netip.MustParseAddr(host), r.legs[0].pair.port)
			tone := mediatest.Tone{Hz: 440}
			for range 20 {
				sent := tone.Next()
				if _, err := phones[0].WriteToUDPAddrPort(sent, to); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, 1500)
				n, from, err := phones[1].ReadFromUDPAddrPort(got)
				if err != nil || !bytes.Equal(got[:n], sent) {
					t.Fatalf("got %d bytes: %v", n, err)
				}
				if from.Port() != r.legs[1].pair.port {
					t.Fatalf("came from %v", from)
				}
			}
			if s := r.Close(); s.Caller.Packets != 20 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func portText(a netip.AddrPort) string {
	return strings.TrimPrefix(a.String()[strings.LastIndexByte(a.String(), ':'):], ":")
}

// plainConn hides the methods that take an AddrPort.
type plainConn struct{ net.PacketConn }

func TestPlainPacketConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		p, err := NewPool(Config{Address: relayIP}, func(at netip.AddrPort) (net.PacketConn, error) {
			c, err := n.Listen(at)
			return plainConn{c}, err
		}, silent())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		w := worldOn(t, n)
		w.pool = p
		w.caller, w.callee = w.phone(sipperIP, 4000, 440), w.phone(phoneIP, 5000, 1000)
		if w.relay, err = p.NewRelay("call_1", nil); err != nil {
			t.Fatal(err)
		}
		w.connect(media.Source{}, media.Source{})
		if sent := w.sing(w.caller, 5); !equal(w.callee.rtp.Drain(), sent) {
			t.Error("the callee did not get what was sent")
		}
	})
}

// nowhere is a conn whose packets come from something that is not UDP.
type nowhere struct{ *mediatest.Conn }

func (n nowhere) ReadFrom(b []byte) (int, net.Addr, error) {
	k, _, err := n.Conn.ReadFrom(b)
	return k, &net.UnixAddr{Name: "x"}, err
}

func TestSourceThatIsNotUDP(t *testing.T) {
	a, err := mediatest.NewNetwork(1, mediatest.Link{}).Dial(netip.MustParseAddrPort("10.0.0.1:4000"))
	if err != nil {
		t.Fatal(err)
	}
	a.WriteTo([]byte("x"), a.LocalAddr())
	n, from, err := generic{nowhere{a}}.ReadFromUDPAddrPort(make([]byte, 9))
	if n != 1 || err != nil || from.IsValid() || !endpointOf(from).isZero() {
		t.Errorf("%d bytes from %v: %v", n, from, err)
	}
	a.Close()
	if _, _, err := (generic{nowhere{a}}).ReadFromUDPAddrPort(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// badTap panics at each packet of the caller.
type badTap struct{ media.Tap }

func (b badTap) Packet(p media.Packet) {
	if p.Side == media.Caller {
		panic("bad tap")
	}
	b.Tap.Packet(p)
}

func TestPanicOfTheTapCostsOnePacket(t *testing.T) {
	inEngine(t, "portable", mediatest.Link{}, func(w *world) {
		var log bytes.Buffer
		w.pool.engine.log = slog.New(slog.NewTextHandler(&log, nil))
		w.connect(media.Source{}, media.Source{})
		w.relay.Tap(badTap{newListener(t)})
		w.sing(w.caller, 3)
		w.sing(w.callee, 4)
		w.relay.Tap(nil)
		w.sing(w.caller, 5)
		if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 4 || b != 5 {
			t.Errorf("caller got %d, callee %d", a, b)
		}
		if n := w.pool.Stats().Panics; n != 3 {
			t.Errorf("%d panics counted", n)
		}
		if got := strings.Count(log.String(), "bad tap"); got != 1 || !strings.Contains(log.String(), "call=call_1") {
			t.Errorf("logged %d times:\n%s", got, log.String())
		}
		w.pool.engine.panics.Store(0) // for the check at the end of every world
	})
}

// sore fails to send, or to read.
type sore struct {
	*mediatest.Conn
	read, write error
}

func (s sore) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if s.read != nil {
		return 0, netip.AddrPort{}, s.read
	}
	return s.Conn.ReadFromUDPAddrPort(b)
}

func (s sore) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.write != nil {
		return 0, s.write
	}
	return s.Conn.WriteToUDPAddrPort(b, to)
}

func TestSendFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		p, err := NewPool(Config{Address: relayIP}, func(at netip.AddrPort) (net.PacketConn, error) {
			c, err := n.Dial(at)
			return sore{Conn: c, write: errors.New("no buffer space")}, err
		}, silent())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		w := worldOn(t, n)
		w.pool = p
		w.caller, w.callee = w.phone(sipperIP, 4000, 440), w.phone(phoneIP, 5000, 1000)
		if w.relay, err = p.NewRelay("call_1", nil); err != nil {
			t.Fatal(err)
		}
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 3)
		w.caller.rtcp.WriteToUDPAddrPort(report(), w.caller.ours0(1))
		synctest.Wait()
		f := w.relay.Close().Caller
		wantDrops(t, f, map[media.Drop]uint64{media.DropSend: 3})
		if f.Packets != 0 || f.RTCP != 1 || f.Bytes != 0 || f.First.IsZero() {
			t.Errorf("%+v", f)
		}
	})
}

func TestSocketThatOnlyFailsIsGivenUp(t *testing.T) {
	var log bytes.Buffer
	e := engine{log: slog.New(slog.NewTextHandler(&log, nil))}
	c, err := mediatest.NewNetwork(1, mediatest.Link{}).Dial(netip.MustParseAddrPort("10.0.0.1:4000"))
	if err != nil {
		t.Fatal(err)
	}
	s := e.open(sore{Conn: c, read: errors.New("broken")}, (*resting)(&pair{}), 0)
	<-s.line.(*reader).done
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	s.close()
	s.close()
}
