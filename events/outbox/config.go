package outbox

import "time"

// Config says where the log lies and how much of the disk it may take.
type Config struct {
	Dir  string `yaml:"-"` // <data_dir>/outbox, ours alone
	Node string `yaml:"-"` // id of the node, in the source of every event

	Segment int64         `yaml:"segment"` // bytes after which a new file is begun
	Cap     int64         `yaml:"cap"`     // bytes of the whole log
	Reserve int64         `yaml:"reserve"` // bytes of it kept for events that close something
	Keep    time.Duration `yaml:"keep"`    // how long records stay after their ack
	Queue   int64         `yaml:"queue"`   // bytes that may wait in memory for the disk
	Window  int           `yaml:"window"`  // events handed out and not yet acked
}

// Defaults fills in what is not set.
func (c *Config) Defaults() {
	set(&c.Segment, 64<<20)
	set(&c.Cap, 8<<30)
	set(&c.Reserve, 16<<20) // the closing events of 5,000 calls
	set(&c.Keep, 72*time.Hour)
	set(&c.Queue, 32<<20)
	set(&c.Window, 4096)
}

func set[T int | int64 | time.Duration](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}

// Validate reports every fault of a Config with its defaults filled in.
func (c Config) Validate(report func(path, msg string)) {
	if c.Segment < 4<<10 {
		report("segment", "must be at least 4 KiB")
	}
	if c.Reserve < 16<<10 {
		report("reserve", "must be at least 16 KiB")
	}
	if c.Cap < c.Reserve+2*c.Segment {
		report("cap", "must hold the reserve and two segments")
	}
	if c.Keep < 0 {
		report("keep", "must not be negative")
	}
	if c.Queue < 1<<20 {
		report("queue", "must be at least 1 MiB")
	}
	if c.Window < 1 {
		report("window", "must be at least 1")
	}
}
