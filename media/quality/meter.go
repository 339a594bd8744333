package quality

import (
	"time"

	"ringdown/media"
)

// Meter measures what one party sends, whatever sources (SSRC) it uses one after
// the other. The zero value is ready; without [Meter.Formats] every payload
// type is strange. It holds no pointers but the codecs' names.
type Meter struct {
	seq    sequence
	timing timing
	gaps   gaps
	count  Counts // of sources that are over; the present one is added when read
	kinds  [8]kind
	names  [8]string
	known  uint8 // of kinds
	now    kind  // of the last packet that was sound

	ssrc, other uint32 // the source, and one that may take its place
	otherSeq    uint16
	otherRun    bool

	lastTS   uint32
	lastAt   int64
	step     uint32 // units of the clock between two packets in a row
	loud     int64  // when sound was last heard, or comfort noise that says otherwise; 0: never
	level    uint32 // mean square of the last packet looked at
	levelled bool   // level says something: the codec is one that can be looked into
	listened bool   // to copies of packets, since the last tally
	resting  bool   // the party said last that it sends nothing while it is silent
	turn     uint8
}

// Counts are what a meter has counted since it began.
type Counts struct {
	Packets, Bytes uint64 // received, payloads only
	Expected, Lost uint64
	Late           uint64 // came too late to be heard
	Duplicate      uint64
	Reordered      uint64
	Foreign        uint64 // of a second source beside the one that is measured
	Strange        uint64 // of payload types that nobody agreed on
	Silent         uint64 // comfort noise, or sound of no loudness
	Sources        uint64
	Jumps          uint64 // of the timestamps
}

// kind is what a payload type means to the meter.
type kind struct {
	clock uint32
	pt    uint8
	what  what
}

// comfortType is that of comfort noise of 8 kHz (RFC 3389 5). Phones send it to
// whom they never offered it.
const comfortType = 13

type what uint8

const (
	sound what = iota
	soundMuLaw
	soundALaw
	soundOpus
	soundG729
	comfort
	event // its timestamps stand still (RFC 4733 2.2)
)

func kindOf(f media.Format) kind {
	k := kind{clock: uint32(max(f.Clock, 0)), pt: f.PT}
	switch f.Name {
	case "PCMU":
		k.what = soundMuLaw
	case "PCMA":
		k.what = soundALaw
	case "OPUS":
		k.what = soundOpus
	case "G729":
		k.what = soundG729
	case "CN":
		k.what = comfort
	case "TELEPHONE-EVENT":
		k.what = event
	}
	return k
}

// Formats says what the party may send from now on; more than eight payload
// types are as good as none.
func (m *Meter) Formats(formats []media.Format) {
	m.known = 0
	for _, f := range formats {
		if int(m.known) == len(m.kinds) {
			break
		}
		m.kinds[m.known], m.names[m.known] = kindOf(f), f.Name
		m.known++
	}
	if m.now, _ = m.find(m.now.pt); m.now.what >= comfort {
		m.now = kind{}
	}
}

// kind finds a payload type; ok is false when nobody agreed on it.
func (m *Meter) kind(pt uint8) (kind, bool) {
	if m.now.pt == pt && m.now.clock != 0 {
		return m.now, true
	}
	return m.find(pt)
}

func (m *Meter) find(pt uint8) (kind, bool) {
	for _, k := range m.kinds[:m.known] {
		if k.pt == pt {
			return k, true
		}
	}
	if pt == comfortType {
		return kind{clock: 8000, pt: pt, what: comfort}, true
	}
	return kind{}, false
}

// Packet takes one packet that was accepted from the party. It allocates nothing.
func (m *Meter) Packet(at int64, pt uint8, seq uint16, ts, ssrc uint32, payload []byte) {
	m.count.Packets++
	m.count.Bytes += uint64(len(payload))
	k, known := m.kind(pt)
	if !known {
		m.count.Strange++
	}
	if ssrc != m.ssrc || !m.seq.started {
		if !m.succeeds(ssrc, seq) {
			m.count.Foreign++
			return
		}
	} else {
		m.otherRun = false
	}
	p := m.seq.take(seq, &m.gaps)
	switch p {
	case duplicate:
		m.count.Duplicate++
		return
	case leap:
		return
	case anew:
		m.retire()
		m.seq.start(seq)
		m.timing.started = false
	case reordered:
		m.count.Reordered++
	}
	if !known || k.what == event || k.clock == 0 {
		m.lastAt = 0 // the next one's timestamp leaps to where sound has got to
		return
	}
	m.time(p, at, seq, ts, k)
	m.listen(at, k, payload)
}

// time measures one packet of sound.
func (m *Meter) time(p place, at int64, seq uint16, ts uint32, k kind) {
	late, leapt := m.timing.take(at, ts, k.clock)
	if leapt {
		m.count.Jumps++
	}
	if late {
		m.count.Late++
		m.seq.unheard(seq)
	}
	if p == inOrder && m.lastAt != 0 && m.seq.good>>1&1 == 1 {
		if d := ts - m.lastTS; d > 0 && d <= k.clock/5 {
			m.step = d
		}
	}
	if p != reordered {
		m.lastTS, m.lastAt = ts, max(at, 1)
	}
	if k != m.now && k.what < comfort {
		m.now = k
	}
}

// listen looks for sound in a packet, now and then.
func (m *Meter) listen(at int64, k kind, payload []byte) {
	m.turn++
	m.resting = k.what == comfort || len(payload) <= 2 && (k.what == soundOpus || k.what == soundG729)
	if m.resting { // comfort noise (RFC 3389), DTX (RFC 6716 2.1.9), SID (RFC 3551 4.5.6)
		m.levelled = true
		m.count.Silent++
		return
	}
	switch k.what {
	case soundOpus, soundG729:
		m.levelled = true
	case soundMuLaw, soundALaw:
		if m.turn%levelEvery != 0 {
			return
		}
		m.levelled = true
		law := muLaw
		if k.what == soundALaw {
			law = aLaw
		}
		if m.level = law.mean(payload); m.level < quiet {
			m.count.Silent++
			return
		}
	}
	m.loud = max(at, 1)
}

// succeeds decides about a packet of another source than the one measured: the
// second one in a row makes it the source (RFC 3550 A.1).
func (m *Meter) succeeds(ssrc uint32, seq uint16) bool {
	switch {
	case !m.seq.started:
		m.otherRun = false
	case m.otherRun && m.other == ssrc && m.otherSeq+1 == seq:
		m.retire()
	default:
		m.other, m.otherSeq, m.otherRun = ssrc, seq, true
		return false
	}
	if m.otherRun {
		m.count.Foreign-- // it was the first of this one
		m.seq.start(m.otherSeq)
	}
	m.ssrc, m.otherRun = ssrc, false
	m.timing.started, m.lastAt = false, 0
	m.count.Sources++
	return true
}

// retire adds the present source to those that are over.
func (m *Meter) retire() {
	m.seq.flush(&m.gaps)
	m.count.Expected += m.seq.expected()
	m.count.Lost += m.seq.lost()
	m.seq.started = false
}

// Counts returns what was counted until now.
func (m *Meter) Counts() Counts {
	c := m.count
	c.Expected += m.seq.expected()
	if m.seq.started {
		c.Lost += m.seq.lost()
	}
	return c
}

// Jitter is the interarrival jitter of RFC 3550.
func (m *Meter) Jitter() time.Duration { return m.timing.span(m.timing.jitter >> 4) }

// Codec is the name of what the party speaks, or would speak first; empty: not
// known.
func (m *Meter) Codec() string {
	for i, k := range m.kinds[:m.known] {
		if k.what < comfort && (m.now.clock == 0 || k.pt == m.now.pt) {
			return m.names[i]
		}
	}
	return ""
}

// packetTime is the time one packet holds; 20 ms when it is not known yet.
func (m *Meter) packetTime() time.Duration {
	if m.step == 0 || m.now.clock == 0 {
		return 20 * time.Millisecond
	}
	return time.Duration(int64(m.step) * int64(time.Second) / int64(m.now.clock))
}

// Look adds what the meter knows to a sight of the party.
func (m *Meter) Look(s *Sight) {
	s.Packets, s.Strange, s.Loud = m.count.Packets, m.count.Strange, m.loud
	s.Levelled, s.Resting = m.levelled, m.resting
}

// Undecided reports whether nothing was heard yet in a codec that can be looked
// into, so that its packets have to be seen.
func (m *Meter) Undecided() bool {
	k := m.now
	if k.clock == 0 {
		k = m.first()
	}
	return m.loud == 0 && (k.what == soundMuLaw || k.what == soundALaw)
}

// Listen looks for sound in a packet that was counted elsewhere.
func (m *Meter) Listen(at int64, pt uint8, payload []byte) {
	if k, ok := m.find(pt); ok && k.what != event {
		m.listened = true
		m.listen(at, k, payload)
	}
}

// Close settles what is open: nothing more will come. Readings stay as they are.
func (m *Meter) Close() {
	if m.seq.started {
		m.seq.flush(&m.gaps)
		m.gaps.close()
	}
}
