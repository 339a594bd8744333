package routing

// STIR says what a trunk's calls must prove of their caller, and what ours prove
// to it (RFC 8224, 8588, 8946).
type STIR struct {
	Require string `yaml:"require"` // the least taken from it: none (default) | passed (C or better) | B | A
	Sign    *bool  `yaml:"sign"`    // attest calls through it, with sip.stir.key
	Attest  string `yaml:"attest"`  // of a caller who came unattested: C (default) | B | A. Our own number is always A
}

// Words of STIR.
const (
	RequireNone   = "none"
	RequirePassed = "passed"
	AttestA       = "A"
	AttestB       = "B"
	AttestC       = "C"
)

var (
	requireWords = []string{RequireNone, RequirePassed, AttestB, AttestA}
	attestWords  = []string{AttestC, AttestB, AttestA}
)

func (b *builder) stir(s STIR, path string) {
	b.fault(checkWord(s.Require, requireWords), "%s.stir.require", path)
	b.fault(checkWord(s.Attest, attestWords), "%s.stir.attest", path)
}

// Attested is what is known of a caller beyond what he claims: the outcome of
// verifying the Identity headers of his call. The zero value: nobody looked.
type Attested struct {
	Verstat string // TN-Validation-Passed, TN-Validation-Failed, No-TN-Validation
	Attest  string // A, B or C when it passed
	OrigID  string // by which the signer traces the call
	Reason  string // why it did not pass
}

const verstatPassed = "TN-Validation-Passed"

// attested asks whether the caller is attested well enough for his trunk.
func (w *walk) attested() bool {
	want, got := w.trunk.spec.STIR.Require, w.request.Attested
	if got.Verstat != "" {
		text := got.Verstat
		if got.Attest != "" {
			text += ", attestation " + got.Attest
		}
		if got.Reason != "" {
			text += ", " + got.Reason
		}
		w.look("stir", Matched, text)
	}
	if !enough(want, got) {
		return w.reject(AttestationTooLow, "stir", Missed, "trunk "+w.trunk.id+" requires "+want)
	}
	return true
}

// enough reports whether a caller is attested as well as a word of RequireNone and
// the following wants.
func enough(want string, got Attested) bool {
	passed := got.Verstat == verstatPassed
	switch want {
	case "", RequireNone:
		return true
	case AttestA:
		return passed && got.Attest == AttestA
	case AttestB:
		return passed && (got.Attest == AttestA || got.Attest == AttestB)
	}
	return passed
}

// Numbers reads the two numbers of a call as its trunk writes them, E.164 with
// the +; empty what is no number.
func (t *Table) Numbers(trunk, from, to string) (caller, called string) {
	known := t.trunks[trunk]
	if known == nil {
		return "", ""
	}
	if n, _ := read(from, known.country); n != 0 {
		caller = n.e164()
	}
	if n, _ := read(known.spec.NumberFormat.stripped(to), known.country); n != 0 {
		called = n.e164()
	}
	return caller, called
}
