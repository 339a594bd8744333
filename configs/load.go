package configs

import (
	"net/netip"
	"reflect"
	"strings"
)

// Load reads the file at path. Its error is [Faults] when the file could be
// read but is not right: all that is wrong with it, in the order of its lines.
func Load(path string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	c, faults := read(path, data)
	if len(faults) > 0 {
		return nil, faults
	}
	return c, nil
}

// read makes a Config of the text of a file.
func read(name string, data []byte) (*Config, Faults) {
	s := &source{file: name}
	if !s.parse(data) {
		return nil, s.faults.sorted()
	}
	c := &Config{}
	d := newDecoder(s, secretPaths...)
	d.value(s.root, reflect.ValueOf(c).Elem(), "")
	c.Defaults()
	d.overruled()
	c.Validate(func(path, msg string) {
		if !d.blamed(path) {
			s.fault(s.line(path), path, msg)
		}
	})
	if len(s.faults) > 0 {
		return nil, s.faults.sorted()
	}
	warn := func(path, msg string) {
		c.warnings = append(c.warnings, Fault{name, s.line(path), path, msg})
	}
	c.checkRoom(warn)
	c.checkAuthorities(warn)
	for _, w := range c.table.Warnings() {
		if c.Directory.Enabled && w.Path == "numbers" {
			continue // they are elsewhere
		}
		if strings.HasSuffix(w.Path, "media_rule") && c.mediaStaysHere() {
			continue // nobody beyond this machine can send to a loopback address
		}
		warn(w.Path, w.Msg)
	}
	c.warnings = c.warnings.sorted()
	return c, nil
}

// mediaStaysHere reports whether RTP can only come from this machine.
func (c *Config) mediaStaysHere() bool {
	addr, err := netip.ParseAddr(c.Media.Address)
	return err == nil && addr.IsLoopback()
}
