package relay

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
)

// led reads where a description of ours leads to.
func led(t *testing.T, body []byte) netip.AddrPort {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	rtp, rtcp := d.Remote()
	if ours := rtp.Addr().String(); ours != relayIP && ours != relay6 && !rtp.Addr().IsLoopback() || rtp.Port()%2 != 0 || rtcp.Port() != rtp.Port()+1 {
		t.Fatalf("ours leads to %v and %v", rtp, rtcp)
	}
	return rtp
}

func TestCall(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		begun := time.Now()
		w.connect(media.Source{}, media.Source{})
		fromCaller, fromCallee := w.sing(w.caller, 50), w.sing(w.callee, 50)

		if got := w.callee.rtp.Drain(); !equal(got, fromCaller) {
			t.Errorf("the callee got %d packets, not the %d sent", len(got), len(fromCaller))
		}
		if got := w.caller.rtp.Drain(); !equal(got, fromCallee) {
			t.Errorf("the caller got %d packets, not the %d sent", len(got), len(fromCallee))
		}
		for side, hz := range map[media.Side]float64{media.Caller: 440, media.Callee: 1000} {
			heard := tap.sound(side)
			if mine, others := mediatest.Goertzel(heard, mediatest.Rate, hz), mediatest.Goertzel(heard, mediatest.Rate, 1440-hz); mine < 0.99 || others > 0.01 {
				t.Errorf("the tap hears %.2f of the %s and %.2f of the other", mine, side, others)
			}
		}
		first := tap.packets[media.Caller][0]
		if !first.Marker || first.PT != 0 || first.SSRC != 4000 || first.Arrival != begun || len(first.Payload) != mediatest.Samples {
			t.Errorf("first packet in the tap: %+v", first)
		}
		wantNotices := []media.Notice{
			{Kind: media.Started, Side: media.Caller, At: begun},
			{Kind: media.Started, Side: media.Callee, At: begun.Add(time.Second)},
		}
		if !slices.Equal(w.notices, wantNotices) {
			t.Errorf("notices %+v", w.notices)
		}

		stats := w.relay.Close()
		for _, side := range []media.Side{media.Caller, media.Callee} {
			f := stats.Of(side)
			wantDrops(t, *f, nil)
			if f.Packets != 50 || f.Bytes != 50*172 || f.Last.Sub(f.First) != 49*mediatest.Frame {
				t.Errorf("flow of the %s: %+v", side, f)
			}
		}
		if again := w.relay.Close(); again != stats {
			t.Errorf("second Close: %+v", again)
		}
		if s := w.pool.Stats(); s.RTP != 100 || s.Bytes != 100*172 || s.Relays != 0 || s.Quarantined != 2 || s.Free != 8 {
			t.Errorf("pool: %+v", s)
		}
	})
}

func equal(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// What the network does to the packets is passed on as it is.
func TestImpairedNetworkIsPassedOn(t *testing.T) {
	inWorld(t, mediatest.Link{Delay: 5 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.05, Duplicate: 0.05}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		tap := newListener(t)
		w.relay.Tap(tap)
		w.sing(w.caller, 200)
		time.Sleep(time.Second)
		f := w.relay.Close().Caller
		wantDrops(t, f, nil)
		if f.Packets < 180 || f.Packets > 220 || int(f.Packets) != tap.count(media.Caller) {
			t.Errorf("%d forwarded, %d tapped", f.Packets, tap.count(media.Caller))
		}
	})
}

func TestNothingIsSentBeforeTheAnswer(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.offer(media.Source{})
		w.caller.ours = netip.AddrPortFrom(w.callee.ours.Addr(), w.relay.legs[0].pair.port)
		w.sing(w.caller, 3)
		w.sing(w.callee, 2)
		if n := w.callee.rtp.Waiting() + w.caller.rtp.Waiting() + tap.count(media.Caller); n != 0 {
			t.Errorf("%d packets were sent", n)
		}
		w.answer(w.callee, media.Source{})
		w.sing(w.caller, 5)
		stats := w.relay.Close()
		wantDrops(t, stats.Caller, map[media.Drop]uint64{media.DropNoPeer: 3})
		wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropSource: 2})
		if stats.Caller.Packets != 5 || w.callee.rtp.Waiting() != 5 || !stats.Callee.First.IsZero() {
			t.Errorf("%+v", stats)
		}
	})
}

func TestEarlyMediaAndTheNextAttempt(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		second := w.phone("10.3.0.1", 6000, 2000)
		w.offer(media.Source{})
		second.ours = w.callee.ours
		answer := func(p *phone, rest string) []byte {
			b, err := w.relay.Answer(media.Callee, p.body(rest), media.Source{})
			if err != nil {
				t.Fatal(err)
			}
			w.caller.ours = led(t, b)
			return b
		}
		early := answer(w.callee, "")
		w.sing(w.callee, 5)
		if again := answer(w.callee, ""); !bytes.Equal(early, again) {
			t.Errorf("the same answer became\n%s", again)
		}
		w.sing(w.callee, 5)
		other := answer(second, "a=ptime:20\r\n")
		if bytes.Equal(early, other) || !bytes.Contains(early, []byte(" 1 IN IP4")) || !bytes.Contains(other, []byte(" 2 IN IP4")) {
			t.Errorf("the version did not rise:\n%s%s", early, other)
		}
		w.sing(second, 7)
		w.sing(w.callee, 3) // the one that was given up
		w.sing(w.caller, 4)
		if a, b, c := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(), second.rtp.Waiting(); a != 17 || b != 0 || c != 4 {
			t.Errorf("caller %d, first %d, second %d", a, b, c)
		}
		wantDrops(t, w.relay.Close().Callee, map[media.Drop]uint64{media.DropSource: 3})
		if len(w.notices) != 2 {
			t.Errorf("notices %+v", w.notices)
		}
	})
}

func TestHold(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		reoffer := func(from media.Side, p *phone, body []byte) string {
			b, err := w.relay.Reoffer(from, body)
			if err != nil {
				t.Fatal(err)
			}
			if at := led(t, b); at != p.ours {
				t.Errorf("our port moved from %v to %v", p.ours, at)
			}
			return string(b)
		}
		if b := reoffer(media.Callee, w.callee, w.callee.body("a=sendonly\r\n")); !strings.Contains(b, "a=recvonly") {
			t.Errorf("hold answered\n%s", b)
		}
		w.sing(w.caller, 3)
		w.sing(w.callee, 4) // music
		old := bytes.ReplaceAll(w.caller.body(""), []byte(sipperIP), []byte("0.0.0.0"))
		if b := reoffer(media.Caller, w.caller, old); !strings.Contains(b, "a=recvonly") { // both hold
			t.Errorf("old hold answered\n%s", b)
		}
		w.sing(w.callee, 5)
		w.caller.rtcp.Drain()
		w.callee.rtcp.Drain()
		time.Sleep(reportsBy)
		if n, m := w.caller.rtcp.Waiting(), w.callee.rtcp.Waiting(); n != 0 || m == 0 {
			t.Errorf("%d reports sent to 0.0.0.0's phone, %d to who holds otherwise", n, m)
		}
		// The callee still holds. The caller is not told, because nobody would
		// tell him of its end either.
		if b := reoffer(media.Caller, w.caller, w.caller.body("")); !strings.Contains(b, "a=sendrecv") {
			t.Errorf("taken up again while the other side holds, answered\n%s", b)
		}
		reoffer(media.Callee, w.callee, w.callee.body(""))
		w.sing(w.caller, 6)
		w.sing(w.callee, 7)
		if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 4+7 || b != 6 {
			t.Errorf("caller got %d, callee %d", a, b)
		}
		stats := w.relay.Close()
		wantDrops(t, stats.Caller, map[media.Drop]uint64{media.DropDirection: 3})
		wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropDirection: 5})
	})
}

// ours0 is the relay's port towards the phone, plus n.
func (p *phone) ours0(n uint16) netip.AddrPort {
	return netip.AddrPortFrom(p.ours.Addr(), p.ours.Port()+n)
}

// report is an empty receiver report.
func report() []byte { return []byte{0x80, 201, 0, 1, 1, 2, 3, 4} }

func TestReofferMovesTheParty(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.callee, 2)
		moved := w.phone("10.2.0.2", 7000, 1000)
		moved.ours = w.callee.ours
		if _, err := w.relay.Reoffer(media.Callee, moved.body("")); err != nil {
			t.Fatal(err)
		}
		w.sing(w.caller, 3)
		w.sing(moved, 4)
		w.sing(w.callee, 5) // the old place
		if a, b, c := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(), moved.rtp.Waiting(); a != 6 || b != 0 || c != 3 {
			t.Errorf("caller %d, old place %d, new place %d", a, b, c)
		}
	})
}

func TestRefusedNegotiationsChangeNothing(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		if _, err := w.relay.Answer(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errNoOffer) {
			t.Errorf("answer before the offer: %v", err)
		}
		if _, err := w.relay.Reoffer(media.Callee, w.callee.body("")); !errors.Is(err, errNoCall) {
			t.Errorf("new offer before the call: %v", err)
		}
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		changes := tap.changes
		fax := []byte("v=0\r\nc=IN IP4 10.9.9.9\r\nm=image 4000 tcp t38\r\n")
		g729 := []byte("v=0\r\nc=IN IP4 10.9.9.9\r\nm=audio 4000 RTP/AVP 18\r\n")
		for name, body := range map[string][]byte{
			"fax": fax, "another codec": g729,
			"loopback":    []byte("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"),
			"link-local":  []byte("c=IN IP4 169.254.169.254\r\nm=audio 4000 RTP/AVP 0\r\n"),
			"IPv6":        []byte("c=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n"),
			"multicast":   []byte("c=IN IP4 224.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"),
			"secure only": []byte("c=IN IP4 10.9.9.9\r\nm=audio 4000 RTP/SAVP 0\r\n"),
		} {
			if b, err := w.relay.Reoffer(media.Callee, body); !errors.Is(err, sdp.ErrUnacceptable) || b != nil {
				t.Errorf("new offer, %s: %q, %v", name, b, err)
			}
			if b, err := w.relay.Answer(media.Callee, body, media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) || b != nil {
				t.Errorf("answer, %s: %q, %v", name, b, err)
			}
			if name == "another codec" {
				continue // a fine first offer
			}
			if b, err := w.relay.Offer(media.Caller, body, media.Source{}); !errors.Is(err, sdp.ErrUnacceptable) || b != nil {
				t.Errorf("offer, %s: %q, %v", name, b, err)
			}
		}
		if _, err := w.relay.Reoffer(media.Callee, []byte("hello")); !errors.Is(err, sdp.ErrMalformed) {
			t.Errorf("not SDP: %v", err)
		}
		outside := media.Source{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
		if _, err := w.relay.Answer(media.Callee, w.callee.body(""), outside); !errors.Is(err, sdp.ErrUnacceptable) {
			t.Errorf("address outside media_sources: %v", err)
		}
		w.sing(w.caller, 3)
		w.sing(w.callee, 3)
		if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 3 || b != 3 || tap.changes != changes {
			t.Errorf("caller got %d, callee %d, %d changes of formats", a, b, tap.changes-changes)
		}
		w.relay.Close()
		if _, err := w.relay.Offer(media.Caller, w.caller.body(""), media.Source{}); !errors.Is(err, errClosed) {
			t.Errorf("offer after Close: %v", err)
		}
		if _, err := w.relay.Answer(media.Callee, w.callee.body(""), media.Source{}); !errors.Is(err, errClosed) {
			t.Errorf("answer after Close: %v", err)
		}
		if _, err := w.relay.Reoffer(media.Callee, w.callee.body("")); !errors.Is(err, errClosed) {
			t.Errorf("new offer after Close: %v", err)
		}
	})
}

// reportsBy is when a party has had a report of ours for certain: the longest
// interval, and the turn of the clock.
const reportsBy = 8 * time.Second

// RTCP ends here: it is read, and what the other party gets is our own.
func TestRTCP(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		elsewhere := w.conn(sipperIP, 4444)
		offer, err := w.relay.Offer(media.Caller, w.caller.body("a=rtcp:4444\r\na=rtcp-mux\r\n"), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.callee.ours = led(t, offer)
		// An RTCP address of a third party must not aim us at it.
		thief := w.conn(thiefIP, 9001)
		answer, err := w.relay.Answer(media.Callee, w.callee.body("a=rtcp:9001 IN IP4 "+thiefIP+"\r\n"), media.Source{})
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours = led(t, answer)

		sdes := append(report(), 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 2, '@', '@')
		elsewhere.WriteToUDPAddrPort(sdes, w.caller.ours0(1))
		w.callee.rtcp.WriteToUDPAddrPort(report(), w.callee.ours0(1))
		w.callee.rtcp.WriteToUDPAddrPort([]byte{0x80, 201, 0, 9, 1, 2, 3, 4}, w.callee.ours0(1)) // length lies
		w.callee.rtcp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours0(1))                // RTP on the RTCP port
		w.callee.rtp.WriteToUDPAddrPort(report(), w.callee.ours)                                 // and the other way round
		thief.WriteToUDPAddrPort(report(), w.callee.ours0(1))
		synctest.Wait()
		time.Sleep(reportsBy)
		for name, got := range map[string][][]byte{"callee": w.callee.rtcp.Drain(), "caller": elsewhere.Drain()} {
			if len(got) == 0 {
				t.Errorf("the %s gets no report", name)
			}
			for _, pkt := range got {
				if bytes.Contains(pkt, []byte("@@")) || !validRTCP(pkt) {
					t.Errorf("the %s got %q", name, pkt)
				}
			}
		}
		if n := thief.Waiting() + w.caller.rtcp.Waiting() + w.caller.rtp.Waiting(); n != 0 {
			t.Errorf("%d packets went astray", n)
		}
		stats := w.relay.Close()
		if stats.Caller.RTCP != 1 || stats.Callee.RTCP != 1 || stats.Callee.Packets != 0 {
			t.Errorf("%+v", stats)
		}
		wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropMalformed: 3, media.DropSource: 1})
	})
}

func TestTapFormats(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		early := newListener(t)
		w.relay.Tap(early)
		offer := w.caller.body("a=rtpmap:0 PCMU/8000\r\n")
		offer = bytes.Replace(offer, []byte("0 8"), []byte("0 101"), 1)
		offer = append(offer, "a=rtpmap:101 telephone-event/8000\r\n"...)
		if _, err := w.relay.Offer(media.Caller, offer, media.Source{}); err != nil {
			t.Fatal(err)
		}
		answer := bytes.Replace(w.callee.body("a=rtpmap:96 telephone-event/8000\r\n"), []byte("0 8"), []byte("0 96"), 1)
		if _, err := w.relay.Answer(media.Callee, answer, media.Source{}); err != nil {
			t.Fatal(err)
		}
		pcmu := media.Format{Name: "PCMU", Clock: 8000, Channels: 1}
		event := func(pt uint8) media.Format {
			return media.Format{PT: pt, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}
		}
		want := map[media.Side][]media.Format{
			media.Caller: {pcmu, event(96), event(101)}, // as the callee asked for, then its own
			media.Callee: {pcmu, event(101), event(96)},
		}
		late := newListener(t)
		w.relay.Tap(late)
		for name, tap := range map[string]*listener{"early": early, "late": late} {
			for side, formats := range want {
				if !slices.Equal(tap.formats[side], formats) {
					t.Errorf("%s tap: formats of the %s: %+v", name, side, tap.formats[side])
				}
			}
		}
		before := late.changes
		if _, err := w.relay.Reoffer(media.Callee, answer); err != nil {
			t.Fatal(err)
		}
		if late.changes != before {
			t.Error("formats that did not change were told again")
		}
		w.relay.Tap(nil)
		w.relay.Close()
		w.relay.Tap(late) // ignored
	})
}
