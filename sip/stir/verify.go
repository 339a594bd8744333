package stir

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"slices"
	"sync"
	"time"
)

const (
	// fresh is how far a PASSporT's time may be from ours (RFC 8224 6.2.2 asks for
	// a minute at the most).
	fresh      = 60 * time.Second
	maxHeaders = 6    // Identity headers looked at: one shaken, and a chain of div
	maxSeen    = 8192 // tokens remembered against replay
)

// Verifier judges Identity headers. It is safe for any number of callers at once.
type Verifier struct {
	roots *x509.CertPool
	certs *store

	mu   sync.Mutex
	seen map[[32]byte]sighting // tokens of the last minute, against replay
}

// sighting is the call that a token came with.
type sighting struct {
	callID [32]byte
	until  time.Time
}

// NewVerifier returns a verifier that trusts certificates of roots, fetched by get.
func NewVerifier(roots *x509.CertPool, get Getter) *Verifier {
	return &Verifier{roots: roots, certs: newStore(get), seen: map[[32]byte]sighting{}}
}

// Call is what the Identity headers are held against.
type Call struct {
	Headers []string // values of its Identity headers
	Caller  string   // E.164; empty: withheld, or no number
	Called  string   // E.164
	CallID  string   // of SIP
	At      time.Time
}

// Verify judges the Identity headers of a call. It may wait for a certificate,
// as long as ctx allows.
//
// Every header of a kind known here must hold: one that fails fails them all,
// since nobody says which of them the next hop will believe.
func (v *Verifier) Verify(ctx context.Context, c Call) Verdict {
	if len(c.Headers) == 0 {
		return Verdict{Verstat: NoValidation, Reason: ReasonMissing}
	}
	if len(c.Headers) > maxHeaders {
		return Verdict{Verstat: Failed, Reason: ReasonMalformed}
	}
	var shaken *token
	var divs []*token
	for _, h := range c.Headers {
		t, err := parse(h)
		switch {
		case reasonOf(err, "") == ReasonUnsupported:
			continue // RFC 8224 6.2: what is not understood is passed over
		case err != nil:
			return Verdict{Verstat: Failed, Reason: reasonOf(err, ReasonMalformed)}
		case t.passport.Kind == Div:
			divs = append(divs, t)
		case shaken != nil:
			return Verdict{Verstat: Failed, Reason: ReasonMalformed}
		default:
			shaken = t
		}
	}
	if shaken == nil {
		return Verdict{Verstat: NoValidation, Reason: ReasonUnsupported}
	}
	if reason := v.judge(ctx, shaken, divs, c); reason != ReasonNone {
		return Verdict{Verstat: Failed, Reason: reason}
	}
	return Verdict{Verstat: Passed, Attest: shaken.passport.Attest, OrigID: shaken.passport.OrigID}
}

func (v *Verifier) judge(ctx context.Context, shaken *token, divs []*token, c Call) string {
	caller := digits(c.Caller)
	if caller == "" || shaken.passport.Orig != caller {
		return ReasonCaller
	}
	chain, ok := leads(&shaken.passport, divs, digits(c.Called))
	if !ok {
		return ReasonCalled
	}
	all := append([]*token{shaken}, chain...)
	for _, t := range all {
		// A call that was sent on may ring elsewhere first: only the last word, the
		// one that names the called number here, has to be of this minute.
		if age := c.At.Sub(t.passport.Issued).Abs(); age > fresh && (t == all[len(all)-1] || age > 10*fresh) {
			return ReasonStale
		}
	}
	for _, t := range all {
		if err := v.signature(ctx, t, c.At); err != nil {
			return reasonOf(err, ReasonSignature)
		}
	}
	if !v.first(all[len(all)-1], c) {
		return ReasonReplayed
	}
	return ReasonNone
}

// leads follows the diversions from the number called here back to the one that
// the caller's PASSporT names (RFC 8946 5), and returns those it needed, the
// last diversion last.
func leads(shaken *Passport, divs []*token, called string) (chain []*token, ok bool) {
	for range maxHeaders {
		if slices.Contains(shaken.Dest, called) {
			slices.Reverse(chain)
			return chain, true
		}
		i := slices.IndexFunc(divs, func(t *token) bool {
			return t.passport.Orig == shaken.Orig && slices.Contains(t.passport.Dest, called) && !slices.Contains(chain, t)
		})
		if i < 0 {
			return nil, false
		}
		chain = append(chain, divs[i])
		called = divs[i].passport.Div
	}
	return nil, false
}

// signature holds a token against its certificate.
func (v *Verifier) signature(ctx context.Context, t *token, at time.Time) error {
	chain, err := v.certs.chain(ctx, t.passport.X5U, at)
	if err != nil {
		return err
	}
	// Who sent a call on signs with his own certificate, for the number that was called.
	number := t.passport.Orig
	if t.passport.Kind == Div {
		number = t.passport.Div
	}
	if err := trusted(chain, v.roots, number, at); err != nil {
		return err
	}
	key, ok := chain[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize != 256 {
		return fail(ReasonCertificate, "key is not one of P-256")
	}
	hash := sha256.Sum256([]byte(t.signed))
	r, s := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
	if !ecdsa.Verify(key, hash[:], r, s) {
		return fail(ReasonSignature, "does not hold")
	}
	return nil
}

// first notes a token and reports whether it is new, or came with the same call
// before: a carrier tries again with the Call-ID it had, whoever has copied a
// token does not (RFC 8224 12.1). The memory is bounded; when it is full of
// tokens of this minute, new ones are taken without being noted.
func (v *Verifier) first(t *token, c Call) bool {
	// By its content and the signature's r, which two signatures never share: a
	// second call in the same second says the same, and s has a twin that is valid too.
	key, id := sha256.Sum256(append([]byte(t.signed), t.signature[:32]...)), sha256.Sum256([]byte(c.CallID))
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, ok := v.seen[key]; ok && !c.At.After(s.until) {
		return s.callID == id
	}
	if len(v.seen) >= maxSeen {
		for k, s := range v.seen {
			if c.At.After(s.until) {
				delete(v.seen, k)
			}
		}
	}
	if len(v.seen) < maxSeen {
		v.seen[key] = sighting{id, t.passport.Issued.Add(fresh)}
	}
	return true
}
