package relay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// image is a description of a phone that is a fax now.
func (p *phone) image() []byte {
	at := p.rtp.AddrPort()
	return fmt.Appendf(nil, "v=0\r\nc=IN IP4 %s\r\nm=image %d udptl t38\r\na=T38FaxVersion:0\r\n", at.Addr(), at.Port())
}

// udptl sends n datagrams of a fax, numbered from first, and returns them.
func (w *world) udptl(p *phone, first, n int) (sent [][]byte) {
	for i := range n {
		d := binary.BigEndian.AppendUint16(nil, uint16(first+i))
		d = append(d, 6, 1, 2, 3, 4, 5, 6, 0, 0)
		p.rtp.WriteToUDPAddrPort(d, p.ours)
		sent = append(sent, d)
		time.Sleep(20 * time.Millisecond)
	}
	w.settle()
	return sent
}

// toFax switches a call to T.38 by an offer of the callee, passed on to the caller.
func (w *world) toFax() {
	w.t.Helper()
	if _, err := w.relay.Reoffer(media.Callee, w.callee.image()); err == nil {
		w.t.Fatal("a fax is answered without asking the other side")
	}
	if _, err := w.relay.Ask(media.Callee, w.callee.image()); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.relay.Settle(media.Caller, w.caller.image()); err != nil {
		w.t.Fatal(err)
	}
}

func TestFaxPassesAndTalkComesBack(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		tap := newListener(t)
		w.relay.Tap(tap)
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 10)
		w.sing(w.callee, 10)
		w.caller.rtp.Drain()
		w.callee.rtp.Drain()
		tapped := tap.count(media.Caller) + tap.count(media.Callee)
		w.toFax()
		for i, pair := range [][2]*phone{{w.caller, w.callee}, {w.callee, w.caller}, {w.caller, w.callee}} {
			sent := w.udptl(pair[0], 65530*(i%2)+100*i, 12) // over the end of the numbers, too
			if got := pair[1].rtp.Drain(); !slices.EqualFunc(sent, got, slices.Equal) {
				t.Errorf("%d datagrams of %d arrived as they were", len(got), len(sent))
			}
		}
		w.caller.rtp.WriteToUDPAddrPort([]byte{1, 2}, w.caller.ours)
		w.settle()
		thief := w.phone(thiefIP, 4000, 440)
		thief.ours = w.caller.ours
		w.udptl(thief, 50, 3)
		if n := w.callee.rtp.Waiting(); n != 0 {
			t.Errorf("%d datagrams that are none, or of somebody else", n)
		}
		if n := tap.count(media.Caller) + tap.count(media.Callee) - tapped; n != 0 {
			t.Errorf("the tap got %d datagrams of a fax", n)
		}
		tap.mu.Lock()
		formats := tap.formats[media.Caller]
		tap.mu.Unlock()
		if len(formats) != 1 || formats[0].Name != "T38" {
			t.Errorf("the tap is told of %v", formats)
		}
		if _, err := w.relay.Play(media.Play{To: media.Caller, Sound: media.Sound{Beep: true}}); err == nil {
			t.Error("a fax is played a sound")
		}
		if _, err := w.relay.Ask(media.Callee, w.callee.body("")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.relay.Settle(media.Caller, w.caller.body("")); err != nil {
			t.Fatal(err)
		}
		w.sing(w.caller, 10)
		if n := w.callee.rtp.Waiting(); n != 10 {
			t.Errorf("%d packets of talk behind the fax", n)
		}
		w.udptl(w.caller, 0, 1)
		stats := w.relay.Close()
		if d := stats.Caller.Drops; d[media.DropFax] != 1 || d[media.DropSource] != 3 || d[media.DropMalformed] != 1 {
			t.Errorf("drops %v", d)
		}
		if stats.Caller.Packets != 10+12+12+10 {
			t.Errorf("%d packets of the caller", stats.Caller.Packets)
		}
	})
}

// A fax may take longer than a hold: its datagrams are signs of life, also of a
// party that never sent any sound. One that has stopped is gone.
func TestFaxKeepsTheCall(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		w.toFax()
		for i := range 31 * 60 {
			w.udptl(w.caller, i, 1)
			w.udptl(w.callee, i, 1)
			time.Sleep(time.Second)
		}
		if got := w.noticed(media.Expired); len(got) != 0 {
			t.Errorf("a fax of 31 minutes is told of: %+v", got)
		}
		gone := time.Now()
		time.Sleep(31 * time.Minute)
		got := w.noticed(media.Expired)
		if len(got) != 1 || got[0].Limit != media.HeldLimit || gone.Sub(got[0].Since) > 2*time.Second {
			t.Errorf("%+v, gone at %s", got, gone)
		}
	})
}

// Who does not take the fax goes on talking; nothing has changed.
func TestFaxRefused(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.sing(w.caller, 5)
		w.callee.rtp.Drain()
		if _, err := w.relay.Ask(media.Callee, w.callee.image()); err != nil {
			t.Fatal(err)
		}
		refusal := []byte("v=0\r\nc=IN IP4 " + sipperIP + "\r\nm=image 0 udptl t38\r\n")
		if _, err := w.relay.Settle(media.Caller, refusal); err == nil {
			t.Error("a refused fax is settled")
		}
		sent := w.sing(w.caller, 5)
		if got := w.callee.rtp.Drain(); !equal(got, sent) {
			t.Errorf("%d packets of talk", len(got))
		}
	})
}

func TestFaxAllocatesNothing(t *testing.T) {
	r, in, _, src := path(t)
	image := "c=IN IP4 10.%d.0.1\nm=image %d udptl t38\n"
	if _, err := r.Offer(media.Caller, fmt.Appendf(nil, image, 1, 4000), media.Source{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Answer(media.Callee, fmt.Appendf(nil, image, 2, 5000), media.Source{}); err != nil {
		t.Fatal(err)
	}
	pkt := make([]byte, 60)
	if n := testing.AllocsPerRun(50, func() { in.deliver(pkt, src, time.Now()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
