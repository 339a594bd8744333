package keys

import (
	"log/slog"
	"path/filepath"

	"ringdown/privacy/keys/filekeys"
)

// Config is the section "keys" of the configuration.
type Config struct {
	// Provider of the epoch roots: "file".
	Provider string `yaml:"provider"`
	// Roots is the folder of the root keys of provider "file"; default: root/
	// in Dir. On another disk, a backup of one is worth nothing without the other.
	Roots string `yaml:"roots"`

	Dir    string `yaml:"-"` // of the journal: <data_dir>/keys
	Region string `yaml:"-"` // node.region; every wrapped key is bound to it
}

// Defaults fills in what was left out.
func (c *Config) Defaults() {
	if c.Provider == "" {
		c.Provider = "file"
	}
	if c.Roots == "" && c.Dir != "" {
		c.Roots = filepath.Join(c.Dir, "root")
	}
}

// Validate reports each fault with its path below "keys".
func (c Config) Validate(report func(path, msg string)) {
	if c.Provider != "file" && c.Provider != "" {
		report("provider", `unknown provider, want "file"`)
	}
}

// Options are what Open is given beside the configuration.
type Options struct {
	// ReadOnly opens beside a running node: no lock is taken and nothing written.
	// Methods that would have to write return [ErrReadOnly].
	ReadOnly bool
	// Provider replaces the one the configuration names.
	Provider Provider
	// Log tells of what was found and mended; nil: nowhere.
	Log *slog.Logger
}

func (o *Options) defaults(c Config) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Provider == nil {
		o.Provider = filekeys.Open(c.Roots)
	}
}
