package relay

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/digits"
	"ringdown/media/mediatest"
)

// strew sends a key as a tone of 160 ms in packets that arrive in another order
// than they were made in; the numbers count them from 0.
func (w *world) strew(p *phone, key media.Digit, order []int) {
	w.t.Helper()
	t, frames := p.tone, 0
	for _, n := range order {
		frames = max(frames, n+1)
	}
	tone := digits.NewTone(media.Press{Digit: key, For: 160 * time.Millisecond}, mediatest.Rate)
	pcm := make([]int16, 70+frames*mediatest.Samples) // not on the edge of a packet
	tone.Read(pcm[70:])
	for i, n := range order {
		sound := mediatest.Encode(mediatest.PCMU, pcm[n*mediatest.Samples:][:mediatest.Samples])
		p.rtp.WriteToUDPAddrPort(rtpPacket(mediatest.PCMU, false, t.Seq+uint16(n), t.TS+uint32(n)*mediatest.Samples, t.SSRC, sound), p.ours)
		if i+1 < len(order) && order[i+1] == n {
			continue // twice at once
		}
		time.Sleep(mediatest.Frame)
	}
	p.tone.Seq += uint16(frames)
	p.tone.TS += uint32(frames) * mediatest.Samples
	w.settle()
}

// inOrder are the packets of a tone, and one change to them.
func inOrder(change func(all []int) []int) []int {
	all := make([]int, 14)
	for i := range all {
		all[i] = i
	}
	return change(all)
}

// lateOrders are what networks make of a tone.
func lateOrders() map[string][]int {
	orders := map[string][]int{
		"two change places": inOrder(func(all []int) []int { all[6], all[7] = 7, 6; return all }),
		"all twice": inOrder(func(all []int) (twice []int) {
			for _, n := range all {
				twice = append(twice, n, n)
			}
			return twice
		}),
		"one again 80 ms later":         inOrder(func(all []int) []int { return append(all[:8:8], append([]int{4}, all[8:]...)...) }),
		"one again when it is all over": inOrder(func(all []int) []int { return append(all[:13:13], 6, 13) }),
	}
	for n := range 9 {
		orders["once more: "+string(rune('0'+n))] = inOrder(func(all []int) []int { return append(all[:n+1:n+1], all[n:]...) })
	}
	return orders
}

// A packet that comes twice, or in another place, makes no key of its own.
func TestLatePacketsAreNoKey(t *testing.T) {
	for name, order := range lateOrders() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				w.connectKeys(false, true, media.DigitTerms{Hear: media.BySound}, media.DigitTerms{Say: media.ByEvent})
				w.sing(w.caller, 10)
				w.strew(w.caller, 4, order)
				w.sing(w.caller, 10)
				w.strew(w.caller, 7, order)
				if got := w.told(media.Pressed, media.Caller); got != "47" {
					t.Errorf("the call is told %q, want 47", got)
				}
			})
		})
	}
}

// Nor does one bring a key to the receiver or the tap that is kept from both.
func TestLatePacketsAreSilentToo(t *testing.T) {
	for name, order := range lateOrders() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				tap := newListener(t)
				w.relay.Tap(tap)
				w.connectKeys(false, false, media.DigitTerms{}, media.DigitTerms{})
				w.sing(w.caller, 10)
				w.settle()
				w.callee.rtp.Drain()
				w.relay.Suppress(media.Caller, media.SilenceDigits)
				w.strew(w.caller, 4, order)
				got := w.callee.rtp.Drain()
				if len(got) != len(order) {
					t.Errorf("%d packets of %d arrive", len(got), len(order))
				}
				loud := map[uint16]bool{}
				for _, b := range got {
					if h, _ := parseRTP(b); isLoud(mediatest.Decode(h.pt, b[h.start:h.end])) {
						loud[h.seq] = true
					}
				}
				if len(loud) > 2 { // what has sounded until a key is suspected
					t.Errorf("%d packets reach the receiver with sound", len(loud))
				}
				w.relay.Close()
				if n, want := tap.count(media.Caller), 10+len(order); n != want {
					t.Errorf("the tap has %d packets of %d", n, want)
				}
				for i, p := range tap.packets[media.Caller][10:] {
					if isLoud(mediatest.Decode(p.PT, p.Payload)) {
						t.Errorf("packet %d in the tap is not silent", i)
					}
				}
			})
		})
	}
}

func isLoud(pcm []int16) bool {
	for _, v := range pcm {
		if v > 100 || v < -100 {
			return true
		}
	}
	return false
}
