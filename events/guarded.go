package events

// Types that tell who was not let in, and what was not let out.
const (
	CallScreened   = "call.screened"
	FraudSuspected = "fraud.suspected"
)

type (
	// CallScreenedData says what screening found of the caller, as soon as that is
	// known: a challenge is told when it begins, and again when it is over.
	CallScreenedData struct {
		Verdict string `json:"verdict"`        // passed | refused | challenged
		Rule    string `json:"rule,omitempty"` // that decided: allow-list | block-list | attestation | anonymous | repeat-rate | reputation | challenge; absent: none did
		Of      string `json:"of,omitempty"`   // whose rule: number | account | agency | table
		List    string `json:"list,omitempty"` // id of the list
	}
	// FraudSuspectedData says why a leg was not dialled.
	FraudSuspectedData struct {
		Leg     string `json:"leg"`
		Rule    string `json:"rule"`              // range | premium | country | own-number | loop | unreadable | spend | fresh
		Class   string `json:"class,omitempty"`   // domestic | international | premium; absent: no telephone number
		Country string `json:"country,omitempty"` // ISO 3166-1
		Trunk   string `json:"trunk,omitempty"`
		Text    string `json:"text"` // in words, without the number
	}
)
