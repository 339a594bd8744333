package call

import (
	"errors"
	"fmt"
	"time"

	"ringdown/events"
	"ringdown/media"
)

// witness runs a machine as Call does, and checks what must hold whatever happens.
type witness struct {
	m                                  *machine
	ended, finished, relays, closedRel int
	records                            int  // recordings that are being opened
	waits, taps                        bool // one is open and not tapped; one is tapped
	legEnds                            map[string]int
	told                               map[string]bool // legs that were told of
	over                               map[string]bool // and of whose end
	answeredDurable, attendedDurable   bool
	passing                            bool             // early media of the current attempt
	settle                             func() Result    // what the relay says
	ending                             map[LegID]bool   // has said its end or was hung up
	there                              map[LegID]bool   // legs that Call has
	letters                            map[int]letterOf // messages, by their number
	asked                              int              // hooks, that have not answered
	mute                               bool             // the caller speaks nothing that we can
	greeted                            int
	claims                             int                    // not answered yet
	orders                             int                    // not answered yet
	direct, move                       func(time.Time) Signal // routing's and the relay's answers about a transfer
	playing, under                     map[sounding]bool      // under the talk
	resumes, shows                     bool                   // timerPause and timerHidden run
	hidden                             [2]bool
	fault                              string
	rejected                           bool
	owes                               map[LegID]bool // legs that have an offer of ours in a 200, and their ACK is still to come
	depth                              int            // of answers within answers
	deaf                               [2]bool        // nobody hears that side
	rooms                              map[LegID]bool // anterooms that are open
	apart                              bool
	receives                           func() error // whether the relay can
}

func newWitness(s setup) *witness {
	n := 0
	return &witness{legEnds: map[string]int{}, ending: map[LegID]bool{}, told: map[string]bool{}, over: map[string]bool{}, there: map[LegID]bool{A: true},
		m: newMachine(s.invite, nil, 4*time.Hour, func() string { n++; return fmt.Sprintf("leg_%d", n) })}
}

func (w *witness) fail(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
	}
}

func (w *witness) signal(from LegID, s Signal) {
	if r, ok := s.(Recorded); ok {
		if w.records == 0 {
			return // an answer to a question not asked
		}
		w.records--
		if w.finished > 0 {
			return // Call closes it as it leaves
		}
		if w.waits && r.Err == nil {
			w.fail("a recording is opened while another one waits to be tapped")
		}
		w.waits = w.waits || r.Err == nil
	}
	if w.finished > 0 {
		return
	}
	if d, ok := s.(Dictating); ok {
		if w.letters[d.Number] != letterOpening {
			return
		}
		w.letters[d.Number] = letterOpen
		if d.Err != nil {
			delete(w.letters, d.Number)
		}
	}
	w.heard(from, s)
	if t, ok := s.(Timeout); ok && t.Timer == timerPause && !t.Time.Before(w.m.keys.until) {
		w.resumes = false
	}
	if t, ok := s.(Timeout); ok && t.Timer == timerHidden && !t.Time.Before(w.m.hidden.until) {
		w.shows = false
	}
	if _, ok := s.(Ordered); ok {
		w.orders++
	}
	w.depth++
	out, _ := w.m.step(from, s)
	for _, a := range out {
		if w.finished > 0 {
			w.fail("%T after the last action", a)
		}
		w.check(a, s)
	}
	if w.depth--; w.depth > 0 { // what is to be done is not done yet
		return
	}
	w.talkers()
	w.agreed()
	if _, ok := s.(Ordered); ok && w.orders != 0 {
		w.fail("%d orders are not answered, or twice", w.orders)
	}
	if w.m.keys.paused && w.m.keys.by != byOrder && !w.resumes && w.m.state != ended {
		w.fail("a recording is paused, and nothing will resume it")
	}
	if w.hidden != [2]bool{} && !w.shows && w.m.state != ended {
		w.fail("keys are hidden, and nothing will show them")
	}
}

// talkers: nobody talks who was hung up, nobody to himself, and a side is empty
// only while somebody is to come to it.
func (w *witness) talkers() {
	if w.m.state != inProgress {
		return
	}
	talk := w.m.talk
	switch {
	case talk.caller == talk.callee:
		w.fail("one leg, or nobody, is on both sides: %q", talk.caller)
	case w.m.move == nil && (talk.caller == "" || talk.callee == ""):
		w.fail("nobody comes to the side that was left, and the call goes on")
	}
	for _, id := range []LegID{talk.caller, talk.callee} {
		if l := w.m.leg(id); l != nil && l.hung {
			w.fail("%s is talking and was hung up", id)
		}
	}
}

// settled is the relay's answer to what the machine has just asked.
func (w *witness) settled(s Signal, r Result) {
	if w.m.state == ended {
		w.fail("the relay was asked after the end")
	}
	w.signal("", Settled{At{s.at()}, r, Holds{Caller: r == ResultDone, Callee: r == ResultAsked}})
}

// heard notes the legs that end by themselves.
func (w *witness) heard(from LegID, s Signal) {
	switch s.(type) {
	case Accepted, Declined, Withdrawn: // the answer to what we presented, or that there is none
		delete(w.owes, from)
	case Failed, Cancelled, NoAck, Bye, Gone, Lost:
		w.ending[from] = true
	}
}

// needs: Call has that leg.
func (w *witness) needs(a action, id LegID) {
	if !w.there[id] {
		w.fail("%T of leg %q, which the call does not have", a, id)
	}
}

func (w *witness) check(a action, s Signal) {
	switch a := a.(type) {
	case doOffer:
		w.relays++
	case doPlay, doStopPlay:
		w.checkSound(a, s)
	case doAttend, doGreet, doAsk, doWant, doDictate, doListen, doCloseLetter:
		w.checkDesk(a, s)
	case doCloseRelay:
		w.checkSound(a, s)
		w.closedRel++
		w.signal("", Closed{At{s.at()}, defaultStats})
	case doRecord, doTap, doSegment, doCloseRecording:
		w.checkRecording(a)
	case doPause:
		if !w.taps {
			w.fail("a recording that nobody hears is paused or resumed")
		}
	case doSpare:
		if n := s.(Noticed); n.Notice.Side != a.side || !a.heard.After(n.Notice.Since) || a.heard.After(n.Time) {
			w.fail("the %s is spared for %s, silent since %s", a.side, a.heard, n.Notice.Since)
		}
	case doTimer:
		w.resumes, w.shows = w.resumes || a.timer == timerPause, w.shows || a.timer == timerHidden
	case doStopTimer:
		w.resumes = w.resumes && a.timer != timerPause && a.timer != ""
		w.shows = w.shows && a.timer != timerHidden && a.timer != ""
	case doSuppress:
		w.hidden[a.side-1] = a.mode != media.PassDigits
		if w.m.relay && w.closedRel > 0 {
			w.fail("keys are hidden or shown after the end")
		}
	case doTell:
		w.needs(a, a.leg)
	case doReoffer, doTake, doUndo, doSettle, doConclude, doPresent:
		w.checkNegotiation(a, s)
	case doDirect:
		w.signal("", w.direct(s.at()))
	case doMove:
		w.signal("", w.move(s.at()))
	case doTransferTo:
		w.signal("", w.direct(s.at()))
	case doReplyOrder:
		w.orders--
	case doClaim, doClaimParty:
		w.claims++
	case doInvite:
		w.there[a.leg] = true
	case doWelcome:
		w.there[a.leg] = true
	case doAdopt:
		w.there[a.leg] = true
	case doPropose:
		w.needs(a, a.leg)
	case doReply:
		w.needs(a, a.leg)
	case doGive:
		w.needs(a, a.leg)
		delete(w.there, a.leg)
	case doHangup:
		w.ending[a.leg] = true
	case doMute:
		w.deaf[a.side-1] = a.on
	case doAgree:
		w.keptBack()
	case doReceive, doFetch, doSeat, doCloseRoom, doApart:
		w.checkGuest(a, s)
	case doEarly:
		w.passing = true
	case doSilence:
		w.passing = false
	case doDial:
		w.there[a.leg] = true
		w.dialled(a)
		if w.passing && !w.m.flow.ring.Together {
			w.fail("the next target is dialled while the one before is heard")
		}
	case doAnswer:
		if w.apart {
			w.fail("the caller is answered and nobody hears him")
		}
		w.passing = false
		if w.m.attended() {
			w.fail("the caller is answered twice")
		}
		if !w.answeredDurable {
			w.fail("the caller was answered before call.answered was handed over")
		}
	case doFinish:
		w.finished++
	case doPublish:
		w.checkEvent(a, s)
	}
}

// checkSound: one sound for each purpose and side, none that nobody stops. What
// was stopped says at once how far it came.
func (w *witness) checkSound(a action, s Signal) {
	switch a := a.(type) {
	case doPlay:
		if w.playing == nil {
			w.playing = map[sounding]bool{}
		}
		if w.playing[a.what] {
			w.fail("%v plays already", a.what)
		}
		w.replaces(a, s)
		w.playing[a.what] = true
	case doStopPlay:
		if !w.playing[a.what] {
			w.fail("%v does not play", a.what)
		}
		delete(w.playing, a.what)
		w.signal("", Sounded{At{s.at()}, media.Playback{To: a.what.to, For: a.what.purpose, End: media.PlayStopped}, a.what.room})
	case doCloseRelay:
		if len(w.playing) > 0 {
			w.fail("the relay is closed while %v plays", w.playing)
		}
	}
}

func (w *witness) checkRecording(a action) {
	switch a := a.(type) {
	case doRecord:
		w.records++
		if w.records > 1 {
			w.fail("two recordings are being opened at once")
		}
	case doTap:
		if w.taps || !w.waits {
			w.fail("tapped: nothing waits, or something is tapped")
		}
		w.waits, w.taps = false, true
	case doSegment:
		if !w.taps || !w.waits {
			w.fail("next segment: nothing waits, or nothing is tapped")
		}
		w.waits = false
	case doCloseRecording:
		is := &w.taps
		if a.fresh {
			is = &w.waits
		}
		if !*is {
			w.fail("a recording is closed that is not there (untapped: %v)", a.fresh)
		}
		*is = false
	}
}

// checkDesk: the caller is answered by us once, behind a durable event, and what is
// opened for a message is closed; keys and questions are answered to whoever asks.
func (w *witness) checkDesk(a action, s Signal) {
	switch a := a.(type) {
	case doAttend:
		var err error
		if w.mute {
			err = errors.New("injected")
		}
		w.signal("", Attended{At{s.at()}, []byte("ours"), err})
	case doGreet:
		if w.greeted++; w.greeted > 1 || !w.attendedDurable {
			w.fail("the caller is answered by us %d times, durable: %v", w.greeted, w.attendedDurable)
		}
	case doAsk:
		w.asked = a.number
	case doWant:
		w.signal("", Knew{At{s.at()}, 3, ""})
	case doDictate, doListen, doCloseLetter:
		w.checkLetter(a)
	}
}

// checkNegotiation lets the relay say what it can say to each question.
func (w *witness) checkNegotiation(a action, s Signal) {
	switch a := a.(type) {
	case doReoffer:
		w.needs(a, a.leg)
		r := w.settle()
		if a.other == "" && r == ResultAsked {
			r = ResultRefused
		}
		w.settled(s, r)
	case doTake:
		r := w.settle()
		if a.other == "" && r == ResultAsked {
			r = ResultDone
		}
		w.settled(s, r)
	case doUndo:
		w.settled(s, ResultUndone)
	case doPresent:
		w.needs(a, a.leg)
		w.presents(a)
	case doSettle, doConclude:
		if to, ok := a.(doSettle); ok {
			w.needs(a, to.to)
		}
		r := w.settle()
		if r == ResultAsked {
			r = ResultDone
		}
		w.settled(s, r)
	}
}

func (w *witness) checkEvent(a doPublish, s Signal) {
	leg := ""
	switch d := a.data.(type) {
	case events.CallAnsweredData:
		w.answeredDurable = a.wait
	case events.CallAttendedData:
		w.attendedDurable = a.wait
	case events.CallRejectedData:
		if w.rejected {
			w.fail("a call is refused twice")
		}
		w.rejected = true
	case events.CallEndedData:
		w.ended++
		if w.rejected != (d.Status == "rejected") {
			w.fail("refused %t and ended as %s", w.rejected, d.Status)
		}
		w.checkBill(d, s)
	case events.LegCreatedData:
		if w.told[d.Leg] {
			w.fail("leg.created was told twice of %s", d.Leg)
		}
		w.told[d.Leg] = true
	case events.LegRingingData:
		leg = d.Leg
	case events.LegAnsweredData:
		leg = d.Leg
	case events.LegFailedData:
		leg, w.over[d.Leg] = d.Leg, true
	case events.LegEndedData:
		leg, w.over[d.Leg] = d.Leg, true
		w.legEnds[d.Leg]++
	case events.CallTransferredData:
		if d.Joined != "" && w.hidden != [2]bool{} {
			w.fail("keys stay hidden when a side has another party")
		}
		if leg = d.Joined; w.over[leg] {
			w.fail("%s joins and its end was told", leg)
		}
	}
	if leg != "" && !w.told[leg] {
		w.fail("%s of leg %q before its leg.created", a.kind, leg)
	}
}

// checkBill: what is billed was talked, what was talked lies between the bridge
// and the end, what was held lies in it.
func (w *witness) checkBill(d events.CallEndedData, s Signal) {
	long, connected := int64(0), int64(0)
	if from := w.m.connectedAt(); !from.IsZero() {
		connected = max(0, w.m.endedAt.Sub(from).Milliseconds())
	}
	if w.m.bridgedAt.Before(w.m.endedAt) && !w.m.bridgedAt.IsZero() {
		long = w.m.endedAt.Sub(w.m.bridgedAt).Milliseconds()
	}
	switch {
	case d.BillableMS > d.TalkMS+d.AttendedMS, d.TalkMS+d.AttendedMS > connected, d.TalkMS > long, d.HoldMS > d.TalkMS, d.DurationMS < d.TalkMS:
		w.fail("billed %d, held %d, talked %d of %d ms since the bridge, of %d in all", d.BillableMS, d.HoldMS, d.TalkMS, long, d.DurationMS)
	case d.BillableMS != 0 && d.BillableMS != d.TalkMS+d.AttendedMS:
		w.fail("billed %d of a talk of %d and %d with us", d.BillableMS, d.TalkMS, d.AttendedMS)
	case d.BillableMS != 0 && d.Status == "rejected":
		w.fail("a refused call is billed")
	case d.BilledUntil != nil && d.BillableMS > time.Time(*d.BilledUntil).Sub(w.m.connectedAt()).Milliseconds():
		w.fail("billed beyond the last sign of life")
	case s.at().Before(w.m.endedAt):
		w.fail("the end was told before it came")
	}
}

// finish lets every leg go and checks the books.
func (w *witness) finish(at At) {
	if w.m.state != ended {
		w.signal("", Stop{at, ByOperator})
	}
	for number, is := range w.letters {
		if is == letterOpening && w.finished == 0 { // Call throws away what opens behind it
			w.signal("", Dictating{at, number, nil})
		}
	}
	for w.records > 0 && w.finished == 0 {
		w.signal("", Recorded{at, nil})
	}
	for _, l := range w.m.legs {
		if !l.gone {
			if !w.ending[l.id] {
				w.fail("nobody has ended leg %s", l.id)
			}
			w.signal(l.id, Gone{at})
		}
	}
	switch {
	case len(w.rooms) > 0:
		w.fail("anterooms stay open: %v", w.rooms)
	case w.ended != 1:
		w.fail("call.ended was told %d times", w.ended)
	case w.finished != 1:
		w.fail("the machine let go %d times", w.finished)
	case w.relays != w.closedRel:
		w.fail("%d relays were opened and %d closed", w.relays, w.closedRel)
	case w.taps || w.waits:
		w.fail("a recording stays open")
	case w.open() > 0:
		w.fail("%d messages stay open", w.open())
	}
	for leg := range w.told {
		if !w.over[leg] {
			w.fail("the end of %s was not told", leg)
		}
	}
	for leg, n := range w.legEnds {
		if n > 1 {
			w.fail("leg.ended was told twice of %s", leg)
		}
	}
}
