package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// forgery is one thing somebody with the disk but without the key could do.
type forgery struct {
	name  string
	bytes []byte
	class error // that the error must wrap; nil: any of the classes
}

// flips returns in with each bit of each given byte turned, one at a time.
func flips(in []byte, at func(i int) bool, name string, class error) []forgery {
	var out []forgery
	for i := range in {
		if !at(i) {
			continue
		}
		for bit := range 8 {
			bad := bytes.Clone(in)
			bad[i] ^= 1 << bit
			out = append(out, forgery{fmt.Sprintf("%s: byte %d bit %d", name, i, bit), bad, class})
		}
	}
	return out
}

// containerForgeries is the matrix for a container a, with b another one under
// the same key.
func containerForgeries(a, b []byte, segment int) []forgery {
	part := func(c []byte, i int) []byte {
		return c[HeaderSize+i*segment : min(len(c), HeaderSize+(i+1)*segment)]
	}
	count := (len(a) - HeaderSize + segment - 1) / segment
	build := func(header []byte, parts ...[]byte) []byte {
		return slices.Concat(append([][]byte{header}, parts...)...)
	}
	all := func() (parts [][]byte) {
		for i := range count {
			parts = append(parts, part(a, i))
		}
		return parts
	}
	header := a[:HeaderSize]
	out := flips(a, func(i int) bool { return i < HeaderSize }, "header", ErrHeader)
	out = append(out, flips(a, func(i int) bool {
		in := (i - HeaderSize) % segment // every byte of the ends of a segment, and some between
		return i >= HeaderSize && (in < 20 || in >= segment-20 || i%7 == 0)
	}, "body", nil)...)
	for n := range len(a) {
		class := ErrTruncated
		if n < HeaderSize {
			class = ErrHeader
		}
		out = append(out, forgery{fmt.Sprintf("cut to %d", n), a[:n], class})
	}
	for i := range count {
		swapped, doubled, deleted, spliced := all(), all(), all(), all()
		swapped[i], swapped[(i+1)%count] = swapped[(i+1)%count], swapped[i]
		out = append(out,
			forgery{fmt.Sprintf("swap %d", i), build(header, swapped...), nil},
			forgery{fmt.Sprintf("double %d", i), build(header, slices.Insert(doubled, i, part(a, i))...), nil},
			forgery{fmt.Sprintf("delete %d", i), build(header, slices.Delete(deleted, i, i+1)...), nil})
		spliced[i] = part(b, i)
		out = append(out, forgery{fmt.Sprintf("splice %d", i), build(header, spliced...), ErrSegment})
	}
	return append(out,
		forgery{"header of another", build(b[:HeaderSize], all()...), ErrSegment},
		forgery{"body of another", build(header, b[HeaderSize:]), ErrSegment},
		forgery{"appended byte", build(a, []byte{0}), ErrSegment},
		forgery{"appended zeros", build(a, make([]byte, segment)), ErrSegment},
		forgery{"appended segment", build(a, part(a, 0)), ErrSegment},
		forgery{"appended final", build(a, part(a, count-1)), ErrSegment},
		forgery{"appended container", build(a, b), ErrSegment})
}

func TestTamperContainer(t *testing.T) {
	const segment = 100
	plain := bytes.Repeat([]byte("speech and silence. "), 20)
	tried := 0
	for _, size := range []int{0, 1, segment - Overhead, 3 * (segment - Overhead), 3*(segment-Overhead) + 5} {
		a, b := sealAll(t, plain[:size], segment, rotation), sealAll(t, plain[:size], segment, rotation)
		for _, f := range containerForgeries(a, b, segment) {
			if bytes.Equal(f.bytes, a) {
				continue // swapping the only segment with itself
			}
			tried++
			got, err := openAll(f.bytes)
			class := err != nil && (f.class == nil || errors.Is(err, f.class))
			if !class || !errors.Is(err, ErrHeader) && !errors.Is(err, ErrSegment) && !errors.Is(err, ErrTruncated) {
				t.Errorf("%d bytes: %s: %v, want %v", size, f.name, err, f.class)
			}
			if !bytes.HasPrefix(plain[:size], got) {
				t.Errorf("%d bytes: %s: wrong bytes came out", size, f.name)
			}
		}
	}
	if tried < 7_000 {
		t.Errorf("only %d forgeries tried", tried)
	}
}

// What a segment says about its place is bound: it opens nowhere else, and not
// as the other kind.
func TestSegmentOnlyInItsPlace(t *testing.T) {
	const segment = 100
	a := sealAll(t, make([]byte, 4*(segment-Overhead)), segment, 1)
	opener, err := newOpener(testKey, testAAD, a[:HeaderSize], 1)
	if err != nil {
		t.Fatal(err)
	}
	body := a[HeaderSize:]
	for i := range 4 {
		seg := body[i*segment : (i+1)*segment]
		open := opener.Open
		if i == 3 {
			open = opener.OpenFinal
		}
		for p := range uint64(8) {
			if _, err := open(nil, p, seg); (err == nil) != (p == uint64(i)) {
				t.Errorf("segment %d at %d: %v", i, p, err)
			}
		}
		asOther := opener.OpenFinal
		if i == 3 {
			asOther = opener.Open
		}
		if out, err := asOther([]byte("kept"), uint64(i), seg); !errors.Is(err, ErrSegment) || string(out) != "kept" {
			t.Errorf("segment %d as the other kind: %v, %q", i, err, out)
		}
		// The length word changed to match: the tag still knows.
		forged := bytes.Clone(seg)
		copy(forged, []byte{0xFF, 0xFF, 0xFF, 0xFF})
		if i < 3 {
			copy(forged, []byte{0, 0, 0, segment})
		}
		if _, err := asOther(nil, uint64(i), forged); !errors.Is(err, ErrSegment) {
			t.Errorf("segment %d dressed as the other kind: %v", i, err)
		}
	}
	for _, p := range []uint64{MaxSegments - 1, MaxSegments, 1<<64 - 1} {
		if _, err := opener.Open(nil, p, body[:segment]); !errors.Is(err, ErrSegment) {
			t.Errorf("position %d: %v", p, err)
		}
	}
}

func TestOtherKeyOrAAD(t *testing.T) {
	a := sealAll(t, []byte("x"), 100, rotation)
	other := bytes.Clone(testKey)
	other[31] ^= 1
	for _, c := range []struct{ key, aad []byte }{{other, testAAD}, {testKey, nil}, {testKey, append(bytes.Clone(testAAD), 0)}} {
		if _, err := NewOpener(c.key, c.aad, a[:HeaderSize]); !errors.Is(err, ErrHeader) {
			t.Errorf("opened: %v", err)
		}
	}
	if _, err := NewOpener(testKey[:31], testAAD, a[:HeaderSize]); err == nil {
		t.Error("a key of 31 bytes")
	}
}

// Parameters that are not ours are refused even where the tag is right: another
// implementation may know more algorithms under the same key.
func TestForeignParameters(t *testing.T) {
	for i, value := range map[int]byte{0: 1, 1: 1, 2: 1, 5: 1, 9: 12} {
		prefix := make([]byte, paramSize+ivSize)
		copy(prefix, sealAll(t, nil, 100, rotation))
		prefix[i] = value
		_, tag, err := newFloe(testKey, testAAD, prefix, rotation)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewOpener(testKey, testAAD, append(prefix, tag...)); !errors.Is(err, ErrHeader) {
			t.Errorf("parameter byte %d is %d: %v", i, value, err)
		}
	}
}
