package events

import "time"

// Types of events.
const (
	CallReceived = "call.received"
	CallRejected = "call.rejected"
	CallRouted   = "call.routed"
	CallRinging  = "call.ringing"
	CallAnswered = "call.answered"
	CallBridged  = "call.bridged"
	CallHeld     = "call.held"
	CallResumed  = "call.resumed"
	CallEnded    = "call.ended"

	CallTransferRequested = "call.transfer.requested"
	CallTransferred       = "call.transferred"
	CallTransferFailed    = "call.transfer.failed"

	LegCreated    = "leg.created"
	LegRinging    = "leg.ringing"
	LegEarlyMedia = "leg.early-media"
	LegAnswered   = "leg.answered"
	LegWhispered  = "leg.whispered"
	LegAccepted   = "leg.accepted"
	LegDeclined   = "leg.declined"
	LegFailed     = "leg.failed"
	LegEnded      = "leg.ended"
	MediaStarted  = "media.started"
	DTMFDetected  = "dtmf.detected"
	MediaPlayed   = "media.played"
	MediaQuality  = "media.quality"
	MediaOneWay   = "media.one-way"
	MediaSilence  = "media.silence"
	MediaTimeout  = "media.timeout"

	RecordingStarted   = "recording.started"
	RecordingPaused    = "recording.paused"
	RecordingResumed   = "recording.resumed"
	RecordingDegraded  = "recording.degraded"
	RecordingCompleted = "recording.completed"
	RecordingFailed    = "recording.failed"
)

// Party is a person as events may show him.
type Party struct {
	Subject string `json:"subject,omitempty"` // random id of (account, number); one per call when withheld
	Masked  string `json:"masked"`            // "+47*****12", "anonymous"
	Sealed  string `json:"sealed,omitempty"`  // base64: number, raw user part and display name under the subject's field key
}

// Cause is why a leg or call ended.
type Cause struct {
	SIPStatus int    `json:"sip_status,omitempty"`
	SIPReason string `json:"sip_reason,omitempty"`
	Q850      int    `json:"q850,omitempty"`
	Q850Text  string `json:"q850_text,omitempty"`
	Source    string `json:"source"` // local | remote
}

// Diverted says that a call had been sent on before it came. By whom is not
// told: that number belongs to somebody who is no party of it.
type Diverted struct {
	Count  int    `json:"count"`
	Reason string `json:"reason"` // the last time, a word of RFC 5806
}

// Attestation is what the Identity headers of a call amount to (RFC 8224, ATIS-1000074).
type Attestation struct {
	Verstat string `json:"verstat"`          // TN-Validation-Passed | TN-Validation-Failed | No-TN-Validation
	Attest  string `json:"attest,omitempty"` // A | B | C, when it passed
	OrigID  string `json:"origid,omitempty"` // by which the signer traces the call
	Reason  string `json:"reason,omitempty"` // why it did not pass
}

// CallerClass is what may be told of a caller without telling who he is: what
// flows tell callers apart by.
type CallerClass struct {
	Withheld bool     `json:"withheld,omitempty"`
	Country  string   `json:"country,omitempty"` // ISO 3166-1
	Area     string   `json:"area,omitempty"`    // id, of the table that decided
	Lists    []string `json:"lists,omitempty"`   // ids of the lists of the table that he is in
}

// Destination is somebody who was to be rung, without telling who.
type Destination struct {
	Check string `json:"check"`           // 16 bits of a check sum, in hexadecimal: tells that two are not the same
	Class string `json:"class"`           // its country, "no country", or "sip" for an address that is no number
	Trunk string `json:"trunk,omitempty"` // it is reached by
}

// Look is one line of a decision's trace.
type Look struct {
	What   string `json:"what"`
	Result string `json:"result"`
	Text   string `json:"text"`
}

// Payloads, one a type. Times are RFC 3339 UTC in milliseconds, durations integer milliseconds.
type (
	CallReceivedData struct {
		Agency         string            `json:"agency,omitempty"`
		Trunk          string            `json:"trunk,omitempty"`
		Transport      string            `json:"transport"`
		Direction      string            `json:"direction"` // inbound
		Caller         Party             `json:"caller"`
		TrackingNumber string            `json:"tracking_number,omitempty"` // E.164, only when it is one of ours
		Attribution    map[string]string `json:"attribution,omitempty"`
		Attributes     map[string]string `json:"attributes,omitempty"` // headers that the trunk lists, by their names
		Diverted       *Diverted         `json:"diverted,omitempty"`
		Attestation    *Attestation      `json:"attestation,omitempty"`
	}
	CallRejectedData struct {
		Status       string `json:"status"` // rejected
		RejectReason string `json:"reject_reason"`
		Limit        string `json:"limit,omitempty"` // whose limit was reached: node, trunk, agency, account, number
		Cause        Cause  `json:"cause"`
		Trace        []Look `json:"trace"`

		Draw  string       `json:"draw,omitempty"` // as in call.routed
		Class *CallerClass `json:"caller_class,omitempty"`
	}
	CallRoutedData struct {
		ConfigVersion string `json:"config_version"`
		Flow          string `json:"flow"`
		Strategy      string `json:"strategy"`
		Targets       int    `json:"targets"`
		RecordingMode string `json:"recording_mode"`
		RecordingFrom string `json:"recording_from"`
		Trace         []Look `json:"trace"`

		// What it takes to decide the call again by another table.
		Consent      string           `json:"recording_consent,omitempty"` // that a recording takes: always | announced | opt-in | never
		Draw         string           `json:"draw,omitempty"`              // the chance of this call: 16 hexadecimal digits
		Class        *CallerClass     `json:"caller_class,omitempty"`
		Caps         map[string]int64 `json:"caps,omitempty"`
		Destinations []Destination    `json:"destinations,omitempty"` // of a dial that is the first thing to do, in the order to try
	}
	CallRingingData struct {
		Status string `json:"status"`
	}
	CallAnsweredData struct {
		Winner string `json:"winner"` // leg id
	}
	CallBridgedData struct {
		Winner      string `json:"winner"`
		LateDurable bool   `json:"late_durable,omitempty"` // call.answered was not on the disk yet when the caller was told
	}
	// CallHeldData is the payload of call.held and call.resumed.
	CallHeldData struct {
		Party  string `json:"party"` // caller | callee: who wants nothing sent to it
		Leg    string `json:"leg"`
		Source string `json:"source,omitempty"` // api: somebody outside holds in his place
	}
	CallEndedData struct {
		Status        string       `json:"status"` // completed, busy, no-answer, failed, canceled, rejected, abandoned
		EndedBy       string       `json:"ended_by"`
		Cause         Cause        `json:"cause"`
		RejectReason  string       `json:"reject_reason,omitempty"`
		Limit         string       `json:"limit,omitempty"` // ended_by limit: whose
		ReceivedAt    Stamp        `json:"received_at"`
		FirstRingAt   *Stamp       `json:"first_ring_at,omitempty"`
		AnsweredAt    *Stamp       `json:"answered_at,omitempty"`
		AttendedAt    *Stamp       `json:"attended_at,omitempty"` // we answered the caller ourselves
		BridgedAt     *Stamp       `json:"bridged_at,omitempty"`
		EndedAt       Stamp        `json:"ended_at"`
		SetupMS       int64        `json:"setup_ms"` // received to first ring or answer
		RingMS        int64        `json:"ring_ms"`
		BilledUntil   *Stamp       `json:"billed_until,omitempty"` // last sign of life of a side that stopped answering
		TalkMS        int64        `json:"talk_ms"`                // bridged to ended, or to billed_until
		AttendedMS    int64        `json:"attended_ms,omitempty"`  // connected to us and not to a destination: before and after the talk
		HoldMS        int64        `json:"hold_ms,omitempty"`      // of the talk: while either party held
		DurationMS    int64        `json:"duration_ms"`            // received to ended
		BillableMS    int64        `json:"billable_ms"`
		Estimated     bool         `json:"estimated"` // closed after a crash: ended_at is the last proof of life
		ConfigVersion string       `json:"config_version,omitempty"`
		Winner        string       `json:"winner,omitempty"`
		Transfers     int          `json:"transfers,omitempty"` // how often a party gave his place to another
		Media         *MediaTotals `json:"media,omitempty"`
	}
	CallTransferRequestedData struct {
		By     string `json:"by"`               // leg id of who asked
		Kind   string `json:"kind"`             // blind | attended | replaces
		Side   string `json:"side"`             // caller | callee: the side that is to change hands
		Source string `json:"source,omitempty"` // api: somebody outside asked, and By is whose place it is
		Reason string `json:"reason,omitempty"` // why it is refused; absent: it goes on
		Trace  []Look `json:"trace"`
	}
	CallTransferredData struct {
		By       string `json:"by"`
		Kind     string `json:"kind"`
		Side     string `json:"side"`
		Left     string `json:"left"`                // leg id of who gave his place
		Joined   string `json:"joined,omitempty"`    // leg id of who has it now; absent when the call itself was given up
		FromCall string `json:"from_call,omitempty"` // the call that the leg which joined was in before
		ToCall   string `json:"to_call,omitempty"`   // the call that a leg of this one went to; this call ends
	}
	CallTransferFailedData struct {
		By    string `json:"by"`
		Kind  string `json:"kind"`
		Side  string `json:"side"`
		Cause Cause  `json:"cause"`
	}
	LegCreatedData struct {
		Leg      string `json:"leg"`
		Role     string `json:"role"` // a | b
		Attempt  int    `json:"attempt"`
		Trunk    string `json:"trunk,omitempty"`
		FromCall string `json:"from_call,omitempty"` // the call it was a leg of before

		RedirectedBy string `json:"redirected_by,omitempty"` // the leg whose 3xx named this destination
	}
	LegRingingData struct {
		Leg string `json:"leg"`
		SIP int    `json:"sip_status"`
	}
	LegAnsweredData struct {
		Leg string `json:"leg"`
	}
	LegWhisperedData struct {
		Leg      string `json:"leg"`
		Complete bool   `json:"complete"`
		End      string `json:"end,omitempty"` // why it was not heard to its end
	}
	LegAcceptedData struct {
		Leg      string `json:"leg"`
		WaitedMS int64  `json:"waited_ms"` // since he answered
	}
	LegDeclinedData struct {
		Leg      string `json:"leg"`
		Reason   string `json:"reason"` // key | hung-up | timeout | failed
		WaitedMS int64  `json:"waited_ms"`
	}
	LegFailedData struct {
		Leg      string `json:"leg"`
		Status   string `json:"status"` // failed | canceled
		Cause    Cause  `json:"cause"`
		Redirect string `json:"redirect,omitempty"` // of a 3xx: followed | refused
		Reason   string `json:"reason,omitempty"`   // why we did not try, or not on: concurrency-limit | cps-limit | …
		Limit    string `json:"limit,omitempty"`    // whose limit it was: trunk, destination, …
	}
	LegEndedData struct {
		Leg     string `json:"leg"`
		EndedBy string `json:"ended_by"`
		Cause   Cause  `json:"cause"`
	}
	MediaStartedData struct {
		Side string `json:"side"` // caller | callee
		PT   int    `json:"payload_type"`
	}
	DTMFDetectedData struct {
		Side  string   `json:"side"`          // caller | callee
		Leg   string   `json:"leg,omitempty"` // who held the side then
		Class string   `json:"class"`         // key | flash | fax
		Count int      `json:"count"`         // of the burst; what was pressed is told nowhere
		Ways  []string `json:"ways"`          // rfc4733 | inband | info
	}
	MediaPlayedData struct {
		Sound    string `json:"sound"`          // what for: ringback | music-on-hold | beep
		Hash     string `json:"hash,omitempty"` // of what was played: the same sound has the same
		Side     string `json:"side"`           // who heard it: caller | callee
		Leg      string `json:"leg,omitempty"`
		Complete bool   `json:"complete"`  // to its end, at least once
		PlayedMS int64  `json:"played_ms"` // of it, all times together
		Times    int    `json:"times"`     // how often it began
		End      string `json:"end"`       // finished | stopped | replaced | digit | no-codec | failed
	}
	// MediaQualityData says how one leg is heard: figures of what it sends, over the
	// whole of its part in the call (final) or the last ten seconds (live).
	MediaQualityData struct {
		Leg          string         `json:"leg"`
		Side         string         `json:"side"`  // caller | callee
		State        string         `json:"state"` // live | final
		Codec        string         `json:"codec,omitempty"`
		Packets      uint64         `json:"packets"`
		Expected     uint64         `json:"expected"`
		Lost         uint64         `json:"lost"`
		LossPercent  float64        `json:"loss_percent"`
		Late         uint64         `json:"late,omitempty"`      // too late for a jitter buffer
		Duplicate    uint64         `json:"duplicate,omitempty"` // came more than once
		Reordered    uint64         `json:"reordered,omitempty"`
		JitterMS     float64        `json:"jitter_ms"`
		RTTMS        float64        `json:"rtt_ms,omitempty"`        // between us and the leg, by its RTCP
		BurstDensity float64        `json:"burst_density,omitempty"` // percent lost inside bursts (RFC 3611)
		GapDensity   float64        `json:"gap_density,omitempty"`   // and outside
		Class        string         `json:"class,omitempty"`         // best | high | medium | low | poor
		R            float64        `json:"r_factor,omitempty"`
		MOSLQ        float64        `json:"mos_lq,omitempty"`
		MOSCQ        float64        `json:"mos_cq,omitempty"`
		Reported     *MediaReported `json:"reported,omitempty"`
	}
	// MediaReported is what a leg says of what it hears, by RTCP.
	MediaReported struct {
		LossPercent float64 `json:"loss_percent"`
		JitterMS    float64 `json:"jitter_ms"`
		R           float64 `json:"r_factor,omitempty"`
		MOSLQ       float64 `json:"mos_lq,omitempty"`
		MOSCQ       float64 `json:"mos_cq,omitempty"`
	}
	// MediaUnheardData is the payload of media.one-way and media.silence.
	MediaUnheardData struct {
		Leg      string `json:"leg"`              // who is not heard
		Side     string `json:"side"`             // caller | callee
		State    string `json:"state"`            // began | over
		Verdict  string `json:"verdict"`          // never-sent | private-address | payload-type | wrong-source | muted | stopped | blocked
		Source   string `json:"source,omitempty"` // where refused packets came from: other-port | public | private | link-local | loopback
		Since    Stamp  `json:"since"`
		LastedMS int64  `json:"lasted_ms"`
	}
	MediaTimeoutData struct {
		Leg      string `json:"leg"`   // who was silent
		Side     string `json:"side"`  // caller | callee
		Limit    string `json:"limit"` // initial | steady | held
		Since    Stamp  `json:"since"` // its last sign of life
		SilentMS int64  `json:"silent_ms"`
	}
	MediaTotals struct {
		Caller MediaFlow `json:"caller"`
		Callee MediaFlow `json:"callee"`
	}
	MediaFlow struct {
		Packets  uint64            `json:"packets"`
		Bytes    uint64            `json:"bytes"`
		RTCP     uint64            `json:"rtcp"`
		Drops    map[string]uint64 `json:"drops,omitempty"` // by reason, only those above zero
		Codec    string            `json:"codec,omitempty"`
		Lost     uint64            `json:"lost,omitempty"`
		JitterMS float64           `json:"jitter_ms,omitempty"`
		MOSLQ    float64           `json:"mos_lq,omitempty"`
	}
	RecordingStartedData struct {
		Recording string `json:"recording"`
		Mode      string `json:"mode"`
		Channels  string `json:"channels"`
		KeyRef    string `json:"key_ref"`
		Segment   int    `json:"segment"`            // 1 is the first of its call; each transfer begins another
		Previous  string `json:"previous,omitempty"` // the recording of the segment before
		Caller    string `json:"caller,omitempty"`   // leg id of who is on channel 1
		Callee    string `json:"callee,omitempty"`   // and on channel 2; absent while it only rings
		Source    string `json:"source,omitempty"`   // voicemail: it is a message; absent: the policy of the call
		Mailbox   string `json:"mailbox,omitempty"`  // of a message
	}
	RecordingPausedData struct {
		Recording string `json:"recording"`
		By        string `json:"by,omitempty"`     // caller | callee
		Source    string `json:"source,omitempty"` // keypad: by a code
	}
	RecordingResumedData struct {
		Recording string `json:"recording"`
		By        string `json:"by,omitempty"`     // caller | callee | limit: it was paused for long enough
		Source    string `json:"source,omitempty"` // keypad: by a code
	}
	RecordingDegradedData struct {
		Recording string `json:"recording"`
		Reason    string `json:"reason"`
	}
	RecordingCompletedData struct {
		Recording    string  `json:"recording"`
		Result       string  `json:"result"`       // ok | degraded
		Completeness float64 `json:"completeness"` // 0 to 1: packets kept of those offered
		Completion   string  `json:"completion"`   // closed | recovered
		DurationMS   int64   `json:"duration_ms"`
		Bytes        int64   `json:"bytes"`
		Segments     int64   `json:"segments"`
		Root         string  `json:"root"` // Merkle root, hex
	}
	RecordingFailedData struct {
		Recording string `json:"recording,omitempty"`
		Reason    string `json:"reason"`
	}
)

// Stamp is a time that writes itself as RFC 3339 UTC with milliseconds.
type Stamp time.Time

func (s Stamp) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(s).UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

func (s *Stamp) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(b))
	*s = Stamp(t)
	return err
}

// StampOf returns nil for the zero time.
func StampOf(t time.Time) *Stamp {
	if t.IsZero() {
		return nil
	}
	s := Stamp(t)
	return &s
}
