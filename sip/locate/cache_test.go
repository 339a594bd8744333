package locate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"ringdown/sip/locate/dnstest"
)

const a1 = "a.test. 60 IN A 192.0.2.1"

func TestTTL(t *testing.T) {
	records := []string{a1, "test. 600 IN SOA ns.test. root.test. 1 2 3 4 30", "zero.test. 0 IN A 192.0.2.3",
		"short.test. 10 IN CNAME long.test.", "long.test. 600 IN A 192.0.2.4", "huge.test. 4294967295 IN A 192.0.2.5"}
	inZone(t, records, func(z *dnstest.Zone, r *Resolver) {
		for _, c := range []struct {
			name  string
			sleep time.Duration
			asked int // after it
		}{
			{"a.test", 0, 1}, {"a.test", 59 * time.Second, 1}, {"a.test", 2 * time.Second, 2},
			{"none.test", 0, 1}, {"none.test", 29 * time.Second, 1}, {"none.test", 2 * time.Second, 2}, // the SOA's minimum
			{"zero.test", 0, 1}, {"zero.test", 0, 2},
			{"short.test", 0, 1}, {"short.test", 9 * time.Second, 1}, {"short.test", 2 * time.Second, 2},
			{"huge.test", 0, 1}, {"huge.test", 0, 2}, // RFC 2181 8
		} {
			time.Sleep(c.sleep)
			locate(r, Target{Host: c.name, Port: 5060}, Able{Transports: []string{"udp"}, Versions: []int{4}})
			if n := z.Asked(c.name + ". A"); n != c.asked {
				t.Errorf("%s after %v: asked %d times, want %d", c.name, c.sleep, n, c.asked)
			}
		}
	})
}

// A hundred calls at once ask once.
func TestJoined(t *testing.T) {
	inZone(t, []string{a1}, func(z *dnstest.Zone, r *Resolver) {
		z.Set(dnstest.Faults{Delay: 300 * time.Millisecond})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "udp 192.0.2.1:5060" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if n := z.Asked("a.test. A") + z.Asked("a.test. AAAA"); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// Who gives up does not take the answer away from the others.
func TestAskerLeaves(t *testing.T) {
	inZone(t, []string{a1}, func(z *dnstest.Zone, r *Resolver) {
		z.Set(dnstest.Faults{Delay: 300 * time.Millisecond})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if _, err := r.Locate(ctx, Target{Host: "a.test", Port: 5060}, both); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "udp 192.0.2.1:5060" || z.Asked("a.test. A") != 1 {
			t.Errorf("%s, asked %d times", got, z.Asked("a.test. A"))
		}
	})
}

// Servers that do not answer cost two seconds once, then nothing for a while;
// what is known of old is used half a second later, and for a day.
func TestServersSilent(t *testing.T) {
	inZone(t, []string{a1}, func(z *dnstest.Zone, r *Resolver) {
		four := Able{Transports: []string{"udp"}, Versions: []int{4}}
		took := func(name string) (string, time.Duration) {
			start := time.Now()
			return locate(r, Target{Host: name, Port: 5060}, four), time.Since(start)
		}
		took("a.test")
		z.Set(dnstest.Faults{Silent: true})
		if got, d := took("b.test"); got != "not found" || d != 3*oneTry {
			t.Errorf("%s after %v", got, d)
		}
		if got, d := took("b.test"); got != "not found" || d != 0 {
			t.Errorf("again: %s after %v", got, d)
		}
		time.Sleep(time.Minute)
		if got, d := took("a.test"); got != "udp 192.0.2.1:5060" || d != staleWait {
			t.Errorf("of old: %s after %v", got, d)
		}
		time.Sleep(3 * time.Second)
		if got, d := took("a.test"); got != "udp 192.0.2.1:5060" || d != 0 {
			t.Errorf("of old, again: %s after %v", got, d)
		}
		if r.Stats().Stale == 0 {
			t.Error("not counted")
		}
		time.Sleep(staleFor + time.Minute)
		if got, d := took("a.test"); got != "not found" || d != 3*oneTry {
			t.Errorf("too old: %s after %v", got, d)
		}
		z.Set(dnstest.Faults{})
		time.Sleep(failedFor)
		if got, d := took("a.test"); got != "udp 192.0.2.1:5060" || d != 0 {
			t.Errorf("back: %s after %v", got, d)
		}
	})
}

func TestWholeLookupBounded(t *testing.T) {
	inZone(t, nil, func(z *dnstest.Zone, r *Resolver) {
		z.Set(dnstest.Faults{Silent: true})
		start := time.Now()
		if got := locate(r, Target{Host: "a.test"}, both); got != "not found" || time.Since(start) > locateTimeout {
			t.Errorf("%s after %v", got, time.Since(start))
		}
	})
}

func TestServerFaults(t *testing.T) {
	for name, f := range map[string]dnstest.Faults{
		"truncated": {Truncated: true},
		"no EDNS":   {NoEDNS: true},
		"forged":    {Forged: [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0xff}, 600), {0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
		"slow":      {Delay: 600 * time.Millisecond},
		"records of others": {Spoil: func(m *dns.Msg) {
			evil, _ := dns.NewRR("evil.test. 60 IN A 192.0.2.66")
			chaos, _ := dns.NewRR("a.test. 60 CH A 192.0.2.66")
			m.Answer, m.Extra = append(m.Answer, evil, chaos), append(m.Extra, evil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inZone(t, []string{a1}, func(z *dnstest.Zone, r *Resolver) {
				z.Set(f)
				if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "udp 192.0.2.1:5060" {
					t.Error(got)
				}
			})
		})
	}
	for name, f := range map[string]dnstest.Faults{
		"SERVFAIL":         {Rcode: dns.RcodeServerFailure},
		"REFUSED":          {Rcode: dns.RcodeRefused},
		"another id":       {Spoil: func(m *dns.Msg) { m.Id++ }},
		"another question": {Spoil: func(m *dns.Msg) { m.Question[0].Name = "b.test." }},
		"another type":     {Spoil: func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX }},
		"a question":       {Spoil: func(m *dns.Msg) { m.Response = false }},
		"no question":      {Spoil: func(m *dns.Msg) { m.Question = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			inZone(t, []string{a1}, func(z *dnstest.Zone, r *Resolver) {
				z.Set(f)
				if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "not found" {
					t.Error(got)
				}
				z.Set(dnstest.Faults{})
				time.Sleep(failedFor) // and no longer
				if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "udp 192.0.2.1:5060" {
					t.Error("afterwards ", got)
				}
			})
		})
	}
}

// The next server is asked when one does not answer, or does not know.
func TestNextServer(t *testing.T) {
	for _, f := range []dnstest.Faults{{Silent: true}, {Rcode: dns.RcodeServerFailure}} {
		synctest.Test(t, func(t *testing.T) {
			bad, _ := dnstest.New()
			bad.Set(f)
			good, _ := dnstest.New(a1)
			servers := append([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.54:53")}, anyServer...)
			r := New(Options{Servers: servers, Dial: func(ctx context.Context, network string, s netip.AddrPort) (c net.Conn, err error) {
				if s == servers[0] {
					return bad.Dial(ctx, network, s)
				}
				return good.Dial(ctx, network, s)
			}})
			defer r.Close()
			start := time.Now()
			if got := locate(r, Target{Host: "a.test", Port: 5060}, both); got != "udp 192.0.2.1:5060" || time.Since(start) > oneTry {
				t.Errorf("%+v: %s after %v", f, got, time.Since(start))
			}
		})
	}
}

func TestUnreachableServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Servers: anyServer, Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			return nil, errors.New("network is unreachable")
		}})
		defer r.Close()
		if got := locate(r, Target{Host: "a.test"}, both); got != "not found" {
			t.Error(got)
		}
	})
}

// The cache never holds more than its size.
func TestCacheBounded(t *testing.T) {
	inZone(t, nil, func(z *dnstest.Zone, r *Resolver) {
		for i := range cacheSize + 100 {
			r.lookup(context.Background(), fmt.Sprintf("n%d.test", i), dns.TypeA)
		}
		if n := r.Stats().Cached; n != cacheSize || len(r.cache.entries) != n {
			t.Errorf("%d answers kept, %d in the table", n, len(r.cache.entries))
		}
	})
}
