package relay

import (
	"slices"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// Sounds one behind the other are one stream, a packet each 20 ms, and the first
// sample of each stands at the beginning of the packet behind the last one of the
// sound before.
func TestPlaySeveral(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.offer(media.Source{})
		answer, err := w.relay.Await(media.Caller)
		if err != nil {
			t.Fatal(err)
		}
		w.caller.ours = led(t, answer)
		list := media.Play{To: media.Caller, Sound: media.Sound{File: file(t, 400, 210*time.Millisecond)}, Then: []media.Sound{
			{File: file(t, 900, 200*time.Millisecond)}, {Shipped: "en/press-1"}}, For: "menu"}
		w.play(list)
		time.Sleep(2 * time.Second)
		h := w.listen(w.caller, true)
		for i, p := range h.packets {
			if i > 0 && p.Timestamp-h.packets[i-1].Timestamp != 160 {
				t.Errorf("packet %d is %d ticks behind the one before", i, p.Timestamp-h.packets[i-1].Timestamp)
			}
		}
		heard{sound: h.sound[:10*160]}.share(t, 400, 0.98, 1)
		heard{sound: h.sound[11*160 : 21*160]}.share(t, 900, 0.98, 1)
		if seam := h.sound[10*160+80 : 11*160]; slices.Max(seam) > 8 || slices.Min(seam) < -8 { // as µ-law has silence
			t.Error("the packet between two sounds is not filled up with silence")
		}
		got := w.played()
		if want := time.Duration(len(h.packets)) * mediatest.Frame; !got.Complete || got.Heard != want || got.Times != 1 || got.End != media.PlayFinished {
			t.Errorf("played %+v, %d packets", got, len(h.packets))
		}

		alone := list
		alone.Then = nil
		w.play(alone)
		time.Sleep(time.Second)
		if one := w.played(); one.Hash == got.Hash || !one.Complete {
			t.Errorf("of one sound it is %+v", one)
		}
		list.Barge, list.Loop = true, true
		w.play(list)
		time.Sleep(1500 * time.Millisecond) // the second round
		w.relay.Pressed(media.Caller, media.Press{Digit: 1})
		if again := w.played(); again.End != media.PlayBarged || !again.Complete || again.Heard < got.Heard || again.Hash != got.Hash {
			t.Errorf("ended by a key: %+v", again)
		}
		list.Then = append(list.Then, media.Sound{Shipped: "en/nothing"})
		if _, err := w.relay.Play(list); err == nil {
			t.Error("a list with a sound that is not there plays")
		}
		list.Then, list.Loop = list.Then[:2], false
		id := w.play(list)
		time.Sleep(500 * time.Millisecond)
		if done, ok := w.relay.Stop(id); !ok || done.Complete || done.Heard < 480*time.Millisecond || done.Heard > 520*time.Millisecond {
			t.Errorf("stopped %v %+v", ok, done)
		}
	})
}
