// Package storetest is what every store of recordings has to pass, and a store
// in memory whose disk fails on command. It is for tests only.
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"testing"
)

// Store is recorder.Store, spelled out: this package serves its tests.
type Store interface {
	Create(name string) (File, error)
	Resume(name string, size int64) (File, error)
	Finish(name string) error
	Open(name string) (Reader, error)
	Remove(name string) error
	PutManifest(name string, b []byte) error
	Manifest(name string) ([]byte, error)
	Walk(folder string, visit func(name, ending string) error) error
	Folders(folder string) ([]string, error)
}

// File and Reader are those of package store.
type (
	File = interface {
		io.Writer
		io.Closer
		Sync() error
	}
	Reader = interface {
		io.ReaderAt
		io.Closer
		Size() int64
	}
)

const name = "demo/2026/01/31/rec_1"

// Run puts a store through the suite. open returns a fresh, empty one.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"life of a recording", life},
		{"nothing is overwritten", exclusive},
		{"resume cuts a torn tail", resume},
		{"manifest is replaced whole", manifest},
		{"walk", walk},
		{"remove", remove},
		{"names stay inside", inside},
		{"what is missing is told as missing", missing},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func life(t *testing.T, s Store) {
	f := create(t, s, name)
	so := ""
	for _, part := range []string{"header ", "segment"} {
		write(t, f, part)
		must(t, f.Sync())
		so += part
		expect(t, s, name, so)
	}
	expectFiles(t, s, name+" .part")
	must(t, f.Close())
	must(t, s.Finish(name))
	expectFiles(t, s, name+" .ctr")
	expect(t, s, name, "header segment")
}

func exclusive(t *testing.T, s Store) {
	f := create(t, s, name)
	write(t, f, "first")
	if _, err := s.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second file of that name while the first is open: %v", err)
	}
	must(t, f.Close())
	must(t, s.Finish(name))
	if _, err := s.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second file of that name when the first is whole: %v", err)
	}
	expect(t, s, name, "first")
}

func resume(t *testing.T, s Store) {
	f := create(t, s, name)
	write(t, f, "whole segment, torn tail")
	must(t, f.Close())
	f, err := s.Resume(name, int64(len("whole segment")))
	must(t, err)
	write(t, f, ", final")
	must(t, f.Sync())
	must(t, f.Close())
	expect(t, s, name, "whole segment, final")
	must(t, s.Finish(name))
	if _, err := s.Resume(name, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a whole file was resumed: %v", err)
	}
	expect(t, s, name, "whole segment, final")
}

func manifest(t *testing.T, s Store) {
	must(t, create(t, s, name).Close())
	for _, text := range []string{`{"a":1}`, `{}`} {
		must(t, s.PutManifest(name, []byte(text)))
		if got, err := s.Manifest(name); string(got) != text || err != nil {
			t.Errorf("manifest %q, %v; want %q", got, err, text)
		}
	}
	expectFiles(t, s, name+" .json", name+" .part")
}

func walk(t *testing.T, s Store) {
	a, b, c := "a/2026/01/01/rec_2", "a/2026/01/02/rec_1", "b/2026/01/01/rec_3"
	for _, n := range []string{c, b, a} {
		must(t, create(t, s, n).Close())
	}
	must(t, s.Finish(b))
	must(t, s.PutManifest(b, []byte("{}")))
	expectFiles(t, s, a+" .part", b+" .ctr", b+" .json", c+" .part")
	for folder, want := range map[string]int{"a": 3, "a/2026/01/02": 2, "b": 1, "nobody": 0} {
		n := 0
		must(t, s.Walk(folder, func(string, string) error { n++; return nil }))
		if n != want {
			t.Errorf("folder %s: %d files, want %d", folder, n, want)
		}
	}
	for folder, want := range map[string][]string{"": {"a", "b"}, "a/2026/01": {"01", "02"}, "a/2026/01/01": nil, "nobody": nil} {
		if got, err := s.Folders(folder); err != nil || !slices.Equal(got, want) {
			t.Errorf("folders of %q: %q, %v; want %q", folder, got, err, want)
		}
	}
	stop := errors.New("enough")
	if err := s.Walk("", func(string, string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error came out as %v", err)
	}
	n := 0
	must(t, s.Walk("", func(string, string) error { n++; return fs.SkipAll }))
	if n != 1 {
		t.Errorf("%d files visited after fs.SkipAll", n)
	}
}

func remove(t *testing.T, s Store) {
	must(t, create(t, s, name).Close())
	must(t, s.Remove(name))
	expectFiles(t, s)
	must(t, create(t, s, name).Close())
	must(t, s.Finish(name))
	if err := s.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a whole recording was removed: %v", err)
	}
}

func inside(t *testing.T, s Store) {
	for _, bad := range []string{"", ".", "..", "../x", "a/../../x", "/etc/x", "a//b", "a/./b"} {
		if _, err := s.Create(bad); err == nil {
			t.Errorf("create %q: accepted", bad)
		}
		if _, err := s.Open(bad); err == nil {
			t.Errorf("open %q: accepted", bad)
		}
		if s.PutManifest(bad, nil) == nil || s.Finish(bad) == nil || s.Remove(bad) == nil {
			t.Errorf("%q: accepted", bad)
		}
		if _, err := s.Resume(bad, 0); err == nil {
			t.Errorf("resume %q: accepted", bad)
		}
		if _, err := s.Manifest(bad); err == nil {
			t.Errorf("manifest %q: accepted", bad)
		}
	}
	if s.Walk("../..", func(string, string) error { return nil }) == nil {
		t.Error("walk outside: accepted")
	}
}

func missing(t *testing.T, s Store) {
	for what, err := range map[string]error{
		"open":     second(s.Open(name)),
		"resume":   second(s.Resume(name, 0)),
		"manifest": second(s.Manifest(name)),
		"finish":   s.Finish(name),
		"remove":   s.Remove(name),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, s Store, name string) File {
	t.Helper()
	f, err := s.Create(name)
	must(t, err)
	return f
}

func write(t *testing.T, f File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("write: %d of %d bytes, %v", n, len(text), err)
	}
}

func expect(t *testing.T, s Store, name, want string) {
	t.Helper()
	r, err := s.Open(name)
	must(t, err)
	defer r.Close()
	got := make([]byte, r.Size())
	if _, err := r.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func expectFiles(t *testing.T, s Store, want ...string) {
	t.Helper()
	got := []string{}
	must(t, s.Walk("", func(name, ending string) error {
		got = append(got, fmt.Sprintf("%s %s", name, ending))
		return nil
	}))
	if !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("files %q, want %q", got, want)
	}
}
