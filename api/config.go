package api

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// Config is the section http of the configuration.
type Config struct {
	// Listen is "address:port" of the one listener. Beyond loopback it needs TLS.
	Listen string `yaml:"listen"`
	// Token is the bearer token every request under /v1 must show: the secret
	// itself, already read from where the file refers to. At least
	// [MinToken] characters.
	Token string `yaml:"token"`
	TLS   TLS    `yaml:"tls"`
}

// TLS names the certificate and key files in PEM. Both or none.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// MinToken is the shortest token that is taken: 32 characters of base64 hold
// 192 bits, which nobody guesses over a network.
const MinToken = 32

// Defaults fills in what the file left out.
func (c *Config) Defaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
}

// Enabled reports whether the certificate and the key are both named.
func (t TLS) Enabled() bool { return t.Cert != "" && t.Key != "" }

// Validate reports every fault it finds, with its path in the section. An empty
// token is no fault here: [New] refuses it, cmd makes one when the file has none.
func (c Config) Validate(report func(path, msg string)) {
	local, err := loopback(c.Listen)
	switch {
	case err != nil:
		report("listen", err.Error())
	case !local && !c.TLS.Enabled():
		report("listen", "an address beyond loopback needs tls.cert and tls.key: tokens and audio would cross the network in the clear")
	}
	if c.Token != "" && len(c.Token) < MinToken {
		report("token", "is shorter than 32 characters")
	}
	for _, b := range []byte(c.Token) {
		if b <= ' ' || b > '~' {
			report("token", "holds a character that cannot stand in an HTTP header")
			break
		}
	}
	c.TLS.validate(report)
}

func (t TLS) validate(report func(path, msg string)) {
	switch {
	case t.Cert == "" && t.Key != "":
		report("tls.cert", "is missing: a key needs its certificate")
	case t.Cert != "" && t.Key == "":
		report("tls.key", "is missing: a certificate needs its key")
	}
	for _, f := range []struct{ path, name string }{{"tls.cert", t.Cert}, {"tls.key", t.Key}} {
		if f.name == "" {
			continue
		}
		file, err := os.Open(f.name)
		if err != nil {
			report(f.path, "cannot be read: "+err.Error())
			continue
		}
		file.Close()
	}
}

// loopback reports whether nobody but this machine can reach the listener.
func loopback(listen string) (bool, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return false, fmt.Errorf("%q is not address:port, for example 127.0.0.1:8080", listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	if host == "localhost" {
		return true, nil
	}
	if host == "" {
		return false, nil
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false, fmt.Errorf("%q is not an IP address: write one, or localhost", host)
	}
	return a.Unmap().IsLoopback(), nil
}
