package quality

import (
	"slices"
	"testing"
	"time"

	"ringdown/media"
)

// party is one that is looked at each second, from the answer on.
type party struct {
	s     Sight
	peer  Sight // the one it talks to, of whom nothing comes unless a step says so
	judge Judge
	watch Watch
	said  []Finding
	at    []int // seconds after the answer
	ended Expired
	limit media.Watchdog
}

const answered = 100 // seconds on the clock

func newParty() *party {
	return &party{s: Sight{Judged: answered * int64(time.Second), MaySend: true, Own: media.Public, Ours: media.Public}}
}

// each changes what is seen, a second at a time.
func (p *party) each(seconds int, do func(s *Sight)) {
	for range seconds {
		if p.s.Now == 0 {
			p.s.Now = p.s.Judged
		}
		p.s.Now += int64(time.Second)
		if do != nil {
			do(&p.s)
		}
		if f, ok := p.judge.See(p.s); ok {
			p.said, p.at = append(p.said, f), append(p.at, int((p.s.Now-p.s.Judged)/int64(time.Second)))
		}
		if e, ok := p.watch.See(p.s, p.peer, p.limit); ok && p.ended.Limit == "" {
			p.ended = e
			p.ended.Since = (p.s.Now - p.s.Judged) / int64(time.Second) // when it barked
		}
	}
}

func talks(s *Sight) { s.Packets += 50; s.LastRTP, s.Loud = s.Now, s.Now }

// TestVerdicts: each fault has its verdict, within ten seconds.
func TestVerdicts(t *testing.T) {
	stray := func(o media.Origin) func(*Sight) { return func(s *Sight) { s.Strays[o] += 50 } }
	for name, c := range map[string]struct {
		set  func(*Sight)
		each func(*Sight)
		want media.Verdict
		from media.Origin
	}{
		"never sends":                        {nil, nil, media.NeverSent, 0},
		"never sends, at a private address":  {func(s *Sight) { s.Own = media.Private }, nil, media.PrivateAddress, 0},
		"private, and so are we":             {func(s *Sight) { s.Own, s.Ours = media.Private, media.Private }, nil, media.NeverSent, 0},
		"says private, sends from elsewhere": {func(s *Sight) { s.Own = media.Private }, stray(media.Public), media.PrivateAddress, media.Public},
		"another port":                       {nil, stray(media.OtherPort), media.WrongSource, media.OtherPort},
		"another port of a private host":     {func(s *Sight) { s.Own = media.Private }, stray(media.OtherPort), media.WrongSource, media.OtherPort},
		"another host":                       {nil, stray(media.Private), media.WrongSource, media.Private},
		"payload type":                       {nil, func(s *Sight) { s.Packets += 50; s.Strange += 50; s.LastRTP = s.Now }, media.WrongType, 0},
		"silence in its packets":             {func(s *Sight) { s.Levelled = true }, func(s *Sight) { s.Packets += 50; s.LastRTP = s.Now }, media.Muted, 0},
		"reports that it sends":              {func(s *Sight) { s.Sends = 500 }, nil, media.Blocked, 0},
		"talks":                              {nil, talks, "", 0},
		"a codec nobody looks into":          {nil, func(s *Sight) { s.Packets += 50; s.LastRTP = s.Now }, "", 0},
		"held from the start":                {func(s *Sight) { s.MaySend = false }, nil, "", 0},
	} {
		p := newParty()
		if c.set != nil {
			c.set(&p.s)
		}
		p.each(60, c.each)
		switch {
		case c.want == "" && len(p.said) > 0:
			t.Errorf("%s: %+v", name, p.said)
		case c.want == "":
		case len(p.said) != 1 || p.said[0].Verdict != c.want || p.said[0].Origin != c.from || p.said[0].Over:
			t.Errorf("%s: %+v, want %s from %q", name, p.said, c.want, c.from)
		case p.at[0] > 9 || p.said[0].Since != p.s.Judged:
			t.Errorf("%s: said after %d s, since %d", name, p.at[0], p.said[0].Since)
		}
	}
}

// TestOneWayBegins: a party that was heard and stops is told of within ten
// seconds, and again when it is back; one that is held in between is not.
func TestOneWayBegins(t *testing.T) {
	p := newParty()
	p.each(30, talks)
	p.each(20, nil)
	p.each(20, talks)
	if len(p.said) != 2 || p.said[0].Verdict != media.Stopped || p.said[1].Verdict != media.Stopped || !p.said[1].Over {
		t.Fatalf("%+v", p.said)
	}
	if p.at[0] < 36 || p.at[0] > 40 || p.at[1] != 51 {
		t.Errorf("said at %v", p.at)
	}
	if since := p.said[0].Since - p.s.Judged; since != 30*int64(time.Second) {
		t.Errorf("since %s", time.Duration(since))
	}
	held := newParty()
	held.each(30, talks)
	held.each(300, func(s *Sight) { s.MaySend = false })
	held.each(5, func(s *Sight) { s.MaySend = true })
	held.each(30, talks)
	if len(held.said) != 0 {
		t.Errorf("hold is no fault: %+v", held.said)
	}
}

// TestQuiet: who listens for a while is not muted, and silence that was agreed on is not an end.
func TestQuiet(t *testing.T) {
	p := newParty()
	p.s.Levelled = true
	p.each(30, talks)
	p.each(25, func(s *Sight) { s.Packets += 50; s.LastRTP = s.Now })
	p.each(5, talks)
	if len(p.said) != 0 {
		t.Errorf("25 s of listening: %+v", p.said)
	}
	p.each(40, func(s *Sight) { s.Packets += 50; s.LastRTP = s.Now })
	p.each(3, talks)
	if len(p.said) != 2 || p.said[0].Verdict != media.Muted || !p.said[1].Over {
		t.Errorf("40 s without a sound: %+v", p.said)
	}
	rests := newParty()
	rests.each(10, talks)
	rests.each(120, func(s *Sight) { s.Resting = true; s.LastRTCP = s.Now })
	if len(rests.said) != 0 || rests.ended.Limit != "" {
		t.Errorf("a codec that rests: %+v, ended %+v", rests.said, rests.ended)
	}
}

// TestWatchdog: which limit barks, and when.
func TestWatchdog(t *testing.T) {
	limit := media.Watchdog{Initial: 20 * time.Second, Steady: 40 * time.Second, Held: 10 * time.Minute}
	off := media.Watchdog{Initial: -1, Steady: -1, Held: -1}
	type step struct {
		seconds int
		do      func(*Sight)
	}
	hold := func(s *Sight) { s.MaySend = false }
	held := func(s *Sight) { s.MaySend = false; s.LastRTCP = s.Now }
	free := func(s *Sight) { s.MaySend = true }
	reports := func(s *Sight) { s.LastRTCP = s.Now }
	for name, c := range map[string]struct {
		limit media.Watchdog
		steps []step
		want  media.Limit
		at    int64
	}{
		"never sends":               {limit, []step{{100, nil}}, media.InitialLimit, 20},
		"by default":                {media.Watchdog{}, []step{{100, nil}}, media.InitialLimit, 30},
		"only reports":              {limit, []step{{100, reports}}, "", 0},
		"reported, and stopped":     {limit, []step{{100, reports}, {100, nil}}, media.SteadyLimit, 140},
		"stops":                     {limit, []step{{50, talks}, {100, nil}}, media.SteadyLimit, 90},
		"rests and reports":         {limit, []step{{50, talks}, {300, reports}, {100, nil}}, media.SteadyLimit, 390},
		"talks":                     {limit, []step{{3000, talks}}, "", 0},
		"off":                       {off, []step{{10, talks}, {3000, nil}, {3000, hold}}, "", 0},
		"held":                      {limit, []step{{10, talks}, {590, hold}}, "", 0},
		"held and gone":             {limit, []step{{10, talks}, {1000, hold}}, media.HeldLimit, 611},
		"held and there":            {limit, []step{{10, talks}, {3000, held}}, "", 0},
		"released and silent":       {limit, []step{{10, talks}, {300, hold}, {100, free}}, media.SteadyLimit, 351},
		"held before it ever spoke": {limit, []step{{300, hold}, {100, free}}, media.InitialLimit, 321},
	} {
		p := newParty()
		p.limit = c.limit
		for _, s := range c.steps {
			p.each(s.seconds, s.do)
		}
		if p.ended.Limit != c.want || p.ended.Since != c.at {
			t.Errorf("%s: %q after %d s, want %q after %d", name, p.ended.Limit, p.ended.Since, c.want, c.at)
		}
	}
}

// TestWatchdogSpares: a party that is heard of in another way has its limit from
// there, before it ever spoke, afterwards and on hold; and only from there.
func TestWatchdogSpares(t *testing.T) {
	limit := media.Watchdog{Initial: 20 * time.Second, Steady: 40 * time.Second, Held: 10 * time.Minute}
	for name, c := range map[string]struct {
		talks, silent, then int
		hold                bool
		want                media.Limit
		at                  int64
	}{
		"initial": {0, 15, 100, false, media.InitialLimit, 35},
		"steady":  {50, 39, 100, false, media.SteadyLimit, 129},
		"held":    {10, 500, 1000, true, media.HeldLimit, 1110},
	} {
		p := newParty()
		p.limit = limit
		idle := func(s *Sight) { s.MaySend = !c.hold }
		p.each(c.talks, talks)
		p.each(c.silent, idle)
		heard := p.s.Now
		p.watch.Heard(heard)
		p.watch.Heard(heard - int64(5*time.Second)) // told late: of before
		p.each(c.then, idle)
		if p.ended.Limit != c.want || p.ended.Since != c.at {
			t.Errorf("%s: %q after %d s, want it after %d", name, p.ended.Limit, p.ended.Since, c.at)
		}
	}
}

func TestUnheard(t *testing.T) {
	p := newParty()
	p.each(2, nil)
	if p.judge.Unheard(p.s) {
		t.Error("two seconds are nothing")
	}
	p.each(5, nil)
	if !p.judge.Unheard(p.s) {
		t.Error("seven are something")
	}
	p.each(1, talks)
	if p.judge.Unheard(p.s) {
		t.Error("it talks")
	}
	if names := []string{media.OtherPort.String(), media.Loopback.String(), media.Origin(99).String()}; !slices.Equal(names, []string{"other-port", "loopback", "loopback"}) {
		t.Errorf("%q", names)
	}
}
