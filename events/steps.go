package events

// Types that tell what a flow did with its caller.
const (
	CallAttended     = "call.attended"
	CallStepped      = "call.stepped"
	CallTagged       = "call.tagged"
	ConsentAnnounced = "consent.announced"
	ConsentGranted   = "consent.granted"
	ConsentRefused   = "consent.refused"
	RecordingBlocked = "recording.blocked"
	VoicemailLeft    = "voicemail.left"
)

// Payloads of these. None holds what a caller pressed, but for the one key that
// chose a branch of a menu: an entry of several keys is a count.
type (
	CallAttendedData struct {
		Leg  string `json:"leg"`  // the caller's
		Step string `json:"step"` // the first that needs him answered
	}
	CallSteppedData struct {
		Step         string        `json:"step"`                        // its path in the configuration
		Kind         string        `json:"kind"`                        // its key there; screening
		Result       string        `json:"result"`                      // what came of it; unfinished: the call ended in it
		Choice       string        `json:"choice,omitempty"`            // of a menu: the key
		Keys         int           `json:"keys,omitempty"`              // of an entry: how many
		Number       *uint64       `json:"number,omitempty"`            // of a round robin its turn, of screening how often he has called
		Sticky       string        `json:"sticky,omitempty"`            // of a dial: Check of the destination that had answered this caller before
		Reply        string        `json:"reply,omitempty"`             // of a hook: flow | targets | refuse | nothing, or why there is none: timeout | refused | invalid | unreachable
		Flow         string        `json:"flow,omitempty"`              // that a hook named
		Trials       []StepTrial   `json:"trials,omitempty"`            // of a dial: how the destinations came out
		Destinations []Destination `json:"destinations,omitempty"`      // of a dial: those that were to be rung, in the order to try
		Recording    string        `json:"recording_mode,omitempty"`    // of a dial: the mode in force
		Consent      string        `json:"recording_consent,omitempty"` // of a dial: what a recording takes, as in call.routed
		Trace        []Look        `json:"trace,omitempty"`             // what was looked at behind it, up to the next step that did something
	}
	// StepTrial is how one destination of a dial step came out.
	StepTrial struct {
		Target int    `json:"target"` // its place in the list, from 0
		Result string `json:"result"` // talked | declined | busy | no-answer | unreachable | full
	}
	CallTaggedData struct {
		Step string            `json:"step,omitempty"`
		Tags map[string]string `json:"tags"` // this step's
	}
	// ConsentData is the payload of consent.announced, consent.granted and consent.refused.
	ConsentData struct {
		Step     string `json:"step"`
		Party    string `json:"party"`              // caller
		Outcome  string `json:"outcome"`            // announced | interrupted | opted-in | opted-out
		Prompt   string `json:"prompt,omitempty"`   // id of the notice that was played last
		Language string `json:"language,omitempty"` // in which it was played
		Hash     string `json:"hash,omitempty"`     // of it, as in media.played
		PlayedMS int64  `json:"played_ms"`          // how much of it was heard
		Choice   string `json:"choice,omitempty"`   // the key
	}
	RecordingBlockedData struct {
		Reason  string `json:"reason"`            // consent-missing | consent-interrupted | consent-refused
		Policy  string `json:"policy"`            // what the recording needs: announced | opt-in | never
		Consent string `json:"consent,omitempty"` // what there is
	}
	VoicemailLeftData struct {
		Step       string `json:"step"`
		Mailbox    string `json:"mailbox,omitempty"`
		Recording  string `json:"recording"`
		DurationMS int64  `json:"duration_ms"`
		EndedBy    string `json:"ended_by"` // key | limit | silence | caller | operator | api
	}
)
