package quality

import (
	"testing"
	"time"

	"ringdown/media"
)

// TestQuietIsNotGone: while one party talks, the other is ended only by its own
// reports, which came and have stopped. Who rests by its codec, or talks to one
// who does, has the limit of a hold.
func TestQuietIsNotGone(t *testing.T) {
	limit := media.Watchdog{Initial: 20 * time.Second, Steady: 40 * time.Second, Held: 10 * time.Minute}
	type step struct {
		seconds  int
		it, peer func(*Sight)
	}
	reports := func(s *Sight) { s.LastRTCP = s.Now }
	both := func(s *Sight) { talks(s); reports(s) }
	hold := func(s *Sight) { s.MaySend = false }
	rests := func(s *Sight) { s.Resting = true }
	for name, c := range map[string]struct {
		steps []step
		want  media.Limit
		at    int64
	}{
		"listens from the start":                   {[]step{{3000, nil, talks}}, "", 0},
		"falls quiet":                              {[]step{{50, talks, talks}, {3000, nil, talks}}, "", 0},
		"falls quiet, to one who only reports":     {[]step{{50, talks, talks}, {3000, nil, reports}}, "", 0},
		"the other stops later":                    {[]step{{50, talks, talks}, {100, nil, talks}, {100, nil, nil}}, media.SteadyLimit, 190},
		"reported, and is gone":                    {[]step{{50, both, talks}, {100, nil, talks}}, media.SteadyLimit, 90},
		"reported only, and is gone":               {[]step{{50, reports, talks}, {100, nil, talks}}, media.SteadyLimit, 90},
		"reported long before it fell quiet":       {[]step{{10, both, talks}, {60, talks, talks}, {3000, nil, talks}}, "", 0},
		"reported before the hold, and not in it":  {[]step{{10, both, talks}, {1, hold, hold}, {3000, nil, talks}}, "", 0},
		"reported on hold, and is gone":            {[]step{{10, both, talks}, {1, hold, hold}, {10, reports, talks}, {1000, nil, talks}}, media.HeldLimit, 621},
		"on hold, both still":                      {[]step{{10, talks, talks}, {1, hold, hold}, {1000, nil, nil}}, media.HeldLimit, 611},
		"rests":                                    {[]step{{10, talks, talks}, {1, rests, nil}, {3000, nil, talks}}, "", 0},
		"rests, both still":                        {[]step{{10, talks, talks}, {1, rests, nil}, {1000, nil, nil}}, media.HeldLimit, 610},
		"reported, rests and is gone":              {[]step{{10, both, talks}, {1, rests, nil}, {1000, nil, talks}}, media.HeldLimit, 610},
		"falls quiet, to one who rests":            {[]step{{10, talks, talks}, {1, nil, rests}, {1000, nil, nil}}, media.HeldLimit, 610},
		"reported and is gone, before one at rest": {[]step{{10, both, talks}, {1, nil, rests}, {1000, nil, nil}}, media.SteadyLimit, 50},
		"the other has just come":                  {[]step{{50, talks, talks}, {39, nil, nil}, {1, nil, func(s *Sight) { *s = Sight{Now: s.Now, Judged: s.Now, MaySend: true} }}, {100, nil, nil}}, media.SteadyLimit, 130},
	} {
		p := newParty()
		p.limit, p.peer = limit, p.s
		for _, step := range c.steps {
			p.each(step.seconds, func(s *Sight) {
				if p.peer.Now = s.Now; step.peer != nil {
					step.peer(&p.peer)
				}
				if step.it != nil {
					step.it(s)
				}
			})
		}
		if p.ended.Limit != c.want || p.ended.Since != c.at {
			t.Errorf("%s: %q after %d s, want %q after %d", name, p.ended.Limit, p.ended.Since, c.want, c.at)
		}
	}
}

// TestComfortNoise: its type is fixed, and says that the party rests whether or
// not it was agreed on.
func TestComfortNoise(t *testing.T) {
	for name, formats := range map[string][]media.Format{
		"agreed on": {{PT: 0, Name: "PCMU", Clock: 8000}, {PT: 13, Name: "CN", Clock: 8000}},
		"not":       {{PT: 0, Name: "PCMU", Clock: 8000}},
	} {
		var m Meter
		m.Formats(formats)
		look := func() (s Sight) { m.Look(&s); return s }
		m.Packet(1, 0, 1, 0, 7, make([]byte, 160))
		if look().Resting {
			t.Errorf("%s: rests while it talks", name)
		}
		m.Packet(2, 13, 2, 160, 7, []byte{70})
		if s := look(); !s.Resting || s.Strange != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		m.Absorb(Tally{SSRC: 7, PT: 0, Highest: 3, Packets: 1, Unique: 1, Expected: 1})
		if look().Resting {
			t.Errorf("%s: talks again, below us, and rests", name)
		}
		m.Absorb(Tally{SSRC: 7, PT: 13, Highest: 4, Packets: 1, Unique: 1, Expected: 1})
		if !look().Resting {
			t.Errorf("%s: comfort noise that passed below us is not seen", name)
		}
		m.Packet(5, 13, 6, 800, 7, []byte{70})
		if m.Absorb(Tally{SSRC: 7, PT: 0, Highest: 5, Packets: 1, Unique: 1, Expected: 1}); !look().Resting {
			t.Errorf("%s: what passed below us before the comfort noise, and is told of after it, has ended the rest", name)
		}
	}
}
