package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnreadable(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || err.Error() != "configuration: "+dir+" is a directory" {
		t.Errorf("got %v", err)
	}
}

// one is the only fault of a text, or fails.
func one(t *testing.T, text string) Fault {
	t.Helper()
	_, faults := read("f.yaml", []byte(text))
	if len(faults) != 1 {
		t.Fatalf("%d faults: %.300v", len(faults), faults)
	}
	return faults[0]
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("# much\n", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || err.Error() != path+":1: is larger than 8 MiB" {
		t.Errorf("got %.200v", err)
	}
}

// What small text can unfold to or nest to is refused before it costs much.
func TestBombs(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("node: {id: edge-1}\nflows:\n  a0: &a0 [{dial: {targets: [{uri: \"sip:a@b\"}]}}]\n")
	laughs.WriteString("accounts: [")
	for range 20_000 {
		laughs.WriteString("*x,")
	}
	laughs.WriteString("]\ntrunks:\n  - {id: a, targets: &t [")
	for range 100 {
		laughs.WriteString("{uri: \"sip:b\", priority: 1, weight: 1},")
	}
	laughs.WriteString("]}\n")
	for i := range 1000 {
		fmt.Fprintf(&laughs, "  - {id: t%d, targets: *t}\n", i)
	}
	_, faults := read("f.yaml", []byte(laughs.String()))
	found := 0
	for _, f := range faults {
		if strings.HasSuffix(f.Msg, "aliases stand for more than 10000 values; write them out") {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d faults, %d of them about aliases", len(faults), found)
	}
	for _, deep := range []string{strings.Repeat("[", 1<<20), strings.Repeat("{a: ", 1<<18), strings.Repeat("- ", 1<<20), strings.Repeat("? ", 1<<20), strings.Repeat("!a ", 1<<18), strings.Repeat("&a ", 1<<18)} {
		if f := one(t, deep); f.Msg != "is nested deeper than 64 levels" && !strings.HasPrefix(f.Msg, "is not YAML: ") {
			t.Errorf("%.10q: %v", deep, f)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	if _, faults := read("f.yaml", []byte("\ufeffnode: {id: edge-1}\r\n")); faults != nil {
		t.Error(faults)
	}
}

func TestFaultsAreOrderedAndSaidOnce(t *testing.T) {
	got := Faults{{"f", 9, "b", "x"}, {"f", 2, "z", "x"}, {"f", 9, "a", "x"}, {"f", 9, "b", "x"}, {"f", 2, "", "y"}}.sorted().Error()
	if want := "f:2: y\nf:2: z: x\nf:9: a: x\nf:9: b: x"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// Whatever the bytes, reading ends with a Config or with faults on lines that
// are there, and a Config has a table.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, faults := read("f.yaml", data)
		if (c == nil) != (len(faults) > 0) {
			t.Fatalf("a Config: %v, faults: %v", c != nil, faults)
		}
		if c != nil && c.Table().Version() == "" {
			t.Fatal("no table")
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > lines || fault.Msg == "" || strings.ContainsAny(fault.String(), "\r\n\x00") {
				t.Errorf("%d lines, %q", lines, fault.String())
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	text.WriteString("node: {id: edge-1}\naccounts: [{id: demo}]\nflows: {sales: [{dial: {targets: [{uri: \"sip:a@b\"}]}}]}\nnumbers:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "  - {number: \"+472%07d\", account: demo, flow: sales}\n", i)
	}
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, faults := read("f.yaml", data); faults != nil {
			b.Fatal(faults)
		}
	}
}
