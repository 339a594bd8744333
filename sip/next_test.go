package sip

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"ringdown/call"
)

func names(m map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, host string) (addrs []netip.Addr, err error) {
		for _, a := range m[host] {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if addrs == nil {
			err = errors.New("no such host")
		}
		return addrs, err
	}
}

// TestConnectTimeout: the flow may say how long an address may be silent; one that
// has said anything is waited for.
func TestConnectTimeout(t *testing.T) {
	for _, c := range []struct {
		says time.Duration // of the dial
		want time.Duration
	}{{0, no100}, {time.Second, time.Second}} {
		inWorld(t, Config{}, Deps{}, func(w *world) {
			signals := make(chan call.Signal, 64)
			d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
			d.Target.URI, d.Target.Connect = "sip:agent@"+calleeAddr, c.says
			start := time.Now()
			if _, err := w.ep.Dial(w.Context(), d, into(signals)); err != nil {
				t.Fatal(err)
			}
			if f := signal[call.Failed](w, signals); f.Cause.Status != 408 || f.Cause.Remote || time.Since(start) != c.want {
				t.Errorf("%+v after %v", f.Cause, time.Since(start))
			}
		})
		inWorld(t, Config{}, Deps{}, func(w *world) {
			signals := make(chan call.Signal, 64)
			d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
			d.Target.URI, d.Target.Connect = "sip:agent@"+calleeAddr, c.says
			leg, err := w.ep.Dial(w.Context(), d, into(signals))
			if err != nil {
				t.Fatal(err)
			}
			req := w.callee.want("INVITE")
			w.callee.reply(req, 100, "", "")
			w.noSignal(signals, 20*time.Second)
			leg.Hangup(call.Cause{})
			w.callee.reply(w.callee.want("CANCEL"), 200, "", "")
			w.callee.reply(req, 487, "agent", "")
		})
	}
}

// Row 15: a dead address is left after 3 s for the next; a late answer of the
// dead one is acknowledged and ended, and no signal tells of it.
func TestRow15NextAddress(t *testing.T) {
	deps := Deps{Lookup: names(map[string][]string{"pbx.example.com": {"10.2.0.66", "10.2.0.1"}})}
	inWorld(t, Config{}, deps, func(w *world) {
		dead := w.peer("10.2.0.66:5060")
		start := time.Now()
		leg, signals := w.dial("sip:agent@pbx.example.com")
		first := dead.want("INVITE")
		second := w.callee.want("INVITE")
		if d := time.Since(start); d != no100 {
			t.Errorf("next address after %v", d)
		}
		if first.get("CSeq") == second.get("CSeq") || first.branch() == second.branch() {
			t.Errorf("the second INVITE would be merged with the first:\n%s", second.raw)
		}
		w.callee.reply(second, 200, "agent", offer)
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		dead.reply(first, 200, "ghost", offer)
		if ack := dead.wantAfter("ACK", "INVITE"); ack.tag("To") != "ghost" || ack.get("CSeq") != "1 ACK" {
			t.Errorf("%s", ack.raw)
		}
		dead.reply(dead.want("BYE"), 200, "", "")
		w.noSignal(signals, time.Second)
		leg.Hangup(call.Cause{})
		w.callee.want("BYE")
	})
	inWorld(t, Config{}, deps, func(w *world) { // both dead
		dead := w.peer("10.2.0.66:5060")
		leg, signals := w.dial("sip:agent@pbx.example.com")
		first := dead.want("INVITE")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 408 || f.Cause.Remote {
			t.Errorf("%+v", f.Cause)
		}
		signal[call.Gone](w, signals)
		dead.reply(first, 180, "ghost", "") // it lives after all: it is not left ringing
		dead.wantAfter("CANCEL", "INVITE")
		leg.Hangup(call.Cause{})
		w.noSignal(signals, time.Minute)
	})
	inWorld(t, Config{}, deps, func(w *world) { // 503: RFC 3263 4.3
		dead := w.peer("10.2.0.66:5060")
		_, signals := w.dial("sip:agent@pbx.example.com")
		dead.reply(dead.want("INVITE"), 503, "ghost", "")
		w.callee.reply(w.callee.want("INVITE"), 180, "agent", "")
		signal[call.Ringing](w, signals)
	})
}
