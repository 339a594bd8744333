package relay

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

var behaviours = []behaviour{
	{"forwarding", forwarding},
	{"every form of RTP", everyForm},
	{"SSRC, sequence and timestamp jump", jumps},
	{"strict", strict},
	{"strict, port learnt", strictPort},
	{"latch", latched},
	{"quarantine", quarantined},
	{"rate cap", rateCap},
	{"hold", held},
	{"transfer", transferred},
	{"IPv6", overIPv6},
	{"between families", mixed},
	{"RTCP", rtcpApart},
	{"spray (A-15), strict", sprayStrict},
	{"spray (A-15), latch", sprayLatch},
	{"injection (A-16)", injected},
	{"malformed flood (A-17)", malformedFlood},
	{"keys", keysPressed},
	{"apart", apart},
	{"muted", muted},
	{"moves under load", movedUnderLoad},
	{"impaired network", impaired},
}

// same fails the test unless what arrived is what was sent, each packet once.
func (w *rig) same(what string, got, sent [][]byte) {
	w.t.Helper()
	if len(got) != len(sent) {
		w.t.Errorf("%s: %d packets of %d", what, len(got), len(sent))
		return
	}
	order := func(a, b []byte) int { return bytes.Compare(a, b) }
	got, sent = slices.Clone(got), slices.Clone(sent)
	slices.SortFunc(got, order)
	slices.SortFunc(sent, order)
	for i := range got {
		if !bytes.Equal(got[i], sent[i]) {
			w.t.Errorf("%s: a packet of %d bytes is not as it was sent", what, len(got[i]))
			return
		}
	}
}

func forwarding(t *testing.T, w *rig) {
	tap := newListener(t)
	w.relay.Tap(tap)
	w.connect(media.Source{}, media.Source{})
	fromCaller, fromCallee := w.sing(w.caller, 15), w.sing(w.callee, 15)
	w.offload(2)
	fromCaller, fromCallee = append(fromCaller, w.sing(w.caller, 15)...), append(fromCallee, w.sing(w.callee, 15)...)
	w.same("to the callee", w.callee.rtp.Drain(), fromCaller)
	w.same("to the caller", w.caller.rtp.Drain(), fromCallee)
	stats := w.relay.Close()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		f := stats.Of(side)
		wantDrops(t, *f, nil)
		if f.Packets != 30 || f.Bytes != 30*172 {
			t.Errorf("%s: %d packets, %d bytes", side, f.Packets, f.Bytes)
		}
		if took := f.Last.Sub(f.First); took < 29*mediatest.Frame || took > 10*time.Second {
			t.Errorf("%s: first to last packet %v", side, took)
		}
		hz := map[media.Side]float64{media.Caller: 440, media.Callee: 1000}[side]
		if n, p := tap.count(side), mediatest.Goertzel(tap.sound(side), mediatest.Rate, hz); n != 30 || p < 0.98 {
			t.Errorf("%s: the tap has %d packets, %.3f of them the party's tone", side, n, p)
		}
		var last time.Time
		for _, p := range tap.packets[side] {
			if p.Arrival.Before(last) || len(p.Payload) != mediatest.Samples {
				t.Errorf("%s: copy of packet %d: %d bytes, %v after the one before", side, p.Seq, len(p.Payload), p.Arrival.Sub(last))
			}
			last = p.Arrival
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.notices) != 2 || w.notices[0].Side != media.Caller || w.notices[1].Side != media.Callee {
		t.Errorf("notices %+v", w.notices)
	}
}

func everyForm(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 2)
	w.offload(1)
	w.callee.rtp.Drain()
	long := string(bytes.Repeat([]byte{7}, 3000))
	good := [][]byte{
		fixed(0x80, 0, 'a', 'b'),
		fixed(0x80, 0),                                                // no payload
		fixed(0x80, 0x80, 'm'),                                        // marker
		fixed(0x82, 0, 1, 2, 3, 4, 5, 6, 7, 8, 'c'),                   // CSRCs
		fixed(0x90, 0, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 'x'),             // extension
		fixed(0xa0, 0, 'p', 0, 0, 3),                                  // padding
		fixed(0xb1, 0, 1, 2, 3, 4, 0, 0, 0, 1, 9, 9, 9, 9, 'e', 2, 2), // all of them
		fixed(0x80, 35, 'u'),                                          // a payload type nobody named
		fixed(0x80, 13, 'n'),                                          // comfort noise
		fixed(0x80, 101, 1, 10, 0, 160),                               // a key
		crafted(8, 1, 160, 7, long[:1188]),                            // as long as Ethernet carries
		crafted(8, 2, 320, 7, long),                                   // in fragments
		crafted(8, 3, 480, 7, (long + long)[:4084]),                   // the longest
	}
	w.each(w.caller, good...)
	w.same("to the callee", w.callee.rtp.Drain(), good)
	bad := [][]byte{
		{}, {0x80}, fixed(0x80, 0)[:11], fixed(0x40, 0, 'v'), fixed(0x8f, 0, 'c'), fixed(0x90, 0, 0xbe, 0xde, 0, 2, 1, 2, 3, 4),
		fixed(0xa0, 0, 'p', 9), fixed(0xa0, 0, 'p', 0), fixed(0x80, 200, 0, 0, 0, 0), crafted(8, 4, 0, 7, long+long),
	}
	w.each(w.caller, bad...)
	if n := w.callee.rtp.Waiting(); n != 0 {
		t.Errorf("%d of %d that are not RTP passed", n, len(bad))
	}
	f := w.relay.Close().Caller
	wantDrops(t, f, map[media.Drop]uint64{media.DropMalformed: uint64(len(bad))})
	if f.Packets != uint64(len(good))+2 {
		t.Errorf("%d packets counted", f.Packets)
	}
}

func jumps(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 2)
	w.offload(1)
	w.callee.rtp.Drain()
	sent := [][]byte{
		crafted(0, 65534, 100, 1, "a"), crafted(0, 65535, 260, 1, "b"), crafted(0, 0, 420, 1, "c"), // around the end
		crafted(0, 0, 420, 1, "c"),                             // twice
		crafted(0, 3, 900, 1, "d"), crafted(0, 2, 740, 1, "e"), // out of order
		crafted(0, 30000, 4e9, 1, "f"), crafted(0, 30001, 16, 1, "g"), // leaps
		crafted(0, 9, 9, 2, "h"), crafted(0, 10, 169, 2, "i"), // another SSRC
		crafted(0, 30002, 176, 1, "j"), // and the first again
		crafted(8, 30003, 336, 1, "k"), // another codec
	}
	w.each(w.caller, sent...)
	w.same("to the callee", w.callee.rtp.Drain(), sent)
	wantDrops(t, w.relay.Close().Caller, nil)
}

func strict(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	thief := w.at(thiefIP, 4000, 3000)
	thief.ours = w.caller.ours
	w.sing(thief, 3) // before anybody
	w.sing(w.caller, 2)
	w.offload(1)
	for range 10 {
		w.sing(thief, 1)
		w.sing(w.caller, 1)
	}
	if a, b := w.callee.rtp.Waiting(), thief.rtp.Waiting(); a != 12 || b != 0 {
		t.Errorf("the callee got %d packets, the stranger %d", a, b)
	}
	wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropSource: 13})
}

// strictPort: the port of a strict source is learnt once; the one it named wins
// whenever it speaks, and then for good.
func strictPort(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	other := w.at(sipperIP, 4600, 700)
	third := w.at(sipperIP, 4700, 900)
	other.ours, third.ours = w.caller.ours, w.caller.ours
	w.sing(other, 3)
	w.offload(1)
	w.sing(other, 3)
	w.sing(third, 4) // one port only
	if n := w.callee.rtp.Waiting(); n != 6 {
		t.Errorf("the callee got %d packets of the learnt port", n)
	}
	w.sing(w.callee, 5)
	if a, b := w.caller.rtp.Waiting(), other.rtp.Waiting(); a != 5 || b != 0 {
		t.Errorf("%d packets went to the port that was named, %d to the learnt one", a, b)
	}
	w.sing(w.caller, 5)
	w.sing(other, 6) // he has spoken: this one is over
	if n := len(w.callee.rtp.Drain()); n != 11 {
		t.Errorf("the callee got %d packets", n)
	}
	wantDrops(t, w.relay.Close().Caller, map[media.Drop]uint64{media.DropSource: 10})
}

func latched(t *testing.T, w *rig) {
	rule := media.Source{Rule: media.Latch, Allow: w.within("10.2.0.0/15")}
	nat := w.at("10.3.0.5", 31000, 1000)
	w.connect(media.Source{}, rule)
	nat.ours = w.callee.ours
	w.sing(nat, learnPackets-1)
	if n := w.caller.rtp.Waiting(); n != 0 {
		t.Errorf("%d packets passed before the source was learnt", n)
	}
	w.sing(nat, 6)
	w.sing(w.caller, 7)
	if a, b, c := w.caller.rtp.Waiting(), nat.rtp.Waiting(), w.callee.rtp.Waiting(); a != 6 || b != 7 || c != 0 {
		t.Errorf("caller got %d, the learnt place %d, the described one %d", a, b, c)
	}
	time.Sleep(learnWindow) // in which a rival could still win
	w.offload(2)
	rival, outsider := w.at("10.3.0.6", 32000, 2000), w.at(thiefIP, 4000, 3000)
	rival.ours, outsider.ours = w.callee.ours, w.callee.ours
	w.sing(rival, 8)
	w.sing(outsider, 8)
	w.sing(nat, 5)
	if a, b := w.caller.rtp.Waiting(), rival.rtp.Waiting()+outsider.rtp.Waiting(); a != 11 || b != 0 {
		t.Errorf("caller got %d, rivals %d", a, b)
	}
	stats := w.relay.Close()
	wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropSource: learnPackets - 1 + 16})
	wantDrops(t, stats.Caller, nil)
}

func quarantined(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 3)
	w.offload(1)
	w.relay.Close()
	w.callee.rtp.Drain()
	w.sing(w.caller, 10)
	if n := w.callee.rtp.Waiting(); n != 0 {
		t.Errorf("%d packets passed after the call", n)
	}
	if n := w.pool.Stats().Drops[media.DropQuarantine]; n != 10 {
		t.Errorf("%d of 10 late packets counted", n)
	}
	w.restart()
	w.connect(media.Source{}, media.Source{})
	for _, p := range []*phone{w.caller, w.callee} {
		if p.ours.Port() == 0 {
			t.Fatal("no port")
		}
	}
	w.sing(w.caller, 5)
	if n := w.callee.rtp.Waiting(); n != 5 {
		t.Errorf("the next call passed %d of 5", n)
	}
}

func rateCap(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.callee, 1)
	w.offload(1)
	begun := time.Now()
	for range 100 { // half a second in steps of 5 ms, ten packets each: 2,000 a second
		for range 10 {
			w.callee.rtp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours)
		}
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(begun)
	w.settle()
	f := w.relay.Close().Callee
	most := uint64(rateBurst+10) + uint64(took/(mediatest.Frame/rateFactor))
	if f.Packets < rateBurst || f.Packets > most {
		t.Errorf("%d of 1001 passed in %v, want at most %d", f.Packets, took, most)
	}
	wantDrops(t, f, map[media.Drop]uint64{media.DropRate: 1001 - f.Packets})
	if n := w.caller.rtp.Waiting(); n != int(f.Packets) {
		t.Errorf("the caller got %d, %d counted", n, f.Packets)
	}
}

func held(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 2)
	w.sing(w.callee, 2)
	w.offload(2)
	drain(w.caller, w.callee)
	reoffer := func(rest string) {
		t.Helper()
		if _, err := w.relay.Reoffer(media.Callee, w.callee.body(rest)); err != nil {
			t.Fatal(err)
		}
	}
	reoffer("a=sendonly\r\n")
	w.offload(1)
	w.sing(w.caller, 5)
	w.sing(w.callee, 6) // music
	reoffer("a=inactive\r\n")
	w.offload(0)
	w.sing(w.caller, 3)
	w.sing(w.callee, 4)
	reoffer("")
	w.sing(w.caller, 7)
	w.sing(w.callee, 8)
	w.offload(2)
	if a, b := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(); a != 6+8 || b != 7 {
		t.Errorf("caller got %d, callee %d", a, b)
	}
	stats := w.relay.Close()
	wantDrops(t, stats.Caller, map[media.Drop]uint64{media.DropDirection: 8})
	wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropDirection: 4})
}

// transferred: from the moment of a transfer nothing of the party before passes,
// in the kernel neither, and the new one's direction passes there again.
func transferred(t *testing.T, w *rig) {
	tap := newListener(t)
	w.relay.Tap(tap)
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 5)
	w.sing(w.callee, 5)
	w.offload(2)
	heir := w.at("10.2.0.9", 7000, 700)
	w.replace(heir, "", media.Source{})
	drain(w.caller, w.callee, heir)
	w.sing(w.callee, 10) // does not know yet
	w.sing(w.caller, 5)
	w.sing(heir, 5)
	w.offload(2)
	w.sing(w.callee, 5)
	w.sing(heir, 5)
	if a, b, c := w.caller.rtp.Waiting(), w.callee.rtp.Waiting(), heir.rtp.Waiting(); a != 10 || b != 0 || c != 5 {
		t.Errorf("caller got %d, the one before %d, the new one %d", a, b, c)
	}
	wantDrops(t, w.relay.Close().Callee, map[media.Drop]uint64{media.DropSource: 15})
	for i, p := range tap.packets[media.Callee] {
		if want := map[bool]uint32{true: w.callee.tone.SSRC, false: heir.tone.SSRC}[i < 5]; p.SSRC != want {
			t.Errorf("copy %d is of SSRC %d", i, p.SSRC)
		}
	}
}

// between has a call between parties at two addresses and both talk.
func (w *rig) between(caller, callee string, below int) {
	w.t.Helper()
	if !w.six {
		w.t.Skip("no IPv6 here")
	}
	w.restart()
	port := max(w.port, 6000)
	a, b := w.at(caller, port, 440), w.at(callee, port+4, 1000)
	if _, err := w.relay.Offer(media.Caller, a.body6(""), media.Source{}); err != nil {
		w.t.Fatal(err)
	}
	offer, err := w.relay.Over(media.Callee, b.rtp.AddrPort().Addr(), media.Source{})
	if err != nil {
		w.t.Fatal(err)
	}
	b.ours = led(w.t, offer)
	answer, err := w.relay.Answer(media.Callee, b.body6(""), media.Source{})
	if err != nil {
		w.t.Fatal(err)
	}
	a.ours = led(w.t, answer)
	fromA, fromB := w.sing(a, 2), w.sing(b, 2)
	w.offload(below)
	fromA, fromB = append(fromA, w.sing(a, 10)...), append(fromB, w.sing(b, 10)...)
	w.same("to the callee", b.rtp.Drain(), fromA)
	w.same("to the caller", a.rtp.Drain(), fromB)
	stats := w.relay.Close()
	wantDrops(w.t, stats.Caller, nil)
	wantDrops(w.t, stats.Callee, nil)
}

func overIPv6(_ *testing.T, w *rig) { w.between(sipper6, phone6, 2) }

func mixed(_ *testing.T, w *rig) { w.between(sipper6, "10.2.0.7", 0) }

func rtcpApart(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 2)
	w.sing(w.callee, 2)
	w.offload(2)
	drain(w.caller, w.callee)
	thief := w.at(thiefIP, 4000, 3000)
	for range 3 {
		w.caller.rtcp.WriteToUDPAddrPort(report(), w.caller.ours0(1))
		w.callee.rtcp.WriteToUDPAddrPort(report(), w.callee.ours0(1))
		thief.rtcp.WriteToUDPAddrPort(report(), w.callee.ours0(1))
		w.callee.rtp.WriteToUDPAddrPort(report(), w.callee.ours) // at the wrong port
		w.settle()
	}
	w.report()
	w.settle()
	if a, b, c := w.caller.rtcp.Waiting(), w.callee.rtcp.Waiting(), thief.rtcp.Waiting(); a == 0 || b == 0 || c != 0 {
		t.Errorf("our RTCP: caller %d, callee %d, stranger %d", a, b, c)
	}
	if n := w.caller.rtp.Waiting(); n != 0 {
		t.Errorf("%d of them at the RTP port", n)
	}
	stats := w.relay.Close()
	if stats.Caller.RTCP != 3 || stats.Callee.RTCP != 3 {
		t.Errorf("%d and %d counted", stats.Caller.RTCP, stats.Callee.RTCP)
	}
	wantDrops(t, stats.Callee, map[media.Drop]uint64{media.DropMalformed: 3, media.DropSource: 3})
}

// inspect has the packets of a lane come up to a stage that changes nothing, or
// pass below us again.
func (w *rig) inspect(lane int, up bool) {
	w.relay.mu.Lock()
	defer w.relay.mu.Unlock()
	w.relay.lanes[lane].convert = nil
	if up {
		w.relay.lanes[lane].convert = stageFunc(func(*packet) media.Drop { return forward })
	}
	w.relay.replan()
}

// movedUnderLoad: see TestMovesLoseNothing, here with fewer packets.
func movedUnderLoad(t *testing.T, w *rig) {
	tap := newListener(t)
	w.relay.Tap(tap)
	w.connect(media.Source{}, media.Source{})
	const packets = 300
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() { // there and back, some hundred times
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(1+i%7) * time.Millisecond):
			}
			w.inspect(i%2, i%4 < 2)
		}
	}()
	w.caller.tone.Seq, w.callee.tone.Seq = 0, 0
	var sent [2][][]byte
	for range packets {
		for i, p := range []*phone{w.caller, w.callee} {
			b := p.tone.Next()
			p.rtp.WriteToUDPAddrPort(b, p.ours)
			sent[i] = append(sent[i], b)
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	<-done
	w.settle()
	w.same("to the callee", w.callee.rtp.Drain(), sent[0])
	w.same("to the caller", w.caller.rtp.Drain(), sent[1])
	s := w.pool.Stats()
	if w.pool.offload != nil && (s.Down < 50 || s.Up < 50) {
		t.Errorf("only %d moves down and %d up", s.Down, s.Up)
	}
	stats := w.relay.Close()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		f := stats.Of(side)
		wantDrops(t, *f, nil)
		var seqs []int
		for _, c := range tap.packets[side] {
			seqs = append(seqs, int(c.Seq))
		}
		if f.Packets != packets || f.Bytes != packets*172 || len(seqs) != packets {
			t.Errorf("%s: %d packets, %d bytes counted, %d in the tap", side, f.Packets, f.Bytes, len(seqs))
		}
		exactly(t, "tap", seqs)
	}
}

// impaired: whatever the network does to packets is passed on as it is, while the
// call moves there and back.
func impaired(t *testing.T, w *rig) {
	w.connect(media.Source{}, media.Source{})
	w.sing(w.caller, 1)
	w.sing(w.callee, 1)
	w.offload(2)
	drain(w.caller, w.callee)
	link := mediatest.Link{Delay: 5 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.05, Duplicate: 0.05, Reorder: 0.05}
	from := [2]*mediatest.Impaired{mediatest.Impair(w.caller.rtp, 1, link), mediatest.Impair(w.callee.rtp, 2, link)}
	for i := range 200 {
		for k, p := range []*phone{w.caller, w.callee} {
			from[k].WriteToUDPAddrPort(p.tone.Next(), p.ours)
		}
		if i%20 == 0 {
			w.inspect(i/20%2, i%80 < 40)
		}
		time.Sleep(5 * time.Millisecond)
	}
	sent := [2][][]byte{from[0].Sent(), from[1].Sent()}
	w.settle()
	w.same("to the callee", w.callee.rtp.Drain(), sent[0])
	w.same("to the caller", w.caller.rtp.Drain(), sent[1])
	stats := w.relay.Close()
	for k, side := range []media.Side{media.Caller, media.Callee} {
		f := stats.Of(side)
		wantDrops(t, *f, nil)
		if f.Packets != uint64(len(sent[k]))+1 {
			t.Errorf("%s: %d packets counted of %d", side, f.Packets, len(sent[k])+1)
		}
	}
}
