package sound

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// wavFile is a file of n samples of a value.
func wavFile(t *testing.T, path string, n int, value int16) string {
	t.Helper()
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	b = binary.LittleEndian.AppendUint32(b, uint32(2*n))
	for range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(value))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Equal content is one sound under whatever name; what was asked for longest ago goes
// when there is too much, and a file that has changed is another.
func TestLibraryKeeps(t *testing.T) {
	dir := t.TempDir()
	l := Library{most: 5000}
	get := func(path string) *Sound {
		t.Helper()
		s, err := l.File(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, same := wavFile(t, filepath.Join(dir, "a.wav"), 1000, 7), wavFile(t, filepath.Join(dir, "same.wav"), 1000, 7)
	first := get(a)
	if get(same) != first || get(a) != first {
		t.Error("equal content is read as two")
	}
	wavFile(t, same, 500, 8)
	os.Chtimes(same, time.Now(), time.Now().Add(time.Hour))
	if s := get(same); s == first || s.Length() != 500*time.Second/8000 {
		t.Error("a changed file plays as it was")
	}
	for i := range 10 {
		get(wavFile(t, filepath.Join(dir, fmt.Sprintf("%d.wav", i)), 400, int16(i)))
		if get(a) != first {
			t.Fatalf("what is in use is read again after %d others", i)
		}
	}
	if l.kept > 5000 || len(l.files) > 6 || len(l.files) < 3 {
		t.Errorf("%d bytes in %d files are kept", l.kept, len(l.files))
	}
	prompt, err := l.Prompt("de/goodbye")
	if err != nil || prompt.Rate() != 16000 {
		t.Fatalf("a prompt that is shipped: %v", err)
	}
	if again, _ := l.Prompt("de/goodbye"); again != prompt {
		t.Error("a prompt is read twice")
	}
	if _, err := l.Prompt("de/nothing"); err == nil {
		t.Error("a prompt that is not there")
	}
}
