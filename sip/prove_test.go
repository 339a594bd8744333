package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/digest"
)

// trunkPolicies is Deps.Policy of a few trunks.
func trunkPolicies(all ...routing.Trunk) func(string) (routing.Trunk, bool) {
	return func(id string) (routing.Trunk, bool) {
		for _, t := range all {
			if t.ID == id {
				return t, true
			}
		}
		return routing.Trunk{}, false
	}
}

// withPassword is a trunk whose target is the callee.
func withPassword(realm string) routing.Trunk {
	return routing.Trunk{
		ID: "carrier", Targets: []routing.TrunkTarget{{URI: "sip:" + calleeAddr}},
		Auth: routing.Auth{Realm: realm, Username: "ringdown", Password: routing.NewSecret("env:P", "zanzibar")},
	}
}

func proving(t *testing.T, realm string, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{}, Deps{Policy: trunkPolicies(withPassword(realm))}, f)
}

func (w *world) dialTrunk(trunk, uri string) (call.Leg, chan call.Signal) {
	w.Helper()
	signals := make(chan call.Signal, 64)
	d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
	d.Target.URI, d.Target.Trunk = uri, trunk
	leg, err := w.ep.Dial(w.Context(), d, into(signals))
	if err != nil {
		w.Fatal(err)
	}
	return leg, signals
}

// refused answers an INVITE with an error and reads its ACK.
func (p *peer) refused(inv message, status int, headers ...string) {
	p.w.Helper()
	p.reply(inv, status, "ua", "", headers...)
	p.want("ACK")
}

func challenge(header, realm, nonce string, more ...string) string {
	return header + ": " + strings.Join(append([]string{fmt.Sprintf(`Digest realm="%s", nonce="%s"`, realm, nonce)}, more...), ", ")
}

// proved wants right credentials in a request; they are returned.
func (w *world) proved(m message, header, realm, nonce string) digest.Credentials {
	w.Helper()
	return w.provedAs(m, "ringdown", header, realm, nonce)
}

func (w *world) provedAs(m message, name, header, realm, nonce string) digest.Credentials {
	w.Helper()
	for _, v := range m.all(header) {
		c, err := digest.ParseCredentials(v)
		if err != nil || c.Realm != realm {
			continue
		}
		method, uri, _ := strings.Cut(m.start, " ")
		uri, _, _ = strings.Cut(uri, " ")
		asked := digest.Challenge{Realm: realm, Nonce: nonce, Algorithm: c.Algorithm}
		if c.QOP != "" {
			asked.QOP = []string{"auth"}
		}
		want, _ := asked.Answer(digest.Secret{Username: name, Password: "zanzibar"}, method, uri, c.CNonce, c.NC)
		if c.Response != want.Response || c.Nonce != nonce || c.URI != uri {
			w.Errorf("%s: %s", m.start, v)
		}
		return c
	}
	w.Fatalf("no %s for %q in\n%s", header, realm, m.raw)
	return digest.Credentials{}
}

func TestChallengeToInviteIsAnswered(t *testing.T) {
	proving(t, "biloxi.com", func(w *world) {
		leg, signals := w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
		first := w.callee.want("INVITE")
		if len(first.all("Authorization"))+len(first.all("Proxy-Authorization")) > 0 {
			t.Errorf("%s", first.raw)
		}
		w.callee.refused(first, 407, challenge("Proxy-Authenticate", "biloxi.com", "n1", "algorithm=SHA-256", `qop="auth,auth-int"`, `opaque="o"`),
			challenge("Proxy-Authenticate", "biloxi.com", "n2", "algorithm=MD5", `qop="auth"`))
		second := w.callee.want("INVITE")
		c := w.proved(second, "Proxy-Authorization", "biloxi.com", "n1") // the first that we know is the strongest
		if c.Algorithm != "SHA-256" || c.NC != 1 || c.QOP != "auth" || c.Opaque != "o" || len(second.all("Proxy-Authorization")) != 1 {
			t.Errorf("%+v", c)
		}
		if second.get("Call-ID") != first.get("Call-ID") || second.tag("From") != first.tag("From") || second.get("CSeq") != "2 INVITE" ||
			second.branch() == first.branch() || second.tag("To") != "" {
			t.Errorf("%s", second.raw)
		}
		w.callee.reply(second, 200, "agent", offer)
		ack := w.callee.want("ACK")
		if ack.get("CSeq") != "2 ACK" || ack.get("Proxy-Authorization") != second.get("Proxy-Authorization") {
			t.Errorf("%s", ack.raw)
		}
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{Status: 200})
		bye := w.callee.want("BYE")
		if c := w.proved(bye, "Proxy-Authorization", "biloxi.com", "n1"); c.NC != 2 || bye.get("CSeq") != "3 BYE" {
			t.Errorf("nc %d\n%s", c.NC, bye.raw)
		}
		w.callee.reply(bye, 407, "", "", challenge("Proxy-Authenticate", "biloxi.com", "n3", "stale=true", `qop="auth"`))
		again := w.callee.want("BYE")
		if c := w.proved(again, "Proxy-Authorization", "biloxi.com", "n3"); c.NC != 1 || again.get("CSeq") != "4 BYE" || again.tag("To") != "agent" {
			t.Errorf("nc %d\n%s", c.NC, again.raw)
		}
		w.callee.reply(again, 200, "", "")
		signal[call.Gone](w, signals)
		// the next call shows what is known already, without being asked
		_, _ = w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
		next := w.callee.want("INVITE")
		if c := w.proved(next, "Proxy-Authorization", "biloxi.com", "n3"); c.NC != 2 {
			t.Errorf("nc %d", c.NC)
		}
	})
}

// A proxy and the server behind it both ask; the old form without qop too.
func TestTwoRealmsAreAnswered(t *testing.T) {
	proving(t, "", func(w *world) {
		_, signals := w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
		w.callee.refused(w.callee.want("INVITE"), 407, challenge("Proxy-Authenticate", "proxy", "p1"))
		second := w.callee.want("INVITE")
		if c := w.proved(second, "Proxy-Authorization", "proxy", "p1"); c.QOP != "" || c.CNonce != "" || c.Algorithm != "" {
			t.Errorf("%+v", c)
		}
		w.callee.refused(second, 401, challenge("WWW-Authenticate", "server", "s1", "algorithm=MD5-sess", `qop="auth"`))
		third := w.callee.want("INVITE")
		w.proved(third, "Proxy-Authorization", "proxy", "p1")
		if c := w.proved(third, "Authorization", "server", "s1"); c.Algorithm != "MD5-sess" {
			t.Errorf("%+v", c)
		}
		w.callee.reply(third, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
	})
}

// Each of these challenges is answered so often and then believed.
func TestChallengesWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		realm   string
		asks    func(i int) string
		invites int
	}{
		"a wrong password":         {"a", func(i int) string { return challenge("WWW-Authenticate", "a", fmt.Sprint("n", i)) }, 2},
		"stale for ever":           {"a", func(i int) string { return challenge("WWW-Authenticate", "a", fmt.Sprint("n", i), "stale=true") }, 3},
		"the same nonce, stale":    {"a", func(i int) string { return challenge("WWW-Authenticate", "a", "n", "stale=true") }, 2},
		"a new realm each time":    {"", func(i int) string { return challenge("WWW-Authenticate", fmt.Sprint("r", i), "n") }, 4},
		"a foreign realm":          {"a", func(i int) string { return challenge("WWW-Authenticate", "b", "n") }, 1},
		"a realm in other letters": {"a", func(i int) string { return challenge("WWW-Authenticate", "A", "n") }, 1},
		"an unknown algorithm":     {"a", func(i int) string { return challenge("WWW-Authenticate", "a", "n", "algorithm=AKAv1-MD5") }, 1},
		"another scheme":           {"a", func(i int) string { return `WWW-Authenticate: Basic realm="a"` }, 1},
		"no challenge at all":      {"a", func(i int) string { return "X-A: b" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			proving(t, c.realm, func(w *world) {
				_, signals := w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
				for i := range c.invites {
					w.callee.refused(w.callee.want("INVITE"), 401, c.asks(i))
				}
				if f := signal[call.Failed](w, signals); f.Cause.Status != 401 || !f.Cause.Remote {
					t.Errorf("%+v", f)
				}
				w.callee.quiet(time.Minute)
			})
		})
	}
}

// credentials are for the trunk's own targets: not for a destination by
// its URI, not for another host reached in the trunk's name, not for a trunk
// that has none.
func TestCredentialsStayAtHome(t *testing.T) {
	trunk := withPassword("")
	trunk.Targets[0].URI = "sip:10.2.0.2"
	none := routing.Trunk{ID: "none", Targets: []routing.TrunkTarget{{URI: "sip:" + calleeAddr}}}
	inWorld(t, Config{}, Deps{Policy: trunkPolicies(trunk, none)}, func(w *world) {
		for _, id := range []string{"", "carrier", "none", "unknown"} {
			_, signals := w.dialTrunk(id, "sip:agent@"+calleeAddr)
			w.callee.refused(w.callee.want("INVITE"), 401, challenge("WWW-Authenticate", "a", "n"))
			signal[call.Failed](w, signals)
			w.callee.quiet(time.Minute)
		}
	})
}

// In a call that the trunk made, our BYE and re-INVITE are challenged too.
func TestChallengeInsideTheCallersDialog(t *testing.T) {
	proving(t, "biloxi.com", func(w *world) {
		_, a := w.answered()
		a.leg.Offer(ourSDP)
		first := w.carrier.want("INVITE")
		w.carrier.reply(first, 401, "", "", challenge("WWW-Authenticate", "biloxi.com", "n1", `qop="auth"`))
		w.carrier.want("ACK")
		second := w.carrier.want("INVITE")
		w.proved(second, "Authorization", "biloxi.com", "n1")
		if second.get("CSeq") != "2 INVITE" {
			t.Errorf("%s", second.raw)
		}
		w.carrier.reply(second, 200, "", offer)
		if ack := w.carrier.want("ACK"); ack.get("Authorization") != second.get("Authorization") {
			t.Errorf("%s", ack.raw)
		}
		signal[call.Accepted](w, a.signals)
		a.leg.Hangup(call.Cause{Status: 200})
		bye := w.carrier.want("BYE")
		w.proved(bye, "Authorization", "biloxi.com", "n1")
		w.carrier.reply(bye, 401, "", "", challenge("WWW-Authenticate", "biloxi.com", "n2", `qop="auth"`))
		again := w.carrier.want("BYE")
		w.proved(again, "Authorization", "biloxi.com", "n2")
		w.carrier.reply(again, 401, "", "", challenge("WWW-Authenticate", "biloxi.com", "n3", `qop="auth"`))
		signal[call.Gone](w, a.signals) // refused for good: gone all the same
		w.carrier.quiet(time.Minute)
	})
}

// A CANCEL belongs to the INVITE that is out; a hangup before the challenge is
// answered means that it is not.
func TestCancelAfterChallenge(t *testing.T) {
	proving(t, "biloxi.com", func(w *world) {
		leg, signals := w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
		w.callee.refused(w.callee.want("INVITE"), 401, challenge("WWW-Authenticate", "biloxi.com", "n1"))
		second := w.callee.want("INVITE")
		w.callee.reply(second, 180, "agent", "")
		signal[call.Ringing](w, signals)
		leg.Hangup(call.Cause{Status: 487})
		cancel := w.callee.want("CANCEL")
		if cancel.branch() != second.branch() || cancel.get("CSeq") != "2 CANCEL" {
			t.Errorf("%s", cancel.raw)
		}
		w.callee.reply(cancel, 200, "agent", "")
		w.callee.refused(second, 487)
		signal[call.Failed](w, signals)
		signal[call.Gone](w, signals)

		leg, signals = w.dialTrunk("carrier", "sip:agent@"+calleeAddr)
		third := w.callee.want("INVITE")
		leg.Hangup(call.Cause{Status: 487})
		synctest.Wait()
		w.callee.refused(third, 401, challenge("WWW-Authenticate", "biloxi.com", "n2", "stale=true"))
		signal[call.Failed](w, signals)
		w.callee.quiet(time.Minute)
	})
}

// The realms of one trunk that are remembered have a bound, and an end.
func TestWalletIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w wallet
		p := &proof{trunk: "a", auth: withPassword("").Auth, wallet: &w}
		for i := range 100 {
			w.keep(place{"a", "Authorization", fmt.Sprint(i)}, digest.Challenge{Realm: fmt.Sprint(i), Nonce: "n"})
			w.keep(place{"b", "Authorization", fmt.Sprint(i)}, digest.Challenge{Realm: fmt.Sprint(i), Nonce: "n"})
			time.Sleep(time.Second)
		}
		if got := w.credentials(p, "INVITE", "sip:x"); len(w.places) != 2*maxPlaces || len(got) != maxPlaces || got[0].Realm != "96" {
			t.Errorf("%d places, %+v", len(w.places), got)
		}
		time.Sleep(nonceKept)
		if got := w.credentials(p, "INVITE", "sip:x"); len(got) != 0 || len(w.places) != maxPlaces {
			t.Errorf("%d places, %+v", len(w.places), got)
		}
	})
}
