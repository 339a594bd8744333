package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"ringdown/events"
)

// story is one call as its events tell it: what `why` explains, and what
// `why --json` prints. It is built by folding events in the order of seq.
type story struct {
	Call     string `json:"call"`
	Account  string `json:"account"`
	Outcome  string `json:"outcome"` // one sentence
	Status   string `json:"status"`  // of call.ended; the last one known before
	Finished bool   `json:"finished"`

	Received *events.CallReceivedData `json:"received,omitempty"`
	Routed   *events.CallRoutedData   `json:"routed,omitempty"`
	Rejected *events.CallRejectedData `json:"rejected,omitempty"`
	Ended    *events.CallEndedData    `json:"ended,omitempty"`

	Steps   []*stepStory                 `json:"steps,omitempty"`   // what the flow did
	Blocked *events.RecordingBlockedData `json:"blocked,omitempty"` // why there is no recording

	Transfers  []*transferStory            `json:"transfers,omitempty"`
	Attempts   []*attempt                  `json:"attempts"`
	Recordings []*recordingStory           `json:"recordings"`
	Media      []mediaStart                `json:"media,omitempty"`
	Played     []events.MediaPlayedData    `json:"played,omitempty"`
	Keys       []keysStory                 `json:"keys,omitempty"`
	Holds      []*holdStory                `json:"holds,omitempty"`
	Heard      []*heardStory               `json:"heard,omitempty"`
	Late       bool                        `json:"late_durable,omitempty"` // the answer was passed on before it was on the disk
	Missing    []uint64                    `json:"missing,omitempty"`      // seqs that are not there
	Unread     []string                    `json:"unread,omitempty"`       // types this program does not know
	first      time.Time                   // of call.received
	last       uint64                      // seq
	legs       map[string]*attempt         // a and b, by leg id
	Screened   []events.CallScreenedData   `json:"screened,omitempty"`
	Suspected  []events.FraudSuspectedData `json:"suspected,omitempty"`
}

// attempt is one leg: the caller's has role a and is not in Attempts.
type attempt struct {
	Leg       string        `json:"leg"`
	Role      string        `json:"-"`
	Number    int           `json:"attempt"`
	Trunk     string        `json:"trunk,omitempty"`
	Result    string        `json:"result"` // open, ringing, answered, failed, canceled, ended
	Winner    bool          `json:"winner"`
	DialledMS int64         `json:"dialled_after_ms"`        // since the call was received
	RangMS    *int64        `json:"rang_after_ms,omitempty"` // since it was dialled
	AnswerMS  *int64        `json:"answered_after_ms,omitempty"`
	OverMS    *int64        `json:"over_after_ms,omitempty"`
	Whisper   string        `json:"whisper,omitempty"` // heard, or why not to its end
	Took      string        `json:"took,omitempty"`    // accepted, or why he who answered did not take the call
	TookMS    *int64        `json:"took_ms,omitempty"` // since he answered
	EndedBy   string        `json:"ended_by,omitempty"`
	Cause     *events.Cause `json:"cause,omitempty"`
	Redirect  string        `json:"redirect,omitempty"`      // of a 3xx: followed or refused
	Reason    string        `json:"reason,omitempty"`        // why we did not try it, or not on
	Limit     string        `json:"limit,omitempty"`         // whose limit that was
	Led       string        `json:"redirected_by,omitempty"` // the leg whose 3xx led here
	dialled   time.Time
}

type recordingStory struct {
	ID         string                         `json:"id"`
	Started    *events.RecordingStartedData   `json:"started,omitempty"`
	Pauses     int                            `json:"pauses"`
	Paused     bool                           `json:"paused"`
	PausedBy   []string                       `json:"paused_by,omitempty"`      // of each pause: caller | callee | unknown
	Overdue    int                            `json:"pauses_overdue,omitempty"` // that nobody ended
	Degraded   []string                       `json:"degraded,omitempty"`       // reasons
	Completed  *events.RecordingCompletedData `json:"completed,omitempty"`
	FailedWith string                         `json:"failed,omitempty"` // reason
}

type mediaStart struct {
	Side    string `json:"side"`
	AfterMS int64  `json:"after_ms"`
}

// add takes the next event. Events come in order; a repeated one is passed over.
func (s *story) add(raw json.RawMessage) error {
	e, err := events.Decode(raw)
	if err != nil {
		return err
	}
	if s.Call == "" {
		s.Call, s.Status, s.legs = e.Call, "received", map[string]*attempt{}
		s.Attempts, s.Recordings = []*attempt{}, []*recordingStory{}
	}
	switch {
	case e.Call != s.Call:
		return fmt.Errorf("an event of another call among those of %s", s.Call)
	case e.Seq <= s.last:
		return nil
	}
	for n := s.last + 1; n < e.Seq && len(s.Missing) < 1000; n++ {
		s.Missing = append(s.Missing, n)
	}
	s.last = e.Seq
	if s.Account == "" || s.Account == events.System {
		s.Account = e.Account
	}
	if s.first.IsZero() {
		s.first = e.Time
	}
	if err := s.fold(e); err != nil {
		return fmt.Errorf("event %d, %s: %w", e.Seq, e.Type, err)
	}
	return nil
}

func (s *story) fold(e events.Event) error {
	data := e.Data.(json.RawMessage) // what events.Decode promises
	switch e.Type {
	case events.CallReceived:
		return json.Unmarshal(data, &s.Received)
	case events.CallRouted:
		s.Status = "routing"
		return json.Unmarshal(data, &s.Routed)
	case events.CallRejected:
		s.Status = "rejected"
		return json.Unmarshal(data, &s.Rejected)
	case events.CallRinging:
		s.Status = "ringing"
	case events.CallAnswered, events.CallBridged:
		s.Status = "in-progress"
		var d events.CallBridgedData // of which the other is a part
		err := json.Unmarshal(data, &d)
		s.Late = s.Late || d.LateDurable
		if l := s.legs[d.Winner]; l != nil {
			l.Winner = true
		}
		return err
	case events.CallTransferRequested, events.CallTransferred, events.CallTransferFailed:
		return s.foldTransfer(e, data)
	case events.CallEnded:
		if err := json.Unmarshal(data, &s.Ended); err != nil {
			return err
		}
		s.Status, s.Finished = s.Ended.Status, true
	case events.CallScreened, events.FraudSuspected:
		return s.foldGuard(e, data)
	case events.CallHeld, events.CallResumed:
		return s.foldHold(e, data)
	case events.MediaQuality, events.MediaOneWay, events.MediaSilence, events.MediaTimeout:
		return s.foldHeard(e, data)
	case events.MediaStarted:
		var d events.MediaStartedData
		err := json.Unmarshal(data, &d)
		s.Media = append(s.Media, mediaStart{d.Side, e.Time.Sub(s.first).Milliseconds()})
		return err
	case events.DTMFDetected:
		return s.foldKeys(e, data)
	case events.MediaPlayed:
		var d events.MediaPlayedData
		err := json.Unmarshal(data, &d)
		s.Played = append(s.Played, d)
		return err
	case events.CallAttended, events.CallStepped, events.CallTagged, events.ConsentAnnounced, events.ConsentGranted, events.ConsentRefused,
		events.VoicemailLeft, events.RecordingBlocked:
		return s.foldStep(e, data)
	case events.LegCreated, events.LegRinging, events.LegEarlyMedia, events.LegAnswered, events.LegWhispered, events.LegAccepted, events.LegDeclined, events.LegFailed, events.LegEnded:
		return s.foldLeg(e, data)
	case events.RecordingStarted, events.RecordingPaused, events.RecordingResumed, events.RecordingDegraded, events.RecordingCompleted, events.RecordingFailed:
		return s.foldRecording(e, data)
	default:
		if !slices.Contains(s.Unread, e.Type) {
			s.Unread = append(s.Unread, e.Type)
		}
	}
	return nil
}

// foldLeg reads the fields that the payloads of legs have in common.
func (s *story) foldLeg(e events.Event, data []byte) error {
	var d struct {
		Leg     string        `json:"leg"`
		Role    string        `json:"role"`
		Attempt int           `json:"attempt"`
		Trunk   string        `json:"trunk"`
		Status  string        `json:"status"`
		EndedBy string        `json:"ended_by"`
		Cause   *events.Cause `json:"cause"`

		Redirect     string `json:"redirect"`
		RedirectedBy string `json:"redirected_by"`
		Reason       string `json:"reason"`
		Limit        string `json:"limit"`
		Complete     bool   `json:"complete"`
		End          string `json:"end"`
		WaitedMS     int64  `json:"waited_ms"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	l := s.legs[d.Leg]
	if l == nil {
		l = &attempt{Leg: d.Leg, Role: d.Role, Number: d.Attempt, Trunk: d.Trunk, Result: "open", Led: d.RedirectedBy, dialled: e.Time, DialledMS: e.Time.Sub(s.first).Milliseconds()}
		s.legs[d.Leg] = l
		if d.Role != "a" {
			s.Attempts = append(s.Attempts, l)
		}
	}
	after := e.Time.Sub(l.dialled).Milliseconds()
	switch e.Type {
	case events.LegRinging, events.LegEarlyMedia:
		if l.RangMS == nil {
			l.RangMS, l.Result = &after, "ringing"
		}
	case events.LegAnswered:
		l.AnswerMS, l.Result = &after, "answered"
	case events.LegWhispered:
		if l.Whisper = d.End; d.Complete {
			l.Whisper = "heard"
		}
	case events.LegAccepted:
		l.Took, l.TookMS = "accepted", &d.WaitedMS
	case events.LegDeclined:
		l.Took, l.TookMS = d.Reason, &d.WaitedMS
	case events.LegFailed:
		l.OverMS, l.Result, l.Cause, l.Redirect = &after, d.Status, d.Cause, d.Redirect
		l.Reason, l.Limit = d.Reason, d.Limit
	case events.LegEnded:
		l.OverMS, l.Result, l.Cause, l.EndedBy = &after, "ended", d.Cause, d.EndedBy
	}
	return nil
}

func (s *story) foldRecording(e events.Event, data []byte) error {
	var d struct {
		Recording string `json:"recording"`
		Reason    string `json:"reason"`
		By        string `json:"by"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	i := slices.IndexFunc(s.Recordings, func(r *recordingStory) bool { return r.ID == d.Recording })
	if i < 0 {
		i = len(s.Recordings)
		s.Recordings = append(s.Recordings, &recordingStory{ID: d.Recording})
	}
	r := s.Recordings[i]
	switch e.Type {
	case events.RecordingStarted:
		return json.Unmarshal(data, &r.Started)
	case events.RecordingCompleted:
		return json.Unmarshal(data, &r.Completed)
	case events.RecordingPaused:
		r.Pauses, r.Paused = r.Pauses+1, true
		r.PausedBy = append(r.PausedBy, cmp.Or(d.By, "unknown"))
	case events.RecordingResumed:
		r.Paused = false
		if d.By == "limit" {
			r.Overdue++
		}
	case events.RecordingDegraded:
		r.Degraded = append(r.Degraded, d.Reason)
	case events.RecordingFailed:
		r.FailedWith = d.Reason
	}
	return nil
}
