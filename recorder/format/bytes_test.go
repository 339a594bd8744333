package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
)

// The bytes of each record as FORMAT.md describes them, written by hand: a
// change of an encoder that keeps pace with its decoder is still a change.
func TestBytesAreThoseOfTheDescription(t *testing.T) {
	const at = "00000012d687" // 1,234,567 µs
	for _, c := range []struct {
		name   string
		record Record
		want   []string
	}{
		{"audio", samples()[0], []string{"01 0015", "02 88 ffff 80000000 deadbeef", at, "010203"}},
		{"gap", samples()[1], []string{"02 0012", "01 01", at, "00000025ad0e", "00000007"}},
		{"mark", samples()[2], []string{"03 0011", "01 01", at, "00000009", "04", hex.EncodeToString([]byte("op_1"))}},
		{"formats", Formats{Side: media.Caller, Set: []media.Format{{PT: 8, Name: "PCMA", Clock: 8000, Channels: 1, Params: "x=1"}}},
			[]string{"04 0019", "01 01 00 000000000000 01", "08 00001f40 01 04 50434d41 03 783d31"}},
		{"about", About{Recording: "r", Call: "c", Account: "a", Node: "n", Mode: "m", Channels: "dual"},
			[]string{"04 0010", "02 0172 0163 0161 016e 016d 04 6475616c"}},
		{"purpose", Purpose{Source: "voicemail", Mailbox: "m"}, []string{"04 000d", "04 09766f6963656d61696c 016d"}},
		{"place", Place{Segment: 258, Previous: "r", Caller: "a"}, []string{"04 0008", "03 0102 0172 0161 00"}},
		{"anchor", samples()[5], []string{"05 0036", at, "00060a2418202240", "0000000000000003", "0506" + strings.Repeat("00", 30)}},
		{"end", samples()[6], []string{"06 0065", "02", at, "00000001 00000002", at,
			words(1, 2, 3, 4, 5), words(6, 7, 8, 9, 10)}},
		{"head", Head{At: 1234567 * time.Microsecond}, []string{"07 0006", at}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(strings.Join(c.want, ""), " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Append(nil, c.record)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("wrote %x, the description says %x (%v)", got, want, err)
			}
		})
	}
}

// words is a row of u64.
func words(n ...byte) string {
	var s string
	for _, x := range n {
		s += "00000000000000" + hex.EncodeToString([]byte{x})
	}
	return s
}

// The preamble by hand, and every other encoding of the same values refused.
func TestPreambleHasOneEncoding(t *testing.T) {
	p := Preamble{ID: [16]byte{1, 2, 3}, Part: 1, KeyRef: "kr", Region: "eu", Suite: Suite, Version: 1}
	id := "50 01020300000000000000000000000000"
	suite := "78 1f" + strings.TrimSuffix(hex.EncodeToString([]byte(Suite)), "393629") + "3936 29"
	good := "a6 01" + id + "02 01 03 62 6b72 04 62 6575 05" + suite + "06 01"
	file := func(body string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte("CTREC\x00\x00\x01\x00\x00"+string([]byte{byte(len(b) >> 8), byte(len(b))})), b...)
	}
	written, err := p.Prefix()
	if err != nil || !bytes.Equal(written, file(good)) {
		t.Fatalf("wrote %x, %v; by hand %x", written, err, file(good))
	}
	for name, body := range map[string]string{
		"number in a longer form":   strings.Replace(good, "02 01", "02 1801", 1),
		"text in a longer form":     strings.Replace(good, "62 6b72", "7802 6b72", 1),
		"indefinite map":            "bf" + strings.TrimPrefix(good, "a6") + "ff",
		"indefinite text":           strings.Replace(good, "62 6b72", "7f 62 6b72 ff", 1),
		"pairs in another order":    strings.Replace(good, "03 62 6b72 04 62 6575", "04 62 6575 03 62 6b72", 1),
		"a pair missing":            strings.Replace(strings.Replace(good, "a6", "a5", 1), "04 62 6575", "", 1),
		"a pair more":               strings.Replace(good, "a6", "a7", 1) + "07 01",
		"bytes behind the map":      good + "00",
		"text instead of bytes":     strings.Replace(good, "50 0102", "70 0102", 1),
		"id of 15 bytes":            strings.Replace(good, id, "4f 010203000000000000000000000000", 1),
		"length beyond the end":     strings.Replace(good, "62 6b72", "7aFFFFFFFF 6b72", 1),
		"reserved length":           strings.Replace(good, "62 6b72", "7c 6b72", 1),
		"another suite":             strings.Replace(good, "3936 29", "3932 29", 1),
		"version 2":                 strings.TrimSuffix(good, "01") + "02",
		"nothing":                   "",
		"an array":                  strings.Replace(good, "a6", "86", 1),
		"part is negative":          strings.Replace(good, "02 01", "02 20", 1),
		"number in the longest":     strings.Replace(good, "02 01", "02 1b0000000000000001", 1),
		"number cut in its middle":  "a6 01" + id + "02 1b0000",
		"key of the map is text":    strings.Replace(good, "02 01", "61 01", 1),
		"the first key is repeated": strings.Replace(good, "02 01", "01 01", 1),
	} {
		if _, _, err := ParsePrefix(file(body)); !errors.Is(err, ErrPreamble) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNumbersOfEveryLength(t *testing.T) {
	for _, part := range []uint64{0, 1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<64 - 1} {
		p := preamble()
		p.Part = part
		b, err := p.Prefix()
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := ParsePrefix(b); err != nil || got.Part != part {
			t.Errorf("part %d came back as %d, %v", part, got.Part, err)
		}
	}
}

// A length that claims more than there is, or than is allowed, costs nothing.
func TestPreambleLengthLies(t *testing.T) {
	for _, length := range []string{"\xff\xff\xff\xff", "\x00\x00\x10\x01", "\x00\x00\x00\x05"} {
		if _, _, err := ParsePrefix([]byte(magic + length + "abcd")); !errors.Is(err, ErrPreamble) {
			t.Errorf("length %x: %v", length, err)
		}
	}
}

func TestAADBindsThePrefix(t *testing.T) {
	sum := sha256.Sum256([]byte("prefix"))
	if got := AAD([]byte("prefix")); !bytes.Equal(got, append([]byte("ctrec/v1"), sum[:]...)) {
		t.Errorf("aad %x", got)
	}
	if bytes.Equal(AAD([]byte("a")), AAD([]byte("b"))) {
		t.Error("two prefixes, one aad")
	}
}

func TestLookingIntoAnAudioRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Audio{Side: media.Caller, At: time.Duration(rapid.Int64Range(0, 1<<47).Draw(t, "µs")) * time.Microsecond,
			Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")}
		b := make([]byte, AudioSize(len(a.Payload)))
		PutAudio(b, &a)
		if RecordSize(append(b, 1, 2, 3)) != len(b) || AudioTime(b) != a.At {
			t.Fatalf("size %d of %d, at %v of %v", RecordSize(b), len(b), AudioTime(b), a.At)
		}
	})
}

func TestWriterTellsWhatItHolds(t *testing.T) {
	var w Writer
	if !w.Empty() || len(w.Bytes()) != 0 || w.Room() != Plain-headSize {
		t.Fatalf("a fresh segment holds %d bytes and has room for %d", len(w.Bytes()), w.Room())
	}
	b, _ := Append(nil, Mark{Kind: MarkPause})
	w.Add(b, time.Second)
	if w.Empty() || len(w.Bytes()) != headSize+len(b) || w.Room() != Plain-headSize-len(b) {
		t.Errorf("holds %d bytes, room for %d", len(w.Bytes()), w.Room())
	}
	open := bytes.Clone(w.Bytes())
	padded := bytes.Clone(w.Take())
	if !w.Empty() || len(padded) != Plain || !bytes.HasPrefix(padded, open) {
		t.Error("what is taken is not what was held")
	}
	for _, rest := range padded[len(open):] {
		if rest != 0 {
			t.Fatal("padding is not zero")
		}
	}
}

// A segment that was longer before must not show through the padding.
func TestPaddingForgetsTheSegmentBefore(t *testing.T) {
	var w Writer
	long, _ := Append(nil, Audio{Side: media.Caller, Payload: bytes.Repeat([]byte{0xAA}, MaxPayload)})
	w.Add(long, 0)
	w.Take()
	short, _ := Append(nil, Head{})
	short[0] = 100 // of a type that is not known
	w.Add(short, 0)
	if got := w.Take(); bytes.IndexByte(got, 0xAA) >= 0 {
		t.Error("the segment before is still there")
	}
}

// Cutting a segment anywhere gives a prefix of its records, or an error, never
// a record that was not written.
func TestCutSegments(t *testing.T) {
	var whole []byte
	whole = append(whole, rec(t, Head{At: time.Second})...)
	for _, r := range samples() {
		whole = append(whole, rec(t, r)...)
	}
	for n := range whole {
		c := Walk(whole[:n])
		pos := 0
		for {
			r, err := c.Next()
			if err == io.EOF || errors.Is(err, ErrRecord) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b := rec(t, r)
			if !bytes.Equal(whole[pos:pos+len(b)], b) {
				t.Fatalf("cut to %d: %#v was never written", n, r)
			}
			pos += len(b)
		}
		if pos > n {
			t.Fatalf("cut to %d: read %d bytes", n, pos)
		}
	}
}

func TestReaderPassesErrorsOn(t *testing.T) {
	broken := errors.New("disk is gone")
	r := NewReader(func() ([]byte, error) { return nil, broken })
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// Audio and Next read the same records; what Audio does not take it leaves.
func TestAudioIsNext(t *testing.T) {
	var w Writer
	want := []Record{
		Audio{Side: media.Caller, PT: 8, Marker: true, Seq: 65535, TS: 1, SSRC: 2, At: time.Second, Payload: []byte{1, 2, 3}},
		Mark{Kind: MarkPause, At: time.Second},
		Audio{Side: media.Callee, PT: 101, At: 2 * time.Second, Payload: []byte{}},
	}
	for _, rec := range want {
		b, err := Append(nil, rec)
		if err != nil || !w.Add(b, 0) {
			t.Fatal(err)
		}
	}
	plain := w.Take()
	var got []Record
	for c := Walk(plain); ; {
		if a, ok := c.Audio(); ok {
			got = append(got, a)
			continue
		}
		rec, err := c.Next()
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		got = append(got, rec)
	}
	if !reflect.DeepEqual(got[1:], want) {
		t.Errorf("%+v", got)
	}
	cut := bytes.Clone(plain[:headSize+5]) // in the middle of the first audio
	c := Walk(cut)
	c.Next()
	if a, ok := c.Audio(); ok {
		t.Errorf("half a record was taken: %+v", a)
	}
	if _, err := c.Next(); err == nil || err == io.EOF {
		t.Errorf("half a record: %v", err)
	}
}
