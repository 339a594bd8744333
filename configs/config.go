// Package configs holds the configuration files and reads them: the sum of
// every room's Config, strictly, all faults at once, each with its line.
//
// It owns the sections that belong to no room (node, recordings) and what
// reaches across sections. It refuses defaults and rules of a room's own
// section, which are the room's, and it opens nothing but files. Relative paths
// in a file are relative to the working directory of the process, like those on
// the command line.
package configs

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ringdown/api"
	"ringdown/call"
	"ringdown/events/natsbus"
	"ringdown/events/outbox"
	"ringdown/media/relay"
	"ringdown/privacy/keys"
	"ringdown/recorder"
	"ringdown/routing"
	"ringdown/routing/directory"
	"ringdown/routing/hook"
	"ringdown/sip"
)

// Config is a whole configuration file, with the defaults filled in and the
// secrets in place of their references: it is not to be printed.
type Config struct {
	Node       Node             `yaml:"node"`
	SIP        sip.Config       `yaml:"sip"`
	Media      relay.Config     `yaml:"media"`
	HTTP       api.Config       `yaml:"http"`
	NATS       natsbus.Config   `yaml:"nats"`
	Outbox     outbox.Config    `yaml:"outbox"`
	Keys       keys.Config      `yaml:"keys"`
	Recordings recorder.Config  `yaml:"recordings"`
	Directory  directory.Config `yaml:"directory"`
	Limits     call.Config      `yaml:"limits"`
	Hooks      hook.Config      `yaml:"hooks"`

	// Trunks, accounts, numbers and flows stand at the top level.
	routing.Spec

	table    *routing.Table
	warnings Faults
}

// secretPaths are the texts that are references to secrets, file: or env:. A
// [routing.Secret] is one wherever it stands, in lists too.
var secretPaths = []string{"http.token", "nats.token", "directory.key"}

// Node is the section "node": which node this is and where it keeps its data.
type Node struct {
	ID      string `yaml:"id"`       // shown in every event
	Region  string `yaml:"region"`   // where its data may be; every key is bound to it
	DataDir string `yaml:"data_dir"` // everything on disk lies below it
}

// Defaults fills in what is absent.
func (n *Node) Defaults() {
	if n.Region == "" {
		n.Region = "local"
	}
	if n.DataDir == "" {
		n.DataDir = "./ringdown-data"
	}
}

// Validate reports every fault with its path inside the section.
func (n Node) Validate(report func(path, msg string)) {
	for _, f := range []struct{ path, id string }{{"id", n.ID}, {"region", n.Region}} {
		switch {
		case f.id == "":
			report(f.path, "is missing")
		case !routing.ValidID(f.id):
			report(f.path, "is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit")
		case showKey(f.id) == hidden:
			report(f.path, "looks like a telephone number; it is shown in subjects and paths")
		}
	}
}

// Table is the routing table of the file. It is built once, when the file is read.
func (c *Config) Table() *routing.Table { return c.table }

// Warnings are what the file says that is allowed but probably not meant.
func (c *Config) Warnings() Faults { return c.warnings }

// section is what each room's Config is to this one.
type section interface {
	Defaults()
	Validate(report func(path, msg string))
}

// sections lists all of them by the name of their key.
func (c *Config) sections() map[string]section {
	return map[string]section{
		"node": &c.Node, "sip": &c.SIP, "media": &c.Media, "http": &c.HTTP, "nats": &c.NATS,
		"outbox": &c.Outbox, "keys": &c.Keys, "recordings": &c.Recordings, "limits": &c.Limits, "hooks": &c.Hooks,
		"directory": &c.Directory,
	}
}

// Defaults fills in what the file left out and tells the rooms where below the
// data directory they live.
func (c *Config) Defaults() {
	c.Node.Defaults()
	below := func(name string) string { return filepath.Join(c.Node.DataDir, name) }
	c.Keys.Dir, c.Keys.Region = below("keys"), c.Node.Region
	c.Outbox.Dir, c.Outbox.Node = below("outbox"), c.Node.ID
	c.NATS.Dir = below("nats")
	for _, s := range c.sections() {
		s.Defaults()
	}
	c.Directory.Dir, c.Directory.Replicas, c.Directory.Timeout = below("directory"), c.NATS.Replicas, c.NATS.Timeout
}

// Validate reports every fault of every section and between them, with its path
// in the file, and builds the routing table when there is none.
func (c *Config) Validate(report func(path, msg string)) {
	for name, s := range c.sections() {
		s.Validate(under(name, c.unlessMade(report)))
	}
	c.checkPorts(report)
	c.checkAddresses(report)
	c.checkSounds(report)
	c.checkDirectory(report)
	table, faults := routing.NewTable(c.Spec)
	for _, f := range faults {
		report(f.Path, f.Msg)
	}
	c.table = table
}

// unlessMade lets a missing nats.token pass where nobody but this machine can
// connect: cmd makes one then and keeps it below the data directory, as it does
// for http.
func (c *Config) unlessMade(report func(path, msg string)) func(path, msg string) {
	host, _, err := net.SplitHostPort(c.NATS.Listen)
	addr, notAddr := netip.ParseAddr(host)
	if err != nil || notAddr != nil || !addr.IsLoopback() || c.NATS.Token != "" {
		return report
	}
	return func(path, msg string) {
		if path != "nats.token" {
			report(path, msg)
		}
	}
}

// checkPorts looks across sections: RTP must not be given a port that SIP has.
func (c *Config) checkPorts(report func(path, msg string)) {
	low, high, ok := c.mediaPorts()
	if !ok {
		return // told by the room already
	}
	for i, listen := range c.SIP.Listen {
		addr, udp := strings.CutPrefix(listen, "udp://")
		at, err := netip.ParseAddrPort(addr)
		if udp && err == nil && int(at.Port()) >= low && int(at.Port()) <= high {
			report("media.ports", fmt.Sprintf("holds port %d, where sip.listen[%d] is", at.Port(), i))
		}
	}
}

// checkAddresses looks across sections: trunks name media addresses.
func (c *Config) checkAddresses(report func(path, msg string)) {
	names := c.Media.Names()
	for i, t := range c.Trunks {
		if t.MediaAddress == "" || slices.Contains(names, t.MediaAddress) || !routing.ValidID(t.MediaAddress) {
			continue
		}
		msg := fmt.Sprintf("there is no %q in media.addresses", t.MediaAddress)
		if near := routing.Nearest(t.MediaAddress, names); near != "" {
			msg += fmt.Sprintf("; did you mean %q?", near)
		}
		report(fmt.Sprintf("trunks[%d].media_address", i), msg)
	}
}

// portsACall is what one call takes: RTP and RTCP towards either side.
const portsACall = 4

// checkRoom warns when the ports cannot carry the calls that are let in.
func (c *Config) checkRoom(warn func(path, msg string)) {
	low, high, ok := c.mediaPorts()
	if room := (high - low + 1) / portsACall; ok && room < c.Limits.Calls {
		warn("media.ports", fmt.Sprintf("holds the ports of %d calls, but limits.calls is %d", room, c.Limits.Calls))
	}
}

// checkAuthorities warns of trunks whose servers nobody could vouch for now: the
// first call would tell, and routing, which owns the key, reads no files.
func (c *Config) checkAuthorities(warn func(path, msg string)) {
	for i, t := range c.Trunks {
		if t.TLS.CA == "" {
			continue
		}
		b, err := os.ReadFile(t.TLS.CA)
		switch {
		case err != nil:
			warn(fmt.Sprintf("trunks[%d].tls.ca", i), "cannot be read: "+err.Error())
		case !x509.NewCertPool().AppendCertsFromPEM(b):
			warn(fmt.Sprintf("trunks[%d].tls.ca", i), "holds no certificate in PEM")
		}
	}
}

func (c *Config) mediaPorts() (low, high int, ok bool) {
	n, err := fmt.Sscanf(c.Media.Ports, "%d-%d", &low, &high)
	return low, high, n == 2 && err == nil && low <= high
}
