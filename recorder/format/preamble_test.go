package format

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func preamble() Preamble {
	return Preamble{ID: FileID("rec_01J0000000000000000000000"), Part: 1, KeyRef: "kr_abc", Region: "eu", Suite: Suite, Version: Version}
}

func TestPreambleComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := preamble()
		p.Part = rapid.Uint64().Draw(t, "part")
		p.KeyRef = rapid.StringN(0, 60, 200).Draw(t, "ref")
		p.Region = rapid.StringN(0, 30, 100).Draw(t, "region")
		b, err := p.Prefix()
		if err != nil {
			t.Fatal(err)
		}
		got, n, err := ParsePrefix(append(b, "sealed bytes follow"...))
		if err != nil || got != p || n != len(b) {
			t.Fatalf("got %+v, %d of %d bytes, %v", got, n, len(b), err)
		}
	})
}

func TestPreambleRefusesEveryChange(t *testing.T) {
	good, err := preamble().Prefix()
	if err != nil {
		t.Fatal(err)
	}
	want, _, _ := ParsePrefix(good)
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			got, _, err := ParsePrefix(b)
			if err == nil && got == want {
				t.Errorf("bit %d of byte %d: read as if nothing had happened", bit, i)
			}
			if err != nil && !errors.Is(err, ErrMagic) && !errors.Is(err, ErrPreamble) {
				t.Errorf("bit %d of byte %d: unexpected class %v", bit, i, err)
			}
		}
	}
	for n := range good {
		if _, _, err := ParsePrefix(good[:n]); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
}

func TestPreambleTooLong(t *testing.T) {
	p := preamble()
	p.KeyRef = strings.Repeat("x", maxPreamble)
	if _, err := p.Prefix(); !errors.Is(err, ErrPreamble) {
		t.Errorf("error is %v", err)
	}
}

// The preamble stands in the clear: nothing of the recording's id may be read
// from it, since an id tells a time.
func TestPreambleHidesTheID(t *testing.T) {
	id := "rec_01J0000000000000000000000"
	b, _ := preamble().Prefix()
	if bytes.Contains(b, []byte(id[4:10])) {
		t.Error("the recording's id is readable")
	}
	if FileID(id) == FileID(id+"0") {
		t.Error("two recordings share an id")
	}
}

func TestSegmentsAndOffset(t *testing.T) {
	const prefix = 100
	for _, c := range []struct{ size, whole, torn int64 }{
		{0, 0, 0},
		{50, 0, 50},
		{prefix + sealHeader - 1, 0, prefix + sealHeader - 1},
		{prefix + sealHeader, 0, 0},
		{prefix + sealHeader + Segment - 1, 0, Segment - 1},
		{prefix + sealHeader + Segment, 1, 0},
		{prefix + sealHeader + 3*Segment + 7, 3, 7},
	} {
		if whole, torn := Segments(c.size, prefix); whole != c.whole || torn != c.torn {
			t.Errorf("size %d: %d whole, %d torn; want %d, %d", c.size, whole, torn, c.whole, c.torn)
		}
	}
	if got := Offset(prefix, 2); got != prefix+sealHeader+2*Segment {
		t.Errorf("offset of segment 2 is %d", got)
	}
}

func FuzzPrefix(f *testing.F) {
	good, _ := preamble().Prefix()
	f.Add(good)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, n, err := ParsePrefix(b)
		if err != nil {
			return
		}
		again, err := p.Prefix()
		if err != nil || !bytes.Equal(again, b[:n]) {
			t.Errorf("accepted %x, which is written %x (%v)", b[:n], again, err)
		}
	})
}
