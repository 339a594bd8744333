package routing

// Spec is what a [Table] is built from: trunks, accounts, numbers and flows as
// plain data, the way the configuration file writes them. The zero value of
// each field is what an absent key means.
type Spec struct {
	Trunks   []Trunk   `yaml:"trunks"`
	Accounts []Account `yaml:"accounts"`
	Agencies []Agency  `yaml:"agencies" json:",omitempty"`

	Screening *Screening       `yaml:"screening" json:",omitempty"` // of every caller
	Fraud     *Fraud           `yaml:"fraud" json:",omitempty"`     // the guard over every call out
	Numbers   []TrackingNumber `yaml:"numbers"`
	Flows     map[string]Flow  `yaml:"flows"`

	Pools     map[string]Pool `yaml:"pools" json:",omitempty"`    // what many numbers share, by id
	Intercept Intercept       `yaml:"intercept" json:",omitzero"` // what answers numbers that take no calls

	Lists      map[string]NumberList `yaml:"lists" json:",omitempty"`      // of telephone numbers, by id
	Calendars  map[string]Calendar   `yaml:"calendars" json:",omitempty"`  // when somebody is there, by id
	Invariants map[string]Invariant  `yaml:"invariants" json:",omitempty"` // what must hold of every call, by id
	Areas      map[string][]string   `yaml:"areas" json:",omitempty"`      // prefixes of telephone numbers, by id; the longest decides
	Prompts    Prompts               `yaml:"prompts" json:",omitempty"`    // what is spoken: a WAV file for each language, by id
}

// Trunk is a carrier or gateway: who may call in, and where calls out go.
type Trunk struct {
	ID           string        `yaml:"id"`
	Profile      string        `yaml:"profile"`       // the kind of peer it is (profile.go); keys that stand beside it win
	Sources      []string      `yaml:"sources"`       // CIDRs or addresses; the longest match of all trunks wins
	MediaSources []string      `yaml:"media_sources"` // CIDRs RTP may come from; empty: the address in the SDP
	MediaRule    string        `yaml:"media_rule"`    // strict (default) | latch
	MediaAddress string        `yaml:"media_address"` // which of media.addresses its media goes by; empty: the first
	DSCP         string        `yaml:"dscp"`          // class of RTP and RTCP to it: ef, af41, 46, …; empty: media.dscp
	Targets      []TrunkTarget `yaml:"targets"`       // where calls out through it go
	Health       Health        `yaml:"health"`        // how its targets are watched
	Auth         Auth          `yaml:"auth"`          // digest, theirs and ours
	Register     Register      `yaml:"register"`      // of ours with it
	Registrar    Registrar     `yaml:"registrar"`     // its users' phones with us
	Limits       TrunkLimits   `yaml:"limits"`
	TLS          TLS           `yaml:"tls"` // by certificate, theirs and ours
	NumberFormat NumberFormat  `yaml:"number_format"`
	Identity     Identity      `yaml:"identity"`
	Redirect     Redirect      `yaml:"redirect"` // what becomes of its 3xx
	Transfer     Transfer      `yaml:"transfer"` // what it may do with REFER and Replaces
	Session      Session       `yaml:"session"`
	Reliable     string        `yaml:"reliable"`      // 100rel (RFC 3262): supported (default) | required | off
	DelayedOffer bool          `yaml:"delayed_offer"` // calls out through it go without an offer: it makes the first
	EarlyMedia   string        `yaml:"early_media"`   // what its callers hear before the answer: pass (default) | ringback
	Headers      Headers       `yaml:"headers"`       // what else crosses it
	DTMF         DTMF          `yaml:"dtmf"`          // how keys travel
	STIR         STIR          `yaml:"stir"`          // who its callers really are, and ours
	Codecs       []string      `yaml:"codecs"`        // of its leg, in order of preference; empty: as the parties have it
	Transcode    string        `yaml:"transcode"`     // auto (default): where the two legs have no codec in common | off
	PacketTime   int           `yaml:"ptime"`         // of what is sent to it, in ms; 0: as it comes
	SRTP         SRTP          `yaml:"srtp"`          // whether its media is encrypted
	WebRTC       bool          `yaml:"webrtc"`        // its media is a browser's: DTLS-SRTP and ICE
	Watchdog     Watchdog      `yaml:"watchdog"`      // how long its party may be silent
}

// TrunkTarget is one place of a trunk to send calls to. Lower priorities are
// tried first; among equals each has a share of the calls by its weight
// (RFC 2782), and where all weights are 0 they are tried in the order written.
type TrunkTarget struct {
	URI      string `yaml:"uri"`      // sip:host[:port][;transport=…], without a user part
	Priority int    `yaml:"priority"` // 0 to 65535
	Weight   int    `yaml:"weight"`   // 0 to 65535
}

// Account is a customer: the boundary of data, keys and limits.
type Account struct {
	ID        string          `yaml:"id"`
	Agency    string          `yaml:"agency"`
	Recording RecordingPolicy `yaml:"recording"`
	Retention Duration        `yaml:"retention"` // how long recordings are kept; zero: the platform's default
	Limits    Limits          `yaml:"limits"`
	StarCodes StarCodes       `yaml:"star_codes"` // of its numbers that have none of their own
	Sound     SoundPolicy     `yaml:"sound"`      // what its callers hear of us
	Intercept Intercept       `yaml:"intercept" json:",omitzero"`
	Screening *Screening      `yaml:"screening" json:",omitempty"` // of its callers
	Fraud     *Fraud          `yaml:"fraud" json:",omitempty"`     // the guard over its calls out
	Language  string          `yaml:"language" json:",omitempty"`  // of its prompts: "en" (default), "de", …
	Prompts   Prompts         `yaml:"prompts" json:",omitempty"`   // its own, in the place of those of the same id; files in the folder of its sound
}

// RecordingPolicy is what one level (number, flow, account) says about
// recording. An empty Mode says nothing; Channels and OnFailure belong to the mode
// beside them and do not travel between levels. Consent does: a level that says
// nothing about it keeps what the next weaker one says, so that nobody drops it by
// naming a mode.
type RecordingPolicy struct {
	Mode      string `yaml:"mode"`                      // do-not-record | record-from-ringing | record-from-answer | on-demand
	Channels  string `yaml:"channels"`                  // dual (default) | mono
	OnFailure string `yaml:"on_failure"`                // continue-unrecorded (default) | refuse-call
	Consent   string `yaml:"consent" json:",omitempty"` // always (default) | announced | opt-in | never
}

// TrackingNumber is a number that is called and the flow it starts.
type TrackingNumber struct {
	Number      string            `yaml:"number"` // E.164 with the +
	Account     string            `yaml:"account"`
	Flow        string            `yaml:"flow"`
	State       string            `yaml:"state"`          // active (default) | suspended | unassigned | ported-out | quarantined
	ValidFrom   Instant           `yaml:"valid_from"`     // empty: from the beginning
	ValidUntil  Instant           `yaml:"valid_until"`    // not included; empty: without end
	Pool        string            `yaml:"pool"`           // whose account, flow and all else holds where the number says nothing
	Regulatory  string            `yaml:"regulatory_ref"` // where the papers about its holder are; kept, and told to nobody
	Trunks      []string          `yaml:"trunks"`         // the trunks it may be called through; empty: all
	Recording   RecordingPolicy   `yaml:"recording"`
	Attribution map[string]string `yaml:"attribution"` // copied into the events as it is
	Limits      Limits            `yaml:"limits"`
	StarCodes   StarCodes         `yaml:"star_codes"` // what may be pressed in its calls
	Sound       SoundPolicy       `yaml:"sound"`
	Screening   *Screening        `yaml:"screening" json:",omitempty"` // of its callers
	Language    string            `yaml:"language" json:",omitempty"`  // of its prompts; empty: its account's
}

// Destination is where a call is answered: a number reached through a trunk,
// of which the first target that answers takes the call; or a URI,
// spoken to in the manner of its trunk when it has one.
type Destination struct {
	URI          string   `yaml:"uri"`    // sip:user@host[:port][;transport=…]
	Number       string   `yaml:"number"` // E.164 with the +
	User         string   `yaml:"user"`   // of the trunk, at the phones that he has registered
	Trunk        string   `yaml:"trunk"`
	Timeout      Duration `yaml:"timeout"`       // ring time; zero: the step's
	MediaRule    string   `yaml:"media_rule"`    // of a URI: strict | latch; left out: its trunk's, or strict
	MediaSources []string `yaml:"media_sources"` // of a URI; empty: its trunk's, or the address in the SDP
	Redirect     Bounds   `yaml:"redirect"`      // of a URI; left out: its trunk's, if it has one

	Weight  int `yaml:"weight" json:",omitempty"`  // its share of the calls of a weighted dial; 0: only behind all that have one
	Percent int `yaml:"percent" json:",omitempty"` // of the callers of a percentage dial; together 100

	Limits DestinationLimits `yaml:"limits"`
}

// The words of a Spec; the first of each list is the default.
const (
	Sequential = "sequential"

	DoNotRecord       = "do-not-record"
	RecordFromRinging = "record-from-ringing"
	RecordFromAnswer  = "record-from-answer"
	OnDemand          = "on-demand"

	Dual = "dual"
	Mono = "mono"

	ContinueUnrecorded = "continue-unrecorded"
	RefuseCall         = "refuse-call"

	Active      = "active"
	Suspended   = "suspended"   // its account has to do something first
	Unassigned  = "unassigned"  // nobody's at present
	PortedOut   = "ported-out"  // with another carrier now
	Quarantined = "quarantined" // resting between two owners

	MediaStrict = "strict"
	MediaLatch  = "latch"
)

var (
	strategies = []string{Sequential, Simultaneous, RoundRobin, Weighted, Percentage}
	consents   = []string{ConsentAlways, ConsentAnnounced, ConsentOptIn, ConsentNever}
	modes      = []string{DoNotRecord, RecordFromRinging, RecordFromAnswer, OnDemand}
	channels   = []string{Dual, Mono}
	onFailures = []string{ContinueUnrecorded, RefuseCall}
	states     = []string{Active, Suspended, Unassigned, PortedOut, Quarantined}
	mediaRules = []string{MediaStrict, MediaLatch}
)
