package format

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
)

// samples is one record of every type, with no field left at zero.
func samples() []Record {
	at := 1234567 * time.Microsecond
	return []Record{
		Audio{Side: media.Callee, PT: 8, Marker: true, Seq: 65535, TS: 1 << 31, SSRC: 0xDEADBEEF, At: at, Payload: []byte{1, 2, 3}},
		Gap{Side: media.Caller, Cause: CauseFull, From: at, To: 2 * at, Packets: 7},
		Mark{Kind: MarkPause, Side: media.Caller, At: at, Count: 9, Ref: "op_1"},
		Formats{Side: media.Caller, More: true, At: at, Set: []media.Format{
			{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1},
			{PT: 111, Name: "OPUS", Clock: 48000, Channels: 2, Params: "useinbandfec=1"},
		}},
		About{Recording: "rec_1", Call: "call_1", Account: "demo", Node: "edge-1", Mode: "record-from-answer", Channels: "dual"},
		Anchor{At: at, Wall: time.UnixMicro(1700000000123456).UTC(), Segments: 3, Root: [32]byte{5, 6}},
		End{Reason: ReasonRecovered, Duration: at, Gaps: 1, Pauses: 2, Paused: at,
			Caller: Totals{1, 2, 3, 4, 5}, Callee: Totals{6, 7, 8, 9, 10}},
		Unknown{Type: 200, Body: []byte("later")},
		Unknown{Type: TypeMeta, Body: []byte{9, 9}},
		Place{Segment: 2, Previous: "rec_0", Caller: "leg_1", Callee: "leg_2"},
		Purpose{Source: "voicemail", Mailbox: "sales"},
	}
}

func TestEveryRecordComesBackAsItWas(t *testing.T) {
	var w Writer
	for _, r := range samples() {
		b, err := Append(nil, r)
		if err != nil {
			t.Fatalf("%T: %v", r, err)
		}
		if !w.Add(b, time.Second) {
			t.Fatalf("%T does not fit", r)
		}
	}
	got := readAll(t, w.Take())
	want := append([]Record{Head{At: time.Second}}, samples()...)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v\nwrote\n%+v", got, want)
	}
}

func readAll(t *testing.T, plain []byte) []Record {
	t.Helper()
	var out []Record
	c := Walk(plain)
	for {
		r, err := c.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

func TestPutAudioIsAppend(t *testing.T) {
	a := samples()[0].(Audio)
	want, err := Append(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, AudioSize(len(a.Payload)))
	PutAudio(got, &a)
	if string(got) != string(want) {
		t.Errorf("PutAudio %x, Append %x", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { PutAudio(got, &a) }); n != 0 {
		t.Errorf("PutAudio allocates %v times", n)
	}
}

func TestLongestPayloadFitsAndOneMoreDoesNot(t *testing.T) {
	var w Writer
	b, err := Append(nil, Audio{Side: media.Caller, Payload: make([]byte, MaxPayload)})
	if err != nil || !w.Add(b, 0) || w.Room() != 0 {
		t.Fatalf("longest payload: %v, room %d", err, w.Room())
	}
	if got := readAll(t, w.Take()); len(got) != 2 {
		t.Errorf("full segment holds %d records", len(got))
	}
	if _, err := Append(nil, Audio{Side: media.Caller, Payload: make([]byte, MaxPayload+1)}); !errors.Is(err, ErrTooLong) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestTimesOutsideTheFieldAreClamped(t *testing.T) {
	for _, c := range []struct{ in, out time.Duration }{
		{-time.Second, 0},
		{time.Duration(1<<63 - 1), (1<<48 - 1) * time.Microsecond},
		{1999 * time.Nanosecond, time.Microsecond},
	} {
		b, _ := Append(nil, Head{At: c.in})
		r, err := Parse(TypeHead, b[recordHeader:])
		if err != nil {
			t.Errorf("%v: %v", c.in, err)
			continue
		}
		want := min(c.out, (1<<48-1)*time.Microsecond)
		if got := r.(Head).At; got != want && c.in.Microseconds() < 1<<48 {
			t.Errorf("%v written, %v read, want %v", c.in, got, want)
		}
	}
}

func TestWriterKeepsRecordsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Writer
		var segments [][]byte
		var want []Record
		n := rapid.IntRange(1, 80).Draw(t, "records")
		for i := range n {
			size := rapid.IntRange(0, MaxPayload).Draw(t, "size")
			a := Audio{Side: media.Caller, Seq: uint16(i), At: time.Duration(i) * time.Millisecond, Payload: make([]byte, size)}
			b, err := Append(nil, a)
			if err != nil {
				t.Fatal(err)
			}
			if !w.Add(b, a.At) {
				segments = append(segments, append([]byte(nil), w.Take()...))
				if !w.Add(b, a.At) {
					t.Fatalf("record of %d bytes does not fit an empty segment", len(b))
				}
			}
			want = append(want, a)
		}
		segments = append(segments, append([]byte(nil), w.Take()...))
		r := NewReader(list(segments))
		for i := 0; ; {
			rec, err := r.Next()
			if err == io.EOF {
				if i != len(want) {
					t.Fatalf("%d of %d records came back", i, len(want))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if h, ok := rec.(Head); ok {
				if h.At != want[i].(Audio).At {
					t.Fatalf("head says %v, first record is at %v", h.At, want[i].(Audio).At)
				}
				continue
			}
			if !reflect.DeepEqual(rec, want[i]) {
				t.Fatalf("record %d differs", i)
			}
			i++
		}
	})
}

// list hands out segments one by one.
func list(segments [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(segments) == 0 {
			return nil, io.EOF
		}
		s := segments[0]
		segments = segments[1:]
		return s, nil
	}
}

func TestReaderGoesOnAfterABadSegment(t *testing.T) {
	segment := func(seq uint16) []byte {
		var w Writer
		b, _ := Append(nil, Audio{Side: media.Caller, Seq: seq, Payload: []byte{1}})
		w.Add(b, 0)
		return append([]byte(nil), w.Take()...)
	}
	bad := segment(2)
	bad[headSize] = byte(TypeGap) // its length is wrong for a gap
	r := NewReader(list([][]byte{segment(1), bad, segment(3)}))
	var seqs []uint16
	var faults int
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "segment 1") {
				t.Fatalf("error is %v", err)
			}
			faults++
			continue
		}
		if a, ok := rec.(Audio); ok {
			seqs = append(seqs, a.Seq)
		}
	}
	if faults != 1 || !reflect.DeepEqual(seqs, []uint16{1, 3}) {
		t.Errorf("faults %d, sequence numbers %v", faults, seqs)
	}
}

func TestSplitFormats(t *testing.T) {
	var set []media.Format
	for pt := range 128 {
		set = append(set, media.Format{PT: uint8(pt), Name: "X-LONG", Clock: 8000, Channels: 1, Params: strings.Repeat("p", 300)})
	}
	parts := SplitFormats(media.Callee, time.Second, set)
	var got int
	for i, p := range parts {
		if p.More != (i > 0) {
			t.Errorf("record %d: more is %v", i, p.More)
		}
		if _, err := Append(nil, p); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		got += len(p.Set)
	}
	if got != len(set) {
		t.Errorf("%d of %d formats kept", got, len(set))
	}
	if empty := SplitFormats(media.Caller, 0, nil); len(empty) != 1 || len(empty[0].Set) != 0 {
		t.Errorf("an empty set must clear the map: %+v", empty)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{CauseFull.String(), "ring-full"}, {Cause(99).String(), "unknown"},
		{MarkRecovered.String(), "recovered"}, {MarkKind(99).String(), "unknown"},
		{ReasonClosed.String(), "closed"}, {ReasonRecovered.String(), "recovered"}, {Reason(9).String(), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func BenchmarkPutAudio(b *testing.B) {
	a := Audio{Side: media.Caller, Payload: make([]byte, 160)}
	buf := make([]byte, AudioSize(160))
	b.ReportAllocs()
	for b.Loop() {
		PutAudio(buf, &a)
	}
}
