package format

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector is a segment's plaintext, without its zero padding, and what must
// become of it.
type vector struct {
	name, class string
	plain       []byte
}

func rec(t testing.TB, r Record) []byte {
	b, err := Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors builds them; testdata holds them for other implementations, and the
// test below fails when the two are no longer the same.
func vectors(t testing.TB) []vector {
	head := rec(t, Head{At: time.Second})
	audio := rec(t, Audio{Side: media.Caller, PT: 0, Seq: 7, TS: 160, SSRC: 9, At: time.Second, Payload: []byte{0xFF, 0x7F}})
	with := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{head}, parts...), nil) }
	cut := func(b []byte) []byte { // one byte less in the body, the length still true
		b = bytes.Clone(b[:len(b)-1])
		b[2]--
		return b
	}
	out := []vector{
		{"head-only", "ok 1", head},
		{"head-audio", "ok 2", with(audio)},
		{"unknown-type", "ok 2", with([]byte{200, 0, 1, 42})},
		{"empty-segment", "record", nil},
		{"no-head", "record", audio},
		{"two-heads", "record", with(head)},
		{"audio-side-0", "record", with(patch(audio, 3, 0))},
		{"audio-side-3", "record", with(patch(audio, 3, 3))},
		{"audio-shorter-than-its-header", "record", with([]byte{1, 0, 2, 1, 0})},
		{"length-beyond-segment", "record", with([]byte{1, 0xFF, 0xFF, 1, 0})},
		{"dirty-padding", "record", with([]byte{0, 0, 0, 0, 1})},
	}
	for _, r := range samples() {
		name := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", r), "format."))
		if name == "unknown" || name == "audio" {
			continue
		}
		b := rec(t, r)
		out = append(out, vector{"one-" + name, "ok 2", with(b)},
			vector{name + "-one-byte-short", "record", with(cut(b))},
			vector{name + "-one-byte-long", "record", with(longer(b))})
	}
	return out
}

func patch(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

func longer(b []byte) []byte {
	b = append(bytes.Clone(b), 0)
	b[2]++
	return b
}

func TestVectors(t *testing.T) {
	const dir = "testdata/vectors"
	want := vectors(t)
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, v := range want {
			text := "expect: " + v.class + "\n" + hex.EncodeToString(v.plain) + "\n"
			if err := os.WriteFile(filepath.Join(dir, v.name+".txt"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(dir + "/*.txt")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d vectors on disk, %d here (%v); -update writes them", len(files), len(want), err)
	}
	for _, v := range want {
		t.Run(v.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, v.name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			class, digits, _ := strings.Cut(strings.TrimPrefix(string(text), "expect: "), "\n")
			plain, err := hex.DecodeString(strings.TrimSpace(digits))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(plain, v.plain) {
				t.Fatal("a writer of today writes other bytes than the vector holds")
			}
			if got := classify(plain); got != class {
				t.Errorf("outcome %q, want %q", got, class)
			}
		})
	}
}

// classify pads a plaintext to a segment and says what reading it comes to.
func classify(plain []byte) string {
	segment := make([]byte, Plain)
	copy(segment, plain)
	c := Walk(segment)
	for n := 0; ; n++ {
		_, err := c.Next()
		switch {
		case err == io.EOF:
			return fmt.Sprintf("ok %d", n)
		case errors.Is(err, ErrRecord):
			return "record"
		case err != nil:
			return "other"
		}
	}
}

func FuzzWalk(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		c := Walk(plain)
		for range len(plain) + 2 {
			r, err := c.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				if !errors.Is(err, ErrRecord) {
					t.Fatalf("class of %v", err)
				}
				continue
			}
			b, err := Append(nil, r)
			if err != nil {
				continue // longer than a segment: only the fuzzer makes those
			}
			again, err := Parse(Type(b[0]), b[recordHeader:])
			if err != nil {
				t.Fatalf("%#v was read but cannot be written: %v", r, err)
			}
			if fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", r) {
				t.Fatalf("%#v came back as %#v", r, again)
			}
		}
		t.Fatal("the walk does not end")
	})
}
