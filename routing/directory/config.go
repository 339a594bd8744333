package directory

import (
	"fmt"
	"strings"
	"time"
)

// Config is the section "directory": whether the routing table is kept in a NATS
// key-value bucket, and in which.
type Config struct {
	Enabled bool   `yaml:"enabled"`
	Bucket  string `yaml:"bucket"` // its name; the same on every node that shares the table
	// Key is the secret that everything in the bucket is sealed under, at least
	// [MinKey] bytes, the same on every node that shares it. Empty with the
	// embedded broker: one of the node's own.
	Key string `yaml:"key"`
	// Wait is how long a start without a table on the disk waits for the broker.
	Wait     time.Duration `yaml:"wait"`
	MaxBytes int64         `yaml:"max_bytes"` // of the bucket, when it is made here

	Dir      string        `yaml:"-"` // <data_dir>/directory: the last good table
	Replicas int           `yaml:"-"` // of the bucket in a cluster: nats.replicas
	Timeout  time.Duration `yaml:"-"` // of one question to the broker: nats.timeout
}

// Defaults fills in what is not set.
func (c *Config) Defaults() {
	if c.Bucket == "" {
		c.Bucket = "ringdown-directory"
	}
	if c.Wait == 0 {
		c.Wait = 30 * time.Second
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
}

const (
	maxBucket   = 64
	leastBytes  = 64 << 20
	longestWait = time.Hour
)

// Validate reports every fault of a Config with its defaults filled in.
func (c Config) Validate(report func(path, msg string)) {
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if c.Bucket == "" || len(c.Bucket) > maxBucket || strings.Trim(c.Bucket, letters) != "" {
		report("bucket", "is not the name of a bucket: 1 to 64 letters, digits, - and _")
	}
	if c.Key != "" && len(c.Key) < MinKey {
		report("key", fmt.Sprintf("is shorter than %d characters", MinKey))
	}
	if c.Wait < 0 || c.Wait > longestWait {
		report("wait", "is not PT0S to PT1H")
	}
	if c.MaxBytes < leastBytes {
		report("max_bytes", "is less than 64 MiB, which a large table fills")
	}
}
