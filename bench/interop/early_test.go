//go:build interop

package interop

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// duet is one call between two scripts through a node, which reaches the
// destination through a trunk, so that each leg has a policy of its own.
type duet struct {
	host         string // first three bytes
	carrier, pbx string // keys of the two trunks
	from, to     *script
}

// act plays the duet and returns the story of its one call.
func (s duet) act(t *testing.T, limit time.Duration) *story {
	t.Helper()
	carrier, pbx := s.host+".2", s.host+".3"
	agent := freePort(t, pbx)
	n := newNode(t, plan{Host: s.host + ".1", Sources: carrier, Agent: agent, Carrier: s.carrier,
		Trunks: fmt.Sprintf("  - {id: pbx, targets: [{uri: \"sip:%s\"}], %s}\n", agent, s.pbx), To: `{number: "+4791234567", trunk: pbx}`})
	n.start(t)
	dir := sippDir(t)
	s.from.write(t, dir, "from.xml")
	s.to.write(t, dir, "to.xml")
	uas := sipp(t, dir, "to.xml", pbx, n.Agent, "-m", "1")
	uac := sipp(t, dir, "from.xml", carrier, freePort(t, carrier), "-m", "1", n.SIP)
	if code := uas.code(t, limit); code != 0 {
		t.Errorf("the destination: exit %d; it said\n%s%s", code, uas.out.tail(), errorsOf(dir))
	}
	if code := uac.code(t, limit); code != 0 {
		t.Errorf("the carrier: exit %d; it said\n%s%s", code, uac.out.tail(), errorsOf(dir))
	}
	all := n.settled(t, 1)
	n.stop(t)
	all[0].whole(t)
	return all[0]
}

const plainAllow = "Allow: INVITE, ACK, CANCEL, BYE"

// hangsUp is the end of a caller's script.
func (s *script) hangsUp(seq int) *script { return s.asks("BYE", seq, false).response(200) }

// goes is the end of a destination's script.
func (s *script) goes(all ...match) *script { return s.request("BYE", all...).answers(200, false) }

// TestPrackOnTheCallersLegOnly: the caller knows 100rel, the destination does not;
// 183 with sound, 180, 200.
func TestPrackOnTheCallersLegOnly(t *testing.T) {
	s := duet{host: "127.0.61", carrier: "early_media: pass", pbx: "reliable: off",
		from: new(script).asks("INVITE", 1, true, "Supported: 100rel", "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE").may(100).
			response(183, match{"Require", "100rel", ""}, match{"RSeq", "[0-9]+", "rseq"}, match{"", "m=audio", ""}).
			play("caller.alaw").pause(200).
			asks("PRACK", 2, false, "RAck: [$rseq] 1 INVITE").response(200, match{"CSeq", "2 PRACK", ""}).
			response(180).response(200, match{"CSeq", "1 INVITE", ""}).asks("ACK", 1, false).pause(1000).hangsUp(3),
		to: new(script).invited(match{"Supported", "^[a-z, ]*199", ""}).tells(100, "b", false).tells(183, "b", true).play("callee.alaw").
			pause(600).tells(180, "b", false).pause(200).tells(200, "b", true, plainAllow).request("ACK").goes(),
	}
	end := s.act(t, 20*time.Second)
	if k := end.count("leg.early-media"); k != 1 {
		t.Errorf("early media was told %d times", k)
	}
	if d := end.last("call.ended"); d.Status != "completed" || d.Media.Callee.Packets < 70 || d.Media.Caller.Packets < 60 {
		t.Errorf("%+v: sound before the answer did not pass", d)
	}
}

// TestPrackOnTheDestinationsLegOnly: the destination rings reliably, changes its
// description by UPDATE before it answers without one; the caller knows neither.
func TestPrackOnTheDestinationsLegOnly(t *testing.T) {
	s := duet{host: "127.0.62", carrier: "reliable: off", pbx: "reliable: required",
		from: new(script).asks("INVITE", 1, true, plainAllow).may(100).
			response(183, match{"", "m=audio", ""}).response(180).response(200, match{"", "m=audio", ""}).
			asks("ACK", 1, false).play("caller.alaw").pause(1000).hangsUp(2),
		to: new(script).invited(match{"Require", "100rel", ""}).
			tells(183, "b", true, "Require: 100rel", "RSeq: 700").
			request("PRACK", match{"RAck", "^ *700 1 INVITE", ""}).answers(200, false).
			tells(183, "b", true, "Require: 100rel", "RSeq: 700"). // repeated: nothing may come of it
			pause(300).
			turns("UPDATE", "b", 1, true).response(200, match{"", "m=audio", ""}).
			tells(180, "b", false, "Require: 100rel", "RSeq: 701").
			request("PRACK", match{"RAck", "^ *701 1 INVITE", ""}, match{"CSeq", "3 PRACK", ""}).answers(200, false).
			pause(200).tells(200, "b", false, "Allow: INVITE, ACK, BYE, PRACK, UPDATE").request("ACK").play("callee.alaw").goes(),
	}
	if d := s.act(t, 20*time.Second).last("call.ended"); d.Status != "completed" || d.Media.Callee.Packets < 40 || d.Media.Caller.Packets < 40 {
		t.Errorf("%+v", d)
	}
}

// TestSessionIntervalsAreNegotiated: 422 and Min-SE both ways, on each leg by itself.
func TestSessionIntervalsAreNegotiated(t *testing.T) {
	s := duet{host: "127.0.63", carrier: "session: {expires: PT10M}", pbx: "session: {expires: PT15M}",
		from: new(script).asks("INVITE", 1, true, "Supported: timer", "Session-Expires: 30").may(100).
			response(422, match{"Min-SE", "^ *90", ""}).asks("ACK!", 1, false).
			asks("INVITE", 2, true, "Supported: timer", "x: 90;refresher=uac", "Min-SE: 90").may(100).may(180).
			response(200, match{"Session-Expires", "^ *90;refresher=uac", ""}, match{"Require", "timer", ""}).asks("ACK", 2, false).pause(500).
			asks("UPDATE", 3, false, "Supported: timer", "Session-Expires: 90;refresher=uas").
			response(200, match{"Session-Expires", "^ *90;refresher=uas", ""}).hangsUp(4),
		to: new(script).invited(match{"Session-Expires", "^ *900", ""}, match{"Min-SE", "^ *90", ""}).
			tells(422, "b", false, "Min-SE: 2000").request("ACK").
			invited(match{"Session-Expires", "^ *2000", ""}, match{"Min-SE", "^ *2000", ""}, match{"CSeq", "2 INVITE", ""}).
			tells(180, "c", false).pause(100).tells(200, "c", true, "Session-Expires: 2000;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE, BYE").
			request("ACK").goes(),
	}
	if d := s.act(t, 20*time.Second).last("call.ended"); d.Status != "completed" || d.EndedBy != "caller" {
		t.Errorf("%+v", d)
	}
}

// TestSessionIsRefreshed: by UPDATE on the destination's leg, by re-INVITE on the
// caller's, who does not know the timer; the call outlives its interval.
func TestSessionIsRefreshed(t *testing.T) {
	const short = "session: {expires: PT10S, min: PT10S}"
	s := duet{host: "127.0.64", carrier: short, pbx: short,
		from: new(script).asks("INVITE", 1, true, plainAllow).may(100).may(180).response(200).asks("ACK", 1, false).play("caller.alaw").
			request("INVITE", match{"Session-Expires", "^ *10;refresher=uac", ""}, match{"", "m=audio", ""}).answers(200, true).request("ACK").
			request("INVITE").answers(200, true).request("ACK").pause(2000).hangsUp(2),
		to: new(script).invited(match{"Session-Expires", "^ *10", ""}).tells(180, "b", false).pause(100).
			tells(200, "b", true, "Session-Expires: 10;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE, BYE").request("ACK").play("callee.alaw").
			request("UPDATE", match{"Session-Expires", "^ *10;refresher=uac", ""}).answers(200, false, "Session-Expires: 10;refresher=uac", "Require: timer").
			request("UPDATE", match{"Session-Expires", "^ *10;refresher=uac", ""}).answers(200, false, "Session-Expires: 10;refresher=uac", "Require: timer").
			goes(),
	}
	d := s.act(t, 40*time.Second).last("call.ended")
	if d.Status != "completed" || d.EndedBy != "caller" || d.TalkMS < 11500 || d.TalkMS > 13500 || !d.BilledUntil.IsZero() {
		t.Errorf("%+v", d)
	}
	if d.Media.Callee.Packets < 550 || d.Media.Caller.Packets < 550 {
		t.Errorf("sound was lost over the refreshes: %+v", d.Media)
	}
}

// TestVanished: a peer of either side that is gone without a word is found by
// the session timer, the other is told, and billed is his last packet.
func TestVanished(t *testing.T) {
	const short = "session: {expires: PT10S, min: PT10S}"
	for name, host := range map[string]string{"caller": "127.0.65", "callee": "127.0.68"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := freePort(t, host+".3")
			n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: agent, Carrier: short,
				Trunks: fmt.Sprintf("  - {id: pbx, targets: [{uri: \"sip:%s\"}], %s}\n", agent, short), To: `{number: "+4791234567", trunk: pbx}`})
			n.start(t)
			p := newPair(t, n, host+".2", siptest.PCMA, siptest.Noise(1))
			c := p.call(t, siptest.CallOptions{})
			time.Sleep(2 * time.Second) // of talk, less than the first refresh
			gone, left := p.caller, c.b
			if name == "callee" {
				gone, left = p.callee, c.a
			}
			gone.Close()
			died := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if end, err := left.Wait(ctx); err != nil || end.By != "remote" {
				t.Errorf("the other side: %+v, %v", end, err)
			}
			s := n.settled(t, 1)[0]
			s.completed(t)
			d := s.last("call.ended")
			if d.EndedBy != "session-timer" {
				t.Errorf("%+v", d)
			}
			if off := d.BilledUntil.Sub(died); off < -100*time.Millisecond || off > 100*time.Millisecond {
				t.Errorf("billed until %v, which is %v off its death", d.BilledUntil, off)
			}
			want := d.BilledUntil.Sub(d.BridgedAt).Milliseconds()
			if off := d.BillableMS - want; off < -1 || off > 1 || d.TalkMS != d.BillableMS {
				t.Errorf("billable %d ms, talk %d ms, from the bridge to the last sign of life %d ms", d.BillableMS, d.TalkMS, want)
			}
			if after := d.EndedAt.Sub(d.BridgedAt); after < 6500*time.Millisecond || after > 7500*time.Millisecond {
				t.Errorf("given up after %v of an interval of 10 s", after)
			}
			t.Logf("billed %d ms, %v off the death, given up after %v", d.BillableMS, d.BilledUntil.Sub(died), d.EndedAt.Sub(d.BridgedAt))
			n.signal(t, syscall.SIGTERM)
			if code := n.code(t, 50*time.Second); code != 0 { // its BYE to who is gone takes 32 s
				t.Errorf("serve: exit %d; it said\n%s", code, n.out.tail())
			}
			n.calm(t)
		})
	}
}

// TestForkedAnswers: two places ring and both answer; the first has the call,
// the other is thanked and told that it was answered elsewhere.
func TestForkedAnswers(t *testing.T) {
	s := duet{host: "127.0.66", carrier: "early_media: ringback", pbx: "reliable: supported",
		from: new(script).asks("INVITE", 1, true, plainAllow).may(100).response(180).response(200).asks("ACK", 1, false).
			play("caller.alaw").pause(1500).hangsUp(2),
		to: new(script).invited(match{"Supported", "100rel", ""}).
			tells(183, "one", true, "Require: 100rel", "RSeq: 10").request("PRACK", match{"To", "one", ""}, match{"CSeq", "2 PRACK", ""}).answers(200, false).
			tells(183, "two", true, "Require: 100rel", "RSeq: 90").request("PRACK", match{"To", "two", ""}, match{"CSeq", "2 PRACK", ""}).answers(200, false).
			pause(200).say(false, forked("one")).request("ACK", match{"To", "one", ""}).
			say(false, forked("two")).request("ACK", match{"To", "two", ""}).
			request("BYE", match{"To", "two", ""}, match{"Reason", "SIP ?;cause=200", ""}, match{"CSeq", "3 BYE", ""}).answers(200, false).
			play("callee.alaw").goes(match{"To", "one", ""}, match{"CSeq", "3 BYE", ""}),
	}
	story := s.act(t, 20*time.Second)
	if d := story.last("call.ended"); d.Status != "completed" || d.EndedBy != "caller" {
		t.Errorf("%+v", d)
	}
	if k := story.count("leg.answered"); k != 2 {
		t.Errorf("%d legs answered", k)
	}
}

// forked is a 2xx without a description, which came reliably before.
func forked(tag string) string {
	return "SIP/2.0 200 Told\nVia:[$via]\nFrom:[$from]\nTo:[$to];tag=[pid]" + tag +
		"\nCall-ID: [call_id]\nCSeq:[$cseq]\nContact: <sip:agent@[local_ip]:[local_port]>\nContent-Length: 0\n"
}

// TestCallerHearsItRing: a destination that has the call and says nothing for
// 3 s rings in the caller's ear all the same.
func TestCallerHearsItRing(t *testing.T) {
	s := duet{host: "127.0.67", carrier: "early_media: pass", pbx: "reliable: supported",
		from: new(script).asks("INVITE", 1, true, plainAllow).response(100).pause(2000).
			response(180).response(200).asks("ACK", 1, false).pause(300).hangsUp(2),
		to: new(script).invited().tells(100, "b", false).pause(5000).tells(200, "b", true).request("ACK").goes(),
	}
	if d := s.act(t, 20*time.Second).last("call.ended"); d.Status != "completed" {
		t.Errorf("%+v", d)
	}
}

// TestFailedDestinationHearsNoMore: a destination with early media refuses; from
// then on the caller's sound does not go there, his phone is told to ring, and
// the next destination answers.
func TestFailedDestinationHearsNoMore(t *testing.T) {
	const host = "127.0.69"
	first, second := freePort(t, host+".3"), freePort(t, host+".4")
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: first,
		To: fmt.Sprintf(`{uri: "sip:one@%s"}, {uri: "sip:two@%s"}`, first, second)})
	n.start(t)
	ear := listenUDP(t, host+".3:0")
	defer ear.Close()
	var heard, late atomic.Int32
	refused := make(chan struct{})
	go func() { // ends when the ear is closed
		for buf := make([]byte, 2048); ; {
			if _, _, err := ear.ReadFrom(buf); err != nil {
				return
			}
			select {
			case <-refused:
				late.Add(1)
			default:
				heard.Add(1)
			}
		}
	}()
	dir := sippDir(t)
	_, port, err := net.SplitHostPort(ear.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	sound := strings.Replace(body([]string{"SIP/2.0 183 Told", "Via:[$via]", "From:[$from]", "To:[$to];tag=[pid]one", "Call-ID: [call_id]", "CSeq:[$cseq]",
		"Contact: <sip:one@[local_ip]:[local_port]>"}, true), "[rtpstream_audio_port]", port, 1)
	new(script).invited().say(false, sound).pause(1500).tells(486, "one", false).request("ACK").write(t, dir, "one.xml")
	new(script).invited().tells(180, "two", false).pause(2000).tells(200, "two", true).request("ACK").play("callee.alaw").goes().write(t, dir, "two.xml")
	new(script).asks("INVITE", 1, true, plainAllow).may(100).response(183, match{"", "m=audio", ""}).play("caller.alaw").
		response(180).response(200).asks("ACK", 1, false).pause(1000).hangsUp(2).write(t, dir, "from.xml")
	one := sipp(t, dir, "one.xml", host+".3", first, "-m", "1")
	two := sipp(t, dir, "two.xml", host+".4", second, "-m", "1")
	uac := sipp(t, dir, "from.xml", host+".2", freePort(t, host+".2"), "-m", "1", n.SIP)
	if code := one.code(t, limit); code != 0 {
		t.Errorf("the first destination: exit %d; it said\n%s%s", code, one.out.tail(), errorsOf(dir))
	}
	time.Sleep(100 * time.Millisecond) // what was on its way
	close(refused)
	for what, p := range map[string]*program{"the second destination": two, "the carrier": uac} {
		if code := p.code(t, limit); code != 0 {
			t.Errorf("%s: exit %d; it said\n%s%s", what, code, p.out.tail(), errorsOf(dir))
		}
	}
	s := n.settled(t, 1)[0]
	n.stop(t)
	s.completed(t)
	if heard.Load() < 40 || late.Load() != 0 {
		t.Errorf("the first destination heard %d packets, and %d after it had refused", heard.Load(), late.Load())
	}
	if d := s.last("call.ended"); d.Media.Callee.Packets < 40 || d.Media.Caller.Drops["no-peer"] < 50 {
		t.Errorf("%+v", d.Media)
	}
}
