package call

import (
	"net/netip"
	"testing"
	"testing/synctest"
)

// An attempt can have its offer in the IP version of the address it goes to.
func TestAttemptAsksForItsOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		b := w.board(Config{})
		a := &fakeLeg{}
		send, refused := b.Admit(defaultSetup().invite, a)
		if refused != nil {
			t.Fatal(refused)
		}
		synctest.Wait()
		d := w.b(0).dial
		if got, err := d.Over(netip.MustParseAddr("2001:db8::7"), false); err != nil || string(got) != "to the callee at 2001:db8::7" {
			t.Errorf("%q, %v", got, err)
		}
		send(Cancelled{At: Now()})
		send(Gone{Now()})
		synctest.Wait()
	})
}
