package format

import (
	"io"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/media"
)

func anyTime() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64Range(0, maxMicros), func(us int64) time.Duration { return time.Duration(us) * time.Microsecond })
}

func anySide(least media.Side) *rapid.Generator[media.Side] {
	return rapid.Map(rapid.Uint8Range(uint8(least), uint8(media.Callee)), func(b uint8) media.Side { return media.Side(b) })
}

func anyTotals() *rapid.Generator[Totals] {
	return rapid.Custom(func(t *rapid.T) Totals {
		n := func(name string) uint64 { return rapid.Uint64().Draw(t, name) }
		return Totals{n("packets"), n("bytes"), n("dropped"), n("ignored"), n("digits")}
	})
}

func anyFormat() *rapid.Generator[media.Format] {
	return rapid.Custom(func(t *rapid.T) media.Format {
		return media.Format{
			PT: rapid.Uint8().Draw(t, "pt"), Clock: int(rapid.Uint32().Draw(t, "clock")), Channels: int(rapid.Uint8().Draw(t, "channels")),
			Name: rapid.StringN(0, 20, 60).Draw(t, "name"), Params: rapid.StringN(0, 30, 90).Draw(t, "params"),
		}
	})
}

// anyRecord draws a record of any type with any values that it can hold.
func anyRecord() *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		at := anyTime().Draw(t, "at")
		switch rapid.IntRange(0, 9).Draw(t, "type") {
		case 0:
			return Audio{
				Side: anySide(media.Caller).Draw(t, "side"), PT: rapid.Uint8Range(0, 127).Draw(t, "pt"), Marker: rapid.Bool().Draw(t, "marker"),
				Seq: rapid.Uint16().Draw(t, "seq"), TS: rapid.Uint32().Draw(t, "ts"), SSRC: rapid.Uint32().Draw(t, "ssrc"), At: at,
				Payload: rapid.SliceOfN(rapid.Byte(), 1, 400).Draw(t, "payload"),
			}
		case 1:
			return Gap{anySide(0).Draw(t, "side"), Cause(rapid.Uint8().Draw(t, "cause")), at, anyTime().Draw(t, "to"), rapid.Uint32().Draw(t, "packets")}
		case 2:
			return Mark{MarkKind(rapid.Uint8().Draw(t, "kind")), anySide(0).Draw(t, "side"), at, rapid.Uint32().Draw(t, "count"), rapid.StringN(0, 60, 255).Draw(t, "ref")}
		case 3:
			return Formats{anySide(media.Caller).Draw(t, "side"), rapid.Bool().Draw(t, "more"), at, rapid.SliceOfN(anyFormat(), 1, 6).Draw(t, "set")}
		case 4:
			s := func(name string) string { return rapid.StringN(0, 40, 120).Draw(t, name) }
			return About{s("recording"), s("call"), s("account"), s("node"), s("mode"), s("channels")}
		case 8:
			return Purpose{rapid.StringN(0, 40, 120).Draw(t, "source"), rapid.StringN(0, 40, 120).Draw(t, "mailbox")}
		case 7:
			s := func(name string) string { return rapid.StringN(0, 40, 120).Draw(t, name) }
			return Place{rapid.IntRange(0, 65535).Draw(t, "segment"), s("previous"), s("caller"), s("callee")}
		case 5:
			wall := time.UnixMicro(rapid.Int64().Draw(t, "wall")).UTC()
			return Anchor{at, wall, rapid.Uint64().Draw(t, "segments"), [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))}
		case 6:
			return End{
				Reason(rapid.Uint8().Draw(t, "reason")), at, rapid.Uint32().Draw(t, "gaps"), rapid.Uint32().Draw(t, "pauses"), anyTime().Draw(t, "paused"),
				anyTotals().Draw(t, "caller"), anyTotals().Draw(t, "callee"),
			}
		default:
			return Unknown{Type(rapid.Uint8Range(8, 255).Draw(t, "unknown type")), rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "body")}
		}
	})
}

// Any records, written into segments and read back, are what they were, and in
// their order; the reader needs nothing else.
func TestAnyRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(anyRecord(), 1, 40).Draw(t, "records")
		var segments [][]byte
		var w Writer
		for _, r := range want {
			b, err := Append(nil, r)
			if err != nil {
				t.Fatal(err)
			}
			if !w.Add(b, 0) {
				segments = append(segments, append([]byte(nil), w.Take()...))
				w.Add(b, 0)
			}
		}
		segments = append(segments, append([]byte(nil), w.Take()...))
		r := NewReader(list(segments))
		for i := 0; ; {
			got, err := r.Next()
			if err == io.EOF {
				if i != len(want) {
					t.Fatalf("%d of %d records", i, len(want))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, head := got.(Head); head {
				continue
			}
			if !reflect.DeepEqual(got, want[i]) {
				t.Fatalf("record %d: %#v came back as %#v", i, want[i], got)
			}
			i++
		}
	})
}
