package relay

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/dscp"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

const pbxSideIP, pbxSide6 = "10.9.0.1", "2001:db8:9::1"

// inHomes is inWorld with a second media address, named "pbx", and one that is
// IPv6 only, "six".
func inHomes(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, mediatest.Link{})
		pool, err := NewPool(Config{
			Address: relayIP, Ports: "20000-20019",
			Addresses: []Address{{Name: "pbx", Address: pbxSideIP, Address6: pbxSide6}, {Name: "six", Address: "2001:db8:6::1"}},
		}, w.net.Listen, silent())
		if err != nil {
			t.Fatal(err)
		}
		w.pool = pool
		w.caller = w.phone(sipperIP, 4000, 440)
		w.callee = w.phone(phoneIP, 5000, 1000)
		if w.relay, err = pool.NewRelay("call_1", func(n media.Notice) {}); err != nil {
			t.Fatal(err)
		}
		f(w)
		w.relay.Close()
		pool.Close()
		synctest.Wait()
		if n := pool.Stats(); n.Free != 10*4 || n.Quarantined != 0 {
			t.Errorf("after Close: %+v", n)
		}
	})
}

// told reads where a description of ours leads to.
func told(t *testing.T, body []byte, err error) netip.AddrPort {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	rtp, _ := d.Remote()
	return rtp
}

func at(name string) media.Source { return media.Source{Terms: media.Terms{Address: name}} }

// Each leg has its media at the address that its trunk names, and packets leave
// by the one that its party was told.
func TestEachTrunkAtItsAddress(t *testing.T) {
	inHomes(t, func(w *world) {
		if _, err := w.relay.Offer(media.Caller, w.caller.body(""), at("")); err != nil {
			t.Fatal(err)
		}
		offer, err := w.relay.Over(media.Callee, netip.MustParseAddr(phoneIP), at("pbx"))
		if w.callee.ours = told(t, offer, err); w.callee.ours.Addr().String() != pbxSideIP {
			t.Fatalf("the callee is told %v", w.callee.ours)
		}
		answer, err := w.relay.Answer(media.Callee, w.callee.body(""), at("pbx"))
		if w.caller.ours = told(t, answer, err); w.caller.ours.Addr().String() != relayIP {
			t.Fatalf("the caller is told %v", w.caller.ours)
		}
		w.sing(w.caller, 5)
		w.sing(w.callee, 5)
		if w.callee.rtp.Waiting() != 5 || w.caller.rtp.Waiting() != 5 {
			t.Errorf("%d and %d packets arrived", w.callee.rtp.Waiting(), w.caller.rtp.Waiting())
		}
		for p, ours := range map[*phone]string{w.caller: relayIP, w.callee: pbxSideIP} {
			buf := make([]byte, 1500)
			if _, from, err := read(p)(buf); err != nil || from != p.ours || from.Addr().String() != ours {
				t.Errorf("a packet came from %v, %v, not from what was told, %v", from, err, p.ours)
			}
		}
		again, err := w.relay.Reoffer(media.Callee, w.callee.body("a=sendonly\r\n"))
		if now := told(t, again, err); now != w.callee.ours {
			t.Errorf("a new offer is answered at %v", now)
		}
	})
}

func TestCallerAtAnAddressOfItsOwn(t *testing.T) {
	inHomes(t, func(w *world) {
		if _, err := w.relay.Offer(media.Caller, w.caller.body(""), at("pbx")); err != nil {
			t.Fatal(err)
		}
		offer, err := w.relay.Over(media.Callee, netip.MustParseAddr("2001:db8::5"), at("six"))
		if to := told(t, offer, err); to.Addr().String() != "2001:db8:6::1" {
			t.Errorf("the callee is told %v", to)
		}
		offer, err = w.relay.Over(media.Callee, netip.MustParseAddr(phoneIP), at("six")) // IPv6 is all that there is
		if to := told(t, offer, err); to.Addr().String() != "2001:db8:6::1" {
			t.Errorf("the callee is told %v", to)
		}
		if _, err := w.relay.Answer(media.Callee, w.callee.body(""), at("six")); !errors.Is(err, ErrFamily) {
			t.Errorf("an IPv4 answer to an address without IPv4: %v", err)
		}
		offer, err = w.relay.Over(media.Callee, netip.MustParseAddr(phoneIP), at(""))
		if to := told(t, offer, err); to.Addr().String() != relayIP {
			t.Errorf("the callee of the next attempt is told %v", to)
		}
		answer, err := w.relay.Answer(media.Callee, w.callee.body(""), at(""))
		if to := told(t, answer, err); to.Addr().String() != pbxSideIP {
			t.Errorf("the caller is told %v", to)
		}
	})
}

// Who takes a party's place comes by his own trunk's address, and the party
// before is sent from its own until then.
func TestSuccessorAtAnotherAddress(t *testing.T) {
	inHomes(t, func(w *world) {
		w.connectAt("", "")
		third := w.phone("10.3.0.1", 6000, 700)
		offer, err := w.relay.Invite(media.Callee, netip.MustParseAddr("10.3.0.1"), at("pbx"), nil)
		if third.ours = told(t, offer, err); third.ours.Addr().String() != pbxSideIP {
			t.Fatalf("the third is told %v", third.ours)
		}
		w.sing(w.caller, 1)
		if _, from, err := read(w.callee)(make([]byte, 1500)); err != nil || from.Addr().String() != relayIP {
			t.Errorf("before the change a packet comes from %v, %v", from, err)
		}
		if _, err := w.relay.Replace(media.Callee, third.body(""), at("pbx")); err != nil {
			t.Fatal(err)
		}
		w.sing(w.caller, 1)
		if _, from, err := read(third)(make([]byte, 1500)); err != nil || from != third.ours {
			t.Errorf("behind it one comes from %v, %v", from, err)
		}
		w.sing(third, 3)
		if n := w.caller.rtp.Waiting(); n != 3 {
			t.Errorf("%d packets of the third", n)
		}
	})
}

// read reads what came to a phone, with where it came from.
func read(p *phone) func([]byte) (int, netip.AddrPort, error) {
	return p.rtp.(*mediatest.Conn).ReadFromUDPAddrPort
}

func (w *world) connectAt(caller, callee string) {
	w.t.Helper()
	offer, err := w.relay.Offer(media.Caller, w.caller.body(""), at(caller))
	w.callee.ours = told(w.t, offer, err)
	answer, err := w.relay.Answer(media.Callee, w.callee.body(""), at(callee))
	w.caller.ours = told(w.t, answer, err)
}

func TestAddressFaults(t *testing.T) {
	c := Config{Address: relayIP, Ports: "20000-20019", DSCP: "loud", Addresses: []Address{
		{Name: "Carriers!", Address: "10.1.1.1"},
		{Name: "a", Address: "0.0.0.0"},
		{Name: "a", Address: "10.1.1.2", Address6: "10.1.1.3"},
		{Name: "b", Address: relayIP},
		{Name: "c"},
	}}
	var got []string
	c.Validate(func(path, msg string) { got = append(got, path+": "+msg) })
	for _, want := range []string{
		"addresses[0].name: is not a name", "addresses[1].advertise: is needed when address is 0.0.0.0",
		`addresses[2].name: "a" is another address too`, "addresses[2].address6: 10.1.1.3 is not an IPv6 address",
		"addresses[3].address: 10.0.0.1 is bound by another address already", `addresses[4].address: "" is not an IP address`,
		`dscp: "loud" is no DSCP`,
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%q is not said in %q", want, got)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d faults: %q", len(got), got)
	}
}

// Every socket of a call is marked, with its trunk's class when that has one.
func TestPacketsAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		conns := map[uint16]*mediatest.Conn{}
		p, err := NewPool(Config{Address: relayIP, Ports: "20000-20019"}, func(at netip.AddrPort) (net.PacketConn, error) {
			c, err := n.Dial(at)
			conns[at.Port()] = c
			return c, err
		}, silent())
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.NewRelay("call_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		for port, c := range conns {
			if c.Class() != dscp.Expedited {
				t.Errorf("port %d is marked %q", port, c.Class())
			}
		}
		af41, _ := dscp.Parse("af41")
		src := media.Source{Terms: media.Terms{DSCP: af41}}
		if _, err := r.Offer(media.Caller, []byte("c=IN IP4 10.1.0.1\nm=audio 4000 RTP/AVP 0\n"), src); err != nil {
			t.Fatal(err)
		}
		want := map[dscp.Class]int{af41: 2, dscp.Expedited: 2}
		for _, c := range conns {
			want[c.Class()]--
		}
		if want[af41] != 0 || want[dscp.Expedited] != 0 || conns[r.legs[0].pair.port].Class() != af41 {
			t.Errorf("marks are off by %v", want)
		}
		time.Sleep(time.Second)
		p.Close()
	})
}
