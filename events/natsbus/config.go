package natsbus

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says which broker: one of our own inside this process, or one by URL.
type Config struct {
	Dir string `yaml:"-"` // <data_dir>/nats, of the embedded broker
	Key []byte `yaml:"-"` // 32 bytes: the embedded broker's store is encrypted under it

	Embedded    bool   `yaml:"embedded"`    // the default when there is no url
	Listen      string `yaml:"listen"`      // host:port for others to connect to the embedded broker; needs a token
	URL         string `yaml:"url"`         // of the broker when it is not embedded
	Token       string `yaml:"token"`       // for url, or asked for by listen
	Credentials string `yaml:"credentials"` // file with a NATS user's JWT and seed
	CA          string `yaml:"ca"`          // file; for tls:// with a private authority
	Cert        string `yaml:"cert"`        // file; our certificate: the broker's own with listen, else where a broker asks for one
	CertKey     string `yaml:"cert_key"`    // file; its key

	Replicas int           `yaml:"replicas"`  // of the stream, in a cluster
	MaxAge   time.Duration `yaml:"max_age"`   // how long events stay in the stream
	MaxBytes int64         `yaml:"max_bytes"` // of the stream; when full, events wait in the outbox
	Timeout  time.Duration `yaml:"timeout"`   // of one question to the broker
	Workers  int           `yaml:"workers"`   // calls delivered at the same time
}

// Defaults fills in what is not set.
func (c *Config) Defaults() {
	if c.URL == "" {
		c.Embedded = true
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.MaxAge == 0 {
		c.MaxAge = 30 * 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 8 << 30
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Workers == 0 {
		c.Workers = 16
	}
}

// Validate reports every fault of a Config with its defaults filled in. Nothing
// it says repeats a URL or a token.
func (c Config) Validate(report func(path, msg string)) {
	if c.Embedded && c.URL != "" {
		report("url", "not with embedded: one broker or the other")
	}
	if !c.Embedded {
		c.validateURL(report)
	}
	if c.Listen != "" {
		host, _, err := net.SplitHostPort(c.Listen)
		switch {
		case err != nil:
			report("listen", "not host:port")
		case c.Cert == "" && !loopback(host):
			report("listen", "beyond this machine it needs cert and cert_key: events and the token would cross the network in the clear")
		}
		if !c.Embedded {
			report("listen", "only with embedded")
		}
		if c.Token == "" {
			report("token", "needed with listen: nobody may read events unasked")
		}
	}
	if (c.Cert == "") != (c.CertKey == "") {
		report("cert", "cert and cert_key go together")
	}
	if c.Replicas < 1 || c.Replicas > 5 || c.Replicas > 1 && c.Embedded {
		report("replicas", "must be 1 to 5, and 1 when embedded")
	}
	if c.MaxAge < time.Hour {
		report("max_age", "must be at least an hour")
	}
	if c.MaxBytes < 1<<20 {
		report("max_bytes", "must be at least 1 MiB")
	}
	if c.Timeout < 10*time.Millisecond {
		report("timeout", "must be at least 10 ms")
	}
	if c.Workers < 1 || c.Workers > 1024 {
		report("workers", "must be 1 to 1024")
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || host == "localhost"
}

func (c Config) validateURL(report func(path, msg string)) {
	for one := range strings.SplitSeq(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil || u.Host == "":
			report("url", "not a URL such as tls://nats.example:4222")
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			report("url", "scheme must be nats, tls, ws or wss")
		case u.User != nil:
			report("url", "no user in it: use token or credentials")
		}
	}
	if c.Token != "" && c.Credentials != "" {
		report("credentials", "not with token")
	}
}
