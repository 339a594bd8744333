package storetest

import (
	"errors"
	"testing"
)

func TestMemoryPassesTheSuite(t *testing.T) {
	Run(t, func(*testing.T) Store { return &Memory{} })
}

// The faults of the disk have to be as bad as they say, or the tests that use
// them show nothing.
func TestMemoryDies(t *testing.T) {
	m := &Memory{}
	m.DieAt(3) // create, write, then
	f := create(t, m, name)
	write(t, f, "1234")
	if n, err := f.Write([]byte("5678")); n != 2 || !errors.Is(err, ErrDead) {
		t.Errorf("the last write: %d, %v", n, err)
	}
	if _, err := f.Write([]byte("9")); !errors.Is(err, ErrDead) {
		t.Errorf("a write after it: %v", err)
	}
	if err := m.Finish(name); !errors.Is(err, ErrDead) {
		t.Errorf("finish after it: %v", err)
	}
	expect(t, m.Restart(false), name, "123456")
	if err := f.Sync(); err == nil {
		t.Error("the old process writes into the new one's disk")
	}
}

func TestMemoryLosesPower(t *testing.T) {
	m := &Memory{}
	f := create(t, m, name)
	write(t, f, "kept")
	must(t, f.Sync())
	write(t, f, "lost")
	expect(t, m.Restart(true), name, "kept\x00\x00\x00\x00")
}

func TestMemoryRefuses(t *testing.T) {
	full := errors.New("full")
	m := &Memory{Fault: func(op, _ string) error {
		if op == "write" {
			return full
		}
		return nil
	}}
	f := create(t, m, name)
	if n, err := f.Write([]byte("1234")); n != 2 || !errors.Is(err, full) {
		t.Errorf("write: %d, %v", n, err)
	}
	must(t, f.Sync())
	if got := string(m.Bytes(name + ".part")); got != "12" {
		t.Errorf("file holds %q", got)
	}
}
