package recorder

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
	"ringdown/recorder/format"
)

// A queue of any size gives back exactly what was put in, in order, whatever the
// sizes are and however putting and taking alternate.
func TestQueueKeepsOrder(t *testing.T) {
	pages := new(chunks)
	rapid.Check(t, func(t *rapid.T) {
		q := queue{chunks: pages, size: rapid.IntRange(64, 20_000).Draw(t, "size")}
		var in, out uint32
		put := func(payload int) {
			n := format.AudioSize(payload)
			slot := q.put(n)
			if slot == nil {
				if q.used+n <= q.size {
					t.Fatalf("%d of %d bytes used and %d refused", q.used, q.size, n)
				}
				return
			}
			b := make([]byte, payload)
			binary.BigEndian.PutUint32(b, in)
			format.PutAudio(slot, &format.Audio{Side: media.Caller, Payload: b})
			in++
		}
		read := func(b batch) {
			for rec := b.next(); rec != nil; rec = b.next() {
				if got := binary.BigEndian.Uint32(rec[format.AudioSize(0):]); got != out {
					t.Fatalf("record %d came out as number %d", got, out)
				}
				out++
			}
			q.done(b)
			if q.used < 0 || q.used > q.size {
				t.Fatalf("%d bytes used of %d", q.used, q.size)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "rounds") {
			for range rapid.IntRange(0, 12).Draw(t, "puts") {
				put(rapid.IntRange(4, format.MaxPayload).Draw(t, "payload"))
			}
			b := q.take()
			for range rapid.IntRange(0, 3).Draw(t, "puts while it is read") {
				put(4)
			}
			read(b)
		}
		read(q.take())
		if in != out || q.used != 0 {
			t.Fatalf("%d in, %d out, %d bytes used", in, out, q.used)
		}
	})
}

func TestQueueHoldsTwoSecondsAtFourTimesNominal(t *testing.T) {
	q := queue{chunks: new(chunks), size: queueSize}
	n := 0
	for q.put(format.AudioSize(160)) != nil {
		n++
	}
	if n != 2*4*100 {
		t.Errorf("%d packets fit", n)
	}
	if q.put(format.AudioSize(format.MaxPayload)) != nil {
		t.Error("and one more")
	}
	q.done(q.take())
	if q.put(format.AudioSize(format.MaxPayload)) == nil {
		t.Error("the longest record does not fit a page")
	}
}

// A recording that is drained holds nothing, and its pages are used again.
func TestQueueLendsItsPages(t *testing.T) {
	pages := new(chunks)
	q := queue{chunks: pages, size: queueSize}
	round := func() {
		for range 40 {
			q.put(format.AudioSize(160))
		}
		q.done(q.take())
	}
	if n := testing.AllocsPerRun(1000, round); n >= 1 { // the collector may empty a pool
		t.Errorf("%v allocations for 40 packets", n)
	}
	if q.first != nil || q.used != 0 {
		t.Errorf("%d bytes left", q.used)
	}
}

func TestMeanings(t *testing.T) {
	m := meaningsOf([]media.Format{
		{PT: 0, Name: "PCMU"}, {PT: 96, Name: "opus"}, {PT: 97, Name: "Telephone-Event"}, {PT: 98, Name: "red"}, {PT: 99, Name: "tone"}, {PT: 200, Name: "X"}, {PT: 13, Name: "CN"},
	})
	for _, c := range []struct {
		what    string
		pt      uint8
		payload []byte
		want    meaning
	}{
		{"described audio", 96, nil, audio},
		{"digits", 97, nil, digits},
		{"tones", 99, nil, digits},
		{"not described", 100, nil, nothing},
		{"not described, static", 8, nil, audio},
		{"reserved static", 1, nil, nothing},
		{"comfort noise", 13, nil, audio},
		{"redundant audio", 98, []byte{0x80 | 96, 0, 0, 0, 0, 1, 2}, audio},
		{"redundant digits first", 98, []byte{0x80 | 97, 0, 0, 0, 0, 1, 2}, digits},
		{"redundant digits last", 98, []byte{0x80, 0, 0, 0, 97, 1, 2}, digits},
		{"redundant unknown", 98, []byte{100, 1}, nothing},
		{"redundant in redundant", 98, []byte{98, 1}, nothing},
		{"redundant without an end", 98, []byte{0x80, 0, 0}, nothing},
		{"redundant and empty", 98, nil, nothing},
	} {
		if got := m.of(c.pt, c.payload); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

func packetOf(n int, payload int) *media.Packet {
	return &media.Packet{Side: media.Caller, Arrival: time.Now(), Seq: uint16(n), Payload: make([]byte, payload)}
}

func TestIntakeCountsWhatDoesNotFit(t *testing.T) {
	in := newIntake(time.Now(), new(chunks))
	kept := 0
	for n := range 2000 {
		in.packet(packetOf(n, 160))
	}
	in.packet(packetOf(0, format.MaxPayload+1))
	in.packet(&media.Packet{Side: 7, Arrival: time.Now()}) // of nobody
	took := in.take()
	for rec := took.audio.next(); rec != nil; rec = took.audio.next() {
		kept++
	}
	if got := took.tally[0]; kept != 800 || got.full.n != 1200 || got.oversize.n != 1 || took.tally[1] != (tally{}) {
		t.Errorf("%d kept, %+v", kept, took.tally)
	}
	if again := in.take(); again.tally != ([2]tally{}) {
		t.Errorf("counted twice: %+v", again.tally)
	}
}

// The writer is woken once for what it asked for, and not for each packet.
func TestIntakeWakes(t *testing.T) {
	in := newIntake(time.Now(), new(chunks))
	if !in.packet(packetOf(1, 160)) {
		t.Error("the first packet does not wake")
	}
	if in.packet(packetOf(2, 160)) {
		t.Error("the second wakes again")
	}
	if !in.arm(2 * format.AudioSize(160)) {
		t.Error("what is there already does not wake")
	}
	if in.arm(3*format.AudioSize(160)) || !in.packet(packetOf(3, 160)) || in.packet(packetOf(4, 160)) {
		t.Error("the third packet has to wake, and only it")
	}
	in.done(in.take().audio)
	if in.arm(1) {
		t.Error("an empty intake wakes")
	}
	if !in.formats(media.Caller, nil) {
		t.Error("a new meaning does not wake an idle writer")
	}
}

// However often a side negotiates, what waits is bounded; a meaning that no
// packet has used is replaced.
func TestNotesAreBounded(t *testing.T) {
	in := newIntake(time.Now(), new(chunks))
	set := []media.Format{{PT: 0, Name: "PCMU", Clock: 8000}}
	for range 1000 {
		in.formats(media.Caller, set)
	}
	if len(in.notes) != 1 {
		t.Errorf("%d notes for one meaning", len(in.notes))
	}
	for n := range 1000 {
		in.formats(media.Caller, set)
		in.packet(packetOf(n, 1))
	}
	late, lost := in.leftovers()
	if len(in.notes) != maxNotes || lost == 0 || late != 0 {
		t.Errorf("%d notes, %d lost, %d late", len(in.notes), lost, late)
	}
}

func TestIntakeAfterTheEnd(t *testing.T) {
	in := newIntake(time.Now(), new(chunks))
	in.close(time.Second)
	in.close(2 * time.Second)
	if in.packet(packetOf(1, 10)) || in.pause(0) || in.resume(0) {
		t.Error("something was taken after the end")
	}
	if late, _ := in.leftovers(); late != 1 {
		t.Errorf("%d late packets", late)
	}
}

// The relay's side of the recorder: no allocation, whatever the packet is.
func TestPacketDoesNotAllocate(t *testing.T) {
	in := newIntake(time.Now(), new(chunks))
	in.formats(media.Caller, []media.Format{{PT: 0, Name: "PCMU"}, {PT: 101, Name: "telephone-event"}})
	r := &Recording{in: in, wake: make(chan struct{}, 1)}
	for _, pt := range []uint8{0, 101, 102} {
		p := packetOf(1, 160)
		p.PT = pt
		if n := testing.AllocsPerRun(2000, func() { r.Packet(*p) }); n != 0 {
			t.Errorf("payload type %d: %v allocations", pt, n)
		}
	}
}
