package relay

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

// replace puts p in the place of the callee by an answer with more lines.
func (w *world) replace(p *phone, rest string, src media.Source) (again []byte) {
	w.t.Helper()
	offer, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	p.ours = led(w.t, offer)
	again, err = w.relay.Replace(media.Callee, p.body(rest), src)
	if err != nil {
		w.t.Fatal(err)
	}
	return again
}

// From the moment of a transfer the party before is neither heard nor sent to,
// wherever it goes on sending from, and our ports stay what they were.
func TestReplaceMovesTheSide(t *testing.T) {
	for name, c := range map[string]struct {
		ip   string
		port uint16
		src  media.Source
	}{
		"another host":              {"10.2.0.9", 7000, media.Source{}},
		"another port of that host": {phoneIP, 7000, media.Source{}},
		"latch":                     {"10.2.0.9", 7000, media.Source{Rule: media.Latch}},
		"latch, the same host":      {phoneIP, 7000, media.Source{Rule: media.Latch}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				tap := newListener(t)
				w.relay.Tap(tap)
				w.connect(media.Source{}, c.src)
				w.sing(w.caller, 10)
				w.sing(w.callee, 10)
				heir := w.phone(c.ip, c.port, 700)
				ports := [2]netip.AddrPort{w.caller.ours, w.callee.ours}
				if again := w.replace(heir, "", c.src); again != nil {
					t.Errorf("the caller is asked again although nothing changed for him:\n%s", again)
				}
				if heir.ours != ports[1] {
					t.Errorf("the new party is told %v, the one before %v", heir.ours, ports[1])
				}
				drain(w.caller, w.callee, heir)
				w.sing(w.callee, 20) // does not know yet
				if n := w.caller.rtp.Waiting() + len(tap.packets[media.Callee]) - 10; n != 0 {
					t.Errorf("%d packets of the party before passed", n)
				}
				w.sing(heir, 20)
				w.sing(w.callee, 5) // in between
				w.sing(w.caller, 10)
				learning := 0
				if c.src.Rule == media.Latch {
					learning = learnPackets - 1
				}
				if n := w.caller.rtp.Waiting(); n < 20-learning || n > 20 {
					t.Errorf("the caller hears %d packets", n)
				}
				if a, b := w.callee.rtp.Waiting(), heir.rtp.Waiting(); a != 0 || b != 10 {
					t.Errorf("the caller is heard %d times by the one before and %d by the new one", a, b)
				}
				for _, p := range tap.packets[media.Callee][10:] {
					if p.SSRC != heir.tone.SSRC {
						t.Fatalf("the tap hears SSRC %d", p.SSRC)
					}
				}
				if n := len(w.notices); n != 3 || w.notices[2].Side != media.Callee {
					t.Errorf("notices %+v", w.notices)
				}
				if first := w.relay.Close().Callee.First; !first.Equal(w.notices[1].At) {
					t.Error("the side's first packet is not that of its first party any more")
				}
			})
		})
	}
}

func drain(phones ...*phone) {
	for _, p := range phones {
		p.rtp.Drain()
	}
}

// Who is transferred to a party with other codecs is asked for them.
func TestReplaceAsksTheOtherSide(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.offer(media.Source{})
		callee := bytes.Replace(w.callee.body(""), []byte("RTP/AVP 0 8"), []byte("RTP/AVP 0"), 1)
		if _, err := w.relay.Answer(media.Callee, callee, media.Source{}); err != nil {
			t.Fatal(err)
		}
		heir := w.phone("10.2.0.9", 7000, 700)
		offer, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil)
		if err != nil || !strings.Contains(string(offer), "RTP/AVP 0 8\r\n") || !strings.Contains(string(offer), "a=sendrecv") {
			t.Fatalf("offer %q, %v", offer, err)
		}
		answer := bytes.Replace(heir.body(""), []byte("RTP/AVP 0 8"), []byte("RTP/AVP 8"), 1)
		again, err := w.relay.Replace(media.Callee, answer, media.Source{})
		if err != nil || !strings.Contains(string(again), "RTP/AVP 8\r\n") {
			t.Fatalf("the caller is offered %q, %v", again, err)
		}
		told, _ := sdp.Parse(again)
		if _, version, _ := told.Origin(); version != 2 {
			t.Errorf("version %d of our session with the caller", version)
		}
		// A new party by its own offer.
		third := w.phone("10.2.0.10", 7100, 300)
		answer, again, err = w.relay.ReplaceBy(media.Callee, third.body(""), media.Source{})
		if err != nil || again != nil {
			t.Fatalf("again %q, %v", again, err)
		}
		third.ours = led(t, answer)
		w.sing(third, 3)
		w.sing(heir, 3)
		if n := w.caller.rtp.Waiting(); n != 3 {
			t.Errorf("the caller hears %d packets", n)
		}
	})
}

// The caller's side changes hands the same way.
func TestReplaceTheCaller(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		heir := w.phone("10.1.0.9", 7000, 700)
		was := w.relay.Told(media.Caller)
		offer, err := w.relay.Invite(media.Caller, netip.Addr{}, media.Source{}, was)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := sdp.Parse(was)
		now, _ := sdp.Parse(offer)
		id, version, ok := before.Origin()
		if nid, nversion, nok := now.Origin(); !ok || !nok || nid != id || nversion != version+1 {
			t.Errorf("session %d %d, before %d %d", nid, nversion, id, version)
		}
		heir.ours = led(t, offer)
		if again, err := w.relay.Replace(media.Caller, heir.body(""), media.Source{}); err != nil || again != nil {
			t.Fatalf("again %q, %v", again, err)
		}
		w.sing(heir, 3)
		w.sing(w.caller, 3)
		w.sing(w.callee, 3)
		if a, b, c := w.callee.rtp.Waiting(), heir.rtp.Waiting(), w.caller.rtp.Waiting(); a != 3 || b != 3 || c != 0 {
			t.Errorf("callee %d, new caller %d, the one before %d", a, b, c)
		}
	})
}

func TestRefusedReplacementsChangeNothing(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil); !errors.Is(err, errNoCall) {
			t.Errorf("an invitation to no call: %v", err)
		}
		if _, _, err := w.relay.ReplaceBy(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errNoCall) {
			t.Errorf("in no call: %v", err)
		}
		w.connect(media.Source{}, media.Source{})
		if _, err := w.relay.Replace(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errNoOffer) {
			t.Errorf("an answer to nothing: %v", err)
		}
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, []byte("x")); !errors.Is(err, sdp.ErrMalformed) {
			t.Errorf("told nonsense: %v", err)
		}
		if _, err := w.relay.Invite(media.Callee, netip.Addr{}, media.Source{}, nil); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string]string{
			"another codec": "c=IN IP4 10.9.9.9\r\nm=audio 4000 RTP/AVP 18\r\n",
			"loopback":      "c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n",
			"IPv6":          "c=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n",
			"secure only":   "c=IN IP4 10.9.9.9\r\nm=audio 4000 RTP/SAVP 0\r\n",
		} {
			if _, err := w.relay.Replace(media.Callee, []byte(body), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
				t.Errorf("answer, %s: %v", name, err)
			}
			if _, _, err := w.relay.ReplaceBy(media.Callee, []byte(body), media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) {
				t.Errorf("offer, %s: %v", name, err)
			}
		}
		w.sing(w.callee, 3)
		w.sing(w.caller, 3)
		if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 3 || b != 3 {
			t.Errorf("caller %d, callee %d", a, b)
		}
		w.relay.Close()
		if _, err := w.relay.Replace(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// The reports of the party before are not heard either, not even from the new one's host.
func TestReplaceEndsTheReportsToo(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.callee, 2)
		report := func(from *phone) int {
			before := w.counted().Callee.RTCP
			from.rtcp.WriteToUDPAddrPort(report(), w.callee.ours0(1))
			synctest.Wait()
			return int(w.counted().Callee.RTCP - before)
		}
		if report(w.callee) != 1 {
			t.Fatal("a report of the party is not read")
		}
		heir := w.phone(phoneIP, 7000, 700)
		w.replace(heir, "", media.Source{})
		w.sing(heir, 2)
		if n := report(w.callee); n != 0 {
			t.Error("a report of the party before is read")
		}
		if n := report(heir); n != 1 {
			t.Error("a report of the new party is not read")
		}
	})
}

// Somebody invited over IPv6 who does not come leaves a party of IPv4 what it has.
func TestInviteOverAnotherFamilyLeavesThePartyAlone(t *testing.T) {
	inDualWorld(t, sipperIP, phoneIP, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		for range 2 { // the second time its ports are there already
			offer, err := w.relay.Invite(media.Callee, netip.MustParseAddr(phone6), media.Source{}, nil)
			if err != nil || !strings.Contains(string(offer), "IN IP6 "+relay6) {
				t.Fatalf("invited by %q, %v", offer, err)
			}
			if _, err := w.relay.Replace(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errOtherFamily) {
				t.Errorf("an answer over IPv4 to it: %v", err)
			}
			present, err := w.relay.Present(media.Callee)
			if err != nil || !strings.Contains(string(present), "IN IP4 "+relayIP) {
				t.Errorf("the party is offered %q, %v", present, err)
			}
			if _, err := w.relay.Take(media.Callee, w.callee.body(""), media.Source{}); err != nil {
				t.Errorf("its answer: %v", err)
			}
			w.talk()
		}
		heir := w.phone(phone6, 7000, 700)
		offer, err := w.relay.Invite(media.Callee, netip.MustParseAddr(phone6), media.Source{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		heir.ours = led(t, offer)
		if _, err := w.relay.Replace(media.Callee, heir.body6(""), media.Source{}); err != nil {
			t.Fatal(err)
		}
		w.callee = heir
		w.talk()
	})
}
