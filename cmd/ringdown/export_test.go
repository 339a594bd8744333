package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A file is there whole or not at all, nothing is left beside it, and only its
// owner can read what was sealed before.
func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.wav")
	halfway := errors.New("broke off")
	half := func(w io.Writer) error {
		io.WriteString(w, strings.Repeat("x", 1<<20))
		return halfway
	}
	whole := func(text string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}
	}
	if err := writeNew(name, false, half); !errors.Is(err, halfway) || len(names(t, dir)) != 0 {
		t.Fatalf("%v, left %v", err, names(t, dir))
	}
	if err := writeNew(name, false, whole("one")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(name, false, whole("two")); err == nil {
		t.Error("replaced without being told to")
	}
	if err := writeNew(name, true, half); !errors.Is(err, halfway) {
		t.Error(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "one" {
		t.Errorf("%q %v after a replacement that failed", b, err)
	}
	if err := writeNew(name, true, whole("two")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "two" {
		t.Errorf("%q %v", b, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left beside it: %v", got)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var errs bytes.Buffer
		p := &progress{s: stdio{err: &errs, terminal: terminal}, verb: "decoded"}
		for range 3 {
			p.Write(make([]byte, 700))
		}
		p.end()
		if p.n != 2100 || (errs.Len() > 0) != terminal {
			t.Errorf("terminal %v: %d bytes, %q", terminal, p.n, &errs)
		}
		if terminal && !strings.HasSuffix(errs.String(), "\r\x1b[K") {
			t.Errorf("the line is left behind: %q", &errs)
		}
	}
}

func TestWordsForAmounts(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0.0 s", 40: "40 ms", 400: "0.4 s", 61_000: "61.0 s", 119_900: "119.9 s", 120_000: "2 min 00 s",
		304_000: "5 min 04 s", 3_599_000: "59 min 59 s", 3_600_000: "1 h 00 min", 7_500_000: "2 h 05 min",
	} {
		if got := span(ms); got != want {
			t.Errorf("span %d: %q, want %q", ms, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_003_520: "1.0 MB", 2_500_000_000: "2.5 GB"} {
		if got := size(n); got != want {
			t.Errorf("size %d: %q, want %q", n, got, want)
		}
	}
	for part, want := range map[float64]string{0: "0 %", 1: "100 %", 0.5: "50 %", 0.9996: "99.9 %", 0.99999999: "99.9 %", 0.123: "12.3 %"} {
		if got := share(part); got != want {
			t.Errorf("share %v: %q, want %q", part, got, want)
		}
	}
}
