// Package stir proves who calls, with PASSporTs in Identity headers: it verifies
// the ones that come (RFC 8224, 8225, 8226, 8588, ATIS-1000074) and signs those
// that go out, the one about a diversion included (RFC 8946).
//
// It owns the tokens, the certificates behind them and the fetching of those,
// which is guarded: only https, only addresses of the public Internet or those
// allowed by name, bounded in time and size. It knows no SIP message and no
// trunk, and nothing it says, logs or returns as an error holds a number.
package stir

import (
	"errors"
	"strings"
)

// Values of verstat, as ATIS-1000074 5.3.2 words them.
const (
	Passed       = "TN-Validation-Passed"
	Failed       = "TN-Validation-Failed"
	NoValidation = "No-TN-Validation"
)

// Verdict is what the Identity headers of a call amount to.
type Verdict struct {
	Verstat string // Passed, Failed, or NoValidation when nothing was there to be judged
	Attest  string // "A", "B" or "C" of a shaken PASSporT that passed; otherwise empty
	OrigID  string // its origid, by which the signer traces the call; otherwise empty
	Reason  string // why it did not pass; one of the words below
}

// Reasons of a Verdict that is not Passed.
const (
	ReasonNone        = ""
	ReasonMissing     = "identity-missing"        // no Identity header
	ReasonMalformed   = "identity-malformed"      // no PASSporT in it, or one that contradicts itself
	ReasonUnsupported = "identity-unsupported"    // none of a kind known here: alg, ppt
	ReasonCaller      = "caller-mismatch"         // it speaks of another caller, or he has no number
	ReasonCalled      = "called-mismatch"         // it speaks of another called number and no diversion leads here
	ReasonStale       = "identity-stale"          // older, or newer, than a minute
	ReasonFetch       = "certificate-unavailable" // not to be had in time
	ReasonCertificate = "certificate-untrusted"   // not by an authority of ours, out of date, or not for this number
	ReasonSignature   = "signature-invalid"
	ReasonReplayed    = "identity-replayed" // the very same token came before
)

// failure is an error that has its reason.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.reason + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(reason, text string) error { return &failure{reason, errors.New(text)} }

// reasonOf finds the reason in err; fallback when it has none.
func reasonOf(err error, fallback string) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return fallback
}

// digits is a number as PASSporTs write it: no +, no separators (RFC 8224 8.3).
func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '*' || r == '#' {
			return r
		}
		return -1
	}, number)
}
