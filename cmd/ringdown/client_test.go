package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/api"
)

func TestNodeURL(t *testing.T) {
	tls := api.TLS{Cert: "c", Key: "k"}
	for want, c := range map[string]api.Config{
		"http://127.0.0.1:8080":   {Listen: "127.0.0.1:8080"},
		"https://192.0.2.1:8443":  {Listen: "192.0.2.1:8443", TLS: tls},
		"https://127.0.0.1:8443":  {Listen: "0.0.0.0:8443", TLS: tls},
		"https://127.0.0.1:443":   {Listen: ":443", TLS: tls},
		"https://[::1]:8443":      {Listen: "[::]:8443", TLS: tls},
		"https://[2001:db8::1]:1": {Listen: "[2001:db8::1]:1", TLS: tls},
		"http://localhost:80":     {Listen: "localhost:80"},
	} {
		if got := nodeURL(c); got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
}

// certificate makes one for 127.0.0.1 and returns the names of its files.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ringdown test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// The file a node runs with is enough to find it, to know it by its certificate
// and to be let in, by the configured token or by the one it made.
func TestFindNodeByConfig(t *testing.T) {
	for _, configured := range []bool{false, true} {
		t.Setenv(tokenEnv, "")
		dir := t.TempDir()
		cert, key := certificate(t, dir)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("node: {id: edge-1, region: eu, data_dir: %q}\nhttp:\n  listen: %s\n  tls: {cert: %q, key: %q}\n", dir, l.Addr(), cert, key)
		if configured {
			t.Setenv("TEST_TOKEN", testToken)
			text += "  token: env:TEST_TOKEN\n"
		}
		file := filepath.Join(dir, "node.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !configured {
			if _, err := findNode("", file); err == nil || !strings.Contains(err.Error(), "is it running") {
				t.Errorf("without a token there: %v", err)
			}
			if err := os.WriteFile(tokenFile(dir), []byte(testToken+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := api.New(api.Config{Listen: l.Addr().String(), Token: testToken, TLS: api.TLS{Cert: cert, Key: key}}, newFake(t).deps())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ran := make(chan error)
		go func() { ran <- s.Run(ctx, l) }()
		c, err := findNode("", file)
		if err != nil {
			t.Fatal(err)
		}
		var v api.Version
		if err := c.read(t.Context(), "GET", "/v1/version", nil, &v); err != nil || v.Go == "" {
			t.Errorf("configured %v: %v %+v", configured, err, v)
		}
		c.http.CloseIdleConnections()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}
}

// A server that is none of ours, or has gone bad, gives one clear error.
func TestStrangeServers(t *testing.T) {
	t.Setenv(tokenEnv, testToken)
	for words, answer := range map[string]http.HandlerFunc{
		"is it a Ringdown node?": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nginx", http.StatusBadGateway) },
		"cannot be read":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"a b": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"error":{"code":"x","message":"a\u001bb"}}`)
		},
		"same page again": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"recordings":[{"id":%q}],"next":%[1]q}`, recOne)
		},
	} {
		server := httptest.NewServer(answer)
		c, err := findNode(server.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		err = c.List(t.Context(), api.RecordingFilter{}, func(api.Recording) error { return nil })
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
		server.Close()
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}\n\nnot json\n") }))
	defer server.Close()
	c, err := findNode(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = c.events(t.Context(), "/v1/events", nil, func(json.RawMessage) error { n++; return nil })
	if n != 1 || err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("%d events, %v", n, err)
	}
}

// Following ends without a complaint when the person has seen enough.
func TestFollowEndsWithInterrupt(t *testing.T) {
	t.Setenv(tokenEnv, testToken)
	f := newFake(t)
	url := serveFake(t, f)
	ctx, stop := context.WithCancel(t.Context())
	out := stopAfter{n: len(f.events), stop: stop}
	var errs strings.Builder
	code := runEventsTail(ctx, []string{"--follow", "--url", url}, stdio{out: &out, err: &errs})
	if code != done || errs.Len() > 0 || len(out.text) == 0 {
		t.Errorf("%d %s", code, &errs)
	}
}

// stopAfter interrupts after so many writes.
type stopAfter struct {
	text string
	n    int
	stop func()
}

func (s *stopAfter) Write(b []byte) (int, error) {
	s.text += string(b)
	if s.n--; s.n == 0 {
		s.stop()
	}
	return len(b), nil
}

func TestPagesAreWalked(t *testing.T) {
	t.Setenv(tokenEnv, testToken)
	f := newFake(t)
	f.books = nil
	for i := range 2500 {
		f.books = append(f.books, api.Recording{ID: fmt.Sprintf("rec_01JD0000000000000000%06d", i), Account: "demo", StartedAt: noon})
	}
	c, err := findNode(serveFake(t, f), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := c.List(t.Context(), api.RecordingFilter{}, func(r api.Recording) error { got = append(got, r.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2500 || got[0] != f.books[0].ID || got[2499] != f.books[2499].ID {
		t.Errorf("%d recordings", len(got))
	}
	c.http.CloseIdleConnections()
}
