package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sealLog makes a log and returns where each record begins; the last offset is
// that of the end of the records.
func sealLog(t testing.TB, records [][]byte, end bool) (log []byte, offsets []int) {
	t.Helper()
	w, log, err := NewLogWriter(testKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		offsets = append(offsets, len(log))
		if log, err = w.Append(log, r); err != nil {
			t.Fatal(err)
		}
	}
	offsets = append(offsets, len(log))
	if end {
		if log, err = w.End(log); err != nil {
			t.Fatal(err)
		}
	}
	return log, offsets
}

// logRead is what a reader made of a log.
type logRead struct {
	records [][]byte
	damage  int   // how often ErrRecord
	end     error // io.EOF, ErrTorn or another
	good    int64 // offset given with it
	ended   bool
}

func readLog(t testing.TB, log []byte) logRead {
	t.Helper()
	r, err := NewLogReader(testKey, bytes.NewReader(log))
	if err != nil {
		return logRead{end: err}
	}
	var out logRead
	last := int64(-1)
	for range len(log) + 2 {
		record, offset, err := r.Next()
		if offset < last {
			t.Fatalf("offset goes back from %d to %d", last, offset)
		}
		last = offset
		switch {
		case err == nil:
			out.records = append(out.records, record)
		case errors.Is(err, ErrRecord):
			out.damage++
		default:
			out.end, out.good, out.ended = err, offset, r.Ended()
			if _, _, again := r.Next(); again != err {
				t.Fatalf("after %v comes %v", err, again)
			}
			return out
		}
	}
	t.Fatal("the reader does not end")
	return out
}

func someRecords(n int) (out [][]byte) {
	for i := range n {
		out = append(out, bytes.Repeat([]byte{byte('a' + i)}, i*9))
	}
	return out
}

func TestLogRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 0, 20).Draw(rt, "records")
		end := rapid.Bool().Draw(rt, "end")
		log, _ := sealLog(t, records, end)
		got := readLog(t, log)
		if got.end != io.EOF || got.good != int64(len(log)) || got.damage != 0 || got.ended != end || !slices.EqualFunc(got.records, records, bytes.Equal) {
			rt.Fatalf("%d records come back as %d, %d damaged, %v at %d", len(records), len(got.records), got.damage, got.end, got.good)
		}
	})
}

func TestLogLimits(t *testing.T) {
	w, log, err := NewLogWriter(testKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(nil, make([]byte, MaxRecord+1)); err == nil {
		t.Error("a record too large goes in")
	}
	big := bytes.Repeat([]byte{1}, MaxRecord)
	header := bytes.Clone(log)
	if log, err = w.Append(log, big); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, log); got.end != io.EOF || len(got.records) != 1 || !bytes.Equal(got.records[0], big) {
		t.Errorf("the largest record does not come back: %v", got.end)
	}
	if _, err := w.End(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(nil, nil); !errors.Is(err, ErrSealed) {
		t.Errorf("append after the end: %v", err)
	}
	if _, err := w.End(nil); !errors.Is(err, ErrSealed) {
		t.Errorf("a second end: %v", err)
	}
	full, err := ResumeLogWriter(testKey, header, maxRecords)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := full.Append([]byte("kept"), nil); err == nil || string(out) != "kept" {
		t.Errorf("more records than an index can count: %v", err)
	}
}

// Cut anywhere, a log gives its whole records, says where the good part ends,
// and goes on from there.
func TestLogTruncation(t *testing.T) {
	records := someRecords(6)
	log, offsets := sealLog(t, records, true)
	for n := range log {
		got := readLog(t, log[:n])
		if n < LogHeaderSize {
			if !errors.Is(got.end, ErrHeader) {
				t.Errorf("cut to %d: %v", n, got.end)
			}
			continue
		}
		whole := 0
		for whole < len(records) && offsets[whole+1] <= n {
			whole++
		}
		boundary := n == offsets[whole]
		if len(got.records) != whole || got.damage != 0 || got.ended || got.good != int64(offsets[whole]) {
			t.Fatalf("cut to %d: %d records, %d damaged, good to %d, want %d to %d", n, len(got.records), got.damage, got.good, whole, offsets[whole])
		}
		if boundary && got.end != io.EOF || !boundary && !errors.Is(got.end, ErrTorn) {
			t.Fatalf("cut to %d: %v", n, got.end)
		}
		w, err := ResumeLogWriter(testKey, log[:LogHeaderSize], uint64(whole))
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.Append(bytes.Clone(log[:got.good]), []byte("after the crash"))
		if err != nil {
			t.Fatal(err)
		}
		if got := readLog(t, again); got.end != io.EOF || len(got.records) != whole+1 || got.damage != 0 {
			t.Fatalf("cut to %d and resumed: %d records, %v", n, len(got.records), got.end)
		}
	}
}

// Every bit of a log, turned: never a wrong record, never silence, and only the
// record that was hit is lost.
func TestLogBitFlips(t *testing.T) {
	records := someRecords(6)
	log, offsets := sealLog(t, records, true)
	flipped := flips(log, func(int) bool { return true }, "flip", nil)
	for i, f := range flipped {
		at := i / 8
		got := readLog(t, f.bytes)
		if at < LogHeaderSize {
			if !errors.Is(got.end, ErrHeader) {
				t.Errorf("%s: %v", f.name, got.end)
			}
			continue
		}
		hit := 0
		for hit < len(records) && at >= offsets[hit+1] {
			hit++
		}
		if hit == len(records) { // the end mark
			if !errors.Is(got.end, ErrTorn) || got.ended || len(got.records) != len(records) {
				t.Fatalf("%s: %v, %d records", f.name, got.end, len(got.records))
			}
			continue
		}
		want := slices.Delete(slices.Clone(records), hit, hit+1)
		if got.damage != 1 || got.end != io.EOF || !got.ended || !slices.EqualFunc(got.records, want, bytes.Equal) {
			t.Fatalf("%s: %d damaged, %d records, %v", f.name, got.damage, len(got.records), got.end)
		}
	}
}

func TestLogTamper(t *testing.T) {
	records := someRecords(6)
	log, offsets := sealLog(t, records, true)
	other, _ := sealLog(t, records, true)
	header := log[:LogHeaderSize]
	parts := func() (out [][]byte) {
		for i := range records {
			out = append(out, log[offsets[i]:offsets[i+1]])
		}
		return append(out, log[offsets[len(records)]:])
	}
	build := func(p [][]byte) []byte { return slices.Concat(append([][]byte{header}, p...)...) }
	var forgeries []forgery
	for i := range records {
		deleted, doubled, swapped, spliced := parts(), parts(), parts(), parts()
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		spliced[i] = other[offsets[i]:offsets[i+1]]
		forgeries = append(forgeries,
			forgery{name: fmt.Sprint("delete ", i), bytes: build(slices.Delete(deleted, i, i+1))},
			forgery{name: fmt.Sprint("double ", i), bytes: build(slices.Insert(doubled, i, doubled[i]))},
			forgery{name: fmt.Sprint("swap ", i), bytes: build(swapped)},
			forgery{name: fmt.Sprint("splice ", i), bytes: build(spliced)})
	}
	forgeries = append(forgeries,
		forgery{name: "appended record", bytes: append(bytes.Clone(log), parts()[1]...)},
		forgery{name: "appended end", bytes: append(bytes.Clone(log), parts()[6]...)},
		forgery{name: "appended noise", bytes: append(bytes.Clone(log), "noise that is long enough for a frame"...)},
		forgery{name: "header of another", bytes: append(bytes.Clone(other[:LogHeaderSize]), log[LogHeaderSize:]...)})
	for n := range offsets {
		forgeries = append(forgeries, forgery{name: fmt.Sprint("cut before ", n), bytes: log[:offsets[n]]})
	}
	for _, f := range forgeries {
		got := readLog(t, f.bytes)
		if got.damage == 0 && got.end == io.EOF && got.ended {
			t.Errorf("%s: not detected", f.name)
		}
		last := -1
		for _, r := range got.records { // in order, each once, none invented
			i := slices.IndexFunc(records, func(want []byte) bool { return bytes.Equal(r, want) })
			if i <= last {
				t.Errorf("%s: record %d after %d", f.name, i, last)
			}
			last = i
		}
	}
}

// Nothing counts after the end mark, even with the right key and index.
func TestLogAfterItsEnd(t *testing.T) {
	log, _ := sealLog(t, someRecords(2), true)
	w, err := ResumeLogWriter(testKey, log[:LogHeaderSize], 3)
	if err != nil {
		t.Fatal(err)
	}
	if log, err = w.Append(log, []byte("more")); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, log); got.damage != 1 || len(got.records) != 2 {
		t.Errorf("%d records, %d damaged", len(got.records), got.damage)
	}
}

func TestLogWrongKey(t *testing.T) {
	log, _ := sealLog(t, someRecords(2), false)
	other := bytes.Repeat([]byte{8}, KeySize)
	if _, err := NewLogReader(other, bytes.NewReader(log)); !errors.Is(err, ErrHeader) {
		t.Errorf("reader: %v", err)
	}
	if _, err := ResumeLogWriter(other, log[:LogHeaderSize], 2); !errors.Is(err, ErrHeader) {
		t.Errorf("writer: %v", err)
	}
	if _, _, err := NewLogWriter(nil); err == nil {
		t.Error("a log without a key")
	}
	if _, err := ResumeLogWriter(testKey, []byte("not one"), 0); !errors.Is(err, ErrHeader) {
		t.Errorf("short header: %v", err)
	}
}

func TestLogResumeReading(t *testing.T) {
	records := someRecords(6)
	log, offsets := sealLog(t, records, false)
	for i := range offsets {
		at := offsets[i]
		r, err := ResumeLogReader(testKey, log[:LogHeaderSize], bytes.NewReader(log[at:]), int64(at), uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range records[i:] {
			if got, _, err := r.Next(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("from record %d: %q, %v", i, got, err)
			}
		}
		if _, offset, err := r.Next(); err != io.EOF || offset != int64(len(log)) || r.Index() != uint64(len(records)) {
			t.Errorf("from record %d: ends with %v at %d, index %d", i, err, offset, r.Index())
		}
	}
}

// brokenReader fails after its bytes.
type brokenReader struct{ r io.Reader }

var errDisk = errors.New("disk gone")

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errDisk
	}
	return n, err
}

// An error of the disk is told as such, never as a torn tail that one may cut.
func TestDiskErrorIsNoTornTail(t *testing.T) {
	log, _ := sealLog(t, someRecords(4), false)
	for n := LogHeaderSize; n < len(log); n += 5 {
		r, err := NewLogReader(testKey, brokenReader{bytes.NewReader(log[:n])})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, _, err = r.Next()
		}
		if !errors.Is(err, errDisk) || errors.Is(err, ErrTorn) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	if _, err := NewLogReader(testKey, brokenReader{bytes.NewReader(log[:9])}); !errors.Is(err, errDisk) {
		t.Errorf("in the header: %v", err)
	}
	sealed := sealAll(t, make([]byte, 500), Segment, rotation)
	r, err := NewReader(brokenReader{bytes.NewReader(sealed)}, testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, errDisk) {
		t.Errorf("container: %v", err)
	}
}
