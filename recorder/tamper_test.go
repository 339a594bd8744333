package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
	"ringdown/recorder/store/storetest"
)

// finished is a disk with one whole recording of some segments.
func finished(t *testing.T) (w *world, id, name string) {
	t.Helper()
	in(t, func(bubble *testing.T) {
		w = newWorld(bubble, &storetest.Memory{})
		r := w.open()
		talk(r, 0, 1500*time.Millisecond)
		r.Close(time.Now())
		id, name = r.ID(), w.file(".ctr")
	})
	w.t = t
	return w, id, name
}

// class is the failure class of an error, by name.
func class(err error) string {
	for _, c := range []struct {
		err  error
		name string
	}{
		{format.ErrMagic, "magic"}, {format.ErrPreamble, "preamble"}, {seal.ErrHeader, "header"},
		{seal.ErrSegment, "segment"}, {ErrMismatch, "mismatch"}, {ErrIncomplete, "incomplete"},
		{ErrManifest, "manifest"}, {ErrEmpty, "empty"}, {errNoKey, "key"}, {format.ErrRecord, "record"},
	} {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	if err == nil {
		return "none"
	}
	return err.Error()
}

// Every bit of the front of the file, and of each part of some segments, is
// turned. With and without the key the change is found, and it is told which
// kind it is.
func TestEveryFlippedBitIsFound(t *testing.T) {
	w, id, name := finished(t)
	good := bytes.Clone(w.disk.Bytes(name + ".ctr"))
	front, n, err := format.ParsePrefix(good)
	if err != nil || front.Part != 1 {
		t.Fatal(err)
	}
	segments := n + seal.HeaderSize
	flipped := 0
	check := func(at, bit int, shallow, deep string) {
		t.Helper()
		b := bytes.Clone(good)
		b[at] ^= 1 << bit
		w.disk.Put(name+".ctr", b)
		flipped++
		for _, c := range []struct {
			deep bool
			want string
		}{{false, shallow}, {true, deep}} {
			_, err := w.rec.Verify(context.Background(), id, c.deep)
			if got := class(err); !strings.Contains(" "+c.want+" ", " "+got+" ") {
				t.Errorf("byte %d bit %d, deep %v: %s, want %s", at, bit, c.deep, got, c.want)
			}
		}
	}
	for at := range segments {
		for bit := range 8 {
			switch {
			case at < 8:
				check(at, bit, "magic", "magic")
			case at < n:
				check(at, bit, "preamble mismatch", "preamble mismatch header") // the region stands nowhere else
			default:
				check(at, bit, "mismatch", "header")
			}
		}
	}
	last := (len(good)-segments)/format.Segment - 1
	for _, segment := range []int{0, 1, last} {
		for _, at := range []int{0, 3, 4, 15, 16, 17, 2000, 4079, 4080, 4095} {
			shallow := "mismatch"
			if segment == last && at < 4 {
				shallow = "mismatch incomplete"
			}
			check(segments+segment*format.Segment+at, 3, shallow, "segment")
		}
	}
	t.Logf("%d bits turned", flipped)
}

// Whole pieces are cut, moved, doubled and taken from elsewhere.
func TestTamperMatrix(t *testing.T) {
	w, id, name := finished(t)
	good := bytes.Clone(w.disk.Bytes(name + ".ctr"))
	other, _, otherName := finished(t)
	foreign := other.disk.Bytes(otherName + ".ctr")
	_, n, _ := format.ParsePrefix(good)
	begin := n + seal.HeaderSize
	whole := (len(good) - begin) / format.Segment
	if whole < 5 {
		t.Fatalf("only %d segments", whole)
	}
	at := func(i int) int { return begin + i*format.Segment }
	segment := func(b []byte, i int) []byte { return b[at(i):at(i+1)] }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	swap := func(i, j int) []byte {
		b := bytes.Clone(good)
		copy(b[at(i):], segment(good, j))
		copy(b[at(j):], segment(good, i))
		return b
	}
	final := bytes.Clone(segment(good, whole-2)) // a middle segment that claims to be the last
	binary.BigEndian.PutUint32(final, format.Segment)

	for _, c := range []struct {
		name          string
		file          []byte
		shallow, deep string
	}{
		{"swap", swap(1, 2), "mismatch", "segment"},
		{"swap with the last", swap(1, whole-1), "incomplete", "segment"},
		{"double", join(good[:at(2)], segment(good, 1), good[at(2):]), "mismatch", "segment"},
		{"remove one", join(good[:at(1)], good[at(2):]), "mismatch", "segment"},
		{"remove the first", join(good[:at(0)], good[at(1):]), "mismatch", "segment"},
		{"splice from another recording", join(good[:at(1)], segment(foreign, 1), good[at(2):]), "mismatch", "segment"},
		{"header of another recording", join(good[:n], foreign[n:begin], good[begin:]), "mismatch", "header"},
		{"segments of another recording", join(good[:begin], foreign[begin:]), "mismatch", "segment"},
		{"another recording", foreign, "mismatch", "mismatch"},
		{"append a segment", join(good, segment(good, 1)), "incomplete", "segment"},
		{"append the last again", join(good, segment(good, whole-1)), "mismatch", "segment"},
		{"append a byte", join(good, []byte{0}), "mismatch", "mismatch"},
		{"cut the last", good[:at(whole-1)], "incomplete", "incomplete"},
		{"cut at a segment", good[:at(2)], "incomplete", "incomplete"},
		{"cut, claiming an end", join(good[:at(whole-2)], final), "mismatch", "segment"},
		{"cut a byte", good[:len(good)-1], "incomplete", "incomplete"},
		{"cut within the header", good[:begin-1], "empty", "empty"},
		{"cut within the preamble", good[:20], "preamble", "preamble"},
		{"cut to nothing", nil, "empty", "empty"},
		{"zeros", make([]byte, len(good)), "magic", "magic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.disk.Put(name+".ctr", bytes.Clone(c.file))
			if _, err := w.rec.Verify(context.Background(), id, false); class(err) != c.shallow {
				t.Errorf("without the key: %v, want class %s", err, c.shallow)
			}
			if _, err := w.rec.Verify(context.Background(), id, true); class(err) != c.deep {
				t.Errorf("with the key: %v, want class %s", err, c.deep)
			}
		})
	}
	w.disk.Put(name+".ctr", good)
	if _, err := w.rec.Verify(context.Background(), id, true); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// Every truncation near a boundary, for every boundary.
func TestEveryTruncationIsFound(t *testing.T) {
	w, id, name := finished(t)
	good := bytes.Clone(w.disk.Bytes(name + ".ctr"))
	_, n, _ := format.ParsePrefix(good)
	cuts := []int{}
	for b := n + seal.HeaderSize; b < len(good); b += format.Segment {
		cuts = append(cuts, b-1, b, b+1)
	}
	for _, cut := range cuts {
		w.disk.Put(name+".ctr", bytes.Clone(good[:cut]))
		for _, deep := range []bool{false, true} {
			if _, err := w.rec.Verify(context.Background(), id, deep); class(err) != "incomplete" && class(err) != "empty" {
				t.Errorf("cut to %d of %d: %v", cut, len(good), err)
			}
		}
	}
}

// A manifest that was changed, exchanged or signed by somebody else.
func TestTamperedManifest(t *testing.T) {
	w, id, name := finished(t)
	other, _, otherName := finished(t)
	good := string(w.disk.Bytes(name + ".json"))
	for _, c := range []struct{ name, text, want string }{
		{"longer call", strings.Replace(good, `"duration_ms":1500`, `"duration_ms":1501`, 1), "manifest"},
		{"other call", strings.Replace(good, "call_1", "call_2", 1), "manifest"},
		{"space", strings.Replace(good, `{"version"`, `{ "version"`, 1), "manifest"},
		{"no signature", strings.Replace(good, `"signature"`, `"sig"`, 1), "manifest"},
		{"other key", strings.Replace(good, "node_1", "node_2", 1), "key"},
		{"not JSON", "{", "manifest"},
		{"of another node", string(other.disk.Bytes(otherName + ".json")), "manifest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.text == good {
				t.Fatal("nothing was changed")
			}
			w.disk.Put(name+".json", []byte(c.text))
			if _, err := w.rec.Verify(context.Background(), id, false); class(err) != c.want {
				t.Errorf("%v, want class %s", err, c.want)
			}
		})
	}
}

// After the key is gone the proof remains, and the sound does not.
func TestVerifyOutlivesTheKey(t *testing.T) {
	w, id, _ := finished(t)
	clear(w.keys.deks)
	if _, err := w.rec.Verify(context.Background(), id, false); err != nil {
		t.Errorf("without the key: %v", err)
	}
	if _, err := w.rec.Verify(context.Background(), id, true); !errors.Is(err, errNoKey) {
		t.Errorf("deep: %v", err)
	}
	var out bytes.Buffer
	if err := w.rec.Export(context.Background(), id, &out, "wav"); !errors.Is(err, errNoKey) || out.Len() > 0 {
		t.Errorf("export: %v, %d bytes", err, out.Len())
	}
}

// A manifest that is signed and does not fit the contents is found when the
// contents are counted.
func TestContentsAgainstManifest(t *testing.T) {
	w, id, name := finished(t)
	e, err := w.rec.Show(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Manifest){
		"duration":   func(m *Manifest) { m.DurationMS++ },
		"call":       func(m *Manifest) { m.Call = "call_2" },
		"account":    func(m *Manifest) { m.Account = "other" },
		"completion": func(m *Manifest) { m.Completion = Recovered },
	} {
		m := e.Parts[0]
		change(&m)
		if err := w.rec.sign(name, m); err != nil {
			t.Fatal(err)
		}
		if _, err := w.rec.Verify(context.Background(), id, true); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	prefix, err := format.Preamble{Part: 1, KeyRef: "kr", Suite: format.Suite, Version: format.Version}.Prefix()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(prefix)
	f.Add(append(prefix, make([]byte, seal.HeaderSize+format.Segment+1)...))
	f.Add(make([]byte, 5000))
	w := newWorld(f, &storetest.Memory{})
	w.keys.deks["kr"] = make([]byte, 32)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if file.whole < 1 || file.torn >= format.Segment {
			t.Fatalf("%d segments, %d bytes torn", file.whole, file.torn)
		}
		if err := file.unlock(w.keys); err == nil {
			t.Fatal("a header that nobody sealed opens")
		}
		if _, err := file.survey(context.Background(), file.whole); err != nil {
			t.Fatalf("survey: %v", err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	w := newWorld(f, &storetest.Memory{})
	if err := w.rec.sign("x", Manifest{Version: 1, Recording: "rec_1"}); err != nil {
		f.Fatal(err)
	}
	good, _ := w.disk.Manifest("x")
	f.Add(good)
	f.Add([]byte(`{"manifest":{},"key_id":"node_1","signature":"AA=="}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readManifest(b, w.keys)
		if err == nil && m.Recording != "rec_1" {
			t.Errorf("accepted %q", b)
		}
	})
}
