package sip

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

func TestStrangersGetSilenceAndOneEvent(t *testing.T) {
	bubble(t, func(w *world) {
		stranger := w.peer(otherAddr)
		for range 30 {
			stranger.invite()
			stranger.send("OPTIONS sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKo\nMax-Forwards: 70\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: o\nCSeq: 1 OPTIONS\n\n")
			stranger.send("REGISTER sip:10.0.0.1 SIP/2.0\nUser-Agent: friendly-scanner\n\n")
			stranger.send("SIP/2.0 200 OK\n\n")
		}
		a := w.admitted()
		if a.Trunk != "" || a.Source.String() != otherAddr || a.Transport != "udp" {
			t.Errorf("%+v", a.Invite)
		}
		a.leg.Progress(180, nil) // whatever is said to a stranger's leg, nothing goes out
		a.leg.Answer(ourSDP)
		a.leg.Update(1, ourSDP)
		a.leg.Hangup(call.Cause{Status: 404})
		stranger.quiet(30 * time.Second)
		if len(w.admits) != 0 {
			t.Error("a second event within a minute")
		}
		time.Sleep(31 * time.Second) // of virtual time
		stranger.invite()
		stranger.quiet(time.Second)
		if len(w.admits) != 0 {
			t.Error("an event of a banned address")
		}
		time.Sleep(10 * time.Minute)
		stranger.invite()
		w.admitted()
		if s := w.ep.Stats(); s.Drops["unknown-source"] != 11 || s.Drops["banned"] != 111 || s.Bans != 1 || s.Banned != 0 || len(s.Requests) != 0 || s.Legs != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Row 14: 20,000 addresses leave nothing behind, and make no more than ten
// events a second.
func TestRow14SpoofedSources(t *testing.T) {
	bubble(t, func(w *world) {
		one := w.peer(otherAddr)
		for i := range 20000 {
			from := &net.UDPAddr{IP: net.IPv4(172, 16, byte(i>>8), byte(i)), Port: 5060}
			p := &peer{w: w, conn: &memConn{wire: w.wire, addr: from, closed: make(chan struct{})}}
			p.invite()
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := len(w.admits); n > 10 {
			t.Errorf("%d events at once", n)
		}
		d := w.ep.door
		if d.unknown.order.Len() > unknownSources || len(d.unknown.byAddr) > unknownSources || len(d.known.byAddr) > 1 || len(w.ep.tx.servers) != 0 || len(d.peers) != 0 {
			t.Errorf("%d unknown, %d known, %d transactions", d.unknown.order.Len(), len(d.known.byAddr), len(w.ep.tx.servers))
		}
		if m := w.carrier.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 200 {
			t.Errorf("%s", m.raw)
		}
		one.quiet(time.Second)
	})
}

func TestSourcesForgetTheOldest(t *testing.T) {
	s := newSources(4, 1, 2)
	now := time.Unix(0, 0)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	for i := range 4 {
		s.take(addr(i), now)
	}
	s.take(addr(0), now) // both of its tokens are gone
	s.take(addr(9), now) // pushes 1 out
	if len(s.byAddr) != 4 || s.byAddr[addr(1)] != nil || s.byAddr[addr(0)] == nil {
		t.Errorf("%v", s.byAddr)
	}
	if s.take(addr(0), now) {
		t.Error("a third at once")
	}
	if !s.take(addr(0), now.Add(time.Second)) || s.take(addr(0), now.Add(time.Second)) {
		t.Error("one a second")
	}
	if s.take(addr(0), now.Add(time.Second/2)) {
		t.Error("a clock that goes back gives nothing")
	}
}

// A trunk that sends too much is cut short; the others are not.
func TestRateOfOneSource(t *testing.T) {
	inWorld(t, Config{Rate: Rate{Source: 100, Total: 1000}}, Deps{}, func(w *world) {
		second := w.peer("10.3.0.1:5060")
		for range 1000 {
			w.carrier.send("OPTIONS\n\n")
		}
		synctest.Wait()
		if s := w.ep.Stats(); s.Drops["rate"] != 800 {
			t.Errorf("%v", s.Drops)
		}
		if m := second.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 200 {
			t.Errorf("%s", m.raw)
		}
		time.Sleep(time.Second) // of virtual time
		if m := w.carrier.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 200 {
			t.Errorf("%s", m.raw)
		}
	})
}

// The door is open to a callee while we talk to it and a little longer, and closed again.
func TestDoorClosesBehindACallee(t *testing.T) {
	bubble(t, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		leg.Hangup(call.Cause{})
		w.callee.reply(w.callee.want("BYE"), 200, "", "")
		signal[call.Gone](w, signals)
		w.callee.byeOf(inv, "agent") // crossing: answered, although the leg is gone
		time.Sleep(allT1 + t2 + time.Second)
		w.ep.door.mu.Lock()
		defer w.ep.door.mu.Unlock()
		if n := len(w.ep.door.peers); n != 0 {
			t.Errorf("%d addresses still welcome", n)
		}
	})
}

// 300 calls that are answered and never acknowledged are all gone, once
// each, 64*T1 after they should be, and leave nothing.
func TestA28UnacknowledgedCalls(t *testing.T) {
	bubble(t, func(w *world) {
		gone := 0
		var calls []admittedCall
		for range 300 {
			w.carrier.invite()
			a := w.admitted()
			a.leg.Answer(ourSDP)
			calls = append(calls, a)
		}
		time.Sleep(2*allT1 + time.Second)
		for _, a := range calls {
			signal[call.NoAck](w, a.signals)
			signal[call.Gone](w, a.signals)
			if len(a.signals) == 0 {
				gone++
			}
		}
		synctest.Wait()
		w.ep.tx.mu.Lock()
		defer w.ep.tx.mu.Unlock()
		if s := fmt.Sprint(gone, len(w.ep.tx.servers), len(w.ep.tx.merged), len(w.ep.tx.clients), len(w.ep.dialogs), len(w.ep.legs)); s != "300 0 0 0 0 0" {
			t.Errorf("gone, servers, merged, clients, dialogs, legs: %s", s)
		}
	})
}
