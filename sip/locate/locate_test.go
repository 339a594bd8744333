package locate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/sip/locate/dnstest"
)

var anyServer = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}

var both = Able{Transports: []string{"udp", "tcp", "tls"}, Versions: []int{4, 6}}

// inZone runs f in virtual time with a resolver whose chance is always 0.
func inZone(t *testing.T, records []string, f func(z *dnstest.Zone, r *Resolver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		z, err := dnstest.New(records...)
		if err != nil {
			t.Fatal(err)
		}
		r := New(Options{Servers: anyServer, Dial: z.Dial, Random: func(int) int { return 0 }})
		defer r.Close()
		f(z, r)
	})
}

// locate words the candidates as "transport address", with commas.
func locate(r *Resolver, t Target, able Able) string {
	all, err := r.Locate(context.Background(), t, able)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return "not found"
		}
		return err.Error()
	}
	var out []string
	for _, c := range all {
		out = append(out, c.Transport+" "+c.Addr.String())
	}
	return strings.Join(out, ", ")
}

// The rules of RFC 3263 4.1 and 4.2, one by one.
func TestRules(t *testing.T) {
	records := []string{
		"naptr.test. 60 IN NAPTR 20 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.never.test.",
		"naptr.test. 60 IN NAPTR 10 20 \"s\" \"SIP+D2U\" \"\" _sip._udp.naptr.test.",
		"naptr.test. 60 IN NAPTR 10 10 \"S\" \"sip+d2t\" \"\" _sip._tcp.other.test.",
		"naptr.test. 60 IN NAPTR 10 5 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.naptr.test.",
		"naptr.test. 60 IN NAPTR 5 1 \"s\" \"SIP+D2S\" \"\" _sip._sctp.naptr.test.",
		"naptr.test. 60 IN NAPTR 5 1 \"u\" \"SIP+D2U\" \"!.*!sip:x@evil.test!\" .",
		"_sip._udp.naptr.test. 60 IN SRV 1 0 5070 a.test.",
		"_sip._tcp.other.test. 60 IN SRV 1 0 5071 a.test.",
		"_sips._tcp.naptr.test. 60 IN SRV 1 0 5072 a.test.",
		"_sip._udp.never.test. 60 IN SRV 1 0 9 a.test.",
		"naptr.test. 60 IN A 192.0.2.99",

		"_sip._udp.srv.test. 60 IN SRV 20 1 5080 a.test.",
		"_sip._udp.srv.test. 60 IN SRV 10 1 5081 b.test.",
		"_sip._tcp.srv.test. 60 IN SRV 1 1 5082 a.test.",
		"srv.test. 60 IN A 192.0.2.98",
		"_sip._tcp.tcponly.test. 60 IN SRV 1 1 5083 a.test.",
		"_sip._udp.gone.test. 60 IN SRV 0 0 5060 .",
		"gone.test. 60 IN A 192.0.2.97",
		"_sip._udp.zero.test. 60 IN SRV 0 0 0 a.test.",

		"a.test. 60 IN A 192.0.2.1",
		"b.test. 60 IN A 192.0.2.2",
		"b.test. 60 IN AAAA 2001:db8::2",
		"six.test. 60 IN AAAA 2001:db8::6",
		"dual.test. 60 IN A 192.0.2.4", "dual.test. 60 IN AAAA 2001:db8::4",
		"alias.test. 60 IN CNAME far.test.", "far.test. 60 IN CNAME a.test.",
		"loop.test. 60 IN CNAME pool.test.", "pool.test. 60 IN CNAME loop.test.",
		"trap.test. 60 IN A 127.0.0.1", "trap.test. 60 IN A 0.0.0.0", "trap.test. 60 IN A 169.254.169.254",
		"trap.test. 60 IN A 224.0.0.1", "trap.test. 60 IN A 255.255.255.255", "trap.test. 60 IN AAAA ::1",
		"trap.test. 60 IN AAAA fe80::1", "trap.test. 60 IN AAAA ::ffff:127.0.0.1",
	}
	plain := Able{Transports: []string{"udp", "tcp"}, Versions: []int{4, 6}}
	for _, c := range []struct {
		name string
		t    Target
		able Able
		want string
	}{
		{"address", Target{Host: "192.0.2.7"}, both, "udp 192.0.2.7:5060"},
		{"address with port", Target{Host: "192.0.2.7", Port: 5090}, both, "udp 192.0.2.7:5090"},
		{"address over tcp", Target{Host: "192.0.2.7", Transport: "tcp"}, both, "tcp 192.0.2.7:5060"},
		{"address over tls", Target{Host: "192.0.2.7", Transport: "tls"}, both, "tls 192.0.2.7:5061"},
		{"address of IPv6", Target{Host: "[2001:db8::7]"}, both, "udp [2001:db8::7]:5060"},
		{"address of IPv6 without a socket", Target{Host: "[2001:db8::7]"}, Able{Transports: plain.Transports, Versions: []int{4}}, "not found"},
		{"address, only tcp is ours", Target{Host: "192.0.2.7"}, Able{Transports: []string{"tcp"}, Versions: []int{4}}, "tcp 192.0.2.7:5060"},
		{"tls is not ours", Target{Host: "a.test", Transport: "tls"}, plain, "not found"},
		{"port given: no NAPTR, no SRV", Target{Host: "naptr.test", Port: 5090}, both, "udp 192.0.2.99:5090"},
		{"port and transport", Target{Host: "srv.test", Port: 5090, Transport: "tcp"}, both, "tcp 192.0.2.98:5090"},
		{"transport given: SRV of it", Target{Host: "srv.test", Transport: "tcp"}, both, "tcp 192.0.2.1:5082"},
		{"transport given: no NAPTR", Target{Host: "naptr.test", Transport: "udp"}, both, "udp 192.0.2.1:5070"},
		{"NAPTR by preference", Target{Host: "naptr.test"}, both, "tls 192.0.2.1:5072, tcp 192.0.2.1:5071, udp 192.0.2.1:5070"},
		{"NAPTR without tls", Target{Host: "naptr.test"}, plain, "tcp 192.0.2.1:5071, udp 192.0.2.1:5070"},
		{"SRV by priority", Target{Host: "srv.test"}, both, "udp 192.0.2.2:5081, udp [2001:db8::2]:5081, udp 192.0.2.1:5080"},
		{"SRV, IPv6 first", Target{Host: "srv.test"}, Able{Transports: plain.Transports, Versions: []int{6, 4}},
			"udp [2001:db8::2]:5081, udp 192.0.2.2:5081, udp 192.0.2.1:5080"},
		{"SRV, only IPv4", Target{Host: "srv.test"}, Able{Transports: plain.Transports, Versions: []int{4}}, "udp 192.0.2.2:5081, udp 192.0.2.1:5080"},
		{"SRV of tcp only", Target{Host: "tcponly.test"}, both, "tcp 192.0.2.1:5083"},
		{"SRV says that there is no service", Target{Host: "gone.test"}, both, "not found"},
		{"SRV with port 0", Target{Host: "zero.test"}, both, "not found"},
		{"no SRV: A, default port", Target{Host: "a.test"}, both, "udp 192.0.2.1:5060"},
		{"no SRV over tls", Target{Host: "A.test", Transport: "tls"}, both, "tls 192.0.2.1:5061"},
		{"dual", Target{Host: "dual.test."}, both, "udp 192.0.2.4:5060, udp [2001:db8::4]:5060"},
		{"only AAAA", Target{Host: "six.test"}, both, "udp [2001:db8::6]:5060"},
		{"only AAAA, no socket", Target{Host: "six.test"}, Able{Transports: plain.Transports, Versions: []int{4}}, "not found"},
		{"aliases", Target{Host: "alias.test"}, both, "udp 192.0.2.1:5060"},
		{"aliases in a circle", Target{Host: "loop.test"}, both, "not found"},
		{"unknown", Target{Host: "nobody.test"}, both, "not found"},
		{"not where nothing may be sent", Target{Host: "trap.test"}, both, "not found"},
		{"loopback for who is there", Target{Host: "trap.test"}, Able{Transports: plain.Transports, Versions: []int{4}, Loopback: true}, "udp 127.0.0.1:5060"},
		{"not a name", Target{Host: strings.Repeat("a", 64) + ".test"}, both, "not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inZone(t, records, func(z *dnstest.Zone, r *Resolver) {
				if got := locate(r, c.t, c.able); got != c.want {
					t.Errorf("%s\nwant %s", got, c.want)
				}
			})
		})
	}
}

func TestNameForTheCertificate(t *testing.T) {
	inZone(t, []string{"_sips._tcp.sbc.test. 60 IN SRV 1 1 5061 edge7.cloud.test.", "edge7.cloud.test. 60 IN A 192.0.2.1"},
		func(z *dnstest.Zone, r *Resolver) {
			all, err := r.Locate(context.Background(), Target{Host: "sbc.test", Transport: "tls"}, both)
			if err != nil || len(all) != 1 || all[0].Name != "sbc.test" {
				t.Errorf("%+v, %v", all, err)
			}
		})
}

// More records than anybody has are cut, in answers and in candidates.
func TestBounded(t *testing.T) {
	var records []string
	for i := range 60 {
		records = append(records, fmt.Sprintf("many.test. 60 IN A 192.0.2.%d", i+1))
	}
	inZone(t, records, func(z *dnstest.Zone, r *Resolver) {
		z.Set(dnstest.Faults{Truncated: true}) // as a real one would be
		all, err := r.Locate(context.Background(), Target{Host: "many.test"}, both)
		if err != nil || len(all) != maxCandidates {
			t.Errorf("%d candidates, %v", len(all), err)
		}
		if got, _ := r.lookup(context.Background(), "many.test", 1); len(got) != maxRecords {
			t.Errorf("%d records kept", len(got))
		}
	})
}

// Without name servers the system's word counts.
func TestSystemOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := New(Options{System: func(_ context.Context, host string) ([]netip.Addr, error) {
			asked++
			if host != "pbx" {
				return nil, errors.New("unknown")
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.2")}, nil
		}, Random: func(n int) int { return n - 1 }})
		defer r.Close()
		want := "udp 192.0.2.1:5060, udp [2001:db8::1]:5060, udp 192.0.2.2:5060"
		for range 3 {
			if got := locate(r, Target{Host: "pbx"}, both); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		if got := locate(r, Target{Host: "nobody"}, both); got != "not found" {
			t.Error(got)
		}
		time.Sleep(systemTTL)
		locate(r, Target{Host: "pbx"}, both)
		if asked != 3 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// A name that the servers deny may still be in the system's file of hosts.
func TestSystemAfterServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z, _ := dnstest.New("a.test. 60 IN A 192.0.2.1")
		r := New(Options{Servers: anyServer, Dial: z.Dial, System: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.50")}, nil
		}})
		defer r.Close()
		if got := locate(r, Target{Host: "a.test"}, both) + "; " + locate(r, Target{Host: "pbx"}, both); got != "udp 192.0.2.1:5060; udp 192.0.2.50:5060" {
			t.Error(got)
		}
	})
}
