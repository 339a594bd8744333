package call

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ringdown/events"
	"ringdown/routing"
)

// capped is a world whose decisions and trunks have limits.
func capped(w *world, trunk, agency, account, number routing.Limits) Ports {
	w.decision.Agency = "reseller"
	w.decision.OfAgency, w.decision.OfAccount, w.decision.OfNumber = agency, account, number
	p := w.board(Config{Calls: 1000, CPS: 1000}).ports
	p.Limits = func(string) routing.Limits { return trunk }
	return p
}

func TestLimitsOfTrunkAgencyAccountAndNumber(t *testing.T) {
	two, none := routing.Limits{Calls: 2}, routing.Limits{}
	fast := routing.Limits{CPS: 2}
	for _, c := range []struct {
		name                           string
		trunk, agency, account, number routing.Limits
		status, q850, retry            int
		reason, limit                  string
	}{
		{"trunk", two, none, none, none, 503, 34, 10, ReasonConcurrencyLimit, "trunk"},
		{"agency", none, two, none, none, 486, 17, 10, ReasonConcurrencyLimit, "agency"},
		{"account", none, none, two, none, 486, 17, 10, ReasonConcurrencyLimit, "account"},
		{"number", none, none, none, two, 486, 17, 10, ReasonConcurrencyLimit, "number"},
		{"trunk, a second", fast, none, none, none, 503, 42, 1, ReasonCPSLimit, "trunk"},
		{"agency, a second", none, fast, none, none, 480, 42, 1, ReasonCPSLimit, "agency"},
		{"account, a second", none, none, fast, none, 480, 42, 1, ReasonCPSLimit, "account"},
		{"number, a second", none, none, none, fast, 480, 42, 1, ReasonCPSLimit, "number"},
		{"the account's is named before the number's", none, none, two, two, 486, 17, 10, ReasonConcurrencyLimit, "account"},
		{"the agency's before both", none, two, two, two, 486, 17, 10, ReasonConcurrencyLimit, "agency"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				ports := capped(w, c.trunk, c.agency, c.account, c.number)
				b := NewSwitchboard(Config{Calls: 1000, CPS: 1000}, ports, w.board(Config{}).log)
				_, first := admitted(t, b)
				_, second := admitted(t, b)
				synctest.Wait()
				relays := w.relays
				third := &fakeLeg{}
				in := defaultSetup().invite
				in.At = time.Now()
				send, refused := b.Admit(in, third)
				synctest.Wait()
				told := claim{place: place{kind: c.limit}}.refusal(c.reason)
				switch {
				case told.Status != c.status || told.Q850 != c.q850 || told.Retry != c.retry || told.Limit != c.limit:
					t.Errorf("told %+v", told)
				case c.limit != "trunk" && refused != nil:
					t.Fatalf("refused before it was routed: %+v", refused)
				case c.limit != "trunk":
					wantDid(t, third, fmt.Sprintf("hangup %d", c.status))
				case send != nil || refused == nil || *refused != *told:
					t.Fatalf("refused with %+v", refused)
				}
				i := slices.IndexFunc(w.events, func(e events.Event) bool { return e.Type == events.CallRejected })
				if i < 0 {
					t.Fatal("no call.rejected")
				}
				d := w.events[i].Data.(events.CallRejectedData)
				if d.RejectReason != c.reason || d.Limit != c.limit || d.Cause.SIPStatus != c.status || d.Cause.Q850 != c.q850 || len(d.Trace) == 0 {
					t.Errorf("rejected with %+v", d)
				}
				if w.relays != relays {
					t.Error("a port was taken for a call that is refused")
				}
				// The two that were there are untouched, and one leaving makes room.
				if live := b.Calls(); len(live) != 2 {
					t.Errorf("%d calls live", len(live))
				}
				first(Cancelled{At: Now()})
				first(Gone{Now()})
				time.Sleep(time.Second)
				_, fourth := admitted(t, b)
				synctest.Wait()
				if live := b.Calls(); len(live) != 2 {
					t.Errorf("%d calls live after one left and one came", len(live))
				}
				for _, send := range []func(Signal){second, fourth} {
					send(Cancelled{At: Now()})
					send(Gone{Now()})
				}
				if err := b.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(b.places.held)+len(b.places.of) != 0 {
					t.Errorf("places are held by nobody: %v", b.places.held)
				}
			})
		})
	}
}

// A call that broke, and one whose leg does not go, hold no place.
func TestBrokenAndLingeringCallsHoldNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		one := routing.Limits{Calls: 1}
		b := NewSwitchboard(Config{Calls: 1000, CPS: 1000}, capped(w, one, one, one, one), w.board(Config{}).log)
		w.panicIn = "dial"
		a := &fakeLeg{keep: true} // never says Gone
		in := defaultSetup().invite
		in.At = time.Now()
		if _, refused := b.Admit(in, a); refused != nil {
			t.Fatal(refused)
		}
		synctest.Wait()
		w.panicIn = ""
		if s := b.Stats(); s.Panics != 1 {
			t.Fatalf("%d panics", s.Panics)
		}
		lingering, send := admitted(t, b)
		lingering.mu.Lock()
		lingering.keep = true
		lingering.mu.Unlock()
		send(Cancelled{At: Now()})
		synctest.Wait()
		_, last := admitted(t, b)
		synctest.Wait()
		if live := b.Calls(); len(live) != 1 {
			t.Errorf("%d calls live", len(live))
		}
		last(Cancelled{At: Now()})
		last(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// A trunk's calls out count as those that come in by it do; who cannot leave by
// it tries the next way, and an attempt that is over holds nothing.
func TestCallsOutOfATrunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Targets = slices.Repeat(w.decision.Targets, 2)
		w.decision.Targets[0].Trunk, w.decision.Targets[1].Trunk = "narrow", "wide"
		ports := w.board(Config{}).ports
		ports.Limits = func(trunk string) routing.Limits {
			if trunk == "narrow" {
				return routing.Limits{Calls: 1}
			}
			return routing.Limits{}
		}
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		_, first := admitted(t, b)
		synctest.Wait()
		_, second := admitted(t, b)
		synctest.Wait()
		if got := []string{w.b(0).dial.Target.Trunk, w.b(1).dial.Target.Trunk}; !slices.Equal(got, []string{"narrow", "wide"}) {
			t.Errorf("dialled by %v", got)
		}
		i := slices.IndexFunc(w.events, func(e events.Event) bool { return e.Type == events.LegFailed })
		if i < 0 {
			t.Fatal("the attempt that found no place is not told of")
		}
		if c := w.events[i].Data.(events.LegFailedData).Cause; c.SIPStatus != 503 || c.Q850 != 34 || c.Source != "local" {
			t.Errorf("failed with %+v", c)
		}
		w.b(0).send(Failed{At{time.Now()}, Cause{Status: 486, Remote: true}}) // the first call goes on by the wide one
		w.b(0).send(Gone{Now()})
		synctest.Wait()
		_, third := admitted(t, b)
		synctest.Wait()
		if got := w.b(3).dial.Target.Trunk; w.b(2).dial.Target.Trunk != "wide" || got != "narrow" {
			t.Errorf("the third call left by %s", got)
		}
		for _, send := range []func(Signal){first, second, third} {
			send(Cancelled{At: Now()})
			send(Gone{Now()})
		}
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(b.places.held)+len(b.places.of) != 0 {
			t.Errorf("places are held by nobody: %v", b.places.held)
		}
	})
}

// A destination takes as many calls as it says, from wherever they are rung; who
// finds it full goes on, and hears busy when nobody else is left.
func TestCallsToADestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		narrow := w.decision.Targets[0]
		narrow.URI, narrow.Limits = "sip:narrow@127.0.0.1", routing.Limits{Calls: 1}
		w.decision.Targets = append([]routing.Target{narrow}, w.decision.Targets...)
		b := w.board(Config{})
		_, first := admitted(t, b)
		synctest.Wait()
		_, second := admitted(t, b)
		synctest.Wait()
		if got := []string{w.b(0).dial.Target.URI, w.b(1).dial.Target.URI}; !slices.Equal(got, []string{"sip:narrow@127.0.0.1", "sip:one@127.0.0.1"}) {
			t.Errorf("dialled %v", got)
		}
		w.mu.Lock()
		i := slices.IndexFunc(w.events, func(e events.Event) bool { return e.Type == events.LegFailed })
		if i < 0 {
			t.Fatal("the attempt that found no place is not told of")
		}
		d := w.events[i].Data.(events.LegFailedData)
		w.decision.Targets = w.decision.Targets[:1]
		w.mu.Unlock()
		if d.Cause.SIPStatus != 486 || d.Cause.Q850 != 17 || d.Cause.Source != "local" || d.Reason != ReasonConcurrencyLimit || d.Limit != "destination" {
			t.Errorf("failed with %+v", d)
		}
		busy, third := admitted(t, b)
		synctest.Wait()
		wantDid(t, busy, "hangup 486")
		w.b(0).send(Failed{At{time.Now()}, Cause{Status: 486, Remote: true}})
		w.b(0).send(Gone{Now()})
		synctest.Wait()
		_, fourth := admitted(t, b)
		synctest.Wait()
		if l := w.b(3); l == nil || w.b(2).dial.Target.URI != "sip:one@127.0.0.1" || l.dial.Target.URI != "sip:narrow@127.0.0.1" {
			t.Error("the place that was given back is not taken")
		}
		for _, send := range []func(Signal){first, second, third, fourth} {
			send(Cancelled{At: Now()})
			send(Gone{Now()})
		}
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(b.places.held)+len(b.places.of) != 0 {
			t.Errorf("places are held by nobody: %v", b.places.held)
		}
	})
}

func TestBusyNodeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ports := w.board(Config{}).ports
		why := "no media ports left"
		ports.Busy = func() string { return why }
		b := NewSwitchboard(Config{}, ports, w.board(Config{}).log)
		in := defaultSetup().invite
		in.At = time.Now()
		if _, refused := b.Admit(in, &fakeLeg{}); refused == nil || refused.Reason != ReasonOverload || refused.Status != 503 || refused.Retry == 0 || refused.Text != why {
			t.Errorf("refused %+v", refused)
		}
		wantTold(t, w, events.CallReceived, events.LegCreated, events.CallRejected, events.LegEnded, events.CallEnded)
		why = ""
		_, send := admitted(t, b)
		send(Cancelled{At: Now()})
		send(Gone{Now()})
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever is taken, refused and left, in any order and twice: what is held is
// exactly what the calls that are in hold, no limit is passed, and a refusal is
// given only at a limit that is reached.
func TestPlacesAreThoseOfLiveCalls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlaces()
		limits := map[place]routing.Limits{}
		for _, kind := range []string{limitNode, limitTrunk, limitAgency, limitAccount, limitNumber, limitDestination} {
			for _, key := range []string{"a", "b"} {
				limits[place{kind, key}] = routing.Limits{Calls: rapid.IntRange(0, 4).Draw(t, "calls"), CPS: rapid.IntRange(0, 5).Draw(t, "cps")}
			}
		}
		in := map[holder]map[place]bool{} // the model: who is in where
		taken := map[place][]time.Time{}
		now := zero
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			who := holder{ID(fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "call"))), rapid.SampledFrom([]LegID{"", "b1", "b2"}).Draw(t, "leg")}
			switch rapid.IntRange(0, 5).Draw(t, "leaves") {
			case 0:
				p.leave(who.call)
				maps.DeleteFunc(in, func(h holder, _ map[place]bool) bool { return h.call == who.call })
				continue
			case 1:
				p.leaveLeg(who.call, who.leg)
				delete(in, who)
				continue
			}
			var claims []claim
			for _, kind := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{limitNode, limitTrunk, limitAgency, limitAccount, limitNumber, limitDestination}), 1, 3, rapid.ID[string]).Draw(t, "kinds") {
				at := place{kind, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")}
				if !in[who][at] { // nobody asks for a place twice
					claims = append(claims, claim{place: at, limits: limits[at]})
				}
			}
			refused := p.take(who, now, claims...)
			if refused != nil {
				i := slices.IndexFunc(claims, func(c claim) bool { return c.kind == refused.Limit })
				if i < 0 {
					t.Fatalf("refused for a limit nobody asked about: %+v", refused)
				}
				c := claims[i]
				if n := count(in, c.place); refused.Reason == ReasonConcurrencyLimit && (c.limits.Calls == 0 || n < c.limits.Calls) {
					t.Fatalf("refused at %d of %+v", n, c)
				}
				continue
			}
			for _, c := range claims {
				if in[who] == nil {
					in[who] = map[place]bool{}
				}
				in[who][c.place] = true
				taken[c.place] = append(taken[c.place], now)
			}
		}
		for at, l := range limits {
			if l.Calls > 0 && (len(p.held[at]) != count(in, at) || len(p.held[at]) > l.Calls) {
				t.Fatalf("%v: %d held, %d in, %d allowed", at, len(p.held[at]), count(in, at), l.Calls)
			}
			if l.CPS == 0 {
				continue
			}
			for i, from := range taken[at] { // any second: the rate and one burst
				n := 0
				for _, later := range taken[at][i:] {
					if later.Sub(from) < time.Second {
						n++
					}
				}
				if n > 2*l.CPS {
					t.Fatalf("%v: %d in a second, %d allowed", at, n, l.CPS)
				}
			}
		}
		for who := range in {
			p.leave(who.call)
			p.leave(who.call)
		}
		if len(p.held)+len(p.of) != 0 {
			t.Fatalf("held by nobody: %v %v", p.held, p.of)
		}
	})
}

// A million numbers with a limit of calls a second leave no bucket each behind.
func TestBucketsAreForgotten(t *testing.T) {
	p := newPlaces()
	now := zero
	for i := range 20_000 {
		c := claim{place: place{limitNumber, fmt.Sprint(i)}, limits: routing.Limits{CPS: 1}}
		if why := p.take(holder{call: "x"}, now, c); why != nil {
			t.Fatal(why)
		}
		if why := p.take(holder{call: "x"}, now, c); why == nil || why.Reason != ReasonCPSLimit {
			t.Fatalf("the second call of a second is let in: %v", why)
		}
		now = now.Add(10 * time.Millisecond)
	}
	if n := len(p.buckets); n > 2*fewBuckets {
		t.Errorf("%d buckets are kept for the 100 numbers of the last second", n)
	}
}

func count(in map[holder]map[place]bool, at place) (n int) {
	for _, places := range in {
		if places[at] {
			n++
		}
	}
	return n
}
