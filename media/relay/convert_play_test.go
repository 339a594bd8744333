package relay

import (
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// A sound goes on in the stream that a conversion makes, also when that has the
// last packet still in hand; and the conversion goes on behind the sound.
func TestPlayIntoAConvertedStream(t *testing.T) {
	for _, n := range []int{30, 31, 32} { // three packets make one
		inWorld(t, mediatest.Link{}, func(w *world) {
			t := w.t
			src := codecs("OPUS", "PCMU")
			src.Terms.Speech.PacketTime = 60 * time.Millisecond
			w.agree(saysPCMU, saysOpus, src)
			w.sing(w.caller, n)
			before := w.received(w.callee)
			if len(before) != n/3 {
				t.Fatalf("%d packets of %d of the caller's", len(before), n)
			}
			last := before[len(before)-1]
			id := w.play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 700, 5*time.Second)}})
			time.Sleep(110 * time.Millisecond)
			ours := w.received(w.callee)
			if len(ours) < 4 {
				t.Fatalf("%d packets of the sound", len(ours))
			}
			for i, p := range ours {
				if p.SSRC != last.SSRC || p.Seq != last.Seq+1+uint16(i) || p.TS-last.TS > 200*48 || int32(p.TS-last.TS) < 60*48 {
					t.Fatalf("after %d packets: packet %d of the sound, %d/%d of %x, stands behind %d/%d of %x",
						n, i, p.Seq, p.TS, p.SSRC, last.Seq, last.TS, last.SSRC)
				}
			}
			w.relay.Stop(id)
			w.sing(w.caller, 12)
			last = ours[len(ours)-1]
			for i, p := range w.received(w.callee) {
				if p.SSRC != last.SSRC || p.Seq != last.Seq+1+uint16(i) || int32(p.TS-last.TS) <= 0 {
					t.Fatalf("after the sound: packet %d, %d/%d of %x, stands behind %d/%d of %x",
						i, p.Seq, p.TS, p.SSRC, last.Seq, last.TS, last.SSRC)
				}
			}
		})
	}
}
