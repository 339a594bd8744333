package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzReader: whatever is read, it ends in an error of a class or in what was
// sealed.
func FuzzReader(f *testing.F) {
	plain := bytes.Repeat([]byte("abc"), 60)
	sealed := sealAll(f, plain, 64, rotation)
	f.Add(sealed)
	f.Add(sealed[:HeaderSize])
	f.Add(sealed[:HeaderSize+64])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := openAll(in)
		if err == nil && !bytes.Equal(got, plain) {
			t.Fatal("opened what was never sealed")
		}
		if err != nil && !errors.Is(err, ErrHeader) && !errors.Is(err, ErrSegment) && !errors.Is(err, ErrTruncated) {
			t.Fatalf("error without a class: %v", err)
		}
	})
}

// FuzzSegment: bytes at any position open only where they were sealed.
func FuzzSegment(f *testing.F) {
	plain := bytes.Repeat([]byte("abc"), 60)
	sealed := sealAll(f, plain, 64, 1)
	opener, err := newOpener(testKey, testAAD, sealed[:HeaderSize], 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint64(0), sealed[HeaderSize:HeaderSize+64], false)
	f.Add(uint64(5), sealed[HeaderSize+5*64:], true)
	f.Fuzz(func(t *testing.T, position uint64, segment []byte, final bool) {
		open := opener.Open
		if final {
			open = opener.OpenFinal
		}
		got, err := open(nil, position, segment)
		if err != nil {
			return
		}
		from := position * uint64(opener.PlaintextSize())
		if from > uint64(len(plain)) || !bytes.HasPrefix(plain[from:], got) {
			t.Fatal("opened what was never sealed")
		}
	})
}

// FuzzLog: records come back as they were, in order, or not at all, and the
// reader ends.
func FuzzLog(f *testing.F) {
	records := someRecords(5)
	log, offsets := sealLog(f, records, true)
	f.Add(log)
	f.Add(log[:offsets[3]+5])
	f.Add(append(bytes.Clone(log[:offsets[2]]), log[offsets[3]:]...))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := readLog(t, in)
		if got.end != io.EOF && !errors.Is(got.end, ErrHeader) && !errors.Is(got.end, ErrTorn) {
			t.Fatalf("error without a class: %v", got.end)
		}
		next := 0
		for _, r := range got.records {
			for next < len(records) && !bytes.Equal(records[next], r) {
				next++
			}
			if next == len(records) {
				t.Fatal("a record that was never sealed, or out of order")
			}
			next++
		}
	})
}

// FuzzOpenBox: nothing opens but what was sealed.
func FuzzOpenBox(f *testing.F) {
	box, err := Box(testKey, testAAD, []byte("inside"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(box)
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, err := OpenBox(testKey, testAAD, in); err == nil && string(got) != "inside" {
			t.Fatal("opened what was never sealed")
		}
	})
}
