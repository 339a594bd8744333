package sip

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"ringdown/call"
)

// An INVITE that is being read when the endpoint closes makes no ghost: its leg
// is told Gone as well.
func TestCloseEndsTheLegOfTheLastMessage(t *testing.T) {
	var hold chan struct{}
	slow := func(a netip.Addr) (string, bool) {
		if hold != nil {
			<-hold
		}
		return trunks(a)
	}
	inWorld(t, Config{}, Deps{Trunk: slow}, func(w *world) {
		hold = make(chan struct{})
		w.carrier.invite()
		synctest.Wait()
		closed := make(chan struct{})
		go func() { w.ep.Close(); close(closed) }()
		synctest.Wait()
		close(hold)
		<-closed
		if s := w.ep.Stats(); s.Legs != 0 {
			t.Errorf("%d legs live", s.Legs)
		}
		signal[call.Gone](w, w.admitted().signals)
	})
}
