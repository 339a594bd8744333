//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// one is a good round: a call of 3 s, killed and closed by estimate.
func one() ([]placed, string) {
	c := placed{
		index: 0, number: "+4721000001",
		callee: noon, caller: noon.Add(5 * time.Millisecond),
		saidCaller: 150, saidCallee: 150, skip: 1,
	}
	return []placed{c}, strings.Join([]string{
		ev("a", 1, "call.received", `{"tracking_number":"+4721000001"}`),
		ev("a", 2, "call.answered", `{}`),
		ev("a", 3, "recording.started", `{"recording":"rec_1"}`),
		ev("a", 4, "call.ended", `{"billable_ms":2400,"estimated":true}`),
		ev("a", 5, "recording.completed", `{"recording":"rec_1"}`),
	}, "\n")
}

func ev(call string, seq int, kind, data string) string {
	return fmt.Sprintf(`{"id":"%s-%d","type":"%s","call":"%s","seq":%d,"data":%s}`, call, seq, kind, call, seq, data)
}

func TestJudgeGood(t *testing.T) {
	calls, text := one()
	events, err := parseEvents([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := judge(calls, events, noon.Add(3*time.Second))
	if err != nil || len(f.faults) > 0 {
		t.Fatalf("%v, faults %q", err, f.faults)
	}
	if f.Calls != 1 || f.Answered != 1 || f.Estimated != 1 || f.Recordings != 1 || f.OverMS != 0 || f.UnderMS != 595 || f.recordingsOf["+4721000001"] != "rec_1" {
		t.Errorf("%+v", f)
	}
}

func TestJudgeFindsFaults(t *testing.T) {
	_, good := one()
	cases := []struct{ name, old, new, want string }{
		{"no end", ev("a", 4, "call.ended", `{"billable_ms":2400,"estimated":true}`), ev("a", 4, "leg.ended", `{}`), "ended 0 times"},
		{"two ends", ev("a", 5, "recording.completed", `{"recording":"rec_1"}`), ev("a", 5, "call.ended", `{}`), "ended 2 times"},
		{"gap", ev("a", 2, "call.answered", `{}`) + "\n", "", "seq 3 where 2 belongs"},
		{"doubled", ev("a", 2, "call.answered", `{}`), ev("a", 2, "call.answered", `{}`) + "\n" + ev("a", 2, "call.answered", `{}`), "seq 2 twice"},
		{"wrong id", `"id":"a-2"`, `"id":"a-7"`, "another id"},
		{"overbilled", `"billable_ms":2400`, `"billable_ms":3001`, "billed 3001 ms, connected 3000 ms"},
		{"unsealed recording", "recording.completed", "recording.paused", "recording came to 0 ends"},
		{"not recorded", "recording.started", "media.started", "answered and not recorded"},
		{"answer not told", "call.answered", "call.ringing", "the caller saw an answer, told 0 times"},
		{"other number", "+4721000001", "+4721000077", "nothing was told"},
		{"nobody's call", "+4721000001", "+4721000077", "1 calls to …77 that nobody placed"},
		{"told twice", ev("a", 1, "call.received", `{"tracking_number":"+4721000001"}`),
			ev("a", 1, "call.received", `{"tracking_number":"+4721000001"}`) + "\n" + ev("b", 1, "call.received", `{"tracking_number":"+4721000001"}`), "told 2 times"},
		{"late beginning", `"type":"call.received"`, `"type":"call.routed"`, "begins with call.routed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			calls, _ := one()
			text := strings.Replace(good, c.old, c.new, 1)
			events, err := parseEvents([]byte(text))
			if err != nil || text == good {
				t.Fatalf("replaced %v, %v", text != good, err)
			}
			f, err := judge(calls, events, noon.Add(3*time.Second))
			if err != nil || !slices.ContainsFunc(f.faults, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("%v, faults %q, want %q", err, f.faults, c.want)
			}
		})
	}
}

func TestJudgeUnanswered(t *testing.T) {
	// Killed before the answer: no event at all, or a story with an end, is good.
	calls := []placed{{number: "+4721000001"}, {index: 1, number: "+4721000002"}}
	events, _ := parseEvents([]byte(ev("b", 1, "call.received", `{"tracking_number":"+4721000002"}`) + "\n" + ev("b", 2, "call.ended", `{"billable_ms":0}`)))
	if f, err := judge(calls, events, noon); err != nil || len(f.faults) > 0 || f.Answered != 0 || f.Calls != 1 {
		t.Errorf("%v, %+v", err, f)
	}
	events, _ = parseEvents([]byte(ev("b", 1, "call.received", `{"tracking_number":"+4721000002"}`) + "\n" + ev("b", 2, "call.ended", `{"billable_ms":1}`)))
	if f, _ := judge(calls, events, noon); len(f.faults) != 1 {
		t.Errorf("billed though never answered: %q", f.faults)
	}
}

func TestSettled(t *testing.T) {
	_, text := one()
	all := strings.Split(text, "\n")
	for n := 1; n <= len(all); n++ {
		events, _ := parseEvents([]byte(strings.Join(all[:n], "\n")))
		told, err := tell(events)
		if err != nil || settled(told) != (n == len(all)) {
			t.Errorf("%d events: settled %v, %v", n, settled(told), err)
		}
	}
}

func TestParseEventsRefuses(t *testing.T) {
	for _, bad := range []string{"{", "null", `{"id":"a-1","type":"x","call":"a","seq":0}`, `{"type":"x","call":"a","seq":1}`} {
		if _, err := parseEvents([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	events, _ := parseEvents([]byte(ev("a", 1, "call.received", `{"tracking_number":7}`)))
	if _, err := judge(nil, events, noon); err == nil {
		t.Error("accepted a payload of another shape")
	}
}

// say is what a channel holds of some frames, silence in place of the others.
func say(call, side, frames int, gone ...int) []int16 {
	s := stamped(call, side).Render(frames)
	for _, n := range gone {
		clear(s[n*siptest.FrameSize : (n+1)*siptest.FrameSize])
	}
	return s
}

func TestListen(t *testing.T) {
	calls, _ := one()
	c := calls[0]
	numbers := func(from, to int) []int {
		var all []int
		for n := from; n < to; n++ {
			all = append(all, n)
		}
		return all
	}
	cases := []struct {
		name             string
		caller, callee   []int16
		head, hole, tail int
		want             string
	}{
		{"whole", say(0, 0, 150), say(0, 1, 150), 0, 0, 0, ""},
		{"first of the callee before the answer", say(0, 0, 150), say(0, 1, 150, 0), 0, 0, 0, ""},
		{"some lost", say(0, 0, 150, append([]int{0, 1, 70}, numbers(140, 150)...)...), say(0, 1, 150), 40, 20, 200, ""},
		{"a second lost", say(0, 0, 150, numbers(100, 150)...), say(0, 1, 150), 0, 0, 1000, ""},
		{"more than a second lost", say(0, 0, 150, numbers(99, 150)...), say(0, 1, 150), 0, 0, 1020, "channel 1 lost 1020 ms"},
		{"nothing there", say(0, 0, 150), make([]int16, 24000), 0, 0, 2980, "channel 2 lost 2980 ms"},
		{"channels swapped", say(0, 1, 150), say(0, 0, 150), 0, 0, 3000, "channel 1 holds call 0 side 1"},
		{"somebody else", say(0, 0, 150), append(say(0, 1, 150), say(7, 1, 1)...), 0, 0, 0, "holds call 7"},
		{"twice", append(say(0, 0, 150), say(0, 0, 1)...), say(0, 1, 150), 0, 0, 0, "frame 0 twice"},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			var f figures
			f.listen(c, "rec_1", [][]int16{k.caller, k.callee})
			if f.HeadMS != k.head || f.HoleMS != k.hole || f.TailMS != k.tail {
				t.Errorf("lost %d at the head, %d inside, %d at the end", f.HeadMS, f.HoleMS, f.TailMS)
			}
			bad := slices.ContainsFunc(f.faults, func(s string) bool { return strings.Contains(s, k.want) })
			if k.want == "" && len(f.faults) > 0 || k.want != "" && !bad {
				t.Errorf("faults %q, want %q", f.faults, k.want)
			}
		})
	}
	var f figures
	f.listen(c, "rec_1", [][]int16{nil})
	if len(f.faults) != 1 {
		t.Errorf("one channel: %q", f.faults)
	}
}

func TestFiguresKeepTheWorst(t *testing.T) {
	var f figures
	f.merge(figures{Calls: 2, LostMS: 40, OverMS: 0, UnderMS: 900, ReadyMS: 10})
	f.merge(figures{Calls: 3, LostMS: 20, UnderMS: 950, FinalsMS: 7, faults: make([]string, 60)})
	if f.Calls != 5 || f.LostMS != 40 || f.UnderMS != 950 || f.ReadyMS != 10 || f.FinalsMS != 7 || len(f.faults) != maxKept+1 {
		t.Errorf("%+v, %d faults", f, len(f.faults))
	}
}

// wavFile makes a RIFF file with an odd part before the data.
func wavFile(channels, format int, samples ...int16) []byte {
	var data []byte
	for _, s := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(s))
	}
	fmtPart := binary.LittleEndian.AppendUint16(nil, uint16(format))
	fmtPart = binary.LittleEndian.AppendUint16(fmtPart, uint16(channels))
	fmtPart = binary.LittleEndian.AppendUint32(fmtPart, 8000)
	fmtPart = binary.LittleEndian.AppendUint32(fmtPart, uint32(16000*channels))
	fmtPart = binary.LittleEndian.AppendUint16(fmtPart, uint16(2*channels))
	fmtPart = binary.LittleEndian.AppendUint16(fmtPart, 16)
	body := []byte("WAVE")
	for _, part := range []struct {
		name string
		b    []byte
	}{{"fmt ", fmtPart}, {"LIST", []byte{1, 2, 3}}, {"data", data}} {
		body = append(body, part.name...)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(part.b)))
		body = append(body, part.b...)
		if len(part.b)%2 == 1 {
			body = append(body, 0)
		}
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func TestReadWAV(t *testing.T) {
	got, err := readWAV(wavFile(2, 1, 1, -1, 2, -2))
	if err != nil || !slices.Equal(got[0], []int16{1, 2}) || !slices.Equal(got[1], []int16{-1, -2}) {
		t.Fatalf("%v, %v", got, err)
	}
	good := wavFile(2, 1, 1, -1)
	for name, bad := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-2], "mu-law": wavFile(2, 7, 1), "no channel": wavFile(0, 1, 1),
		"no data": append([]byte("RIFF\x04\x00\x00\x00"), "WAVE"...),
	} {
		if _, err := readWAV(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wavFile(2, 1, 1, -1))
	f.Add(wavFile(1, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		channels, err := readWAV(b)
		if err == nil && len(channels) == 0 {
			t.Fatal("no channel and no error")
		}
	})
}
