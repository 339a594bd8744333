package digits

import (
	"testing"
	"time"

	"ringdown/media"
)

// TestSenderSpeaksToReceiver: what we send is heard as it was meant, at each
// clock and pace, also longer than sixteen bits.
func TestSenderSpeaksToReceiver(t *testing.T) {
	for _, c := range []struct {
		clock  int
		pace   time.Duration
		length time.Duration
	}{
		{8000, 20 * time.Millisecond, 0}, {8000, 50 * time.Millisecond, 40 * time.Millisecond},
		{16000, 20 * time.Millisecond, 70 * time.Millisecond}, {48000, 20 * time.Millisecond, 3 * time.Second},
		{48000, 50 * time.Millisecond, time.Hour}, {8000, 20 * time.Millisecond, time.Millisecond},
	} {
		var s Sender
		for _, e := range []media.Digit{1, 1, media.Pound, media.KeyD} {
			if !s.Add(media.Press{Digit: e, For: c.length}) {
				t.Fatal("the queue is full of four keys")
			}
		}
		var r Receiver
		var all []Change
		seq, frames, markers := uint16(65530), 0, 0
		now := int64(0)
		for ; s.Busy(); now += int64(c.pace) {
			f, ok := s.Next(now, c.clock, c.pace)
			if !ok {
				continue
			}
			seq++
			frames++
			if f.First {
				markers++
			}
			ts := uint32(f.Start*int64(c.clock)/1e9) + f.Behind
			all, _ = r.Packet(all, Arrival{seq, ts, 1, f.First, now}, c.clock, f.Payload[:])
		}
		if len(all) != 8 || markers != 4 {
			t.Fatalf("%+v: %d changes, %d markers", c, len(all), markers)
		}
		want := clamp(media.Press{For: c.length})
		for i, e := range []media.Digit{1, 1, media.Pound, media.KeyD} {
			if b, end := all[2*i], all[2*i+1]; b.Digit != e || b.Ended || end.Digit != e || !end.Ended || (end.Duration-want).Abs() > time.Millisecond {
				t.Errorf("%+v: key %d is %v to %v, want %v long", c, i, b, end, want)
			}
		}
	}
}

// TestEndIsSentThreeTimes, and nothing follows within the gap.
func TestEndIsSentThreeTimes(t *testing.T) {
	var s Sender
	s.Add(media.Press{Digit: 5})
	s.Add(media.Press{Digit: 5})
	var at []time.Duration
	last := 0
	for now := time.Duration(0); s.Busy(); now += 20 * time.Millisecond {
		f, ok := s.Next(int64(now), 8000, 20*time.Millisecond)
		if !ok {
			continue
		}
		at = append(at, now)
		if b, _, _ := readBlock(f.Payload[:]); b.End {
			last++
		}
	}
	if last != 6 {
		t.Errorf("%d end packets of two keys, want 6", last)
	}
	if len(at) != 14 || at[6] != 120*time.Millisecond || at[7] < at[6]+Gap {
		t.Errorf("packets at %v", at)
	}
}

func TestSenderRefusesWhatItCannotSend(t *testing.T) {
	var s Sender
	if s.Add(media.Press{Digit: 99}) {
		t.Error("an unknown event is taken")
	}
	for range Queue {
		s.Add(media.Press{Digit: 1})
	}
	if s.Add(media.Press{Digit: 1}) {
		t.Error("more keys than the queue holds are taken")
	}
	if got := (media.Press{Digit: 1}).Digit.String(); got != "key" {
		t.Errorf("a key prints as %q", got)
	}
}
