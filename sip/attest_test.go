package sip

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/stir"
	"ringdown/sip/stir/stirtest"
)

const (
	passportURL = "https://cert.example.net/ringdown.pem"
	callee      = "+4791234567"
)

// attesting is a notary of ours and an authority that vouches for it.
type attesting struct {
	notary
	web map[string][]byte
}

func newAttesting(t *testing.T, at time.Time) *attesting {
	t.Helper()
	authority, key, file := stirtest.NewAuthority(t, at), stirtest.NewKey(t), filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, stirtest.KeyPEM(t, key), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &attesting{web: map[string][]byte{passportURL: authority.Issue(t, key, stirtest.Provider(t, "709J"), nil)}}
	var err error
	if a.notary, err = newNotary(STIR{Key: file, X5U: passportURL}); err != nil {
		t.Fatal(err)
	}
	a.verifier = stir.NewVerifier(authority.Pool, func(_ context.Context, url string) ([]byte, time.Duration, error) {
		if b := a.web[url]; b != nil {
			return b, time.Hour, nil
		}
		return nil, 0, errors.New("not there")
	})
	return a
}

// Each call out is attested as far as we know its caller, and the next hop
// believes it.
func TestAttestsCallsOut(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	a := newAttesting(t, at)
	brought, err := a.signer.Attest("B", kari, number, "elsewhere", at)
	if err != nil {
		t.Fatal(err)
	}
	sign := routing.STIR{Sign: on()}
	for _, c := range []struct {
		name   string
		trunk  routing.Trunk
		dial   call.Dial
		caller string // whom the next hop sees; empty: nothing is attested
		attest string
		count  int
	}{
		{"the caller's number", routing.Trunk{STIR: sign}, call.Dial{From: kari, Number: number}, kari, "C", 1},
		{"of a customer of ours", routing.Trunk{STIR: routing.STIR{Sign: on(), Attest: "B"}}, call.Dial{From: kari, Number: number}, kari, "B", 1},
		{"our own number", routing.Trunk{STIR: sign, Identity: routing.Identity{From: routing.ShowNumber}}, call.Dial{From: kari, Number: number}, number, "A", 1},
		{"attested before", routing.Trunk{STIR: sign}, call.Dial{From: kari, Number: number, Identity: []string{brought}}, kari, "B", 2},
		{"withheld", routing.Trunk{STIR: sign}, call.Dial{Withheld: kari, Number: number}, "", "", 0},
		{"withheld, to who keeps it", routing.Trunk{STIR: sign, Identity: routing.Identity{Trust: routing.TrustBoth}}, call.Dial{Withheld: kari, Number: number}, kari, "C", 1},
		{"not to be signed", routing.Trunk{}, call.Dial{From: kari, Number: number}, "", "", 0},
	} {
		c.dial.Target.Number = callee
		s := shown{dial: &c.dial, policy: c.trunk, host: "10.0.0.1"}
		headers := s.attests(a.notary, at)
		var values []string
		for _, h := range headers {
			if h.Name() == "Identity" {
				values = append(values, h.Value())
			}
		}
		if len(values) != c.count {
			t.Errorf("%s: %d Identity headers, want %d", c.name, len(values), c.count)
			continue
		}
		if c.count == 0 {
			if len(headers) > 0 {
				t.Errorf("%s: %v", c.name, headers)
			}
			continue
		}
		if headers[0].Name() != "Date" || headers[0].Value() != "Sun, 22 Nov 2026 12:00:00 GMT" {
			t.Errorf("%s: %v comes first", c.name, headers[0])
		}
		v := a.verifier.Verify(t.Context(), stir.Call{Headers: values, Caller: c.caller, Called: callee, At: at, CallID: c.name})
		if v.Verstat != stir.Passed || v.Attest != c.attest {
			t.Errorf("%s: %+v, want attestation %s", c.name, v, c.attest)
		}
	}
}

// What comes in reaches the call, and is judged; without authorities nobody looks.
func TestVerifiesCallsIn(t *testing.T) {
	bubble(t, func(w *world) {
		a := newAttesting(t, time.Now())
		header, err := a.signer.Attest("A", kari, number, "123e4567-e89b-12d3-a456-426655440000", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.carrier.invite("Identity: " + header)
		if in := w.admitted(); len(in.Identity) != 0 {
			t.Errorf("nobody can judge it: %q", in.Identity)
		}
		w.ep.notary = a.notary
		w.carrier.invite("y: " + header)
		in := w.admitted()
		if len(in.Identity) != 1 || in.Identity[0] != header {
			t.Fatalf("got %q", in.Identity)
		}
		got := w.ep.Verify(w.Context(), in.Invite, kari, number)
		if got.Verstat != stir.Passed || got.Attest != "A" || got.OrigID != "123e4567-e89b-12d3-a456-426655440000" {
			t.Errorf("got %+v", got)
		}
		if got := w.ep.Verify(w.Context(), in.Invite, callee, number); got.Verstat != stir.Failed || got.Reason != stir.ReasonCaller {
			t.Errorf("another caller: %+v", got)
		}
	})
}

func TestIdentityLists(t *testing.T) {
	e := &Endpoint{}
	e.notary.verifier = stir.NewVerifier(nil, nil)
	req := gosip.NewRequest(gosip.INVITE, gosip.Uri{})
	req.AppendHeader(gosip.NewHeader("Identity", `a.b.c;info=<https://x.example/a,b>;alg=ES256, d.e.f;info=<https://y.example/>`))
	req.AppendHeader(gosip.NewHeader("Identity", "g.h.i"))
	got := e.identities(req)
	want := []string{"a.b.c;info=<https://x.example/a,b>;alg=ES256", "d.e.f;info=<https://y.example/>", "g.h.i"}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %q", got)
	}
}

func TestNotaryFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("key.pem", stirtest.KeyPEM(t, stirtest.NewKey(t)))
	for name, c := range map[string]STIR{
		"no such key": {Key: filepath.Join(dir, "none"), X5U: passportURL}, "no key in it": {Key: write("x", []byte("x")), X5U: passportURL},
		"http": {Key: good, X5U: "http://a.example/"}, "no such roots": {Roots: filepath.Join(dir, "none")}, "no roots in it": {Roots: good},
		"no such ca": {Roots: write("ca.pem", stirtest.NewAuthority(t, time.Now()).PEM), CA: good},
	} {
		if _, err := newNotary(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	faults := 0
	STIR{Key: good, Allow: []string{"10.0.0.0/8", "host"}}.validate(func(path, msg string) { faults++ })
	if faults != 2 {
		t.Errorf("%d faults, want 2: x5u missing, no CIDR", faults)
	}
}
