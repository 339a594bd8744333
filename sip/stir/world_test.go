package stir

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"testing"
	"time"

	"ringdown/sip/stir/stirtest"
)

// noon is the clock of these tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	aCaller   = "+12155550121"
	called    = "+12155550131"
	further   = "+4721000001"
	somewhere = "https://cert.example.org/passport.pem"
	elsewhere = "https://pbx.example.net/div.pem"
)

// web is what is behind URLs, and how often each was asked for.
type web struct {
	files map[string][]byte
	asked map[string]int
	keep  time.Duration
}

func (w *web) get(_ context.Context, url string) ([]byte, time.Duration, error) {
	w.asked[url]++
	if b := w.files[url]; b != nil {
		return b, w.keep, nil
	}
	return nil, 0, errors.New("not there")
}

// world is one authority, a provider who attests callers, a customer of another
// who sends calls on, and us who verify.
type world struct {
	*stirtest.Authority
	web           *web
	origin, relay *Signer
	key           *ecdsa.PrivateKey // of origin
	*Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Authority: stirtest.NewAuthority(t, noon), web: &web{files: map[string][]byte{}, asked: map[string]int{}}}
	w.key = stirtest.NewKey(t)
	second := stirtest.NewKey(t)
	w.web.files[somewhere] = w.Issue(t, w.key, stirtest.Provider(t, "709J"), nil)
	w.web.files[elsewhere] = w.Issue(t, second, stirtest.Number(t, "12155550131"), nil)
	w.origin, w.relay = newSigner(t, w.key, somewhere), newSigner(t, second, elsewhere)
	w.Verifier = NewVerifier(w.Pool, w.web.get)
	return w
}

func newSigner(t testing.TB, key *ecdsa.PrivateKey, x5u string) *Signer {
	t.Helper()
	s, err := NewSigner(key, x5u)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) attested(t testing.TB, at time.Time) string {
	t.Helper()
	h, err := w.origin.Attest("A", aCaller, called, "123e4567-e89b-12d3-a456-426655440000", at)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (w *world) judgeOne(t testing.TB, caller, number string, headers ...string) Verdict {
	t.Helper()
	return w.Verify(t.Context(), Call{Headers: headers, Caller: caller, Called: number, CallID: "a84b4c76e66710", At: noon})
}
