package sip

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
	"ringdown/sip/stir"
)

// STIR says whom to believe about a caller and by what others believe us.
type STIR struct {
	Roots string   `yaml:"roots"` // PEM file of the authorities (STI-CA); empty: nobody is verified
	Key   string   `yaml:"key"`   // PEM file, P-256; empty: nothing is signed
	X5U   string   `yaml:"x5u"`   // https URL of the certificate that belongs to key
	CA    string   `yaml:"ca"`    // PEM file: who vouches for the https servers that have certificates; empty: the system's
	Allow []string `yaml:"allow"` // CIDRs certificates may be fetched from although they are not of the public Internet
}

func (s STIR) validate(report func(path, msg string)) {
	if (s.Key == "") != (s.X5U == "") {
		report("stir", "key and x5u belong together: others need the certificate to believe the key")
	}
	for i, a := range s.Allow {
		if _, err := netip.ParsePrefix(a); err != nil {
			report(fmt.Sprintf("stir.allow[%d]", i), fmt.Sprintf("%q is not a CIDR such as 10.1.0.0/16", a))
		}
	}
	for _, f := range []struct{ path, name string }{{"stir.roots", s.Roots}, {"stir.ca", s.CA}} {
		if f.name == "" {
			continue
		}
		if _, err := readPool(f.name)(); err != nil {
			report(f.path, "cannot be used: "+err.Error())
		}
	}
	if s.Key != "" {
		if _, err := readKey(s.Key); err != nil {
			report("stir.key", "cannot be used: "+err.Error())
		}
	}
}

// notary verifies who calls and attests whom we let call. Each half may be nil.
type notary struct {
	verifier *stir.Verifier
	signer   *stir.Signer
	origid   string
}

func newNotary(c STIR) (n notary, err error) {
	if c.Roots != "" {
		pool, err := readPool(c.Roots)()
		if err != nil {
			return n, fmt.Errorf("sip: stir.roots: %w", err)
		}
		var guard stir.Guard
		if c.CA != "" {
			if guard.Roots, err = readPool(c.CA)(); err != nil {
				return n, fmt.Errorf("sip: stir.ca: %w", err)
			}
		}
		for _, a := range c.Allow {
			p, err := netip.ParsePrefix(a)
			if err != nil {
				return n, fmt.Errorf("sip: stir.allow: %w", err)
			}
			guard.Allow = append(guard.Allow, p)
		}
		n.verifier = stir.NewVerifier(pool, guard.Getter())
	}
	if c.Key != "" {
		key, err := readKey(c.Key)
		if err != nil {
			return n, fmt.Errorf("sip: stir.key: %w", err)
		}
		if n.signer, err = stir.NewSigner(key, c.X5U); err != nil {
			return n, fmt.Errorf("sip: stir.key, stir.x5u: %w", err)
		}
		n.origid = uuidOf(c.X5U)
	}
	return n, nil
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return key, nil
		}
		if any, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if key, ok := any.(*ecdsa.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, errors.New("file holds no EC private key in PEM")
}

// uuidOf names where our calls come from (RFC 8588 5): always the same for one
// certificate, and nothing else can be read from it.
func uuidOf(s string) string {
	h := sha256.Sum256([]byte("ringdown origid\n" + s))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80 // version 8, RFC 9562
	x := hex.EncodeToString(h[:16])
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

// identities are the Identity headers of a call that somebody here can judge.
func (e *Endpoint) identities(req *gosip.Request) (out []string) {
	if e.notary.verifier == nil {
		return nil
	}
	for _, name := range []string{"identity", "y"} {
		for _, h := range req.GetHeaders(name) {
			for rest := h.Value(); rest != ""; {
				var value string
				value, rest = cutValue(rest)
				out = append(out, strings.TrimSpace(value))
			}
		}
	}
	return out
}

// Verify says what the Identity headers of a call amount to; caller and called
// are E.164, empty when they are no numbers. It may wait for a certificate until
// ctx ends. Without stir.roots nobody is verified.
func (e *Endpoint) Verify(ctx context.Context, in call.Invite, caller, called string) routing.Attested {
	if e.notary.verifier == nil {
		return routing.Attested{}
	}
	v := e.notary.verifier.Verify(ctx, stir.Call{Headers: in.Identity, Caller: caller, Called: called, CallID: in.SIPCallID, At: in.At})
	return routing.Attested{Verstat: v.Verstat, Attest: v.Attest, OrigID: v.OrigID, Reason: v.Reason}
}

// attests are the Identity headers of one INVITE, with the Date they need
// (RFC 8224 6.1.1). Our own number is ours to attest. A caller who came attested
// goes on with what he brought, and with our word on how the call got here (RFC
// 8946); one who did not is attested as the trunk says.
func (s *shown) attests(n notary, at time.Time) []gosip.Header {
	if n.signer == nil || !routing.On(s.policy.STIR.Sign) || s.dial.Target.Number == "" {
		return nil
	}
	values, err := s.identities(n, at)
	if err != nil || len(values) == 0 {
		return nil // a number is missing: there is nobody to speak of
	}
	out := []gosip.Header{gosip.NewHeader("Date", at.UTC().Format(http.TimeFormat))}
	for _, v := range values {
		out = append(out, gosip.NewHeader("Identity", v))
	}
	return out
}

func (s *shown) identities(n notary, at time.Time) ([]string, error) {
	d := s.dial
	one := func(level, caller string) ([]string, error) {
		h, err := n.signer.Attest(level, caller, d.Target.Number, n.origid, at)
		return []string{h}, err
	}
	caller := s.asserts(routing.ShowCaller)
	switch {
	case s.policy.Identity.From == routing.ShowNumber && d.Number != "" && !s.withheld():
		return one(routing.AttestA, d.Number)
	case caller == "":
		return nil, nil
	case len(d.Identity) > 0 && d.Number != "":
		h, err := n.signer.Divert(caller, d.Number, d.Target.Number, at)
		return append(append([]string(nil), d.Identity...), h), err
	}
	level := s.policy.STIR.Attest
	if level == "" {
		level = routing.AttestC
	}
	return one(level, caller)
}
