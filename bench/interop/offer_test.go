//go:build interop

package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// scene is a sipp at each end of one call through a node.
type scene struct {
	net                int // third byte of the addresses
	carrier, pbx       string
	trunks, to, source string // see plan
}

// play runs a scene and returns the call's events. sipp judges what it is sent:
// its scenarios hold our descriptions against what must stand there.
func (s scene) play(t *testing.T) (*node, *story) {
	t.Helper()
	host := fmt.Sprintf("127.0.%d", s.net)
	agent := freePort(t, host+".3")
	fill := strings.NewReplacer("AGENT", agent, "HOST", host+".3").Replace
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: agent, Trunks: fill(s.trunks), To: s.to})
	n.start(t)
	dir := sippDir(t)
	uas := sipp(t, dir, s.pbx, host+".3", agent, "-t", "u1", "-m", "1")
	uac := sipp(t, dir, s.carrier, host+".2", freePort(t, host+".2"), "-t", "u1", "-m", "1", n.SIP)
	if code := uac.code(t, time.Minute); code != 0 {
		t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
	}
	if code := uas.code(t, time.Minute); code != 0 {
		t.Errorf("sipp as PBX: exit %d; it said\n%s", code, uas.out.tail())
	}
	return n, n.settled(t, 1)[0]
}

// TestDelayedOffer: either side, or both, leave the offer to the other
// (RFC 3261 13.2.1).
func TestDelayedOffer(t *testing.T) {
	const offers = `  - {id: pbx, targets: [{uri: "sip:AGENT"}], delayed_offer: true, number_format: {country: NO}, sources: [HOST]}` + "\n"
	const throughIt = `{number: "+4722000001", trunk: pbx}`
	t.Run("the caller makes none", func(t *testing.T) {
		n, s := scene{net: 131, carrier: "carrier_delayed.xml", pbx: "destination.xml"}.play(t)
		talked(t, n, s)
	})
	t.Run("the destination makes it", func(t *testing.T) {
		n, s := scene{net: 132, carrier: "carrier.xml", pbx: "destination_offers.xml", trunks: offers, to: throughIt}.play(t)
		talked(t, n, s)
	})
	t.Run("it goes from the destination to the caller", func(t *testing.T) {
		n, s := scene{net: 133, carrier: "carrier_delayed.xml", pbx: "destination_offers.xml", trunks: offers, to: throughIt}.play(t)
		talked(t, n, s)
	})
	t.Run("the caller never answers it", func(t *testing.T) {
		n, s := scene{net: 134, carrier: "carrier_mute.xml", pbx: "destination.xml"}.play(t)
		s.whole(t)
		if end := s.last("call.ended"); end.Status != "failed" || end.BillableMS != 0 || end.BridgedAt.IsZero() {
			t.Errorf("end %+v", end)
		}
		n.stop(t)
	})
}

// talked wants a call whose two tones are in its recording.
func talked(t *testing.T, n *node, s *story) {
	t.Helper()
	s.completed(t)
	end := s.last("call.ended")
	if end.BillableMS < 2500 || end.Media.Caller.Packets < 100 || end.Media.Callee.Packets < 100 {
		t.Errorf("billed %d ms, %d packets of the caller, %d of the callee", end.BillableMS, end.Media.Caller.Packets, end.Media.Callee.Packets)
	}
	var f figures
	f.listen(t, n, s, filepath.Join(t.TempDir(), "out.wav"), end.TalkMS)
	n.stop(t)
}

// TestHoldAndResume: new style and old style from either side. sipp holds our
// answers against RFC 3264 6.1, the events tell of each hold.
func TestHoldAndResume(t *testing.T) {
	for _, c := range []struct {
		scene
		party       string
		holds       int
		least, most int64
	}{
		{scene{net: 135, carrier: "carrier_holds.xml", pbx: "destination.xml"}, "caller", 3, 1800, 2400},
		{scene{net: 136, carrier: "carrier.xml", pbx: "destination_holds.xml"}, "callee", 2, 1200, 1700},
	} {
		t.Run("of the "+c.party, func(t *testing.T) {
			n, s := c.play(t)
			s.completed(t)
			held, resumed := s.count("call.held"), s.count("call.resumed")
			if held != c.holds || resumed != c.holds || s.last("call.held").Party != c.party {
				t.Errorf("held %d times by the %s, resumed %d times", held, s.last("call.held").Party, resumed)
			}
			end := s.last("call.ended")
			if end.HoldMS < c.least || end.HoldMS > c.most {
				t.Errorf("held for %d ms, want %d to %d", end.HoldMS, c.least, c.most)
			}
			if end.Media.Caller.Drops["direction"]+end.Media.Callee.Drops["direction"] == 0 {
				t.Errorf("nothing was kept from who held: %+v", end.Media)
			}
			channels := n.export(t, s, filepath.Join(t.TempDir(), "held.wav"))
			if len(channels) != 2 || ms(channels[0]) < end.TalkMS-60 || ms(channels[0]) > end.TalkMS+60 {
				t.Errorf("%d channels, %d ms of %d ms talked", len(channels), ms(channels[0]), end.TalkMS)
			}
			n.stop(t)
		})
	}
}

// TestRenegotiation: a codec that was not agreed on is asked of the PBX; what it
// refuses leaves the call up as it was; audio taken out by port 0 comes back; a
// re-INVITE without an offer gets ours.
func TestRenegotiation(t *testing.T) {
	n, s := scene{net: 137, carrier: "carrier_renegotiates.xml", pbx: "destination_chooses.xml"}.play(t)
	s.completed(t)
	if end := s.last("call.ended"); end.EndedBy != "caller" || s.count("call.held") != 1 || s.count("call.resumed") != 1 {
		t.Errorf("ended by %s, held %d times, resumed %d times", end.EndedBy, s.count("call.held"), s.count("call.resumed"))
	}
	n.stop(t)
}

// TestGlare: both sides change the codec at the same moment, and each refuses
// the other's offer with 491 while its own is out. The caller's is made again
// after 2.1 to 4 s (we own the Call-ID of the other leg), and is agreed on.
func TestGlare(t *testing.T) {
	n := newNode(t, plan{Host: "127.0.138.1", Sources: "127.0.138.2", Agent: freePort(t, "127.0.138.3")})
	n.start(t)
	p := newPair(t, n, "127.0.138.2", siptest.PCMA, siptest.Noise(1))
	c := p.call(t, siptest.CallOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	var asked atomic.Int32
	crossed := make(chan int, 1)
	c.b.OnOffer(func(m *siptest.Message) (int, []byte) {
		if asked.Add(1) > 1 {
			return 200, withCodec(t, p.callee, 0)
		}
		go func() { // the callee's own offer, while ours to it is out
			r, err := c.b.Request(ctx, "INVITE", withCodec(t, p.callee, 9))
			if err != nil {
				t.Errorf("the callee's offer: %v", err)
				crossed <- 0
				return
			}
			crossed <- r.Status
		}()
		return 491, nil
	})
	begun := time.Now()
	r, err := c.a.Request(ctx, "INVITE", withCodec(t, p.caller, 0))
	took := time.Since(begun)
	if err != nil || r.Status != 200 || !bytes.Contains(r.Body, []byte("RTP/AVP 0")) {
		t.Fatalf("the caller's offer: %v, %+v", err, r)
	}
	if took < 2100*time.Millisecond || took > 4200*time.Millisecond {
		t.Errorf("agreed after %v", took)
	}
	if status := <-crossed; status != 491 {
		t.Errorf("the callee's offer got %d", status)
	}
	if k := asked.Load(); k != 2 {
		t.Errorf("the callee was asked %d times", k)
	}
	c.hear(t, 10)
	c.hangup(t)
	n.settled(t, 1)[0].completed(t)
	n.stop(t)
}

// withCodec is a description of a phone with one other codec.
func withCodec(t *testing.T, p *siptest.Phone, pt int) []byte {
	t.Helper()
	return described(net.UDPAddrFromAddrPort(p.MediaAddr()), fmt.Sprint(pt))
}

func described(at *net.UDPAddr, codecs string) []byte {
	return fmt.Appendf(nil, "v=0\r\no=phone 7 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\n",
		time.Now().UnixNano(), at.IP, at.IP, at.Port, codecs)
}

// TestMovedMedia: either side moves its media to another port by a re-INVITE; RTP
// follows at once and nothing goes to the old place any more.
func TestMovedMedia(t *testing.T) {
	n := newNode(t, plan{Host: "127.0.139.1", Sources: "127.0.139.2", Agent: freePort(t, "127.0.139.3")})
	n.start(t)
	p := newPair(t, n, "127.0.139.2", siptest.PCMA, siptest.Noise(1))
	c := p.call(t, siptest.CallOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for name, d := range map[string]*siptest.Dialog{"caller": c.a, "callee": c.b} {
		host := map[string]string{"caller": "127.0.139.2:0", "callee": "127.0.139.3:0"}[name]
		place := listenUDP(t, host)
		defer place.Close()
		r, err := d.Request(ctx, "INVITE", described(place.LocalAddr().(*net.UDPAddr), "8"))
		if err != nil || r.Status != 200 {
			t.Fatalf("the %s moves: %v, %+v", name, err, r)
		}
		answered := time.Now()
		before := d.Heard().Packets
		buf := make([]byte, 2048)
		place.SetReadDeadline(time.Now().Add(limit))
		if k, _, err := place.ReadFrom(buf); err != nil || k != 172 {
			t.Errorf("at the new place of the %s: %d bytes, %v", name, k, err)
		}
		if took := time.Since(answered); took > 200*time.Millisecond {
			t.Errorf("the first packet came to the new place of the %s after %v", name, took)
		}
		for range 25 {
			if _, _, err := place.ReadFrom(buf); err != nil {
				t.Fatalf("at the new place of the %s: %v", name, err)
			}
		}
		if more := d.Heard().Packets - before; more > 2 { // those under way
			t.Errorf("%d packets went to the old place of the %s", more, name)
		}
	}
	c.hangup(t)
	n.settled(t, 1)
	n.stop(t)
}

// TestPhoneHolds has baresip hold and resume through Ringdown, as destination
// and as caller, with the other side looking on.
func TestPhoneHolds(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newNode(t, plan{Host: nodeIP, Sources: callerIP, Agent: calleeIP + ":5060",
		SIP: nodeIP + ":5060", HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222"})
	n.inside = within(w.hub, "--net")
	n.start(t)
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 60))
	callee.start(t)
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 60))
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	for _, who := range []struct {
		party string
		phone *softphone
	}{{"callee", callee}, {"caller", caller}} {
		for _, order := range []struct{ command, event string }{{"hold", "call.held"}, {"resume", "call.resumed"}} {
			before := count(n.stories(t), order.event)
			who.phone.do(t, order.command)
			eventually(t, limit, order.event+" of the "+who.party, func() bool { return count(n.stories(t), order.event) == before+1 })
			time.Sleep(500 * time.Millisecond) // on hold, or talking again
		}
		if s := n.stories(t)[0]; s.last("call.resumed").Party != who.party {
			t.Errorf("resumed by the %s, want the %s", s.last("call.resumed").Party, who.party)
		}
	}
	caller.do(t, "hangup")
	s := n.settled(t, 1)[0]
	s.completed(t)
	if end := s.last("call.ended"); end.HoldMS < 1000 || end.HoldMS > 5000 || end.EndedBy != "caller" {
		t.Errorf("held for %d ms, ended by %s", end.HoldMS, end.EndedBy)
	}
	if channels := n.export(t, s, filepath.Join(dir, "held.wav")); len(channels) != 2 || ms(channels[0]) < s.last("call.ended").TalkMS-60 {
		t.Errorf("recording of %d channels, %d ms", len(channels), ms(channels[0]))
	}
	n.stop(t)
}

func count(all []*story, kind string) int {
	if len(all) == 0 {
		return 0
	}
	return all[0].count(kind)
}
