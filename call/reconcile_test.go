package call

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"ringdown/events"
)

func happened(seconds int, kind string, data any) events.Event {
	return events.Event{Account: "demo", Call: "call_1", Type: kind, Time: zero.Add(time.Duration(seconds) * time.Second), Data: data}
}

func readBack(t *testing.T, in []events.Event) []events.Event {
	t.Helper()
	out := make([]events.Event, len(in))
	for i, e := range in {
		raw, err := json.Marshal(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		e.Data = json.RawMessage(raw)
		out[i] = e
	}
	return out
}

func TestReconcile(t *testing.T) {
	answered := []events.Event{
		happened(0, events.CallReceived, events.CallReceivedData{}),
		happened(0, events.LegCreated, events.LegCreatedData{Leg: "leg_a", Role: "a"}),
		happened(0, events.CallRouted, events.CallRoutedData{ConfigVersion: "v7"}),
		happened(0, events.LegCreated, events.LegCreatedData{Leg: "leg_b1", Role: "b"}),
		happened(1, events.LegFailed, events.LegFailedData{Leg: "leg_b1"}),
		happened(1, events.LegCreated, events.LegCreatedData{Leg: "leg_b2", Role: "b"}),
		happened(2, events.CallRinging, events.CallRingingData{}),
		happened(5, events.CallAnswered, events.CallAnsweredData{Winner: "leg_b2"}),
		happened(5, events.CallBridged, events.CallBridgedData{Winner: "leg_b2"}),
	}
	over := append(slices.Clone(answered),
		happened(50, events.LegEnded, events.LegEndedData{Leg: "leg_b2"}),
		happened(50, events.LegEnded, events.LegEndedData{Leg: "leg_a"}),
		happened(52, events.RecordingCompleted, events.RecordingCompletedData{}))
	cases := map[string]struct {
		history  []events.Event
		alive    int
		legs     []string
		status   string
		billable int64
		duration int64
	}{
		"in progress":             {answered, 65, []string{"leg_a", "leg_b2"}, "completed", 60_000, 65_000},
		"beat older than history": {answered, 3, []string{"leg_a", "leg_b2"}, "completed", 0, 5_000},
		"answered, not bridged":   {answered[:8], 65, []string{"leg_a", "leg_b2"}, "failed", 0, 65_000},
		"ringing":                 {answered[:7], 30, []string{"leg_a", "leg_b2"}, "failed", 0, 30_000},
		"between attempts":        {answered[:5], 30, []string{"leg_a"}, "failed", 0, 30_000},
		"ended, and waiting for the ACK to tell it": {over, 65, nil, "completed", 45_000, 50_000},
		"one leg has ended":                         {over[:10], 65, []string{"leg_a"}, "completed", 60_000, 65_000},
		"just received":                             {answered[:1], 0, nil, "failed", 0, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, history := range [][]events.Event{c.history, readBack(t, c.history)} {
				out, err := Reconcile(history, zero.Add(time.Duration(c.alive)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				var legs []string
				for _, e := range out[:len(out)-1] {
					legs = append(legs, e.Data.(events.LegEndedData).Leg)
				}
				if len(legs) != len(c.legs) {
					t.Errorf("legs ended: %v, want %v", legs, c.legs)
				}
				end, ok := out[len(out)-1].Data.(events.CallEndedData)
				if !ok || !end.Estimated || end.EndedBy != "node-loss" {
					t.Fatalf("last event %+v", out[len(out)-1])
				}
				if end.Status != c.status || end.BillableMS != c.billable || end.DurationMS != c.duration {
					t.Errorf("ended %s billable %d duration %d", end.Status, end.BillableMS, end.DurationMS)
				}
			}
		})
	}
}

func TestReconcileLeavesAnEndedCallAlone(t *testing.T) {
	out, err := Reconcile([]events.Event{happened(0, events.CallReceived, events.CallReceivedData{}),
		happened(1, events.CallEnded, events.CallEndedData{})}, zero)
	if err != nil || out != nil {
		t.Errorf("closed again: %v, %v", out, err)
	}
}

func TestReconcileRefusesRubbish(t *testing.T) {
	if _, err := Reconcile(nil, zero); err == nil {
		t.Error("an empty history was closed")
	}
	if _, err := Reconcile([]events.Event{happened(0, events.LegCreated, json.RawMessage(`{"leg":`))}, zero); err == nil {
		t.Error("a torn payload was read")
	}
	if _, err := Reconcile([]events.Event{happened(0, events.CallBridged, 7)}, zero); err == nil {
		t.Error("a payload of another kind was read")
	}
}

// A call that was killed in a menu or while it left a message was connected: it is
// billed to the last sign of life, and completed when the message was left.
func TestReconcileAttended(t *testing.T) {
	at := func(s int) time.Time { return zero.Add(time.Duration(s) * time.Second) }
	tell := func(s int, kind string, data any) events.Event {
		return events.Event{Account: "demo", Call: "call_1", Type: kind, Time: at(s), Data: data}
	}
	history := []events.Event{
		tell(0, events.CallReceived, events.CallReceivedData{}), tell(0, events.LegCreated, events.LegCreatedData{Leg: "leg_1", Role: "a"}),
		tell(1, events.CallAttended, events.CallAttendedData{Leg: "leg_1"}),
	}
	for _, c := range []struct {
		more   []events.Event
		status string
	}{{nil, "failed"}, {[]events.Event{tell(9, events.VoicemailLeft, events.VoicemailLeftData{Recording: "rec_1"})}, "completed"}} {
		out, err := Reconcile(append(history[:3:3], c.more...), at(11))
		if err != nil {
			t.Fatal(err)
		}
		d := out[len(out)-1].Data.(events.CallEndedData)
		if d.Status != c.status || d.AttendedMS != 10_000 || d.BillableMS != 10_000 || d.TalkMS != 0 || !d.Estimated {
			t.Errorf("told %+v", d)
		}
	}
}

// A call that was killed behind its talk, or in the middle of being refused, is closed
// as it would have been: the survey is no talk, and who is not let in is not billed.
func TestReconcileBehindTheTalkAndRefused(t *testing.T) {
	begin := []events.Event{
		happened(0, events.CallReceived, events.CallReceivedData{}), happened(0, events.LegCreated, events.LegCreatedData{Leg: "leg_a", Role: "a"}),
	}
	attended := append(slices.Clone(begin), happened(1, events.CallAttended, events.CallAttendedData{Leg: "leg_a"}))
	talked := append(slices.Clone(begin),
		happened(1, events.LegCreated, events.LegCreatedData{Leg: "leg_b1", Role: "b"}),
		happened(5, events.CallBridged, events.CallBridgedData{Winner: "leg_b1"}),
		happened(65, events.LegEnded, events.LegEndedData{Leg: "leg_b1"}),
		happened(65, events.CallStepped, events.CallSteppedData{Kind: "dial", Result: "talked"}))
	cases := map[string]struct {
		history                            []events.Event
		status, reason                     string
		talked, attended, billed, attendAt int64
	}{
		"in a survey": {talked, "completed", "", 60_000, 10_000, 70_000, 65},
		"refused with a prompt": {append(slices.Clone(attended), happened(3, events.CallRejected, events.CallRejectedData{Status: "rejected", RejectReason: "closed"})),
			"rejected", "closed", 0, 74_000, 0, 1},
		"challenged": {append(slices.Clone(attended), happened(3, events.CallScreened, events.CallScreenedData{Verdict: "challenged"})), "failed", "", 0, 74_000, 0, 1},
		"let in": {append(slices.Clone(attended), happened(3, events.CallScreened, events.CallScreenedData{Verdict: "challenged"}),
			happened(4, events.CallScreened, events.CallScreenedData{Verdict: "passed"})), "failed", "", 0, 74_000, 74_000, 1},
	}
	for name, c := range cases {
		for _, history := range [][]events.Event{c.history, readBack(t, c.history)} {
			out, err := Reconcile(history, zero.Add(75*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			d := out[len(out)-1].Data.(events.CallEndedData)
			if d.Status != c.status || d.RejectReason != c.reason || d.TalkMS != c.talked || d.AttendedMS != c.attended || d.BillableMS != c.billed {
				t.Errorf("%s: ended %s %q, talk %d, attended %d, billable %d", name, d.Status, d.RejectReason, d.TalkMS, d.AttendedMS, d.BillableMS)
			}
			if at := zero.Add(time.Duration(c.attendAt) * time.Second); d.AttendedAt == nil || !time.Time(*d.AttendedAt).Equal(at) {
				t.Errorf("%s: attended at %v, want %s", name, d.AttendedAt, at)
			}
		}
	}
}
