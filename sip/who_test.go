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

// The certificate goes before the password, the password before the address.
func TestEvidence(t *testing.T) {
	for _, c := range []struct {
		evidence
		want string
	}{
		{evidence{}, ""},
		{evidence{source: "a"}, "a"},
		{evidence{digest: "b"}, "b"},
		{evidence{certificate: "c"}, "c"},
		{evidence{digest: "b", source: "a"}, "b"},
		{evidence{certificate: "c", source: "a"}, "c"},
		{evidence{certificate: "c", digest: "b"}, "c"},
		{evidence{certificate: "c", digest: "b", source: "a"}, "c"},
	} {
		if got := c.trunk(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.evidence, got, c.want)
		}
	}
}

func user(name, password string) []routing.User {
	return []routing.User{{Name: name, Password: routing.NewSecret("env:P", password)}}
}

// askingTrunks are one that calls from anywhere, and the carrier, who has to
// show a password as well.
func askingTrunks(t *testing.T) Deps {
	t.Helper()
	table, faults := routing.NewTable(routing.Spec{Trunks: []routing.Trunk{
		{ID: "pbx", Auth: routing.Auth{Realm: "pbx.example", Users: user("bob", "zanzibar")}},
		{ID: "carrier", Sources: []string{"10.1.0.0/24"}, Auth: routing.Auth{Realm: "carrier.example", Users: user("kari", "secret")}},
		{ID: "second", Sources: []string{"10.3.0.0/24"}},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return Deps{Policy: table.Trunk, ByDigest: table.TrunksByDigest}
}

func asking(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{}, askingTrunks(t), f)
}

// knock sends a request outside any dialog from somebody at host.
func (p *peer) knock(method, host string, cseq int, extra ...string) {
	head := fmt.Sprintf("%s sip:+4721000001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKk%d-%d;rport\nMax-Forwards: 70\n"+
		"From: <sip:bob@%s>;tag=bob\nTo: <sip:+4721000001@10.0.0.1>\nCall-ID: knock%d\nCSeq: %d %s\nContact: <sip:bob@%s>\n",
		method, p.conn.addr, p.seq, cseq, host, p.seq, cseq, method, p.conn.addr)
	body := ""
	if method == "INVITE" {
		extra, body = append(extra, "Content-Type: application/sdp"), offer
	}
	for _, e := range extra {
		head += e + "\n"
	}
	p.sendRaw(text("%s\n%s", head, body))
}

func (p *peer) ackKnock(cseq int, toTag string) {
	p.send("ACK sip:+4721000001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKk%d-%d;rport\nMax-Forwards: 70\n"+
		"From: <sip:bob@pbx.example>;tag=bob\nTo: <sip:+4721000001@10.0.0.1>;tag=%s\nCall-ID: knock%d\nCSeq: %d ACK\n\n",
		p.conn.addr, p.seq, cseq, toTag, p.seq, cseq)
}

// asked reads a 401 and returns its challenges.
func (p *peer) asked() (m message, all []digest.Challenge) {
	p.w.Helper()
	m = p.want("SIP/2.0 401 Unauthorized")
	for _, v := range m.all("WWW-Authenticate") {
		c, err := digest.ParseChallenge(v)
		if err != nil {
			p.w.Fatalf("%s: %v", v, err)
		}
		all = append(all, c)
	}
	return m, all
}

func (p *peer) answerTo(c digest.Challenge, method, name, password string, nc uint32) string {
	p.w.Helper()
	a, ok := c.Answer(digest.Secret{Username: name, Password: password}, method, "sip:+4721000001@10.0.0.1", "cn", nc)
	if !ok {
		p.w.Fatalf("%+v", c)
	}
	return "Authorization: " + a.String()
}

func TestCallFromAnywhereByPassword(t *testing.T) {
	asking(t, func(w *world) {
		pbx := w.peer(otherAddr)
		pbx.knock("INVITE", "pbx.example", 1)
		m, asked := pbx.asked()
		if len(asked) != 2 || asked[0].Algorithm != digest.SHA256 || asked[1].Algorithm != digest.MD5 ||
			asked[0].Realm != "pbx.example" || strings.Join(asked[1].QOP, "") != "auth" || asked[0].Stale {
			t.Errorf("%s", m.raw)
		}
		pbx.knock("INVITE", "pbx.example", 1) // the 401 was lost
		if again, _ := pbx.asked(); again.tag("To") != m.tag("To") || m.tag("To") == "" {
			t.Errorf("tags %s, %s", m.tag("To"), again.tag("To"))
		}
		pbx.ackKnock(1, m.tag("To"))
		w.ep.tx.mu.Lock()
		held := len(w.ep.tx.servers)
		w.ep.tx.mu.Unlock()
		if held != 0 || w.ep.Stats().Legs != 0 {
			t.Error("a challenge holds something")
		}
		pbx.knock("INVITE", "pbx.example", 2, pbx.answerTo(asked[1], "INVITE", "bob", "zanzibar", 1))
		pbx.want("SIP/2.0 100")
		a := w.admitted()
		if a.Trunk != "pbx" {
			t.Errorf("%+v", a.Invite)
		}
		a.leg.Answer(ourSDP)
		ok := pbx.want("SIP/2.0 200")
		i := &invite{p: pbx, callID: "knock0", branch: "z9hG4bKx", cseq: 2, toTag: ok.tag("To")}
		send := func(method string) { // the dialog's From tag is bob
			i.cseq++
			pbx.send("%s sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKd%d;rport\nMax-Forwards: 70\nFrom: <sip:bob@pbx.example>;tag=bob\nTo: <sip:x@10.0.0.1>;tag=%s\nCall-ID: knock0\nCSeq: %d %s\n\n",
				method, pbx.conn.addr, i.cseq, i.toTag, i.cseq, method)
		}
		i.cseq = 1
		send("ACK")
		signal[call.Acked](w, a.signals)
		w.ep.door.mu.Lock()
		w.ep.door.proven = proven{} // what was shown is long ago: the call goes on all the same
		w.ep.door.mu.Unlock()
		send("INFO")
		pbx.want("SIP/2.0 200")
		send("BYE")
		pbx.want("SIP/2.0 200")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		if s := w.ep.Stats(); s.Drops["stray-ack"] != 0 || s.Bans != 0 {
			t.Errorf("%v", s.Drops)
		}
		time.Sleep(time.Minute)
		w.ep.door.mu.Lock()
		defer w.ep.door.mu.Unlock()
		if n := len(w.ep.door.peers); n != 0 {
			t.Errorf("%d addresses still welcome", n)
		}
	})
}

// Nothing of a visitor's ringing goes on when his leg is over.
func TestVisitorLeavesNoTimer(t *testing.T) {
	asking(t, func(w *world) {
		pbx := w.peer(otherAddr)
		pbx.knock("INVITE", "pbx.example", 1)
		_, asked := pbx.asked()
		pbx.knock("INVITE", "pbx.example", 2, pbx.answerTo(asked[0], "INVITE", "bob", "zanzibar", 1), "Supported: 100rel")
		pbx.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Progress(183, ourSDP)
		pbx.want("SIP/2.0 183")
		a.leg.Hangup(call.Cause{Status: 480})
		pbx.want("SIP/2.0 480")
		signal[call.Gone](w, a.signals)
		r := &a.leg.(*inbound).ring
		if r.remind.Stop() || r.out.timer.Stop() || r.out.limit.Stop() {
			t.Error("a timer was running")
		}
	})
}

// One nonce serves several requests as long as its count rises.
func TestNonceIsUsedAgain(t *testing.T) {
	asking(t, func(w *world) {
		w.refuse = &call.Cause{Status: 404}
		pbx := w.peer(otherAddr)
		pbx.knock("OPTIONS", "pbx.example", 1)
		_, asked := pbx.asked()
		try := func(cseq int, nc uint32, want string) message {
			pbx.seq++
			pbx.knock("INVITE", "pbx.example", cseq, pbx.answerTo(asked[0], "INVITE", "bob", "zanzibar", nc))
			m := pbx.wantAfter(want, "SIP/2.0 100")
			pbx.ackKnock(cseq, m.tag("To"))
			return m
		}
		try(1, 1, "SIP/2.0 404")
		try(1, 2, "SIP/2.0 404")
		m := try(1, 2, "SIP/2.0 401")
		if c, _ := digest.ParseChallenge(m.all("WWW-Authenticate")[0]); !c.Stale {
			t.Errorf("%s", m.raw)
		}
		try(1, 1, "SIP/2.0 401") // a replay
		try(1, 9, "SIP/2.0 404")
		time.Sleep(digest.Lifetime + time.Second)
		if m := try(1, 10, "SIP/2.0 401"); !strings.Contains(m.raw, "stale=true") {
			t.Errorf("%s", m.raw)
		}
	})
}

// Nobody learns whether a name, a realm or a trunk exists.
func TestNoOracle(t *testing.T) {
	asking(t, func(w *world) {
		answers := map[string]bool{}
		for _, c := range [][2]string{{"bob", "wrong"}, {"eve", "zanzibar"}, {"kari", "secret"}} {
			p := w.peer(fmt.Sprintf("10.9.9.%d:5060", len(answers)+len(c[0])))
			p.knock("INVITE", "pbx.example", 1)
			_, asked := p.asked()
			p.knock("INVITE", "pbx.example", 2, p.answerTo(asked[0], "INVITE", c[0], c[1], 1))
			m, again := p.asked()
			if len(again) != 2 || again[0].Stale || again[0].Nonce == asked[0].Nonce {
				t.Errorf("%s: %s", c[0], m.raw)
			}
			var names []string
			for _, h := range m.headers {
				names = append(names, h[0])
			}
			answers[m.start+strings.Join(names, ",")] = true
		}
		if len(answers) != 1 {
			t.Errorf("%v", answers)
		}
		for _, host := range []string{"carrier.example", "10.0.0.1", "PBX.example2", ""} { // of a trunk with sources; of none
			p := w.peer("10.9.8.7:5060")
			p.knock("INVITE", host, 1)
			p.quiet(time.Second)
		}
		if len(w.admits) != 0 {
			t.Error("a call was admitted")
		}
	})
}

// A trunk with addresses and users needs both; its OPTIONS and what is inside a
// dialog need no password. A user of another trunk proves the other trunk.
func TestPasswordBesideTheAddress(t *testing.T) {
	asking(t, func(w *world) {
		w.carrier.knock("OPTIONS", "x", 1)
		w.carrier.want("SIP/2.0 200")
		w.carrier.seq++
		w.carrier.knock("INVITE", "anything", 1)
		_, asked := w.carrier.asked()
		if asked[0].Realm != "carrier.example" {
			t.Errorf("%+v", asked)
		}
		w.carrier.knock("INVITE", "anything", 2, w.carrier.answerTo(asked[0], "INVITE", "kari", "wrong", 1))
		_, asked = w.carrier.asked()
		w.carrier.knock("INVITE", "anything", 3, w.carrier.answerTo(asked[0], "INVITE", "kari", "secret", 1))
		w.carrier.want("SIP/2.0 100")
		if a := w.admitted(); a.Trunk != "carrier" {
			t.Errorf("%+v", a.Invite)
		}
		second := w.peer("10.3.0.1:5060") // no users: its address is enough
		second.knock("INVITE", "x", 1)
		second.want("SIP/2.0 100")
		if a := w.admitted(); a.Trunk != "second" {
			t.Errorf("%+v", a.Invite)
		}
		second.seq = 7
		c := w.ep.asks.Challenges("pbx.example", "10.3.0.1", []string{digest.SHA256}, false)[0]
		second.knock("INVITE", "x", 1, second.answerTo(c, "INVITE", "bob", "zanzibar", 1))
		second.want("SIP/2.0 100")
		if a := w.admitted(); a.Trunk != "pbx" {
			t.Errorf("%+v", a.Invite)
		}
	})
}

// Credentials are for the number they were made for.
func TestCredentialsAreForOneNumber(t *testing.T) {
	for uri, want := range map[string]string{
		"sip:+4721000001@elsewhere:5070": "SIP/2.0 100", "sip:10.0.0.1:5060": "SIP/2.0 100", "sip:%2B4721000001@x": "SIP/2.0 100",
		"sip:+4721000002@10.0.0.1": "SIP/2.0 401", "nonsense": "SIP/2.0 401",
	} {
		asking(t, func(w *world) {
			p := w.peer(otherAddr)
			p.knock("INVITE", "pbx.example", 1)
			_, asked := p.asked()
			a, _ := asked[0].Answer(digest.Secret{Username: "bob", Password: "zanzibar"}, "INVITE", uri, "cn", 1)
			p.knock("INVITE", "pbx.example", 2, "Authorization: "+a.String())
			p.want(want)
		})
	}
}

// ten wrong passwords of an address are the last that are answered, for a
// time; who has shown a right one, and a trunk's own address, are not shut out.
func TestWrongPasswordsBan(t *testing.T) {
	var told []Ban
	deps := askingTrunks(t)
	deps.Banned = func(b Ban) { told = append(told, b) }
	inWorld(t, Config{}, deps, func(w *world) {
		guess := func(p *peer, host, name, password string) (message, bool) {
			p.seq++
			p.knock("INVITE", host, 1)
			m, ok := p.read(time.Second)
			if !ok {
				return m, false
			}
			c, err := digest.ParseChallenge(m.get("WWW-Authenticate"))
			if err != nil {
				t.Fatal(err)
			}
			p.knock("INVITE", host, 2, p.answerTo(c, "INVITE", name, password, 1))
			return p.read(time.Second)
		}
		attacker := w.peer(otherAddr)
		answered := 0
		for range 30 {
			if _, ok := guess(attacker, "pbx.example", "bob", "guess"); ok {
				answered++
			}
		}
		if answered > 10 || len(told) != 1 || told[0].Why != banDigest || told[0].Source.String() != "10.9.9.9/32" || told[0].Until.Sub(told[0].From) != 10*time.Minute {
			t.Errorf("%d answers, %+v", answered, told)
		}
		if log := w.log.String(); !strings.Contains(log, "password not accepted") || !strings.Contains(log, "10.9.9.9") ||
			!strings.Contains(log, "trunk pbx") || strings.Contains(log, "bob") || strings.Contains(log, "guess") {
			t.Errorf("an operator reads\n%s", log)
		}
		good := w.peer("10.9.9.8:5060")
		if m, _ := guess(good, "pbx.example", "bob", "zanzibar"); statusOf(m.start) != 100 {
			t.Errorf("%s", m.raw)
		}
		for range 15 {
			guess(good, "pbx.example", "bob", "guess")
			guess(w.carrier, "x", "kari", "guess")
		}
		good.seq, w.carrier.seq = 99, 199
		for _, p := range []*peer{good, w.carrier} {
			for { // what is left to read of the guesses
				if _, ok := p.read(time.Second); !ok {
					break
				}
			}
		}
		if m, _ := guess(good, "pbx.example", "bob", "zanzibar"); statusOf(m.start) != 100 {
			t.Errorf("proven, and shut out: %s %v", m.raw, w.ep.Stats().Drops)
		}
		if m, _ := guess(w.carrier, "x", "kari", "secret"); statusOf(m.start) != 100 {
			t.Errorf("a trunk's own address, and shut out: %s", m.raw)
		}
		time.Sleep(10 * time.Minute)
		if m, ok := guess(attacker, "pbx.example", "bob", "zanzibar"); !ok || statusOf(m.start) != 100 {
			t.Errorf("banned for ever: %v", w.ep.Stats().Drops)
		}
	})
}

// A flood of requests from addresses nobody has is challenged by a trickle.
func TestChallengesAreRationed(t *testing.T) {
	asking(t, func(w *world) {
		one := w.peer(otherAddr)
		for i := range 200 {
			one.seq = i
			one.knock("INVITE", "pbx.example", 1)
		}
		synctest.Wait()
		if n := len(one.conn.in); n != visitorBurst {
			t.Errorf("%d answers", n)
		}
		if s := w.ep.Stats(); s.Drops["visitor-rate"] != 200-visitorBurst {
			t.Errorf("%v", s.Drops)
		}
	})
}
