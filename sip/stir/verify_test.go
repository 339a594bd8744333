package stir

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringdown/sip/stir/stirtest"
)

// What one side signs the other believes, and says so in the words of the field.
func TestAttestedCallerPasses(t *testing.T) {
	w := newWorld(t)
	got := w.judgeOne(t, aCaller, called, w.attested(t, noon.Add(-5*time.Second)))
	want := Verdict{Verstat: Passed, Attest: "A", OrigID: "123e4567-e89b-12d3-a456-426655440000"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The canonical form is that of the example in RFC 8588 4: nothing but the order
// of names and no white space.
func TestCanonicalForm(t *testing.T) {
	p := &Passport{Kind: Shaken, X5U: "https://cert.example.org/passport.cer?a=1&b=2", Attest: "A", OrigID: "123e4567-e89b-12d3-a456-426655440000",
		Orig: "12155551212", Dest: []string{"12125551213"}, Issued: time.Unix(1443208345, 0)}
	header, payload, err := p.parts()
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		header:  `{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer?a=1&b=2"}`,
		payload: `{"attest":"A","dest":{"tn":["12125551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}`,
	} {
		b, err := base64.RawURLEncoding.DecodeString(got)
		if err != nil || string(b) != want {
			t.Errorf("got %s, want %s", b, want)
		}
	}
}

// Every lie is found, and named.
func TestLiesAreNamed(t *testing.T) {
	w := newWorld(t)
	good := w.attested(t, noon)
	swap := func(part int, change func(map[string]any)) string {
		tok, params, _ := strings.Cut(good, ";")
		pieces := strings.Split(tok, ".")
		b, _ := base64.RawURLEncoding.DecodeString(pieces[part])
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		b, _ = json.Marshal(m)
		pieces[part] = base64.RawURLEncoding.EncodeToString(b)
		return strings.Join(pieces, ".") + ";" + params
	}
	for name, c := range map[string]struct{ header, caller, called, verstat, reason string }{
		"another caller":     {good, "+12155550199", called, Failed, ReasonCaller},
		"withheld caller":    {good, "", called, Failed, ReasonCaller},
		"another number":     {good, aCaller, further, Failed, ReasonCalled},
		"stale":              {w.attested(t, noon.Add(-61*time.Second)), aCaller, called, Failed, ReasonStale},
		"from the future":    {w.attested(t, noon.Add(61*time.Second)), aCaller, called, Failed, ReasonStale},
		"attest raised":      {swap(1, func(m map[string]any) { m["attest"] = "B" }), aCaller, called, Failed, ReasonSignature},
		"attest unheard of":  {swap(1, func(m map[string]any) { m["attest"] = "Z" }), aCaller, called, Failed, ReasonMalformed},
		"no dest":            {swap(1, func(m map[string]any) { delete(m, "dest") }), aCaller, called, Failed, ReasonMalformed},
		"origid with a name": {swap(1, func(m map[string]any) { m["origid"] = "Ola Nordmann" }), aCaller, called, Failed, ReasonMalformed},
		"alg none":           {swap(0, func(m map[string]any) { m["alg"] = "none" }), aCaller, called, NoValidation, ReasonUnsupported},
		"other kind":         {swap(0, func(m map[string]any) { m["ppt"] = "rph" }), aCaller, called, NoValidation, ReasonUnsupported},
		"x5u swapped":        {swap(0, func(m map[string]any) { m["x5u"] = elsewhere }), aCaller, called, Failed, ReasonMalformed},
		"info swapped":       {strings.Replace(good, "<"+somewhere, "<"+elsewhere, 1), aCaller, called, Failed, ReasonMalformed},
		"info missing":       {good[:strings.IndexByte(good, ';')], aCaller, called, Failed, ReasonMalformed},
		"alg differs":        {strings.Replace(good, "alg=ES256", "alg=RS256", 1), aCaller, called, Failed, ReasonMalformed},
		"ppt differs":        {strings.Replace(good, `ppt="shaken"`, `ppt="div"`, 1), aCaller, called, Failed, ReasonMalformed},
		"compact":            {".." + good[strings.LastIndexByte(good, '.')+1:], aCaller, called, NoValidation, ReasonUnsupported},
		"no token":           {";info=<" + somewhere + ">", aCaller, called, Failed, ReasonMalformed},
		"no semicolon":       {strings.ReplaceAll(good, ";", ""), aCaller, called, Failed, ReasonMalformed},
		"empty":              {"", aCaller, called, Failed, ReasonMalformed},
		"a megabyte":         {strings.Repeat("A", 1<<20), aCaller, called, Failed, ReasonMalformed},
		"signature cut":      {strings.Replace(good, ";info", "A;info", 1), aCaller, called, Failed, ReasonMalformed},
	} {
		if got := w.judgeOne(t, c.caller, c.called, c.header); got.Verstat != c.verstat || got.Reason != c.reason || got.Attest != "" {
			t.Errorf("%s: got %+v, want %s, %s", name, got, c.verstat, c.reason)
		}
	}
	if got := w.judgeOne(t, aCaller, called); got.Verstat != NoValidation || got.Reason != ReasonMissing {
		t.Errorf("nothing there: %+v", got)
	}
	if got := w.judgeOne(t, aCaller, called, good, good); got.Verstat != Failed {
		t.Errorf("two that attest: %+v", got)
	}
}

// A certificate must lead to one of our authorities, be of now, of P-256, and
// speak for the caller's number.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	other := stirtest.NewAuthority(t, noon)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	critical := func(c *x509.Certificate) { c.ExtraExtensions[0].Critical = true }
	for name, c := range map[string]struct {
		pem    []byte
		reason string
	}{
		"provider":                {w.Issue(t, w.key, stirtest.Provider(t, "709J"), nil), ReasonNone},
		"provider, critical":      {w.Issue(t, w.key, stirtest.Provider(t, "709J"), critical), ReasonNone},
		"the number itself":       {w.Issue(t, w.key, stirtest.Number(t, "12155550121"), nil), ReasonNone},
		"a range it is in":        {w.Issue(t, w.key, stirtest.Range(t, "12155550100", 100), nil), ReasonNone},
		"a range just before":     {w.Issue(t, w.key, stirtest.Range(t, "12155550100", 21), nil), ReasonCertificate},
		"a range of short ones":   {w.Issue(t, w.key, stirtest.Range(t, "121", 1<<30), nil), ReasonCertificate},
		"another number":          {w.Issue(t, w.key, stirtest.Number(t, "12155550122"), nil), ReasonCertificate},
		"no list":                 {w.Issue(t, w.key, nil, nil), ReasonCertificate},
		"list of nonsense":        {w.Issue(t, w.key, []byte{0x30, 0x82, 0xff}, nil), ReasonCertificate},
		"another authority":       {other.Issue(t, w.key, stirtest.Provider(t, "709J"), nil), ReasonCertificate},
		"expired":                 {w.Issue(t, w.key, stirtest.Provider(t, "709J"), func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), ReasonCertificate},
		"not yet":                 {w.Issue(t, w.key, stirtest.Provider(t, "709J"), func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), ReasonCertificate},
		"another curve":           {w.Issue(t, p384, stirtest.Provider(t, "709J"), nil), ReasonCertificate},
		"another key":             {w.Issue(t, stirtest.NewKey(t), stirtest.Provider(t, "709J"), nil), ReasonSignature},
		"no PEM":                  {[]byte("hello"), ReasonCertificate},
		"a PEM of something else": {[]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n"), ReasonCertificate},
		"too long":                {[]byte(strings.Repeat("x", maxPEM+1)), ReasonCertificate},
		"unknown critical extension": {w.Issue(t, w.key, stirtest.Provider(t, "709J"), func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}})
		}), ReasonCertificate},
	} {
		w.web.files[somewhere] = c.pem
		v := NewVerifier(w.Pool, w.web.get)
		got := v.Verify(t.Context(), Call{Headers: []string{w.attested(t, noon)}, Caller: aCaller, Called: called, At: noon})
		if got.Reason != c.reason || (got.Verstat == Passed) != (c.reason == ReasonNone) {
			t.Errorf("%s: got %+v, want %q", name, got, c.reason)
		}
	}
}

// A call that was sent on arrives with what attests the caller and a chain of
// diversions back to the number he called.
func TestDiversion(t *testing.T) {
	w := newWorld(t)
	first := w.attested(t, noon.Add(-2*time.Minute)) // it rang elsewhere first
	div, err := w.relay.Divert(aCaller, called, further, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.judgeOne(t, aCaller, further, first, div); got.Verstat != Passed || got.Attest != "A" {
		t.Errorf("sent on once: %+v", got)
	}
	if got := w.judgeOne(t, aCaller, further, div); got.Verstat != NoValidation {
		t.Errorf("nobody attests: %+v", got)
	}
	if got := w.judgeOne(t, aCaller, "+4721000009", first, div); got.Reason != ReasonCalled {
		t.Errorf("leads elsewhere: %+v", got)
	}
	foreign, err := w.relay.Divert(aCaller, "+12155550139", further, noon) // not a number of his
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := w.origin.Attest("A", aCaller, "+12155550139", "x", noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.judgeOne(t, aCaller, further, stolen, foreign); got.Reason != ReasonCertificate {
		t.Errorf("sent on by a stranger: %+v", got)
	}
	circle1, _ := w.relay.Divert(aCaller, "+1", "+2", noon)
	circle2, _ := w.relay.Divert(aCaller, "+2", "+1", noon)
	if got := w.judgeOne(t, aCaller, "+2", first, circle1, circle2); got.Reason != ReasonCalled {
		t.Errorf("in a circle: %+v", got)
	}
}

// The same token carries one call; the carrier's next try of it counts as the same.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	h := w.attested(t, noon)
	c := Call{Headers: []string{h}, Caller: aCaller, Called: called, CallID: "one", At: noon}
	for _, step := range []struct {
		id     string
		after  time.Duration
		reason string
	}{{"one", 0, ReasonNone}, {"one", 9 * time.Second, ReasonNone}, {"two", 10 * time.Second, ReasonReplayed}, {"two", 61 * time.Second, ReasonStale}} {
		c.CallID, c.At = step.id, noon.Add(step.after)
		if got := w.Verify(t.Context(), c); got.Reason != step.reason {
			t.Errorf("%s after %v: %+v", step.id, step.after, got)
		}
	}
}

// A certificate is fetched once for many calls, again when its time is over, and
// one that cannot be had is not asked for with each call.
func TestCertificatesAreKept(t *testing.T) {
	w := newWorld(t)
	ask := func(after time.Duration) Verdict {
		at := noon.Add(after)
		return w.Verify(t.Context(), Call{Headers: []string{w.attested(t, at)}, Caller: aCaller, Called: called, At: at})
	}
	for _, step := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {time.Second, 1}, {59 * time.Minute, 1}} {
		if got := ask(step.after); got.Verstat != Passed || w.web.asked[somewhere] != step.asked {
			t.Errorf("after %v: %+v, asked %d times", step.after, got, w.web.asked[somewhere])
		}
	}
	delete(w.web.files, somewhere)
	if got := ask(61 * time.Minute); got.Reason != ReasonFetch || w.web.asked[somewhere] != 2 {
		t.Errorf("gone: %+v, asked %d times", got, w.web.asked[somewhere])
	}
	if ask(61*time.Minute + 29*time.Second); w.web.asked[somewhere] != 2 {
		t.Errorf("asked again at once: %d", w.web.asked[somewhere])
	}
	if ask(61*time.Minute + 31*time.Second); w.web.asked[somewhere] != 3 {
		t.Errorf("never asked again: %d", w.web.asked[somewhere])
	}
}

// The table of certificates is bounded whatever URLs callers write.
func TestCertificateTableIsBounded(t *testing.T) {
	s := newStore(func(context.Context, string) ([]byte, time.Duration, error) { return nil, 0, errAddress })
	for i := range 3 * maxCerts {
		if _, err := s.chain(t.Context(), "https://h.example/"+strings.Repeat("a", i%7)+string(rune('a'+i%26))+time.Duration(i).String(), noon); err == nil {
			t.Fatal("no error")
		}
	}
	if len(s.kept) > maxCerts {
		t.Errorf("%d are kept", len(s.kept))
	}
}

// A slow server costs the call its wait and nothing more.
func TestSlowServer(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	w := newWorld(t)
	v := NewVerifier(w.Pool, func(ctx context.Context, _ string) ([]byte, time.Duration, error) {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return nil, 0, errAddress
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := v.Verify(ctx, Call{Headers: []string{w.attested(t, noon)}, Caller: aCaller, Called: called, At: noon})
	if got.Reason != ReasonFetch {
		t.Errorf("got %+v", got)
	}
}

func TestSignerRefuses(t *testing.T) {
	key := stirtest.NewKey(t)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	for name, c := range map[string]struct {
		key *ecdsa.PrivateKey
		x5u string
	}{
		"no key": {nil, somewhere}, "another curve": {p384, somewhere}, "http": {key, "http://a.example/x"},
		"a line end": {key, "https://a.example/\r\nVia: x"}, "a parameter": {key, "https://a.example/x;y"}, "a user": {key, "https://u:p@a.example/"},
	} {
		if _, err := NewSigner(c.key, c.x5u); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	s := newSigner(t, key, somewhere)
	if _, err := s.Attest("D", aCaller, called, "x", noon); err == nil {
		t.Error("attestation D is signed")
	}
	if _, err := s.Attest("A", "", called, "x", noon); err == nil {
		t.Error("nobody is attested")
	}
	if _, err := s.Divert(aCaller, "", called, noon); err == nil {
		t.Error("a diversion from nowhere is signed")
	}
}

// Whatever stands in the header: no panic, never Passed.
func FuzzIdentity(f *testing.F) {
	w := newWorld(f)
	f.Add(w.attested(f, noon))
	f.Add("..x;info=<https://a.example/>;alg=ES256")
	f.Add("a.b.c;ppt=shaken;info=<>")
	good, err := parse(w.attested(f, noon))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if w.judgeOne(t, aCaller, called, header).Verstat != Passed {
			return
		}
		if got, err := parse(header); err != nil || got.signed != good.signed {
			t.Errorf("passed without having been signed: %q", header)
		}
	})
}

// Whatever stands in the extension: no panic, and never true for a number it
// does not hold.
func FuzzTNAuthList(f *testing.F) {
	f.Add(stirtest.Number(f, "12155550121"), "12155550121")
	f.Add(stirtest.Range(f, "12155550100", 100), "12155550150")
	f.Fuzz(func(t *testing.T, der []byte, number string) {
		if speaksFor(der, number) && number == "" {
			t.Error("speaks for nobody in particular")
		}
	})
}
