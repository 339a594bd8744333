package sip

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/routing"
)

func address(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n)+172<<24)
	return netip.AddrFrom4(b)
}

func newTestDoor(c Config) (*door, *[]banned) {
	c.Defaults()
	var told []banned
	d := newDoor(trunks, c)
	d.told = func(b banned) { told = append(told, b) }
	return d, &told
}

// Bans begin after so many messages, last longer each time, and end.
func TestBansGrowAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, told := newTestDoor(Config{Bans: Bans{After: 3, First: 10 * time.Minute, Longest: time.Hour}})
		src := netip.MustParseAddr("10.9.9.9")
		n := 0
		knock := func() string {
			n++
			_, _, reason := d.admit(src, fmt.Appendf(nil, "REGISTER sip:x SIP/2.0\r\nCSeq: %d\r\n", n))
			return reason
		}
		for i, length := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour} {
			for range 3 {
				if r := knock(); r != "unknown-source" {
					t.Errorf("ban %d: %s before", i, r)
				}
			}
			if len(*told) != i+1 || time.Until((*told)[i].until) != length || (*told)[i].count != i+1 || (*told)[i].why != banScan {
				t.Fatalf("%+v", *told)
			}
			if total, live := d.banStats(); total != uint64(i+1) || live != 1 {
				t.Errorf("%d bans, %d live", total, live)
			}
			time.Sleep(length - time.Nanosecond)
			if r := knock(); r != "banned" {
				t.Errorf("ban %d: %s at its end", i, r)
			}
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Hour + time.Second) // as long as the longest: forgotten
		for range 3 {
			knock()
		}
		if b := (*told)[len(*told)-1]; b.count != 1 || time.Until(b.until) != 10*time.Minute {
			t.Errorf("%+v", b)
		}
	})
}

// What is slow, or one message many times over, is no scan.
func TestStrikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, told := newTestDoor(Config{Bans: Bans{After: 3}})
		src := netip.MustParseAddr("10.9.9.9")
		for i := range 20 {
			d.admit(src, fmt.Appendf(nil, "REGISTER sip:%d SIP/2.0\r\n", i))
			time.Sleep(31 * time.Second)
		}
		for range 100 { // retransmissions
			d.admit(src, []byte("INVITE sip:a SIP/2.0\r\n"))
		}
		if len(*told) != 0 {
			t.Errorf("%+v", *told)
		}
		v6 := netip.MustParseAddr("2001:db8:1:2::")
		for i := range 3 { // addresses of one household
			b := v6.As16()
			b[15] = byte(i)
			d.admit(netip.AddrFrom16(b), fmt.Appendf(nil, "X %d", i))
		}
		if len(*told) != 1 || (*told)[0].addr != v6 {
			t.Errorf("%+v", *told)
		}
	})
}

// No address of a trunk, none that we talk to and none that has proven itself
// is banned, whoever writes under it (UDP).
func TestKnownAddressesAreNeverBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, told := newTestDoor(Config{})
		callee, pbx, carrier := netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.1.0.1")
		d.expect(callee)
		d.prove(pbx, "pbx")
		for i := range 100 {
			msg := fmt.Appendf(nil, "\x00%d", i)
			for _, a := range []netip.Addr{callee, pbx, carrier} {
				d.strike("udp", a, msg, banMalformed)
				if a, _, reason := d.admit(a, msg); a != admitted {
					t.Fatal(reason)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if len(*told) != 0 {
			t.Errorf("%+v", *told)
		}
		time.Sleep(provenFor)
		for i := range 11 {
			d.admit(pbx, fmt.Appendf(nil, "\x00%d", i))
		}
		if len(*told) != 1 {
			t.Error("what was proven long ago protects for ever")
		}
	})
}

// Addresses nobody has cost no memory, and tell little.
func TestBansAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, told := newTestDoor(Config{Bans: Bans{After: 2}})
		for i := range 3 * suspects {
			d.admit(address(i), []byte("REGISTER a"))
			if i%2 == 0 {
				d.admit(address(i), []byte("REGISTER b"))
			}
		}
		b := &d.datagrams.bans
		if len(b.suspect.byAddr) > suspects || b.suspect.order.Len() > suspects || len(b.banned.byAddr) != maxBanned || b.banned.order.Len() != maxBanned {
			t.Errorf("%d suspects, %d banned", len(b.suspect.byAddr), len(b.banned.byAddr))
		}
		if len(*told) != bansAtOnce {
			t.Errorf("%d events at once", len(*told))
		}
		for i := range 2 * maxProven {
			d.prove(address(i), "pbx")
		}
		if len(d.proven.byAddr) != maxProven {
			t.Errorf("%d proven", len(d.proven.byAddr))
		}
	})
}

// One trunk's flood leaves room for the others; nobody is answered for it.
func TestTrunkHasItsOwnRate(t *testing.T) {
	policy := func(id string) (routing.Trunk, bool) {
		return routing.Trunk{ID: id, Limits: routing.TrunkLimits{Messages: map[string]int{"carrier": 50}[id]}}, true
	}
	inWorld(t, Config{Rate: Rate{Source: 1000, Total: 400}}, Deps{Policy: policy}, func(w *world) {
		peers := []*peer{w.carrier, w.peer("10.1.0.2:5060")}
		second := w.peer("10.3.0.1:5060")
		for i := range 300 {
			peers[i%2].send("OPTIONS\n\n")
			second.send("OPTIONS\n\n")
		}
		synctest.Wait()
		if s := w.ep.Stats(); s.Drops["trunk-rate"] != 200 || s.Drops["rate"] != 0 || s.Responses["5xx"] != 0 {
			t.Errorf("%v %v", s.Drops, s.Responses)
		}
		for range 300 { // the default is half of what all may send
			second.send("OPTIONS\n\n")
		}
		synctest.Wait()
		if s := w.ep.Stats(); s.Drops["trunk-rate"] != 200+200 {
			t.Errorf("%v", s.Drops)
		}
	})
}

// A trunk that is known by its certificate alone still connects when somebody
// has sent datagrams under its address: of those anybody may write any.
func TestForgedDatagramsKeepNoTrunkOut(t *testing.T) {
	a := newAuthority(t)
	_, _, pbx := a.issue("pbx", dns("pbx.example.com"))
	deps := Deps{TrunkOfNames: byNames, ByDigest: func(string) []string { return []string{"guest"} }}
	inWorld(t, Config{TLS: a.ours()}, deps, func(w *world) {
		forged := w.peer("10.9.9.9:5060")
		for n := range 200 {
			forged.send("REGISTER sip:%d SIP/2.0\n\n", n)
			forged.send("INVITE sip:%d SIP/2.0\n\n", n)
		}
		synctest.Wait()
		if s := w.ep.Stats(); s.Banned != 1 {
			t.Fatalf("%d banned, drops %v", s.Banned, s.Drops)
		}
		conn, err := w.secure("10.9.9.9:40000", &tls.Config{RootCAs: a.pool(), ServerName: "sip.example.com", Certificates: []tls.Certificate{pbx}})
		if err != nil {
			t.Fatal(err)
		}
		c := speak(conn)
		c.Write(overTLS(tcpRequest("OPTIONS", "o", "o", "", 1, "")))
		c.want(w, "SIP/2.0 200")
	})
}
