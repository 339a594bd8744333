package call

import (
	"cmp"
	"reflect"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// state is where a call is. The names are those of call.status, but for
// answering, which the world sees as ringing, and ended, which stands for all
// final ones (machine.status says which).
type state string

const (
	received   state = "received"
	screening  state = "screening" // who calls is being verified
	routingSt  state = "routing"
	attending  state = "attending" // we ourselves deal with the caller: see callStatus for what the world sees
	ringing    state = "ringing"
	answering  state = "answering" // the callee has answered, the caller has not been told yet
	inProgress state = "in-progress"
	ended      state = "ended" // call.ended is decided; legs may still be going
)

// Timers of the machine.
const (
	timerVerify   Timer = "verify"   // the verification of the caller takes too long
	timerRing     Timer = "ring"     // a target has rung long enough
	timerRingback Timer = "ringback" // the caller has heard nothing for long enough
	timerRecord   Timer = "record"   // the recording takes too long to open
	timerDurable  Timer = "durable"  // the disk takes too long; answer all the same
	timerMax      Timer = "max"      // the longest call allowed
	timerLinger   Timer = "linger"   // a leg does not go
)

const (
	// recordWait bounds how long the opening of a recording may hold an answer.
	recordWait = 500 * time.Millisecond
	// durableWait bounds how long a slow disk may hold an answer (F-07).
	durableWait = 25 * time.Millisecond
	// lingerWait is 64*T1 and a margin: by then every SIP transaction is over.
	lingerWait = 36 * time.Second
)

// leg is what the machine knows of a leg.
type leg struct {
	id       LegID
	ulid     string
	target   int
	origin   origin
	rang     bool
	early    []byte // its description in a provisional response, if there was one
	answered bool
	over     bool // its end has been told in an event
	hung     bool // it has been asked to hang up
	gone     bool
	joined   time.Time // when it took the place of another one; zero: it did not
	named    bool      // it is one of several on the relay
	room     bool      // it has an anteroom
	called   bool      // it was another call's caller
	consent  string    // what he had said there to being recorded
}

// machine is the call as a function of signals: no clock, no goroutine, no
// input or output. step may be called by one goroutine at a time.
type machine struct {
	state  state
	status string // final status, set by end
	invite Invite
	refuse *Cause        // the switchboard's refusal, if any
	max    time.Duration // longest talk time
	mint   func() string // makes leg ULIDs

	attested     routing.Attested
	held         []letter // came while the caller was being verified
	decision     routing.Decision
	caller       events.Party
	legs         []*leg     // legs[0] is the caller's
	attempts     []*attempt // under way, in the order they were begun
	armed        time.Time  // when timerRing goes off for the first of them; zero: it does not run
	apart        bool       // the sides of the relay do not hear each other
	winner       LegID
	talk         talking        // once bridged
	next         int            // next target to try
	redirectedBy map[int]string // the leg that led to a target, by its index
	worst        Cause          // of all attempts so far

	heardOf   progress  // by the caller, before the answer
	passing   LegID     // the attempt whose early media the caller hears
	ringback  time.Time // when his phone is to ring by itself; zero: not awaited
	move      *transfer // under way
	transfers int       // done

	relay     bool // a relay was asked for
	recording recordingState
	fresh     recordingState // of the segment that a transfer begins
	freshOf   LegID          // who joins with that
	segments  int            // recordings asked for
	offered   []byte         // our offer for the callees
	agreed    []byte         // our answer for the caller, once there is one
	committed bool           // call.answered was handed to the outbox
	acked     bool           // the caller, or who has his place, has shown that he knows of the answer

	firstRing, answeredAt, bridgedAt, endedAt time.Time
	final                                     *events.CallEndedData

	exchange *exchange // an offer inside the call that is not concluded
	answered *answered // the last one that was
	owed     bool      // the winner made the only offer: it waits for the caller's answer
	hold     holding

	silent    *silence // the side that stopped answering
	uncounted bool     // the relay has not told yet what it counted
	unheard   bool     // the call ended before the ACK: whether the caller heard the answer is open

	keys    keying
	hidden  hiding
	spans   spanning
	sounds  map[sounding]bool // that play now
	flow    flowing
	muted   [2]bool         // by order, by side
	under   [2]bool         // what an order plays to a side lies under the talk
	verdict routing.Verdict // of screening, as it was told last
	desk    desk

	finished bool

	out []action
}

type recordingState uint8

const (
	notRecording recordingState = iota
	opening
	recording
	recordingOver
	recordingLate // it is still being opened, and not wanted any more
)

func newMachine(in Invite, refuse *Cause, max time.Duration, mint func() string) *machine {
	m := &machine{state: received, invite: in, refuse: refuse, max: max, mint: mint}
	m.legs = []*leg{{id: A, ulid: mint(), target: -1, origin: originOfCaller(in)}}
	return m
}

// step takes one signal and returns what is to be done, in order. from names
// the leg the signal came from, empty when it came from elsewhere. known is
// false for a signal that means nothing in this state and is not on the list of
// those expected to mean nothing (ignored): a defect worth a log line.
func (m *machine) step(from LegID, s Signal) (out []action, known bool) {
	m.out = nil
	m.mark(from, s)
	handled := m.dispatch(from, s)
	m.present()
	m.span(s.at())
	return m.out, handled || ignored[m.state][reflect.TypeOf(s).Name()]
}

// dispatch gives a signal to the state the call is in.
func (m *machine) dispatch(from LegID, s Signal) (handled bool) {
	switch m.state {
	case attending, ringing, answering:
		handled = m.fromAttended(from, s)
	}
	if handled {
		return true
	}
	switch m.state {
	case attending:
		handled = m.inAttending(from, s)
	case received:
		handled = m.inReceived(s)
	case screening:
		handled = m.inScreening(from, s)
	case routingSt:
		handled = m.inRouting(from, s)
	case ringing:
		handled = m.inRinging(from, s)
	case answering:
		handled = m.inAnswering(from, s)
	case inProgress:
		handled = m.inProgress(from, s)
	case ended:
		handled = m.inEnded(from, s)
	}
	if !handled {
		handled = m.inAny(from, s)
	}
	return handled
}

// ignored lists the signals that mean nothing in a state and are no defect.
// TestEveryPair holds the machine to it.
var ignored = map[state]map[string]bool{
	routingSt: {
		"Acked": true, // of a response we have not sent: a stray ACK
	},
	ringing: {
		"Acked":       true,
		"RecordFault": true, // the recorder publishes it
	},
	attending: {
		"Acked":       true, // of a response we have not sent: a stray ACK
		"RecordFault": true,
		"Ringing":     true, // of an attempt that is over
		"Trying":      true,
		"Silenced":    true,
	},
	answering: {
		"Acked":       true,
		"RecordFault": true,
		"Ringing":     true, // a late 18x, overtaken by its 2xx
		"Trying":      true,
		"Silenced":    true,
	},
	inProgress: {
		"Trying":      true,
		"Silenced":    true,
		"RecordFault": true,
		"Ringing":     true,
		"Durable":     true, // came after timerDurable
		"Agreed":      true,
	},
	ended: {
		"Started": true, "Routed": true, "Offer": true, "Agreed": true,
		"Accepted": true, "Declined": true, "Withdrawn": true, "Settled": true,
		"Ringing": true, "Trying": true, "Silenced": true, "Failed": true, "Cancelled": true, "Lost": true,
		"RecordFault": true, "Durable": true, "Noticed": true, "Stop": true, "Keyed": true, "Untold": true,
	},
}

func (m *machine) do(a ...action) { m.out = append(m.out, a...) }
func (m *machine) become(s state) { m.state = s }

func (m *machine) publish(kind string, at time.Time, data any) {
	m.do(doPublish{kind: kind, at: at, data: data})
}

func (m *machine) leg(id LegID) *leg {
	for _, l := range m.legs {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (m *machine) target(i int) routing.Target { return m.decision.Targets[i] }

// mark notes what is the same in every state: a leg that is gone, and one that
// says BYE by itself.
func (m *machine) mark(from LegID, s Signal) {
	l := m.leg(from)
	if l == nil {
		return
	}
	switch s.(type) {
	case Gone:
		l.gone = true
	case Lost:
		l.hung = true
	}
}

func (m *machine) inReceived(s Signal) bool {
	if _, ok := s.(Started); !ok {
		return false
	}
	if len(m.invite.Identity) > 0 && m.refuse == nil {
		m.become(screening)
		m.do(doTimer{timerVerify, verifyWait}, doVerify{})
		return true
	}
	m.route()
	return true
}

func (m *machine) inRouting(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Routed:
		m.routed(s)
		m.release()
	case Offer:
		if s.Err != nil {
			m.giveUp(s.Time, causeOf(s.Err, 500, "media failed"), ByFlow)
			return true
		}
		m.offered = s.Body
		m.begin(s.Time)
	default:
		return m.leftEarly(from, s)
	}
	return true
}

// routed opens the event stream of the call, whose account is known only now,
// and either refuses or goes on to the media.
func (m *machine) routed(s Routed) {
	m.decision, m.caller = s.Decision, s.Caller
	m.legs[0].origin.media = s.Decision.MediaSources
	d := s.Decision
	m.publish(events.CallReceived, m.invite.At, events.CallReceivedData{
		Agency: d.Agency, Trunk: m.invite.Trunk, Transport: m.invite.Transport, Direction: "inbound",
		Caller: s.Caller, TrackingNumber: d.Number, Attribution: d.Attribution,
		Attributes: m.invite.attributes(), Diverted: m.invite.Diverted.event(), Attestation: attestation(m.attested),
	})
	m.publish(events.LegCreated, m.invite.At, events.LegCreatedData{Leg: m.legs[0].ulid, Role: "a", Trunk: m.invite.Trunk})
	m.tellScreened(s.Time)
	switch {
	case m.refuse != nil:
		m.reject(s.Time, *m.refuse)
	case s.Err != nil:
		m.reject(s.Time, Refused(string(routing.PolicyError), "routing failed"))
	case s.Full != nil:
		m.reject(s.Time, *s.Full)
	case d.Reject != "" && !m.refusesAloud():
		c := Refused(string(d.Reject), "")
		c.Status = cmp.Or(d.RejectStatus, c.Status)
		if i, ok := d.First.(routing.Refuse); ok {
			c = refusalOf(i)
		}
		m.reject(s.Time, c)
	default:
		m.publish(events.CallRouted, s.Time, events.CallRoutedData{
			ConfigVersion: d.Version, Flow: d.Flow, Strategy: d.Strategy, Targets: len(d.Targets),
			RecordingMode: d.Recording.Mode, RecordingFrom: d.Recording.From, Trace: looks(d.Trace), Consent: d.Recording.Consent,
			Draw: routing.Chance(d.Draw), Class: callerClass(d), Caps: d.Caps(), Destinations: destinations(d.Targets),
		})
		m.relay = true
		m.do(doOffer{})
	}
}

func (m *machine) inEnded(from LegID, s Signal) bool {
	switch s := s.(type) {
	case Recorded:
		switch {
		case m.recording == opening || m.recording == recordingLate:
			m.recording = recordingOver
			if s.Err == nil {
				m.do(doCloseRecording{ended: m.endedAt, fresh: true, discard: m.optedOut()})
			}
		case m.fresh == opening:
			m.segmentOpened(s)
		}
	case Referred, Replaced, Claimed, Given:
		m.tooLate(from, s)
	case Closed:
		m.heardInTheEnd(m.endedAt, s.Stats)
		m.final.Media = totals(s.Stats)
		if m.silent != nil {
			m.silent.lastLife(s.Stats)
			m.bill(m.final)
		}
		m.uncounted = false
		m.publishEnd()
	case Acked, Bye: // who hangs up has heard the answer
		if m.onCallersSide(from) {
			if a, ok := s.(Acked); ok && from == A {
				m.sentAt(a.Sent)
			}
			m.heard(true)
		}
	case NoAck, Gone:
		if from == m.talk.caller {
			m.heard(false)
		}
	case Timeout:
		if s.Timer == timerLinger && !m.finished {
			m.heard(false)
			m.finished = true
			m.do(doFinish{})
		}
	default:
		return false
	}
	m.finishWhenGone()
	return true
}

// inAny handles what means the same in every state.
func (m *machine) inAny(from LegID, s Signal) bool {
	if m.state == received {
		return false
	}
	switch s := s.(type) {
	case Verified: // came after timerVerify
	case Timeout:
		switch s.Timer {
		case timerVerify: // fired while it was being stopped
		case timerRings:
			m.rangEnough(s.Time)
		case timerPreAnswer:
			m.waitedEnough(s.Time)
		case timerSpeech:
			m.speechDue(s.Time)
		case timerEntry, timerHook, timerMessage: // fired while it was being stopped
		case timerKeys:
			m.keysDue(s.Time)
		case timerPause:
			m.pausedEnough(s.Time)
		case timerHidden:
			m.hiddenEnough(s.Time)
		default:
			return false
		}
	case Answered: // late: the attempt was cancelled, the 200 crossed our CANCEL
		if _, talks := m.talk.side(from); talks || from == m.winner || m.leg(from) == nil || from == A {
			return false
		}
		m.dismiss(from, s.Time)
	case Forked: // another branch answered too: it must not stay up
		l := &leg{id: bLeg(len(m.legs)), ulid: m.mint(), target: -1, gone: true} // it never speaks
		m.legs = append(m.legs, l)
		m.publish(events.LegCreated, s.Time, events.LegCreatedData{Leg: l.ulid, Role: "b"})
		m.do(doAdopt{l.id, s.Leg})
		m.dismiss(l.id, s.Time)
	case Offered:
		m.do(doRefuseOffer{from, s.ID, 488})
	case Recorded:
		m.recorded(s)
	case Referred, Replaced, Claimed, Given:
		m.tooEarly(from, s)
	case Sounded:
		m.soundedIn(s.Time, s.Room, s.Playback, false)
	case HookSaid, Knew: // nobody waits for it any more
	case Attended:
	case Dictating:
		m.dictating(s)
	case Spoke:
	case Noticed:
		if m.state == ended {
			return false
		}
		if from != "" { // of an anteroom that nobody is in any more
			return true
		}
		if p := s.Notice.Playback; p != nil {
			m.soundedIn(s.Time, "", *p, s.Past)
			return true
		}
		return m.noticed(s)
	case Ordered:
		m.ordered(s)
	case Keyed:
		m.keyed(from, s.Press)
	case Untold:
		m.untold(from, s.Press)
	case Gone:
		return m.leg(from) != nil
	default:
		return false
	}
	return true
}
