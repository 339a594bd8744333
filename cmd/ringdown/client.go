package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringdown/api"
	"ringdown/configs"
)

// tokenEnv is where a client's token comes from before anywhere else.
const tokenEnv = "RINGDOWN_TOKEN"

// maxLine bounds one event, and answerLimit one JSON answer, of a node.
const (
	maxLine     = 1 << 20
	answerLimit = 64 << 20
)

// client speaks to one running node. It is also [api.Recordings], so that a
// command does not know whether it reads here or there.
type client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// reach adds the flags that find a node, and returns how to find it once they
// are read.
func (o *options) reach() func() (*client, error) {
	address := o.String("url", "", "`URL` of the node")
	config := o.String("config", "", "configuration `FILE` of the node: tells its address and its token")
	return func() (*client, error) { return findNode(*address, *config) }
}

// findNode puts together what the flags, the environment and the file say. The
// flag and the environment win over the file.
func findNode(address, config string) (*client, error) {
	c := &client{http: &http.Client{Transport: &http.Transport{
		ResponseHeaderTimeout: 2 * time.Minute, // a verification reads a whole recording first
		TLSHandshakeTimeout:   10 * time.Second,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}}
	if config != "" {
		cfg, err := configs.Load(config)
		if err != nil {
			return nil, err
		}
		if address == "" {
			address = nodeURL(cfg.HTTP)
		}
		if err := c.trust(cfg.HTTP.TLS); err != nil {
			return nil, err
		}
		if c.token, err = storedToken(cfg.HTTP, cfg.Node.DataDir); err != nil && os.Getenv(tokenEnv) == "" {
			return nil, err
		}
	}
	if address == "" {
		address = "http://127.0.0.1:8080"
	}
	if t := os.Getenv(tokenEnv); t != "" {
		c.token = t
	}
	if c.token == "" {
		return nil, fmt.Errorf("there is no token: set %s, or name the node's file with --config", tokenEnv)
	}
	return c, c.point(address)
}

// point sets the address. The token must not cross a network in the clear.
func (c *client) point(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("--url %q is not http://HOST:PORT or https://HOST:PORT", address)
	}
	if u.Scheme == "http" && !thisMachine(u.Hostname()) {
		return fmt.Errorf("%s is beyond this machine: the token would cross the network in the clear, use https", u.Host)
	}
	c.base = u
	return nil
}

func thisMachine(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// trust takes the node's own certificate beside the system's authorities.
func (c *client) trust(t api.TLS) error {
	if !t.Enabled() {
		return nil
	}
	pem, err := os.ReadFile(t.Cert)
	if err != nil {
		return fmt.Errorf("http.tls.cert: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// nodeURL is where a node with this configuration answers, seen from its own machine.
func nodeURL(c api.Config) string {
	scheme := "http"
	if c.TLS.Enabled() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return ""
	}
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// tokenFile is where a node without a configured token keeps the one it made.
func tokenFile(dataDir string) string { return filepath.Join(dataDir, "token") }

func storedToken(c api.Config, dataDir string) (string, error) {
	if c.Token != "" {
		return c.Token, nil
	}
	b, err := os.ReadFile(tokenFile(dataDir))
	if err != nil {
		return "", fmt.Errorf("the node's token cannot be read, is it running? %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// do sends one request and returns the answer, whose status is 2xx. What the
// node refuses becomes an error in its own words.
func (c *client) do(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	return c.send(ctx, method, path, query, nil)
}

// send is do with a body, as JSON; nil: none.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), text)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res)
}

// explain strips the URL and the layers from an error of the connection.
func (c *client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("no node answers at %s: %w", c.base.Host, err)
}

// nodeError is what a node answered instead.
type nodeError struct {
	kind    error // sentinel of api, nil for the others
	message string
}

func (e *nodeError) Error() string { return e.message }
func (e *nodeError) Unwrap() error { return e.kind }

// refusedChange is what a node found wrong with a change of its table.
type refusedChange api.ChangeFaults

func (f refusedChange) Error() string { return changeFaults("change", api.ChangeFaults(f)).Error() }

func (c *client) refused(res *http.Response) error {
	var body struct {
		Error  struct{ Code, Message string }
		Faults api.ChangeFaults
	}
	err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&body)
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the node at %s does not take this token: set %s, or name the node's file with --config", c.base.Host, tokenEnv)
	case err != nil || body.Error.Message == "":
		return fmt.Errorf("%s answers %s: is it a Ringdown node?", c.base.Host, res.Status)
	}
	if len(body.Faults) > 0 {
		return refusedChange(body.Faults)
	}
	kinds := map[string]error{
		"not-found": api.ErrNotFound, "not-final": api.ErrNotFinal, "erased": api.ErrErased,
		"undecodable": api.ErrUndecodable, "damaged": api.ErrDamaged,
		"conflict": api.ErrConflict, "table-in-file": api.ErrTableInFile, "not-lost": api.ErrWhole, "no-changes-now": api.ErrNoChangesNow, "in-doubt": api.ErrInDoubt,
	}
	return &nodeError{kinds[body.Error.Code], clean(body.Error.Message)}
}

// read decodes one JSON answer into v.
func (c *client) read(ctx context.Context, method, path string, query url.Values, v any) error {
	res, err := c.do(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, answerLimit)).Decode(v); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", c.base.Host, err)
	}
	return nil
}

// events hands over one event after the other. An error means that there would
// have been more.
func (c *client) events(ctx context.Context, path string, query url.Values, emit func(json.RawMessage) error) error {
	res, err := c.do(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return fmt.Errorf("%s sends a line that is not JSON", c.base.Host)
		}
		if err := emit(json.RawMessage(line)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the node at %s broke off: %w", c.base.Host, err)
	}
	return nil
}
