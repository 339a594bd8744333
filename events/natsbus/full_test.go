package natsbus

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStreamFull: a full stream loses nothing and is no secret: Ready and the
// log say so, until there is room again.
func TestStreamFull(t *testing.T) {
	dir := t.TempDir()
	box, _ := openBox(t, dir+"/outbox")
	cfg := embedded(dir + "/nats")
	cfg.MaxBytes = 1 << 20
	said := new(logged)
	b, err := Open(cfg, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stop := run(t, b, box)
	const calls, each = 50, 60
	for range calls {
		tell(box, "demo", newCall(), each, true)
	}
	for ctx := within(t); ; {
		if err := b.Ready(); err != nil && strings.Contains(err.Error(), "maximum bytes") {
			break
		}
		if !pause(ctx, 10*time.Millisecond) {
			t.Fatalf("full, and ready: %v, %+v", b.Ready(), b.Stats())
		}
	}
	if n := said.count("maximum bytes"); n == 0 || n > 20 {
		t.Errorf("%d lines in the log", n)
	}
	stop()
	b.Close()

	cfg.MaxBytes = 64 << 20
	b = openBus(t, cfg)
	run(t, b, box)
	flush(t, b, box)
	if err := b.Ready(); err != nil {
		t.Errorf("room again, and not ready: %v", err)
	}
	got := readBack(t, b, Filter{})
	if len(got) != calls {
		t.Errorf("%d calls", len(got))
	}
	for call, all := range got {
		if len(all) != each {
			t.Errorf("%s: %d events", call, len(all))
		}
	}
}

// logged is a log to look into.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}
