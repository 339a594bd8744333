package events

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// TestOnlyOurIdsInSubjects is A-24: whatever stands in an event, a subject has
// its shape and its ids are ours, or there is none and Encode refuses.
func TestOnlyOurIdsInSubjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hostile := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9_.*>/\\\x00 A-Z-]{0,70}`),
			rapid.SampledFrom([]string{"demo", System, goldenCall, "a.b", "*", ">", "../x", "call_" + strings.Repeat("0", 25) + "*", strings.Repeat("a", 4096)}))
		e := Event{Account: hostile.Draw(t, "account"), Call: hostile.Draw(t, "call"),
			Type: rapid.OneOf(hostile, rapid.SampledFrom(Types())).Draw(t, "type"),
			Time: time.Unix(1, 0), Seq: 1, Data: json.RawMessage(`{}`)}
		node := hostile.Draw(t, "node")
		b, err := Encode(e, node)
		s := Subject(e)
		if err == nil && s == "" {
			t.Fatal("encoded, but no subject")
		}
		if s != "" {
			words := strings.Split(s, ".")
			for _, w := range words {
				if !token.MatchString(w) {
					t.Fatalf("subject %q", s)
				}
			}
			if len(words) < 6 || strings.Join(words[:2], ".") != "ringdown.v1" || words[3] != "call" {
				t.Fatalf("subject %q", s)
			}
		}
		if err != nil {
			return
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if back.Account != e.Account || back.Call != e.Call || back.Type != e.Type {
			t.Fatalf("%+v came back as %+v", e, back)
		}
	})
}

func TestSubject(t *testing.T) {
	for _, c := range []struct{ account, typ, want string }{
		{"demo", CallEnded, "ringdown.v1.demo.call." + goldenCall + ".ended"},
		{System, CallReceived, "ringdown.v1._sys.call." + goldenCall + ".received"},
		{"demo", LegAnswered, "ringdown.v1.demo.call." + goldenCall + ".leg.answered"},
		{"demo", RecordingCompleted, "ringdown.v1.demo.call." + goldenCall + ".recording.completed"},
		{"_other", CallEnded, ""},
		{"Demo", CallEnded, ""},
		{"", CallEnded, ""},
		{"demo", "ended", ""},
		{"demo", "call..ended", ""},
	} {
		if got := Subject(Event{Account: c.account, Call: goldenCall, Type: c.typ}); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.account, c.typ, got, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	good := samples()[0]
	for _, c := range []struct {
		why    string
		spoil  func(*Event)
		node   string
		expect string
	}{
		{"account", func(e *Event) { e.Account = "a.b" }, "n", "account: not an id"},
		{"call", func(e *Event) { e.Call = "call_1" }, "n", "call: not a call id"},
		{"lower case", func(e *Event) { e.Call = strings.ToLower(e.Call) }, "n", "call: not a call id"},
		{"above 128 bits", func(e *Event) { e.Call = "call_8" + e.Call[6:] }, "n", "call: not a call id"},
		{"type", func(e *Event) { e.Type = "call.sung" }, "n", "type: not an event of v1"},
		{"time", func(e *Event) { e.Time = time.Time{} }, "n", "time: missing"},
		{"year", func(e *Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "n", "time: outside"},
		{"seq", func(e *Event) { e.Seq = 0 }, "n", "seq: must be above 0"},
		{"node", func(e *Event) {}, "edge 1", "node: not an id"},
		{"node's own type in a call", func(e *Event) { e.Type, e.Data = SIPSourceBanned, SIPSourceBannedData{} }, "n", "an id of its own"},
		{"node's own id for a call", func(e *Event) { e.Call = "node_" + e.Call[5:] }, "n", "call: not a call id"},
		{"payload", func(e *Event) { e.Data = LegAnsweredData{} }, "n", "is not the payload of call.received"},
		{"nil", func(e *Event) { e.Data = nil }, "n", "is not the payload"},
		{"nil pointer", func(e *Event) { e.Data = (*CallReceivedData)(nil) }, "n", "is not the payload"},
		{"raw", func(e *Event) { e.Data = json.RawMessage(`{"a":`) }, "n", "data: not JSON"},
		{"raw array", func(e *Event) { e.Data = json.RawMessage(`[]`) }, "n", "data: not a JSON object"},
		{"size", func(e *Event) {
			e.Data = CallReceivedData{Attribution: map[string]string{"a": strings.Repeat("x", MaxData)}}
		}, "n", "bytes, above"},
	} {
		e := good
		c.spoil(&e)
		if _, err := Encode(e, c.node); err == nil || !strings.Contains(err.Error(), c.expect) {
			t.Errorf("%s: %v, want %q", c.why, err, c.expect)
		}
	}
}

func TestEncodeTakesPointers(t *testing.T) {
	e := samples()[slices.Index(Types(), CallEnded)]
	want, err := Encode(e, "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	d := e.Data.(CallEndedData)
	e.Data = &d
	if got, err := Encode(e, "edge-1"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestDecodeIsTolerantAndStrict(t *testing.T) {
	b, err := Encode(samples()[0], "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(b), `"type":"call.received"`, `"type":"call.sung.twice","later":[1]`, 1)
	if e, err := Decode([]byte(later)); err != nil || e.Type != "call.sung.twice" {
		t.Errorf("a type of a later version: %+v, %v", e, err)
	}
	for _, c := range [][2]string{
		{`"account":"demo"`, `"account":"de.mo"`},
		{`"call":"call_0`, `"call":"call_9`},
		{`"seq":1`, `"seq":2`},
		{`"seq":1`, `"seq":0`},
		{`"specversion":"1.0"`, `"specversion":"0.3"`},
		{`"type":"call.received"`, `"type":"call.>"`},
		{`"data":{`, `"date":{`},
		{`"time":"2`, `"time":"x`},
		{`{"spec`, `["spec`},
	} {
		bad := strings.Replace(string(b), c[0], c[1], 1)
		if bad == string(b) {
			t.Fatalf("%s is not in the envelope", c[0])
		}
		if e, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s: decoded %+v", c[1], e)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		b, err := Encode(e, "edge-1")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		if Subject(e) == "" {
			t.Errorf("decoded %+v, but it has no subject", e)
		}
	})
}

func TestTerminalAndRecordingOf(t *testing.T) {
	for _, e := range samples() {
		if want := e.Type == CallEnded || e.Type == RecordingCompleted || e.Type == RecordingFailed; Terminal(e.Type) != want {
			t.Errorf("%s: terminal %v", e.Type, !want)
		}
		want := ""
		if strings.HasPrefix(e.Type, "recording.") && e.Type != RecordingBlocked || e.Type == VoicemailLeft {
			want = goldenRec
		}
		raw, err := MarshalData(e)
		if err != nil {
			t.Fatal(err)
		}
		if RecordingOf(e.Data) != want || RecordingOf(raw) != want {
			t.Errorf("%s: %q and %q, want %q", e.Type, RecordingOf(e.Data), RecordingOf(raw), want)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	at := time.UnixMilli(1469922850259)
	var ids []string
	for i := range 1000 {
		ids = append(ids, NewID("call", at.Add(time.Duration(i)*time.Millisecond)))
	}
	if !slices.IsSorted(ids) {
		t.Error("ids of later milliseconds do not sort behind")
	}
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID("call", at)
		if seen[id] || !ValidCall(id) || !strings.HasPrefix(id, "call_01ARZ3NDEK") {
			t.Fatalf("id %s", id)
		}
		seen[id] = true
		if got, ok := IDTime(id); !ok || !got.Equal(at) {
			t.Fatalf("%s: time %v", id, got)
		}
	}
}

// TestULIDVector uses the specification's own example and its largest value.
func TestULIDVector(t *testing.T) {
	for _, c := range []struct {
		b    [16]byte
		want string
	}{
		{[16]byte{0x01, 0x56, 0x3e, 0x3a, 0xb5, 0xd3, 0xd6, 0x76, 0x4c, 0x61, 0xef, 0xb9, 0x93, 0x02, 0xbd, 0x5b}, "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
		{[16]byte(bytes.Repeat([]byte{0xff}, 16)), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
		{[16]byte{}, "00000000000000000000000000"},
	} {
		if got := ulid(c.b); got != c.want {
			t.Errorf("%x: %s, want %s", c.b, got, c.want)
		}
	}
	for _, bad := range []string{"", "call", "call_", "call_01ARZ3NDEKTSV4RRFFQ69G5FA", "call_01ARZ3NDEKTSV4RRFFQ69G5FAVX", "call_01ARZ3NDEKTSV4RRFFQ69G5FAU", "leg_01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		if ValidCall(bad) {
			t.Errorf("%q is taken for a call", bad)
		}
	}
	if _, ok := IDTime("call_x"); ok {
		t.Error("time of a broken id")
	}
}

func BenchmarkEncode(b *testing.B) {
	e := samples()[6]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(e, "edge-1"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEncodedIsTakenAsItIs: what MarshalData made is not looked at again, and
// makes the same envelope as the payload itself.
func TestEncodedIsTakenAsItIs(t *testing.T) {
	e := Event{Account: "demo", Call: NewID("call", time.Now()), Type: CallRinging, Time: time.Now(), Seq: 3, Data: CallRingingData{Status: "ringing"}}
	want, err := Encode(e, "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	data, err := MarshalData(e)
	if err != nil {
		t.Fatal(err)
	}
	e.Data = data
	got, err := Encode(e, "edge-1")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	if again, err := MarshalData(e); err != nil || &again[0] != &data[0] {
		t.Errorf("encoded again: %v", err)
	}
}
