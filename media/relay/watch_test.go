package relay

import (
	"net/netip"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// TestVerdictOfAFault: one fault of the callee's is put into a call, and what is
// said of it within ten seconds of the answer is that fault. The caller talks.
func TestVerdictOfAFault(t *testing.T) {
	for name, c := range map[string]struct {
		kind    media.NoticeKind
		verdict media.Verdict
		origin  media.Origin
		at      string // its description's address
		fault   func(w *world, phone ear, pkt []byte)
	}{
		"never sends":           {media.OneWay, media.NeverSent, 0, phoneIP, func(*world, ear, []byte) {}},
		"sends from elsewhere":  {media.OneWay, media.WrongSource, media.Public, publicIP, stray("198.51.100.7", 5000)},
		"from a private host":   {media.OneWay, media.WrongSource, media.Private, publicIP, stray("10.66.0.7", 5000)},
		"says private, is not":  {media.OneWay, media.PrivateAddress, media.Public, "192.168.7.7", stray("198.51.100.7", 5000)},
		"payload type":          {media.OneWay, media.WrongType, 0, phoneIP, func(w *world, p ear, pkt []byte) { pkt[1] = 18; p.WriteToUDPAddrPort(pkt, w.callee.ours) }},
		"only silence":          {media.Silent, media.Muted, 0, phoneIP, func(w *world, p ear, pkt []byte) { blank(pkt); p.WriteToUDPAddrPort(pkt, w.callee.ours) }},
		"nothing is wrong":      {0, "", 0, phoneIP, func(w *world, p ear, pkt []byte) { p.WriteToUDPAddrPort(pkt, w.callee.ours) }},
		"reports, and no sound": {media.OneWay, media.Blocked, 0, phoneIP, senderReports},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				if c.at != phoneIP {
					w.callee = w.phone(c.at, 5000, 1000)
				}
				w.connect(media.Source{}, media.Source{})
				w.relay.Watch()
				w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours)

				began := time.Now()
				for range 15 * 50 {
					w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours)
					c.fault(w, w.callee.rtp, w.callee.tone.Next())
					time.Sleep(mediatest.Frame)
				}

				got := w.noticed(media.OneWay, media.Silent)
				if c.verdict == "" {
					if len(got) > 0 {
						t.Errorf("told %+v of %+v", got[0], got[0].Unheard)
					}
					return
				}
				if len(got) != 1 {
					t.Fatalf("%d notices: %+v", len(got), got)
				}
				n := got[0]
				if n.Kind != c.kind || n.Side != media.Callee || n.Unheard.Verdict != c.verdict || n.Unheard.Origin != c.origin || n.Unheard.Over {
					t.Errorf("told %s of the %s: %+v, want %s: %s %q", n.Kind, n.Side, *n.Unheard, c.kind, c.verdict, c.origin)
				}
				if d := n.At.Sub(began); d > 10*time.Second {
					t.Errorf("told after %s", d)
				}
			})
		})
	}
}

const publicIP = "203.0.113.77"

// stray sends from another place than the description says.
func stray(ip string, port uint16) func(*world, ear, []byte) {
	return func(w *world, _ ear, pkt []byte) {
		at := netip.AddrPortFrom(netip.MustParseAddr(ip), port)
		c := w.strays[at]
		if c == nil {
			c = w.conn(ip, port)
			if w.strays == nil {
				w.strays = map[netip.AddrPort]ear{}
			}
			w.strays[at] = c
		}
		c.WriteToUDPAddrPort(pkt, w.callee.ours)
	}
}

// blank makes a packet of the tone one of digital silence.
func blank(pkt []byte) {
	for i := 12; i < len(pkt); i++ {
		pkt[i] = 0xff
	}
}

// senderReports has the callee say that it sends, now and then.
func senderReports(w *world, _ ear, pkt []byte) {
	if pkt[3]%50 != 0 {
		return
	}
	sr := make([]byte, 28)
	sr[0], sr[1], sr[3], sr[22], sr[23] = 0x80, 200, 6, 1, pkt[3]
	w.callee.rtcp.WriteToUDPAddrPort(sr, w.callee.ours0(1))
}

// TestNobodyIsHeard: when neither speaks it is silence, of both, each with its reason.
func TestNobodyIsHeard(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		time.Sleep(15 * time.Second)
		got := w.noticed(media.OneWay, media.Silent)
		if len(got) != 2 || got[0].Kind != media.Silent || got[1].Kind != media.Silent || got[0].Side == got[1].Side {
			t.Fatalf("%+v", got)
		}
		w.duet(3*time.Second, nil)
		if got = w.noticed(media.Silent); len(got) != 4 || !got[2].Unheard.Over || !got[3].Unheard.Over {
			t.Errorf("both are heard again: %+v", got)
		}
	})
}

// TestNothingBeforeTheAnswer: early media goes one way, and who rings is silent.
func TestNothingBeforeTheAnswer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.callee, 50*90)
		if got := w.noticed(media.OneWay, media.Silent, media.Expired, media.Quality); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestWatchdogSpares: the limit of a party that was heard of elsewhere counts from
// there, and is said again when it is over since then, with that moment.
func TestWatchdogSpares(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		off := media.Source{Terms: media.Terms{Watchdog: media.Watchdog{Steady: -1, Initial: -1, Held: -1}}}
		w.connect(media.Source{}, off)
		w.relay.Watch()
		w.duet(5*time.Second, nil)
		time.Sleep(50 * time.Second)
		heard := time.Now()
		time.Sleep(20 * time.Second)
		w.relay.Spare(media.Caller, heard)
		time.Sleep(30 * time.Second)
		if got := w.noticed(media.Expired); len(got) != 1 || !got[0].Since.Before(heard) {
			t.Fatalf("before its time is up: %+v", got)
		}
		time.Sleep(30 * time.Second)
		got := w.noticed(media.Expired)
		if len(got) != 2 || got[1].Side != media.Caller || !got[1].Since.Equal(heard) {
			t.Fatalf("%+v, heard at %s", got, heard)
		}
		if d := got[1].At.Sub(heard); d < time.Minute || d > 61*time.Second {
			t.Errorf("after %s", d)
		}
	})
}

// TestWatchdogBarks: both phones are gone, the limit of one is shorter; the
// terms are those of each leg, and it is said once. Hold has its own limit.
func TestWatchdogBarks(t *testing.T) {
	terms := func(w media.Watchdog) media.Source { return media.Source{Terms: media.Terms{Watchdog: w}} }
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(terms(media.Watchdog{Steady: 40 * time.Second}), terms(media.Watchdog{Steady: -1, Initial: -1, Held: -1}))
		w.relay.Watch()
		w.duet(20*time.Second, nil)
		gone := time.Now()
		time.Sleep(5 * time.Minute)
		got := w.noticed(media.Expired)
		if len(got) != 1 || got[0].Side != media.Caller || got[0].Limit != media.SteadyLimit {
			t.Fatalf("%+v", got)
		}
		if d := got[0].At.Sub(gone); d < 39*time.Second || d > 42*time.Second {
			t.Errorf("after %s", d)
		}
		if d := gone.Sub(got[0].Since); d < 0 || d > time.Second {
			t.Errorf("the last sign of life was %s before they went", d)
		}
	})
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(terms(media.Watchdog{Held: 10 * time.Minute}), terms(media.Watchdog{Held: 10 * time.Minute}))
		w.relay.Watch()
		w.duet(5*time.Second, nil)
		if _, err := w.relay.Reoffer(media.Caller, w.caller.body("a=inactive\r\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Minute)
		if got := w.noticed(media.Expired, media.OneWay, media.Silent); len(got) != 0 {
			t.Fatalf("a call on hold is told of: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := w.noticed(media.Expired); len(got) != 1 || got[0].Limit != media.HeldLimit {
			t.Errorf("%+v", got)
		}
	})
	inWorld(t, mediatest.Link{}, func(w *world) { // nobody ever speaks, and nothing is said of it in the trunks
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		time.Sleep(time.Minute)
		if got := w.noticed(media.Expired); len(got) != 1 || got[0].Limit != media.InitialLimit {
			t.Errorf("%+v", got)
		}
	})
}
