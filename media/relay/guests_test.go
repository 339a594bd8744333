package relay

import (
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/secure"
)

// Nothing is decrypted of who cannot become the sender any more, also from the
// party's own host; and little of a flood while somebody still can.
func TestFloodIsNotDecrypted(t *testing.T) {
	forged := append(make([]byte, 0, 300), (&mediatest.Tone{SSRC: 9}).Next()...)
	t.Run("locked", func(t *testing.T) {
		inWorld(t, mediatest.Link{}, func(w *world) {
			a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, 0, "")
			if err := w.dial(a, b, srtp(media.SRTPRequire), media.Source{}); err != nil {
				t.Fatal(err)
			}
			w.converse(a, b)
			near := w.conn(sipperIP, 4100)
			for range 500 {
				near.WriteToUDPAddrPort(forged, a.ours)
			}
			synctest.Wait()
			w.converse(a, b)
			wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropSource: 500})
		})
	})
	t.Run("learning", func(t *testing.T) {
		inWorld(t, mediatest.Link{}, func(w *world) {
			a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, 0, "")
			src := srtp(media.SRTPRequire)
			src.Rule = media.Latch
			if err := w.dial(a, b, src, media.Source{}); err != nil {
				t.Fatal(err)
			}
			thief := w.conn(thiefIP, 4000)
			for range 50 { // 5,000 packets a second
				for range 100 {
					thief.WriteToUDPAddrPort(forged, a.ours)
				}
				a.sings(1)
			}
			if heard := len(b.hears()); heard < 45 {
				t.Errorf("%d of 50 packets of the party passed", heard)
			}
			f := w.relay.Close().Caller
			if tried := f.Drops[media.DropAuth]; tried < 50 || tried > 400 {
				t.Errorf("%d of 5,000 forged packets were tried: %+v", tried, f.Drops)
			}
		})
	})
	t.Run("reports", func(t *testing.T) {
		inWorld(t, mediatest.Link{}, func(w *world) {
			a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, 0, "")
			if err := w.dial(a, b, srtp(media.SRTPRequire), media.Source{}); err != nil {
				t.Fatal(err)
			}
			near := w.conn(sipperIP, 4100)
			for range 1000 {
				near.WriteToUDPAddrPort(append(report(), make([]byte, 40)...), a.ours0(1))
				synctest.Wait()
			}
			f := w.relay.Close().Caller
			if f.Drops[media.DropAuth] > 110 || f.Drops[media.DropRate] < 890 {
				t.Errorf("%+v", f.Drops)
			}
		})
	})
}

// A call that is encrypted counts as worked on, until it is over.
func TestWorkIsCounted(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, 0, "")
		before := w.pool.engine.worked.Load()
		if err := w.dial(a, b, srtp(media.SRTPRequire), media.Source{}); err != nil {
			t.Fatal(err)
		}
		w.converse(a, b)
		during := w.pool.engine.worked.Load()
		w.relay.Close()
		if after := w.pool.engine.worked.Load(); before != 0 || during != 1 || after != 0 {
			t.Errorf("%d worked on before, %d meanwhile, %d after", before, during, after)
		}
	})
}

// However many places a flood comes from, what it costs is bounded.
func TestGuests(t *testing.T) {
	var g guests
	passed := 0
	for i := range int64(50_000) { // in a second
		at := stranger
		at.port, at.ip.low = uint16(i), at.ip.low+uint64(i)
		if g.take(at, i*int64(time.Second)/50_000) {
			passed++
		}
	}
	if passed > len(g)*301 || passed < 1000 {
		t.Errorf("%d of 50,000 packets passed", passed)
	}
}
