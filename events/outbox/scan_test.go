package outbox

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ringdown/events"
)

// dead leaves the disk as kill -9 would: everything written, nothing closed.
func (r *rig) dead() *memDisk {
	r.flush()
	r.d.mu.Lock()
	left := r.d.crash(func(n int) int { return n })
	r.d.mu.Unlock()
	r.stop()
	return left
}

// TestUnfinished: calls a dead process left are found with their events, and
// their life ends with its last beat, not with a later process's.
func TestUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		a, b, c := call('A'), call('B'), call('C')
		r.publish(ev(a, events.CallReceived))
		time.Sleep(time.Second)
		r.publish(ev(b, events.CallReceived))
		r.publish(ev(c, events.CallReceived))
		r.publish(ev(c, events.CallEnded))
		r.o.Beat(time.Now())
		time.Sleep(300 * time.Millisecond)
		beat := time.Now().Truncate(time.Millisecond)
		r.o.Beat(beat)
		time.Sleep(100 * time.Millisecond)
		last := time.Now().Truncate(time.Millisecond)
		r.publish(ev(b, events.CallAnswered))
		d := r.dead()

		time.Sleep(time.Hour)
		r = startRig(t, d, testConfig())
		check := func(r *rig, types string) {
			t.Helper()
			all := r.o.Unfinished()
			if len(all) != 2 || all[0].Call != a || all[1].Call != b || all[0].Account != "demo" {
				t.Fatalf("%+v", all)
			}
			if !all[0].LastAlive.Equal(beat) {
				t.Errorf("A lived until %v, the last beat was %v", all[0].LastAlive, beat)
			}
			if !all[1].LastAlive.Equal(last) {
				t.Errorf("B lived until %v, its last event was %v", all[1].LastAlive, last)
			}
			var got []string
			for _, e := range all[1].Events {
				got = append(got, e.Type)
				if _, ok := e.Data.(json.RawMessage); !ok || e.Seq != uint64(len(got)) {
					t.Errorf("%+v", e)
				}
				if e.Time.After(all[1].LastAlive) {
					t.Errorf("%s at %v makes B longer than its life", e.Type, e.Time)
				}
			}
			if strings.Join(got, " ") != types {
				t.Errorf("B: %v, want %s", got, types)
			}
		}
		check(r, "call.received call.answered")
		// This process says something of a call of the dead one, beats, and dies too.
		r.publish(ev(b, events.RecordingCompleted))
		r.o.Beat(time.Now())
		d = r.dead()
		r = startRig(t, d, testConfig())
		check(r, "call.received call.answered recording.completed")
		r.publish(ev(a, events.CallEnded))
		r.publish(ev(b, events.CallEnded))
		d = r.dead()
		if all := openRig(t, d, testConfig()).o.Unfinished(); len(all) != 0 {
			t.Errorf("closed, but found: %+v", all)
		}
	})
}

// TestAccountStays: a call belongs to the account of its first event.
func TestAccountStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRig(t, newMemDisk(), testConfig())
		e := ev(call('A'), events.CallReceived)
		r.publish(e)
		e = ev(e.Call, events.CallEnded)
		e.Account = "other"
		r.publish(e)
		r.flush()
		all := r.readAll()
		if len(all) != 2 || all[1].Account != "demo" || !bytes.Contains(all[1].Body, []byte(`"account":"demo"`)) || r.o.Stats().Strayed != 1 {
			t.Errorf("%+v", all)
		}
		r.stop()
	})
}

// TestClockIsSet: between the events of a call and its last proof of life lies
// what passed, whichever way and however often the clock was set.
func TestClockIsSet(t *testing.T) {
	start0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, step := range map[string]time.Duration{
		"not": 0, "an hour on": time.Hour, "an hour back": -time.Hour, "twelve years on": 12 * 365 * 24 * time.Hour,
	} {
		for after, set := range map[string]time.Duration{"before the answer": 5 * time.Second, "after the answer": 15 * time.Second} {
			t.Run(name+" "+after, func(t *testing.T) {
				s := &scan{ledger: newLedger(), open: make(map[string]*Unfinished), born: make(map[string]int)}
				id := events.NewID("call", start0)
				wall := func(passed time.Duration) time.Time {
					if passed >= set {
						passed += step
					}
					return start0.Add(passed)
				}
				var seq uint64
				event := func(typ string, passed time.Duration) {
					seq++
					e := ev(id, typ)
					e.Seq, e.Time = seq, wall(passed)
					body, err := events.Encode(e, "edge-1")
					if err != nil {
						t.Fatal(err)
					}
					s.take(entry{account: "demo", call: id, kind: typ, seq: seq, at: e.Time, steady: start0.Add(passed), body: body},
						position{1, seq}, &segment{n: 1})
				}
				s.take(start{process: true, at: start0}, position{1, 0}, &segment{n: 1})
				event(events.CallReceived, time.Second)
				event(events.CallAnswered, 10*time.Second)
				s.take(start0.Add(20*time.Second), position{1, 9}, &segment{n: 1}) // the last beat
				s.take(start{process: true, at: start0}, position{2, 0}, &segment{n: 2})
				all := s.unfinished()
				if len(all) != 1 || len(all[0].Events) != 2 {
					t.Fatalf("%+v", all)
				}
				u := all[0]
				if got := u.LastAlive.Sub(u.Events[1].Time); got != 10*time.Second {
					t.Errorf("talked for %v, want 10s", got)
				}
				if got := u.LastAlive.Sub(u.Events[0].Time); got != 19*time.Second {
					t.Errorf("lasted %v, want 19s", got)
				}
			})
		}
	}
}

// TestLedgerForgets: what is remembered is bounded by the calls that may still
// speak, and a call with an open recording may.
func TestLedgerForgets(t *testing.T) {
	l := newLedger()
	at := time.Unix(1e9, 0)
	say := func(call, typ string, seq uint64, at time.Time) {
		e := entry{account: "demo", call: call, kind: typ, seq: seq, at: at}
		if strings.HasPrefix(typ, "recording.") {
			e.recording = "rec_1"
		}
		l.apply(e, 1)
		l.settle()
		l.forget()
	}
	say("open", events.CallReceived, 1, at)
	say("recorded", events.RecordingStarted, 1, at)
	say("recorded", events.CallEnded, 2, at)
	for i := range 1000 {
		say(string(rune('a'+i%26))+strings.Repeat("x", i/26), events.CallEnded, 1, at)
	}
	if len(l.calls) != 1002 {
		t.Fatalf("%d calls", len(l.calls))
	}
	say("late", events.CallEnded, 1, at)
	say("late", events.RecordingFailed, 2, at.Add(grace-time.Second))
	say("open", events.CallRinging, 2, at.Add(grace))
	if len(l.calls) != 3 {
		t.Errorf("%d calls remembered, want the open, the recorded and the late one", len(l.calls))
	}
	say("recorded", events.RecordingCompleted, 3, at.Add(grace))
	say("open", events.CallRinging, 3, at.Add(2*grace))
	if len(l.calls) != 1 || l.calls["open"].seq != 3 || len(l.gone) != 0 {
		t.Errorf("%v, %v", l.calls, l.gone)
	}
}

// TestLedgerRollback: whatever was applied since the last settle is undone.
func TestLedgerRollback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger()
		types := []string{events.CallReceived, events.CallRinging, events.RecordingStarted, events.RecordingCompleted, events.CallEnded}
		some := func(label string) {
			for range rapid.IntRange(0, 10).Draw(t, label) {
				c := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "call")
				l.apply(entry{account: "demo", call: c, kind: rapid.SampledFrom(types).Draw(t, "type"),
					recording: rapid.SampledFrom([]string{"r", "s"}).Draw(t, "recording"), seq: l.calls[c].seq + 1, at: time.Unix(1, 0)}, 1)
			}
		}
		some("kept")
		l.settle()
		before := make(map[string]state)
		for c, s := range l.calls {
			s.recordings = slices.Clone(s.recordings)
			before[c] = s
		}
		some("undone")
		l.rollback()
		if len(l.calls) != len(before) {
			t.Fatalf("%v, want %v", l.calls, before)
		}
		for c, s := range before {
			if got := l.calls[c]; !slices.Equal(got.recordings, s.recordings) || got.seq != s.seq || got.ended != s.ended {
				t.Fatalf("%s: %+v, want %+v", c, got, s)
			}
		}
	})
}

func TestRecords(t *testing.T) {
	at := time.UnixMilli(1772366400123)
	id := events.NewID("call", at)
	for _, v := range []any{
		start{process: true, at: at, fences: []fence{{1, 2}, {1 << 40, 0}}},
		start{at: at},
		entry{account: "demo", call: id, kind: events.RecordingFailed, recording: "rec_1", seq: 300, at: at, steady: at.Add(-time.Hour), body: []byte(`{}`)},
		at,
	} {
		var b []byte
		switch v := v.(type) {
		case start:
			b = v.append(nil)
		case entry:
			b = v.append(nil)
		case time.Time:
			b = appendBeat(nil, v)
		}
		got, err := parse(b)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%+v came back as %+v, %v", v, got, err)
		}
		for n := range len(b) {
			if e, ok := v.(entry); ok && n >= len(b)-len(e.body) {
				continue // the body has no length of its own: the seal has
			}
			if got, err := parse(b[:n]); err == nil {
				t.Errorf("%d bytes of %+v gave %+v", n, v, got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(start{process: true, at: time.UnixMilli(1), fences: []fence{{1, 2}}}.append(nil))
	f.Add(entry{account: "demo", call: events.NewID("call", time.UnixMilli(1)), kind: events.CallEnded, seq: 1, at: time.UnixMilli(1), body: []byte(`{}`)}.append(nil))
	f.Add(appendBeat(nil, time.UnixMilli(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if e, ok := v.(entry); err == nil && ok && (Record{Account: e.account, Call: e.call, Type: e.kind}).Subject() == "" {
			t.Errorf("%+v has no subject", e)
		}
	})
}
