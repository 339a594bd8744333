package ear

import (
	"math"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/codec"
)

type sink struct{ packets int }

func (s *sink) Formats(media.Side, []media.Format) {}
func (s *sink) Packet(media.Packet)                { s.packets++ }

// say gives the ear a second of sound of an amplitude that swings as speech does, or
// stands, and returns when its last packet came.
func say(t *testing.T, e *Ear, f media.Format, from time.Time, amplitude float64, speech bool) time.Time {
	t.Helper()
	enc, err := codec.NewEncoder(f, 8000)
	if err != nil {
		t.Fatal(err)
	}
	at := from
	for i := range 50 {
		pcm := make([]int16, 160)
		a := amplitude
		if speech && i%10 >= 6 {
			a /= 100 // between words
		}
		for j := range pcm {
			pcm[j] = int16(a * math.Sin(2*math.Pi*440*float64(i*160+j)/8000))
		}
		at = from.Add(time.Duration(i) * 20 * time.Millisecond)
		e.Packet(media.Packet{Side: media.Caller, PT: f.PT, Arrival: at, Payload: enc.Encode(nil, pcm)})
	}
	return at
}

func TestWhoSpeaksIsHeard(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, f := range []media.Format{{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}, {PT: 8, Name: "PCMA", Clock: 8000, Channels: 1}} {
		out := &sink{}
		e := New(media.Caller, out)
		e.Formats(media.Caller, []media.Format{f})
		say(t, e, f, start, 20, false) // a room
		if !e.Spoke().IsZero() {
			t.Errorf("%s: a quiet room is heard to speak", f.Name)
		}
		last := say(t, e, f, start.Add(time.Second), 4000, true)
		if d := last.Sub(e.Spoke()); d < 0 || d > 300*time.Millisecond {
			t.Errorf("%s: last heard %s before the end of what was said", f.Name, d)
		}
		spoke := e.Spoke()
		say(t, e, f, start.Add(2*time.Second), 20, false)
		if e.Spoke() != spoke {
			t.Errorf("%s: silence is heard to speak", f.Name)
		}
		if out.packets != 150 {
			t.Errorf("%s: %d of 150 packets passed on", f.Name, out.packets)
		}
	}
}

// A tone that does not end is nobody's speech for long, and a click none at all.
func TestToneAndClick(t *testing.T) {
	f := media.Format{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1}
	e := New(media.Caller, &sink{})
	e.Formats(media.Caller, []media.Format{f})
	at := time.Unix(1000, 0)
	for range 10 {
		say(t, e, f, at, 4000, false)
		at = at.Add(time.Second)
	}
	if d := at.Sub(e.Spoke()); d < 3*time.Second {
		t.Errorf("a tone is still speech %s before the end of ten seconds", d)
	}
	e = New(media.Caller, &sink{})
	e.Formats(media.Caller, []media.Format{f})
	enc, _ := codec.NewEncoder(f, 8000)
	loud := make([]int16, 160)
	for i := range loud {
		loud[i] = 8000
	}
	e.Packet(media.Packet{Side: media.Caller, PT: 0, Arrival: at, Payload: enc.Encode(nil, loud)})
	e.Packet(media.Packet{Side: media.Callee, PT: 0, Arrival: at, Payload: enc.Encode(nil, loud)})
	if !e.Spoke().IsZero() {
		t.Error("a click is heard to speak")
	}
}
