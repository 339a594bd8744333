package sip

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

func TestRefusalWithWarning(t *testing.T) {
	bubble(t, func(w *world) {
		for warn, want := range map[int]string{
			301: `301 10.0.0.1:5060 "Incompatible network address formats"`,
			0:   "",
			999: "",
		} {
			w.refuse = &call.Cause{Status: 488, Warn: warn}
			w.carrier.invite()
			w.carrier.want("SIP/2.0 100")
			if m := w.carrier.want("SIP/2.0 488"); m.get("Warning") != want {
				t.Errorf("%d: %q", warn, m.get("Warning"))
			}
			w.admitted()
		}
	})
}

// The offer is that for the address the INVITE goes to; without one the call's
// own goes out all the same.
func TestOfferForTheWay(t *testing.T) {
	bubble(t, func(w *world) {
		for _, fault := range []error{nil, errors.New("no ports")} {
			d := call.Dial{MaxForwards: 69, Body: ourSDP}
			d.Target.URI = "sip:" + calleeAddr
			d.Over = func(a netip.Addr, _ bool) ([]byte, error) {
				if a != netip.MustParseAddr("10.2.0.1") {
					t.Errorf("asked for %v", a)
				}
				return []byte(offer), fault
			}
			if _, err := w.ep.Dial(t.Context(), d, func(call.Signal) {}); err != nil {
				t.Fatal(err)
			}
			want := offer
			if fault != nil {
				want = string(ourSDP)
			}
			inv := w.callee.want("INVITE")
			if inv.body != want {
				t.Errorf("%v: %s", fault, inv.body)
			}
			w.callee.reply(inv, 486, "agent", "")
			w.callee.want("ACK")
		}
	})
}

// A place that may be offered nothing (its trunk requires encryption, and others
// could read the keys) is passed over for the next, and is not taken for dead; when
// there is none left, that is the destination's answer.
func TestNothingMayBeOffered(t *testing.T) {
	bubble(t, func(w *world) {
		first, second := w.peer("10.3.0.1:5060"), w.peer("10.3.0.2:5060")
		d := call.Dial{MaxForwards: 69, Body: ourSDP}
		d.Target.URI = "sip:+4722000000@10.3.0.1"
		d.Target.Places = []routing.Place{at("10.3.0.1", 1, 0), at("10.3.0.2", 2, 0)}
		refuse := errors.Join(errors.New("keys would cross UDP"), call.Cause{Status: 488, Text: "media"})
		d.Over = func(a netip.Addr, private bool) ([]byte, error) {
			if private {
				t.Error("UDP is taken for private")
			}
			if a == netip.MustParseAddr("10.3.0.1") {
				return nil, refuse
			}
			return []byte(offer), nil
		}
		signals := make(chan call.Signal, 16)
		if _, err := w.ep.Dial(t.Context(), d, func(s call.Signal) { signals <- s }); err != nil {
			t.Fatal(err)
		}
		second.reply(second.want("INVITE"), 486, "gw", "")
		second.want("ACK")
		first.quiet(time.Second)
		if f := signal[call.Failed](w, signals); f.Cause.Status != 486 {
			t.Errorf("%+v", f)
		}

		d.Over = func(netip.Addr, bool) ([]byte, error) { return nil, refuse }
		again := make(chan call.Signal, 16)
		if _, err := w.ep.Dial(t.Context(), d, func(s call.Signal) { again <- s }); err != nil {
			t.Fatal(err)
		}
		if f := signal[call.Failed](w, again); f.Cause.Status != 488 {
			t.Errorf("%+v", f)
		}
		first.quiet(time.Second)
		second.quiet(time.Second)
	})
}
