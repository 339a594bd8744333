package sip

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// registering is an endpoint with one trunk that is registered with, at the callee's.
func registering(t *testing.T, change func(*routing.Trunk, *Deps), f func(w *world)) {
	t.Helper()
	trunk := routing.Trunk{
		ID: "provider", Register: routing.Register{Registrar: "sip:10.2.0.1", Contact: "ringdown"},
		Auth: routing.Auth{Username: "4721000001", Password: routing.NewSecret("env:P", "zanzibar"), Realm: "provider.example"},
	}
	var deps Deps
	if change != nil {
		change(&trunk, &deps)
	}
	deps.Policy = trunkPolicies(trunk)
	deps.Trunks = func() []string { return []string{"unknown", "provider"} }
	inWorld(t, Config{}, deps, f)
}

// accept answers a REGISTER.
func (p *peer) accept(m message, headers ...string) {
	p.reply(m, 200, "reg", "", headers...)
}

func contactFor(seconds int) string {
	return fmt.Sprintf("Contact: <sip:other@10.7.7.7>;expires=7, <sip:ringdown@10.0.0.1:5060>;expires=%d", seconds)
}

func (w *world) registration() string {
	synctest.Wait()
	return w.ep.Stats().Registrations["provider"]
}

// The life of a binding, each REGISTER at its time: challenged, granted for less
// than was asked, refreshed with the nonce that still holds, taken back.
func TestRegistration(t *testing.T) {
	registering(t, nil, func(w *world) {
		first := w.callee.want("REGISTER sip:10.2.0.1 SIP/2.0")
		for h, want := range map[string]string{
			"From": "<sip:4721000001@10.2.0.1>;tag=" + first.tag("From"), "To": "<sip:4721000001@10.2.0.1>", "CSeq": "1 REGISTER",
			"Contact": "<sip:ringdown@10.0.0.1:5060>;expires=3600", "Expires": "3600", "Supported": "path", "Authorization": "",
		} {
			if first.get(h) != want {
				t.Errorf("%s: %q, want %q", h, first.get(h), want)
			}
		}
		if w.registration() != regTrying {
			t.Errorf("%s", w.registration())
		}
		w.callee.reply(first, 401, "reg", "", challenge("WWW-Authenticate", "provider.example", "n1", `qop="auth"`))
		second := w.callee.want("REGISTER")
		if second.get("Call-ID") != first.get("Call-ID") || second.get("CSeq") != "2 REGISTER" || second.tag("From") != first.tag("From") {
			t.Errorf("%s", second.raw)
		}
		w.registered(second, "n1", 1)
		w.callee.accept(second, contactFor(600), "Expires: 3600")
		if w.registration() != registered {
			t.Errorf("%s", w.registration())
		}
		at := time.Now()
		third := w.callee.wantAfter("REGISTER", "")
		if time.Since(at) != 600*time.Second-120*time.Second { // a fifth before its end
			t.Errorf("refreshed after %v", time.Since(at))
		}
		w.registered(third, "n1", 2)
		w.callee.accept(third, "Expires: 60")
		at = time.Now()
		fourth := w.callee.wantAfter("REGISTER", "")
		if time.Since(at) != 48*time.Second {
			t.Errorf("refreshed after %v", time.Since(at))
		}
		w.callee.accept(fourth) // says nothing: what was asked for
		at = time.Now()
		time.Sleep(20 * time.Second)
		go w.ep.Leave(w.Context())
		last := w.callee.wantAfter("REGISTER", "")
		if last.get("Contact") != "<sip:ringdown@10.0.0.1:5060>;expires=0" || last.get("Expires") != "0" || time.Since(at) != 20*time.Second {
			t.Errorf("%s", last.raw)
		}
		w.callee.accept(last)
		if w.registration() != regLeft {
			t.Errorf("%s", w.registration())
		}
		w.callee.quiet(2 * time.Hour)
	})
}

func (w *world) registered(m message, nonce string, nc uint32) {
	w.Helper()
	c := w.provedAs(m, "4721000001", "Authorization", "provider.example", nonce)
	if c.NC != nc {
		w.Errorf("nc %d, want %d", c.NC, nc)
	}
}

// Between refreshes packets go out so that NATs remember us: each 25 s.
func TestRegistrationKeepsAlive(t *testing.T) {
	registering(t, nil, func(w *world) {
		w.callee.accept(w.callee.want("REGISTER"))
		for range 5 {
			at := time.Now()
			if m, ok := w.callee.read(time.Minute); !ok || m.raw != "\r\n\r\n" || time.Since(at) != keepAlive {
				t.Errorf("%q after %v", m.raw, time.Since(at))
			}
		}
	})
}

// Calls come through the binding from an address that no trunk has: the number
// is in To, the trunk is the registration's, as long as it holds.
func TestCallThroughTheBinding(t *testing.T) {
	registering(t, nil, func(w *world) {
		reg := w.callee.want("REGISTER")
		call1 := func(user string, more ...string) {
			w.callee.seq++
			extra := ""
			for _, m := range more {
				extra += m + "\n"
			}
			w.callee.send("INVITE sip:%s@10.0.0.1:5060 SIP/2.0\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKp%d\nMax-Forwards: 70\nFrom: <sip:+4790000001@provider.example>;tag=p\nTo: <sip:+4721000009@provider.example>\nCall-ID: p%d\nCSeq: 1 INVITE\nContact: <sip:p@10.2.0.1>\n%sContent-Type: application/sdp\n\n%s",
				user, w.callee.seq, w.callee.seq, extra, offer)
		}
		call1("ringdown")
		w.callee.quiet(t1 / 2) // not before we are registered
		w.callee.accept(reg, contactFor(600))
		synctest.Wait()
		for _, c := range []struct{ user, header, want string }{
			{"ringdown", "X-A: b", "+4721000009"},
			{"ringdown", "P-Called-Party-ID: <sip:+4721000007@provider.example>", "+4721000007"},
			{"+4721000008", "X-A: b", "+4721000008"},
		} {
			call1(c.user, c.header)
			w.callee.want("SIP/2.0 100")
			a := w.admitted()
			if a.Trunk != "provider" || a.To != c.want {
				t.Errorf("%s: trunk %q, called %q", c.user, a.Trunk, a.To)
			}
			a.leg.Hangup(call.Cause{Status: 404})
			m := w.callee.want("SIP/2.0 404")
			w.callee.send("ACK sip:x SIP/2.0\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKp%d\nMax-Forwards: 70\nFrom: <sip:+4790000001@provider.example>;tag=p\nTo: %s\nCall-ID: p%d\nCSeq: 1 ACK\n\n", w.callee.seq, m.get("To"), w.callee.seq)
		}
		call1("ringdown")
		w.callee.want("SIP/2.0 100")
		up := w.admitted()
		up.leg.Answer(ourSDP)
		ok := w.callee.want("SIP/2.0 200")
		w.callee.send("ACK sip:x SIP/2.0\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKack\nMax-Forwards: 70\nFrom: <sip:+4790000001@provider.example>;tag=p\nTo: %s\nCall-ID: p%d\nCSeq: 1 ACK\n\n", ok.get("To"), w.callee.seq)
		signal[call.Acked](w, up.signals)
		bye := fmt.Sprintf("BYE sip:x SIP/2.0\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKbye\nMax-Forwards: 70\nFrom: <sip:+4790000001@provider.example>;tag=p\nTo: %s\nCall-ID: p%d\nCSeq: 2 BYE\n\n", ok.get("To"), w.callee.seq)
		time.Sleep(601 * time.Second) // no refresh is answered: the binding lapses, the call goes on
		if w.registration() != regFailed {
			t.Errorf("%s", w.registration())
		}
		call1("ringdown")
		w.callee.send("%s", bye)
		for {
			m, ok := w.callee.read(time.Minute)
			if !ok {
				t.Fatal("the BYE is not answered")
			}
			if strings.HasPrefix(m.start, "SIP/2.0 100") {
				t.Error("a call through a binding that is gone")
			}
			if strings.HasPrefix(m.start, "SIP/2.0 200") {
				break
			}
		}
		signal[call.Bye](w, up.signals)
	})
}

// A registrar that asks for more time gets it; one that answers no, is away, or
// asks for patience is asked again at its time.
func TestRegistrationTriesAgain(t *testing.T) {
	for _, c := range []struct {
		status      int
		header      string
		least, most time.Duration
	}{
		{500, "X-A: b", backoffFirst * 3 / 4, backoffFirst * 5 / 4},
		{503, "Retry-After: 120", 120 * time.Second, 120 * time.Second},
		{503, "Retry-After: 99999999", time.Hour, time.Hour},
		{403, "X-A: b", 45 * time.Second, 75 * time.Second},
		{302, "Contact: <sip:10.9.9.9>", 45 * time.Second, 75 * time.Second},
		{423, "Min-Expires: 60", 45 * time.Second, 75 * time.Second}, // less than we ask for
		{401, "X-A: b", 45 * time.Second, 75 * time.Second},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.header), func(t *testing.T) {
			registering(t, nil, func(w *world) {
				elsewhere := w.peer(otherAddr)
				w.callee.reply(w.callee.want("REGISTER"), c.status, "reg", "", c.header)
				at := time.Now()
				m := w.callee.wantWithin("REGISTER", 2*time.Hour)
				if d := time.Since(at); d < c.least || d > c.most {
					t.Errorf("again after %v", d)
				}
				if m.get("CSeq") != "2 REGISTER" || w.registration() != regFailed {
					t.Errorf("%s %s", w.registration(), m.raw)
				}
				elsewhere.quiet(time.Millisecond)
			})
		})
	}
}

func (p *peer) wantWithin(start string, d time.Duration) message {
	p.w.Helper()
	m, ok := p.read(d)
	if !ok || !strings.HasPrefix(m.start, start) {
		p.w.Fatalf("got %q, want %q", m.start, start)
	}
	return m
}

func TestRegistrationIntervalTooBrief(t *testing.T) {
	registering(t, nil, func(w *world) {
		w.callee.reply(w.callee.want("REGISTER"), 423, "reg", "", "Min-Expires: 7200")
		m := w.callee.want("REGISTER")
		if m.get("Expires") != "7200" || !strings.HasSuffix(m.get("Contact"), ";expires=7200") {
			t.Errorf("%s", m.raw)
		}
		w.callee.accept(m)
		at := time.Now()
		w.callee.wantAfter("REGISTER", "")
		if time.Since(at) != 7200*time.Second-5*time.Minute {
			t.Errorf("refreshed after %v", time.Since(at))
		}
	})
}

// A registrar that always wants more is asked once more, not for ever.
func TestRegistrationIntervalNeverLongEnough(t *testing.T) {
	registering(t, nil, func(w *world) {
		w.callee.reply(w.callee.want("REGISTER"), 423, "reg", "", "Min-Expires: 7200")
		w.callee.reply(w.callee.want("REGISTER"), 423, "reg", "", "Min-Expires: 7201")
		at := time.Now()
		m := w.callee.wantWithin("REGISTER", time.Hour)
		if d := time.Since(at); d < 45*time.Second || w.registration() != regFailed || m.get("Expires") != "7200" {
			t.Errorf("again after %v, %s", d, w.registration())
		}
	})
}

// A wrong password is not shown again and again: twice a round, with a pause
// that grows.
func TestRegistrationWithAWrongPassword(t *testing.T) {
	registering(t, nil, func(w *world) {
		started := time.Now()
		asked := 0
		for n := 0; time.Since(started) < 2*time.Hour; n++ {
			m, ok := w.callee.read(time.Hour)
			if !ok || !strings.HasPrefix(m.start, "REGISTER") {
				t.Fatalf("%q", m.start)
			}
			asked++
			w.callee.reply(m, 401, "reg", "", challenge("WWW-Authenticate", "provider.example", fmt.Sprint("n", n)))
		}
		if asked > 20 {
			t.Errorf("asked %d times in two hours", asked)
		}
		if strings.Contains(w.log.String(), "4721000001") || strings.Contains(w.log.String(), "zanzibar") {
			t.Errorf("the log tells too much:\n%s", w.log)
		}
	})
}

// A registrar with several addresses: the next one is asked within seconds.
func TestRegistrationOfSeveralAddresses(t *testing.T) {
	registering(t, func(trunk *routing.Trunk, d *Deps) {
		trunk.Register.Registrar = "sip:registrar.example"
		d.Lookup = names(map[string][]string{"registrar.example": {"10.2.0.9", "10.2.0.1"}})
	}, func(w *world) {
		dead := w.peer("10.2.0.9:5060")
		at := time.Now()
		m := w.callee.want("REGISTER sip:registrar.example SIP/2.0")
		if time.Since(at) != registerNext {
			t.Errorf("the second address after %v", time.Since(at))
		}
		w.callee.accept(m, "Expires: 600", "Service-Route: <sip:10.2.0.1;lr>, <sip:edge@10.2.0.7;lr>")
		for len(dead.conn.in) > 0 {
			<-dead.conn.in
		}
		synctest.Wait()
		_, _ = w.dialTrunk("provider", "sip:agent@10.2.0.1")
		inv := w.callee.want("INVITE sip:agent@10.2.0.1")
		if got := fmt.Sprint(inv.all("Route")); got != "[<sip:10.2.0.1;lr> <sip:edge@10.2.0.7;lr>]" {
			t.Errorf("%s", got)
		}
		w.callee.wantAfter("REGISTER", "", "INVITE") // the refresh goes where the binding is
		for len(dead.conn.in) > 0 {
			if m := parseText((<-dead.conn.in).b); strings.HasPrefix(m.start, "REGISTER") && m.get("CSeq") != "1 REGISTER" {
				t.Errorf("%s", m.raw)
			}
		}
	})
}

// Goodbye does not wait for a registrar that is silent.
func TestLeaveHasAnEnd(t *testing.T) {
	registering(t, nil, func(w *world) {
		w.callee.accept(w.callee.want("REGISTER"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
		defer cancel()
		at := time.Now()
		w.ep.Leave(ctx)
		if time.Since(at) != 3*time.Second {
			t.Errorf("left after %v", time.Since(at))
		}
		w.ep.Leave(w.Context()) // and not twice
	})
}

func TestContactUserIsItsOwn(t *testing.T) {
	a := contactUser("a", routing.Register{Registrar: "sip:x", User: "u"})
	if a != contactUser("a", routing.Register{Registrar: "sip:x", User: "u"}) || a == contactUser("b", routing.Register{Registrar: "sip:x", User: "u"}) || len(a) != 14 {
		t.Errorf("%s", a)
	}
}
