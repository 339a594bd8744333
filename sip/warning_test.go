package sip

import (
	"errors"
	"net/netip"
	"testing"

	"ringdown/call"
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
