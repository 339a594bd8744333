package routing

// Identity says which numbers a trunk is shown and in which headers, and how far
// the ones it writes are believed. A nil switch has not been said: a profile may
// say it, otherwise it is off.
//
// A caller who withholds his number is honoured whatever stands here (RFC 3323):
// only a trunk with Trust both learns it, in a P-Asserted-Identity that carries
// Privacy: id (RFC 3325 7).
type Identity struct {
	From          string `yaml:"from"`            // what From shows: caller (default) | tracking-number
	Asserted      string `yaml:"asserted"`        // P-Asserted-Identity: none (default) | caller | tracking-number
	Trust         string `yaml:"trust"`           // RFC 3325: inbound (default): its assertions are believed | both | none
	Diversion     *bool  `yaml:"diversion"`       // the tracking number as Diversion (RFC 5806)
	HistoryInfo   *bool  `yaml:"history_info"`    // the tracking number as History-Info (RFC 7044)
	RemotePartyID *bool  `yaml:"remote_party_id"` // Remote-Party-ID, the draft before RFC 3325, both ways
	Display       *bool  `yaml:"display"`         // the caller's display name goes along
	UserPhone     *bool  `yaml:"user_phone"`      // user=phone on URIs that hold a number
}

// Words of Identity.
const (
	ShowCaller = "caller"
	ShowNumber = "tracking-number"
	ShowNobody = "none"

	TrustInbound = "inbound"
	TrustBoth    = "both"
	TrustNone    = "none"
)

var (
	fromWords     = []string{ShowCaller, ShowNumber}
	assertedWords = []string{ShowNobody, ShowCaller, ShowNumber}
	trustWords    = []string{TrustInbound, TrustBoth, TrustNone}
)

// Believes reports whether numbers that the trunk asserts are taken for true.
func (i Identity) Believes() bool { return i.Trust != TrustNone }

// On reports whether a switch was turned on.
func On(b *bool) bool { return b != nil && *b }

func (b *builder) identity(i Identity, path string) {
	b.fault(checkWord(i.From, fromWords), "%s.identity.from", path)
	b.fault(checkWord(i.Asserted, assertedWords), "%s.identity.asserted", path)
	b.fault(checkWord(i.Trust, trustWords), "%s.identity.trust", path)
}
