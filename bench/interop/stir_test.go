//go:build interop

package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
	"ringdown/sip/stir"
	"ringdown/sip/stir/stirtest"
)

const beyond = "+4791234567" // where the flow sends the call, by trunk pbx

// TestWhoCallsReally has a carrier attest its caller, Ringdown verify that with a
// certificate it fetches over https, and sign what it sends on.
func TestWhoCallsReally(t *testing.T) {
	const carrier, pbx = "127.0.71.2", "127.0.71.3"
	dir, now := t.TempDir(), time.Now()
	authority := stirtest.NewAuthority(t, now)
	theirs, ours := stirtest.NewKey(t), stirtest.NewKey(t)
	files := map[string][]byte{
		"/carrier.pem": authority.Issue(t, theirs, stirtest.Provider(t, "709J"), nil),
		"/ours.pem":    authority.Issue(t, ours, stirtest.Number(t, tracking[1:]), nil),
	}
	host := serveFiles(t, authority, "127.0.71.4:0", files)
	signer, err := stir.NewSigner(theirs, "https://"+host+"/carrier.pem")
	if err != nil {
		t.Fatal(err)
	}
	agent := freePort(t, pbx)
	n := newNode(t, plan{Host: "127.0.71.1", Sources: carrier, Agent: agent, To: `{number: "` + beyond + `", trunk: pbx}`,
		Trunks: `  - {id: pbx, targets: [{uri: "sip:` + agent + `"}], stir: {sign: true}}` + "\n"})
	n.rewrite(t,
		"sip: {listen", `sip: {stir: {roots: "`+writeFile(t, dir, "roots.pem", authority.PEM)+`", ca: "`+filepath.Join(dir, "roots.pem")+
			`", allow: [127.0.0.0/8], key: "`+writeFile(t, dir, "key.pem", stirtest.KeyPEM(t, ours))+`", x5u: "https://`+host+`/ours.pem"}, listen`,
		"{id: carrier, sources", "{id: carrier, stir: {require: B}, sources")
	n.start(t)
	p := newPair(t, n, carrier, siptest.PCMA, siptest.Noise(1))
	invites := make(chan *siptest.Message, 4)
	p.callee.OnInvite(func(in *siptest.Incoming) {
		invites <- in.Request()
		in.Decline(486)
	})
	call := func(identity ...siptest.Field) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		d, err := p.caller.Call(ctx, n.uri(), siptest.CallOptions{From: "+4790000001", Fields: identity})
		if err != nil {
			t.Fatal(err)
		}
		return d.Answered(ctx)
	}
	signed, err := signer.Attest("A", "+4790000001", tracking, "123e4567-e89b-12d3-a456-426655440000", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	turnedDown(t, "attested", call(siptest.Field{Name: "Identity", Value: signed}), 486)
	passed(t, authority, files, host, <-invites)
	turnedDown(t, "copied into another call", call(siptest.Field{Name: "Identity", Value: signed}), 403)
	turnedDown(t, "not attested", call(), 403)
	forged := strings.Replace(signed, ".", "x.", 1)
	turnedDown(t, "forged", call(siptest.Field{Name: "Identity", Value: forged}), 403)

	verdicts := map[string]int{}
	for _, s := range n.settled(t, 4) { // in no order between calls
		got := s.last("call.received").Attestation
		verdicts[got.Verstat+" "+got.Attest]++
		why, reason := n.ask(t, "why", s.id), s.last("call.rejected").RejectReason
		if ok := got.Attest == "A"; ok != strings.Contains(why, "says that the number is his") || ok == (reason == "attestation-too-low") {
			t.Errorf("attestation %q, rejected for %q; why:\n%s", got.Attest, reason, why)
		}
	}
	if verdicts["TN-Validation-Passed A"] != 1 || verdicts["TN-Validation-Failed "] != 2 || verdicts[" "] != 1 {
		t.Errorf("verdicts %v", verdicts)
	}
	n.stop(t)
}

// turnedDown wants a refusal with a status.
func turnedDown(t *testing.T, what string, err error, status int) {
	t.Helper()
	var r *siptest.Refused
	if !errors.As(err, &r) || r.Status != status {
		t.Errorf("%s: %v, want %d", what, err, status)
	}
}

// passed wants an INVITE whose Identity headers hold for the number it calls: the
// carrier's own, and ours on how the call came there.
func passed(t *testing.T, authority *stirtest.Authority, files map[string][]byte, host string, invite *siptest.Message) {
	t.Helper()
	headers := invite.Values("Identity")
	if len(headers) != 2 {
		t.Fatalf("%d Identity headers went on", len(headers))
	}
	v := stir.NewVerifier(authority.Pool, func(_ context.Context, url string) ([]byte, time.Duration, error) {
		return files[strings.TrimPrefix(url, "https://"+host)], time.Minute, nil
	})
	got := v.Verify(t.Context(), stir.Call{Headers: headers, Caller: "+4790000001", Called: beyond, At: time.Now()})
	if got.Verstat != stir.Passed || got.Attest != "A" {
		t.Errorf("the next hop says %+v", got)
	}
}

// serveFiles answers https on an address with a certificate of the authority.
func serveFiles(t *testing.T, a *stirtest.Authority, address string, files map[string][]byte) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	key := stirtest.NewKey(t)
	cert := a.Issue(t, key, nil, func(c *x509.Certificate) {
		ip, _, _ := net.SplitHostPort(l.Addr().String())
		c.IPAddresses = []net.IP{net.ParseIP(ip)}
	})
	pair, err := tls.X509KeyPair(cert, stirtest.KeyPEM(t, key))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(files[r.URL.Path]) })}
	go s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})) // ends with the listener
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}
