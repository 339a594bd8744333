package relay

import (
	"slices"
	"time"

	"ringdown/media"
	"ringdown/media/digits"
	"ringdown/media/sdp"
)

// keys is the digits stage of a lane: it reads what its sender presses, in
// whatever way, and decides what the receiver and the tap get of it. It stands in
// every lane whose sender may send events; what it costs a packet of sound then
// is a look at its payload type. Guarded by Relay.mu.
type keys struct {
	r     *Relay
	from  media.Side
	terms media.DigitTerms

	events [2 * eventsMost]eventType // payload types of events that the sender may use
	count  int
	native bool // the receiver takes events as the sender sends this one

	receiver digits.Receiver
	once     digits.Once
	codes    digits.Codes
	mode     media.Suppression
	kept     bool // the press that is being sent is not for the receiver
	tone     *toneEar
}

// eventType is a payload type of telephone-event and its clock in Hz.
type eventType struct {
	pt    uint8
	clock int
	known bool // the receiver has events in this clock, under whatever number
}

const (
	eventName = "TELEPHONE-EVENT"
	// eventsMost is how many types of events are known of a description: one for
	// each clock that a codec has, and room.
	eventsMost = 8
)

// pass reads a packet and says whether it goes on.
func (k *keys) pass(p *packet) media.Drop {
	for _, e := range k.events[:k.count] {
		if e.pt == p.header.pt {
			k.native = e.known || k.converted()
			return k.event(p, e.clock)
		}
	}
	if k.tone == nil {
		return forward
	}
	return k.tone.pass(p)
}

// converted reports whether the lane's codecs are converted, and events with them.
func (k *keys) converted() bool {
	c, ok := k.r.lanes[index(k.from)].convert.(*converting)
	return ok && c.codec != nil
}

// event reads a telephone-event.
func (k *keys) event(p *packet, clock int) media.Drop {
	if !k.terms.Hears(media.ByEvent) {
		return k.verdict(k.mode != media.PassDigits, p, clock)
	}
	var room [8]digits.Change
	h := &p.header
	changes, ok := k.receiver.Packet(room[:0], digits.Arrival{
		Seq: h.seq, TS: h.ts, SSRC: h.ssrc, Marker: h.marker, At: p.at,
	}, clock, p.buf[h.start:h.end])
	if !ok {
		return media.DropMalformed
	}
	for _, c := range changes {
		if !c.Ended {
			k.kept = k.pressed(media.Press{Digit: c.Digit}, media.ByEvent, p.at) || k.mode != media.PassDigits
		}
	}
	return k.verdict(k.kept, p, clock)
}

// pressed takes a press of the sender and reports whether the way it was said in
// is to be kept from the receiver: because he is not to know of it or will be told
// in another way, because it may be a code, or because he was told already.
func (k *keys) pressed(press media.Press, way media.Way, at int64) (keep bool) {
	if !k.once.Fresh(press.Digit, way, at) {
		return way != media.BySound || k.converts(way)
	}
	k.say(media.Pressed, press, way, at)
	k.r.bargeIn(k.from)
	if k.r.isAlone(k.from) {
		return true
	}
	if press.Digit.Class() != media.KeyEvent {
		return k.mode != media.PassDigits || way == media.ByEvent && !k.native
	}
	var room [digits.CodeMost + 1]media.Press
	freed, code := k.codes.Key(room[:0], press, at)
	if code >= 0 {
		k.r.notice(media.Notice{Kind: media.Coded, Side: k.from, At: k.r.start.Add(time.Duration(at)), Code: code})
	}
	// What is freed goes on, and the last may be the press itself.
	mine := len(freed) > 0 && !k.codes.Holds() && code < 0
	if mine {
		freed = freed[:len(freed)-1]
	}
	for _, f := range freed {
		k.tell(f)
	}
	switch {
	case !mine:
		return true
	case k.mode == media.PassDigits && !k.converts(way) && len(freed) == 0:
		return false
	}
	k.tell(press)
	return true
}

// converts reports whether a press that is said in a way reaches the receiver only
// when we say it in another.
func (k *keys) converts(way media.Way) bool {
	theirs := k.r.way(k.from.Other())
	switch way {
	case media.ByEvent:
		return !k.native || theirs != media.ByEvent
	case media.BySound:
		return k.r.sides[index(k.from.Other())].digits.Say&^media.BySound != 0
	}
	return true
}

// way is how a side is told of keys.
func (r *Relay) way(to media.Side) media.Way {
	s := &r.sides[index(to)]
	switch {
	case s.digits.Say != 0:
		return s.digits.Say
	case s.events.clock != 0:
		return media.ByEvent
	}
	return media.ByInfo
}

// tell says a press to the receiver in his own way.
func (k *keys) tell(press media.Press) {
	if k.mode != media.PassDigits {
		return
	}
	to := k.from.Other()
	if way := k.r.way(to); way != media.ByInfo && k.r.press(to, press, way) == nil {
		return
	}
	k.r.notice(media.Notice{Kind: media.Tell, Side: to, At: time.Now(), Press: press})
}

// say gives the call a notice of a press.
func (k *keys) say(kind media.NoticeKind, press media.Press, way media.Way, at int64) {
	k.r.notice(media.Notice{Kind: kind, Side: k.from, At: k.r.start.Add(time.Duration(at)), Press: press, Way: way})
}

// verdict is what becomes of an event's packet. In its place the receiver may get
// sound of the length that the event grew by, where its codec can be written here.
func (k *keys) verdict(keep bool, p *packet, clock int) media.Drop {
	switch {
	case !keep:
		return forward
	case k.mode >= media.SilenceDigits && k.tone != nil && k.tone.standIn(p, clock):
		return forward
	}
	return media.DropDigit
}

// slow gives what waits its time: a press without its end, keys that no code
// followed. at is on the relay's clock.
func (k *keys) slow(at int64) {
	var room [2]digits.Change
	k.receiver.Tick(room[:0], at)
	var held [digits.CodeMost]media.Press
	for _, f := range k.codes.Tick(held[:0], at) {
		k.tell(f)
	}
	k.tone.slow(at)
}

// listens reports whether the stage has to see every packet of sound.
func (k *keys) listens() bool { return k != nil && k.tone != nil }

// heed makes a side's stage of what both have said; it has one as long as there
// is anything to read. The caller holds r.nego and r.mu.
func (r *Relay) heed(from media.Side) {
	me, peer := &r.legs[index(from)], &r.legs[index(from.Other())]
	lane := &r.lanes[index(from)]
	if me.desc == nil {
		return
	}
	k := lane.digits
	if k == nil {
		k = &keys{r: r, from: from}
	}
	k.terms = me.rule.Terms.Digits
	k.count = 0
	for _, d := range [...]*sdp.Description{peer.desc, me.desc} {
		k.learn(d)
	}
	for i := range k.events[:k.count] {
		e := &k.events[i]
		e.known = peer.desc != nil && slices.ContainsFunc(peer.desc.Formats(), func(f media.Format) bool {
			return f.Name == eventName && f.Clock == e.clock
		})
	}
	s := &r.sides[index(from)]
	s.digits, s.events, s.takes, s.told = k.terms, eventsOf(me.desc), me.desc, me.sent
	lane.digits = k
	k.retune(r.told[index(from)])
}

// learn notes a description's payload types of events, each description's in room
// of its own: after a transfer the receiver's may be others than the sender's.
func (k *keys) learn(d *sdp.Description) {
	if d == nil {
		return
	}
	most := k.count + eventsMost
	for _, f := range d.Formats() {
		known := slices.ContainsFunc(k.events[:k.count], func(e eventType) bool { return e.pt == f.PT })
		if f.Name == eventName && !known && k.count < most {
			k.events[k.count] = eventType{pt: f.PT, clock: f.Clock}
			k.count++
		}
	}
}

// eventsOf is the first payload type of events in a description; the zero value: none.
func eventsOf(d *sdp.Description) eventType {
	for _, f := range d.Formats() {
		if f.Name == eventName {
			return eventType{pt: f.PT, clock: f.Clock}
		}
	}
	return eventType{}
}

// withoutEvents takes the types out of a set that have to come up to us.
func (k *keys) withoutEvents(set [2]uint64) [2]uint64 {
	if k == nil {
		return set
	}
	for _, e := range k.events[:k.count] {
		set[e.pt>>6] &^= 1 << (e.pt & 63)
	}
	return set
}

// Suppress says what the other party gets of the keys that a side presses from
// now on, in whatever way: by default what was pressed. What it does not get the
// tap does not get either; the call is told of each press all the same
// ([media.Pressed]), and codes are found.
//
// A tone is known only when it has sounded for about 20 ms: so much of it reaches
// the other party, less than what counts as a key (ITU-T Q.24), and nothing the
// tap, which is behind by [lookBack] as long.
func (r *Relay) Suppress(from media.Side, mode media.Suppression) {
	r.nego.Lock()
	defer r.nego.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys(from)
	k.mode = mode
	r.listen(from)
}

// Codes sets the codes that a side may press, in place of those before. A press
// that may be part of one is kept from the other party until that is clear. The
// number of a code that was pressed ([media.Coded]) is its place in the list.
func (r *Relay) Codes(from media.Side, codes []string) error {
	c, err := digits.NewCodes(codes)
	if err != nil {
		return err
	}
	r.nego.Lock()
	defer r.nego.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys(from).codes = c
	r.listen(from)
	return nil
}

// Pressed takes a press that a side has said by INFO.
func (r *Relay) Pressed(from media.Side, press media.Press) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.lanes[index(from)].digits
	if r.over || k == nil || !k.terms.Hears(media.ByInfo) {
		return
	}
	k.pressed(press, media.ByInfo, r.clock(time.Now()))
}

// keys is the stage of a side, which is there from now on. The caller holds r.mu.
func (r *Relay) keys(from media.Side) *keys {
	lane := &r.lanes[index(from)]
	if lane.digits == nil {
		lane.digits = &keys{r: r, from: from}
	}
	return lane.digits
}

// listen makes a side's stage listen to its sound when anybody needs it to. The
// caller holds r.nego and r.mu.
func (r *Relay) listen(from media.Side) {
	if r.legs[index(from)].desc != nil {
		r.heed(from)
	}
	r.replan()
}
