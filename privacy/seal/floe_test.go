package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	testKey = bytes.Repeat([]byte{7}, KeySize)
	testAAD = []byte("ctrec/v1 of this file")
)

// readHex reads one known-answer file.
func readHex(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "floe", name))
	if err != nil {
		t.Fatal(err)
	}
	out, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestKnownAnswers opens what four other implementations sealed, read from the
// beginning and at each position from the end.
func TestKnownAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/floe/*_ct.txt")
	if err != nil || len(files) != 17 {
		t.Fatalf("%d known answers, want 17 (%v)", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "_ct.txt")
		t.Run(name, func(t *testing.T) {
			bits := uint(rotation)
			if strings.HasSuffix(name, "_rotation") {
				bits = 2
			}
			sealed, plain := readHex(t, name+"_ct.txt"), readHex(t, name+"_pt.txt")
			opener, err := newOpener(make([]byte, KeySize), []byte("This is AAD"), sealed[:HeaderSize], bits)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(newReader(bytes.NewReader(sealed[HeaderSize:]), opener))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("in order: %v, %d bytes of %d", err, len(got), len(plain))
			}
			body, size := sealed[HeaderSize:], opener.SegmentSize()
			for p := (len(body) - 1) / size; p >= 0; p-- {
				segment := body[p*size : min(len(body), (p+1)*size)]
				open := opener.Open
				if (p+1)*size >= len(body) {
					open = opener.OpenFinal
				}
				got, err := open(nil, uint64(p), segment)
				from := p * opener.PlaintextSize()
				if err != nil || !bytes.Equal(got, plain[from:min(len(plain), from+opener.PlaintextSize())]) {
					t.Errorf("segment %d: %v", p, err)
				}
			}
		})
	}
}

// The rotation files tell the masks apart: with the specification's they open
// only as far as the first key lasts.
func TestRotationMatters(t *testing.T) {
	sealed := readHex(t, "cpp_rotation_ct.txt")
	opener, err := NewOpener(make([]byte, KeySize), []byte("This is AAD"), sealed[:HeaderSize])
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(newReader(bytes.NewReader(sealed[HeaderSize:]), opener))
	if !errors.Is(err, ErrSegment) || len(got) != 4*opener.PlaintextSize() {
		t.Errorf("opened %d bytes, %v", len(got), err)
	}
}

// sealAll makes a container the way the recorder does.
func sealAll(t testing.TB, plain []byte, segment int, bits uint) []byte {
	t.Helper()
	s, out, err := newSealer(testKey, testAAD, segment, bits)
	if err != nil {
		t.Fatal(err)
	}
	for len(plain) > s.PlaintextSize() {
		if out, err = s.Seal(out, plain[:s.PlaintextSize()]); err != nil {
			t.Fatal(err)
		}
		plain = plain[s.PlaintextSize():]
	}
	if out, err = s.Final(out, plain); err != nil {
		t.Fatal(err)
	}
	return out
}

// openAll reads a container to its end.
func openAll(sealed []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(sealed), testKey, testAAD)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		segment := rapid.IntRange(minSegment, 200).Draw(rt, "segment")
		bits := rapid.UintRange(0, 4).Draw(rt, "rotation")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(rt, "plain")
		sealed := sealAll(t, plain, segment, bits)
		opener, err := newOpener(testKey, testAAD, sealed[:HeaderSize], bits)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := io.ReadAll(newReader(bytes.NewReader(sealed[HeaderSize:]), opener))
		if err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("%d bytes come back as %d, %v", len(plain), len(got), err)
		}
	})
}

func TestWriterMatchesSealer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b bytes.Buffer
		w, err := NewWriter(&b, testKey, testAAD)
		if err != nil {
			rt.Fatal(err)
		}
		var plain []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3*Segment), 0, 5).Draw(rt, "writes") {
			p := bytes.Repeat([]byte{byte(n)}, n)
			plain = append(plain, p...)
			if m, err := w.Write(p); m != n || err != nil {
				rt.Fatalf("wrote %d of %d: %v", m, n, err)
			}
		}
		for range 2 { // idempotent
			if err := w.Close(); err != nil {
				rt.Fatal(err)
			}
		}
		if _, err := w.Write([]byte{1}); !errors.Is(err, ErrSealed) {
			rt.Fatalf("write after close: %v", err)
		}
		if want := sealAll(t, plain, Segment, rotation); b.Len() != len(want) {
			rt.Fatalf("%d bytes, the sealer makes %d", b.Len(), len(want))
		}
		if got, err := openAll(b.Bytes()); err != nil || !bytes.Equal(got, plain) {
			rt.Fatalf("comes back as %d of %d bytes, %v", len(got), len(plain), err)
		}
	})
}

// A crash left three whole segments and half of one; sealing goes on, even over
// a position that was sealed before.
func TestResume(t *testing.T) {
	s, sealed, err := NewSealer(testKey, testAAD, 100)
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for i := range 4 {
		plain := bytes.Repeat([]byte{byte(i)}, s.PlaintextSize())
		if sealed, err = s.Seal(sealed, plain); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			want = append(want, plain...)
		}
	}
	sealed = sealed[:HeaderSize+3*100]
	again, err := ResumeSealer(testKey, testAAD, sealed[:HeaderSize], 3)
	if err != nil {
		t.Fatal(err)
	}
	if again.Position() != 3 || again.SegmentSize() != 100 {
		t.Errorf("resumed at %d with segments of %d", again.Position(), again.SegmentSize())
	}
	if sealed, err = again.Final(sealed, []byte("the end")); err != nil {
		t.Fatal(err)
	}
	if got, err := openAll(sealed); err != nil || !bytes.Equal(got, append(want, "the end"...)) {
		t.Errorf("after resuming: %q, %v", got, err)
	}
	if _, err := ResumeSealer(testKey, []byte("other"), sealed[:HeaderSize], 3); !errors.Is(err, ErrHeader) {
		t.Errorf("resumed with other associated data: %v", err)
	}
}

func TestSealerRefuses(t *testing.T) {
	if _, _, err := NewSealer(testKey[1:], nil, Segment); err == nil {
		t.Error("a short key seals")
	}
	for _, n := range []int{-1, 0, Overhead, MaxSegment + 1} {
		if _, _, err := NewSealer(testKey, nil, n); err == nil {
			t.Errorf("segments of %d bytes", n)
		}
	}
	s, header, err := NewSealer(testKey, testAAD, Segment)
	if err != nil {
		t.Fatal(err)
	}
	room := []byte("before")
	full := make([]byte, s.PlaintextSize())
	for _, c := range []struct {
		what  string
		seal  func(dst, plain []byte) ([]byte, error)
		plain []byte
	}{
		{"a segment that is not full", s.Seal, full[1:]},
		{"a segment that is too full", s.Seal, append(full, 0)},
		{"a final segment that is too full", s.Final, append(full, 0)},
	} {
		if out, err := c.seal(room, c.plain); err == nil || string(out) != "before" {
			t.Errorf("%s: %v, %d bytes", c.what, err, len(out))
		}
	}
	if _, err := s.Final(nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, seal := range []func(dst, plain []byte) ([]byte, error){s.Seal, s.Final} {
		if out, err := seal(room, full); !errors.Is(err, ErrSealed) || string(out) != "before" {
			t.Errorf("after the final segment: %v", err)
		}
	}
	last, err := ResumeSealer(testKey, testAAD, header, MaxSegments-1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.Seal(nil, full); err == nil {
		t.Error("the last position takes a segment that is not final")
	}
	if _, err := last.Final(nil, full); err != nil {
		t.Errorf("the last position takes no final segment: %v", err)
	}
}

// Nonces and ivs are fresh: the same bytes never look the same twice.
func TestNothingRepeats(t *testing.T) {
	a, b := sealAll(t, make([]byte, 500), 100, rotation), sealAll(t, make([]byte, 500), 100, rotation)
	if bytes.Equal(a[:HeaderSize], b[:HeaderSize]) {
		t.Error("two containers have one header")
	}
	seen := map[string]bool{}
	for i := HeaderSize; i+100 <= len(a); i += 100 {
		nonce := string(a[i+4 : i+16])
		if seen[nonce] {
			t.Error("a nonce comes twice")
		}
		seen[nonce] = true
	}
}

func TestSealAllocatesNothing(t *testing.T) {
	s, _, err := NewSealer(testKey, testAAD, Segment)
	if err != nil {
		t.Fatal(err)
	}
	plain, out := make([]byte, s.PlaintextSize()), make([]byte, 0, Segment)
	if n := testing.AllocsPerRun(100, func() { out, _ = s.Seal(out[:0], plain) }); n != 0 {
		t.Errorf("%v allocations a segment", n)
	}
}
