package seal

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestBox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		box, err := Box(testKey, aad, plain)
		if err != nil || len(box) != len(plain)+BoxOverhead {
			t.Fatalf("%d bytes, %v", len(box), err)
		}
		if got, err := OpenBox(testKey, aad, box); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("comes back as %x, %v", got, err)
		}
		if _, err := OpenBox(testKey, append(aad, 0), box); !errors.Is(err, ErrBox) {
			t.Fatalf("other associated data: %v", err)
		}
	})
}

func TestTamperBox(t *testing.T) {
	aad := []byte("slot 1")
	box, err := Box(testKey, aad, testKey)
	if err != nil {
		t.Fatal(err)
	}
	forgeries := flips(box, func(int) bool { return true }, "flip", ErrBox)
	for n := range box {
		forgeries = append(forgeries, forgery{"cut", box[:n], ErrBox})
	}
	forgeries = append(forgeries, forgery{"longer", append(bytes.Clone(box), 0), ErrBox})
	for _, f := range forgeries {
		if _, err := OpenBox(testKey, aad, f.bytes); !errors.Is(err, ErrBox) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
	if _, err := Box(nil, nil, nil); err == nil {
		t.Error("a box without a key")
	}
	if _, err := OpenBox(testKey[1:], aad, box); err == nil {
		t.Error("a short key opens")
	}
}
