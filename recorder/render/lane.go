package render

import (
	"bytes"
	"slices"
	"time"

	"ringdown/media"
	speech "ringdown/media/codec"
	"ringdown/recorder/format"
)

const (
	reorder = time.Second            // how long a packet waits for one sent before it
	settled = 10 * time.Second       // what is older is silence if nothing came
	slack   = Rate * 20 / 1000       // samples off the mark before the sound jumps
	dead    = 4                      // samples off the mark that are not worth a correction
	maxHold = 50 * 8 * reorder / 1e9 // packets waiting, whatever a side sends
)

// lane is one side's sound on its way out: packets wait until they are in
// order, then become samples without a hole.
type lane struct {
	clocks []*clock
	held   []packet // by place
	out    []int16  // not yet written
	pos    int64    // samples made since time zero, written ones included

	begun bool
	last  place // of the packet that sounded last
	mark  int64 // the sample after it
	next  int64 // the timestamp after it
	free  [][]int16
	deep  map[media.Format]*deep // by codec, of those with a memory
}

type packet struct {
	place
	at      time.Duration
	codec   codec
	payload []byte // of a codec with a memory; nil: sound holds it
	sound   []int16
}

// deep reads a codec with a memory.
type deep struct {
	speech.Decoder
	down *speech.Resampler
	pcm  []int16
	run  int
}

// hold decodes a packet and lets it wait.
func (l *lane) hold(a format.Audio, at place, c codec) {
	i, found := slices.BinarySearchFunc(l.held, at, func(p packet, at place) int {
		if p.run != at.run {
			return p.run - at.run
		}
		return int(p.seq - at.seq)
	})
	if found || l.begun && at.run == l.last.run && at.seq <= l.last.seq {
		return // a duplicate, or too late
	}
	p := packet{place: at, at: a.At, codec: c}
	if n := len(l.free); n > 0 {
		p.sound, l.free = l.free[n-1][:0], l.free[:n-1]
	}
	switch {
	case c.deep.Name != "":
		p.payload = bytes.Clone(a.Payload)
	case !c.quiet:
		for _, b := range a.Payload {
			p.sound = append(p.sound, c.decode[b])
		}
	}
	l.held = slices.Insert(l.held, i, p)
}

// release sounds all packets that have waited long enough at the given time.
func (l *lane) release(now time.Duration) {
	n := 0
	for n < len(l.held) && (now-l.held[n].at >= reorder || len(l.held)-n > int(maxHold)) {
		p := &l.held[n]
		if p.payload != nil {
			l.read(p)
		}
		l.sound(*p)
		l.free = append(l.free, p.sound)
		n++
	}
	l.held = slices.Delete(l.held, 0, n)
}

// read decodes a packet whose turn has come. One that cannot be decoded is silent.
func (l *lane) read(p *packet) {
	d := l.deep[p.codec.deep]
	if d == nil {
		dec, err := speech.NewDecoder(p.codec.deep, Rate)
		if err != nil { // its codec was found readable
			return
		}
		down, err := speech.NewResampler(dec.Rate(), Rate)
		if err != nil {
			return
		}
		d = &deep{dec, down, make([]int16, int(speech.MaxFrame/time.Millisecond)*dec.Rate()/1000), p.run}
		if l.deep == nil {
			l.deep = map[media.Format]*deep{}
		}
		l.deep[p.codec.deep] = d
	}
	if d.run != p.run {
		d.run = p.run
		d.Reset()
		d.down.Reset()
	}
	n, err := d.Decode(d.pcm, p.payload)
	if err != nil {
		n = 0
	}
	p.sound = d.down.Append(p.sound[:0], d.pcm[:n])
}

// sound puts a packet where it belongs. Within a run the samples follow one
// another; the clock moves them by at most one sample a packet, unless they
// are so far off that the sender must have jumped. What was spoken before time
// zero is cut off, so that the rest need not be moved.
func (l *lane) sound(p packet) {
	start := samples(l.clocks[p.run].heard(p.ts, p.at))
	stretch := false
	if l.begun && p.run == l.last.run {
		straight := l.mark + (p.ts-l.next)*Rate/int64(p.codec.clock)
		if off := start - straight; off <= slack && off >= -slack {
			start = straight
			switch {
			case off >= dead:
				start++
				stretch = p.ts == l.next
			case off <= -dead:
				start--
			}
		}
	} else if start < 0 && start > -dead {
		start = 0
	}
	if len(p.sound) == 0 { // comfort noise tells the clock and nothing else
		if l.begun && p.run == l.last.run {
			l.last.seq = max(l.last.seq, p.seq)
		}
		return
	}
	if stretch && start == l.pos+1 {
		l.repeat()
	}
	l.silence(start)
	skip := min(max(l.pos-start, 0), int64(len(p.sound)))
	l.out = append(l.out, p.sound[skip:]...)
	l.pos += int64(len(p.sound)) - skip
	l.begun, l.last = true, p.place
	l.mark, l.next = start+int64(len(p.sound)), p.ts+int64(len(p.sound))*int64(p.codec.clock)/Rate
}

// repeat sounds the last sample once more.
func (l *lane) repeat() {
	var s int16
	if n := len(l.out); n > 0 {
		s = l.out[n-1]
	}
	l.out = append(l.out, s)
	l.pos++
}

// silence fills up to a sample.
func (l *lane) silence(until int64) {
	if n := until - l.pos; n > 0 {
		l.out = append(l.out, make([]int16, n)...)
		l.pos = until
	}
}
