package sip

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// watchedDeps has trunk "second" with two targets, asked every 10 s.
func watchedDeps() Deps {
	spec := routing.Trunk{ID: "second", Health: routing.Health{Interval: routing.Seconds(10)},
		Targets: []routing.TrunkTarget{{URI: "sip:10.3.0.1", Priority: 1}, {URI: "sip:10.3.0.2:5070", Priority: 2}}}
	return Deps{
		Trunks: func() []string { return []string{"carrier", "second"} },
		Policy: func(id string) (routing.Trunk, bool) {
			if id == "second" {
				return spec, true
			}
			return routing.Trunk{ID: id}, id == "carrier"
		},
		Random: func(n int) int { return n / 2 }, // no jitter: rounds after 0.5 s and then every 10 s
	}
}

// serve answers every OPTIONS with what status says now; 0 is silence.
func (p *peer) serve(status *atomic.Int32) (stop func()) {
	quit := make(chan struct{})
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case dg := <-p.conn.in:
				m := parseText(dg.b)
				if strings.HasPrefix(m.start, "OPTIONS ") && status.Load() > 0 {
					p.reply(m, int(status.Load()), "gw", "")
				}
			}
		}
	}()
	return func() { close(quit); <-done }
}

func (w *world) stands(want string) {
	w.Helper()
	synctest.Wait()
	var got []string
	for _, t := range w.ep.Stats().Targets {
		got = append(got, fmt.Sprintf("%s %d: %d up %d left", t.Trunk, t.Target, t.Up, t.Left))
	}
	if s := strings.Join(got, ", "); s != want {
		w.Errorf("%s\nwant %s", s, want)
	}
}

func TestWatch(t *testing.T) {
	const both, firstLeft = "second 1: 1 up 0 left, second 2: 1 up 0 left", "second 1: 0 up 1 left, second 2: 1 up 0 left"
	for _, bad := range []int{0, 503} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			inWorld(t, Config{}, watchedDeps(), func(w *world) {
				first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5070")
				var one, two atomic.Int32
				one.Store(200)
				two.Store(404) // any answer is one
				defer first.serve(&one)()
				defer second.serve(&two)()
				time.Sleep(time.Second)
				w.stands(both)
				one.Store(int32(bad))
				time.Sleep(14 * time.Second) // one miss
				w.stands(both)
				time.Sleep(10 * time.Second)
				w.stands(firstLeft)
				time.Sleep(time.Minute) // and it stays so
				w.stands(firstLeft)
				one.Store(405)
				time.Sleep(10 * time.Second)
				w.stands(both)
				if n := strings.Count(w.log.String(), "sip target left"); n != 1 || !strings.Contains(w.log.String(), "found again") {
					t.Errorf("%d times left:\n%s", n, w.log)
				}
			})
		})
	}
}

func TestOptionsAsSent(t *testing.T) {
	inWorld(t, Config{}, watchedDeps(), func(w *world) {
		p := w.peer("10.3.0.2:5070")
		start := time.Now()
		m := p.want("OPTIONS sip:10.3.0.2:5070 SIP/2.0")
		if d := time.Since(start); d > time.Second {
			t.Errorf("the first after %v", d)
		}
		for header, want := range map[string]string{"To": "<sip:10.3.0.2>", "From": "<sip:10.0.0.1>;tag=" + m.tag("From"), "Max-Forwards": "70",
			"CSeq": "1 OPTIONS", "Contact": "<sip:10.0.0.1:5060>", "Accept": sdpType, "Content-Length": "0"} {
			if m.get(header) != want {
				t.Errorf("%s: %q, want %q", header, m.get(header), want)
			}
		}
		p.reply(m, 200, "gw", "")
		if again := p.want("OPTIONS"); again.get("Call-ID") == m.get("Call-ID") || again.branch() == m.branch() {
			t.Errorf("the next one is the same:\n%s", again.raw)
		}
		if s := w.ep.Stats(); s.Drops["unknown-source"] != 0 {
			t.Errorf("drops %v", s.Drops)
		}
	})
}

// What calls see counts at once: silence leaves a watched target until OPTIONS
// finds it, and a word of it in a call finds it too.
func TestCallsTellOfHealth(t *testing.T) {
	inWorld(t, Config{}, watchedDeps(), func(w *world) {
		first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5070")
		var one, two atomic.Int32
		one.Store(200)
		two.Store(200)
		stop1, stop2 := first.serve(&one), second.serve(&two)
		time.Sleep(11 * time.Second)
		stop1()
		stop2()
		places := []routing.Place{at("10.3.0.1", 1, 0), at("10.3.0.2:5070", 2, 0)}
		leg, _ := w.dialPlaces(places...)
		first.want("INVITE")
		second.reply(second.want("INVITE"), 486, "agent", "")
		w.stands("second 1: 0 up 1 left, second 2: 1 up 0 left")
		leg.Hangup(call.Cause{})
		two.Store(503)
		stop1, stop2 = first.serve(&one), second.serve(&two)
		time.Sleep(11 * time.Second)
		w.stands("second 1: 1 up 0 left, second 2: 1 up 0 left")
		one.Store(503)
		time.Sleep(21 * time.Second) // both are left now
		w.stands("second 1: 0 up 1 left, second 2: 0 up 1 left")
		stop1()
		stop2()
		drain(first)
		_, signals := w.dialPlaces(places...)
		inv := first.wantAfter("INVITE", "OPTIONS") // none is skipped when all are left
		first.reply(inv, 180, "gw", "")
		signal[call.Trying](w, signals)
		signal[call.Ringing](w, signals)
		w.stands("second 1: 1 up 0 left, second 2: 0 up 1 left")
	})
}

// However many addresses fall silent, no more is kept than is meant to be.
func TestHealthBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth(slog.New(slog.DiscardHandler))
		for i := range maxSites + 500 {
			s := site{"", "udp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)}
			h.failed(s, "no answer")
			h.seen(gateway{"", s.addr.String(), 0}, []candidate{{site: s}})
			if i == 1000 {
				time.Sleep(leaveFor) // those are no longer of interest
			}
		}
		if len(h.sites) > maxSites || len(h.places) > maxSites {
			t.Errorf("%d sites, %d places", len(h.sites), len(h.places))
		}
		if len(h.sites) < maxSites/2 {
			t.Errorf("only %d kept", len(h.sites))
		}
	})
}
