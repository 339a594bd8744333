package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files: a changed golden is a changed promise")

const (
	goldenCall = "call_01ARZ3NDEKTSV4RRFFQ69G5FAV"
	goldenLeg  = "leg_01ARZ3NDEKTSV4RRFFQ69G5FAW"
	goldenRec  = "rec_01ARZ3NDEKTSV4RRFFQ69G5FAX"
)

// samples returns one event of each type with every field of its payload set.
func samples() []Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
	stamp := Stamp(at)
	cause := Cause{SIPStatus: 486, SIPReason: "Busy Here", Q850: 17, Q850Text: "user busy", Source: "remote"}
	trace := []Look{{What: "number", Result: "match", Text: "number belongs to account demo"}}
	flow := MediaFlow{Packets: 400, Bytes: 64000, RTCP: 2, Drops: map[string]uint64{"wrong-source": 1}, Codec: "PCMU", Lost: 4, JitterMS: 1.5, MOSLQ: 4.31}
	seven := uint64(7)
	class := &CallerClass{Withheld: true, Country: "NO", Area: "oslo", Lists: []string{"vip"}}
	there := []Destination{{Check: "0f3c", Class: "NO", Trunk: "carrier"}}
	consent := func(outcome, choice string) ConsentData {
		return ConsentData{Step: "flows.sales[0].greeting", Party: "caller", Outcome: outcome, Prompt: "notice", Language: "en",
			Hash: "00ff00ff00ff00ff", PlayedMS: 3200, Choice: choice}
	}
	data := map[string]any{
		CallReceived: CallReceivedData{Agency: "demo-agency", Trunk: "carrier", Transport: "udp", Direction: "inbound",
			Caller:         Party{Subject: "sub_01ARZ3NDEKTSV4RRFFQ69G5FAY", Masked: "+47*****12", Sealed: "c2VhbGVk"},
			TrackingNumber: "+4721000001", Attribution: map[string]string{"source": "google-ads", "campaign": "autumn"},
			Attributes: map[string]string{"X-Campaign": "autumn"}, Diverted: &Diverted{Count: 1, Reason: "user-busy"},
			Attestation: &Attestation{Verstat: "TN-Validation-Passed", Attest: "A", OrigID: "123e4567-e89b-12d3-a456-426655440000"}},
		CallRejected:   CallRejectedData{Status: "rejected", RejectReason: "number-unassigned", Limit: "trunk", Cause: cause, Trace: trace, Draw: "00ff00ff00ff00ff", Class: class},
		CallScreened:   CallScreenedData{Verdict: "refused", Rule: "block-list", Of: "account", List: "nuisance"},
		FraudSuspected: FraudSuspectedData{Leg: goldenLeg, Rule: "country", Class: "international", Country: "SE", Trunk: "carrier", Text: "the number is in none of the countries that may be called (NO)"},
		CallRouted: CallRoutedData{ConfigVersion: "3f2a", Flow: "sales", Strategy: "sequential", Targets: 1,
			RecordingMode: "record-from-answer", RecordingFrom: "account", Trace: trace, Consent: "opt-in", Draw: "00ff00ff00ff00ff", Class: class,
			Caps: map[string]int64{"account_calls": 50}, Destinations: there},
		CallAttended: CallAttendedData{Leg: goldenLeg, Step: "flows.sales[0].greeting"},
		CallStepped: CallSteppedData{Step: "flows.sales[1].menu", Kind: "menu", Result: "pressed", Choice: "1", Keys: 1, Number: &seven, Flow: "night", Sticky: "0f3c", Reply: "flow", Recording: "record-from-answer", Consent: "opt-in",
			Trials: []StepTrial{{Target: 0, Result: "busy"}}, Destinations: there, Trace: trace},
		CallTagged:       CallTaggedData{Step: "flows.sales[2].tag", Tags: map[string]string{"team": "sales"}},
		ConsentAnnounced: consent("announced", ""),
		ConsentGranted:   consent("opted-in", "1"),
		ConsentRefused:   consent("opted-out", "9"),
		VoicemailLeft:    VoicemailLeftData{Step: "flows.sales[3].voicemail", Mailbox: "sales", Recording: goldenRec, DurationMS: 12000, EndedBy: "silence"},
		RecordingBlocked: RecordingBlockedData{Reason: "consent-interrupted", Policy: "announced", Consent: "interrupted"},
		CallRinging:      CallRingingData{Status: "ringing"},
		CallAnswered:     CallAnsweredData{Winner: goldenLeg},
		CallBridged:      CallBridgedData{Winner: goldenLeg, LateDurable: true},
		CallHeld:         CallHeldData{Party: "callee", Leg: goldenLeg},
		CallResumed:      CallHeldData{Party: "callee", Leg: goldenLeg},
		CallEnded: CallEndedData{Status: "completed", EndedBy: "caller", Cause: cause, RejectReason: "no-route", Limit: "account", ReceivedAt: stamp,
			FirstRingAt: &stamp, AnsweredAt: &stamp, AttendedAt: &stamp, AttendedMS: 5, BridgedAt: &stamp, EndedAt: stamp, BilledUntil: &stamp, SetupMS: 1, RingMS: 2, TalkMS: 3, HoldMS: 4,
			DurationMS: 4, BillableMS: 3, Estimated: true, ConfigVersion: "3f2a", Winner: goldenLeg, Transfers: 1,
			Media: &MediaTotals{Caller: flow, Callee: flow}},
		LegCreated:            LegCreatedData{Leg: goldenLeg, Role: "b", Attempt: 1, Trunk: "carrier", FromCall: goldenCall},
		CallTransferRequested: CallTransferRequestedData{By: goldenLeg, Kind: "blind", Side: "callee", Reason: "transfer-not-allowed", Trace: trace},
		CallTransferred: CallTransferredData{By: goldenLeg, Kind: "attended", Side: "callee", Left: goldenLeg, Joined: goldenLeg,
			FromCall: goldenCall, ToCall: goldenCall},
		CallTransferFailed: CallTransferFailedData{By: goldenLeg, Kind: "blind", Side: "callee", Cause: cause},
		LegRinging:         LegRingingData{Leg: goldenLeg, SIP: 180},
		LegEarlyMedia:      LegRingingData{Leg: goldenLeg, SIP: 183},
		LegAnswered:        LegAnsweredData{Leg: goldenLeg},
		LegWhispered:       LegWhisperedData{Leg: goldenLeg, Complete: true, End: "digit"},
		LegAccepted:        LegAcceptedData{Leg: goldenLeg, WaitedMS: 2100},
		LegDeclined:        LegDeclinedData{Leg: goldenLeg, Reason: "key", WaitedMS: 2100},
		LegFailed:          LegFailedData{Leg: goldenLeg, Status: "failed", Cause: cause, Redirect: "refused", Reason: "concurrency-limit", Limit: "destination"},
		LegEnded:           LegEndedData{Leg: goldenLeg, EndedBy: "caller", Cause: cause},
		MediaStarted:       MediaStartedData{Side: "caller", PT: 8},
		DTMFDetected:       DTMFDetectedData{Side: "caller", Leg: goldenLeg, Class: "key", Count: 4, Ways: []string{"rfc4733", "info"}},
		MediaPlayed: MediaPlayedData{Sound: "music-on-hold", Hash: "00ff00ff00ff00ff", Side: "callee", Leg: goldenLeg, Complete: true,
			PlayedMS: 61000, Times: 1, End: "stopped"},
		MediaQuality: MediaQualityData{Leg: goldenLeg, Side: "callee", State: "final", Codec: "PCMU", Packets: 1490, Expected: 1500, Lost: 15, LossPercent: 1,
			Late: 3, Duplicate: 5, Reordered: 2, JitterMS: 4.2, RTTMS: 38.5, BurstDensity: 12.5, GapDensity: 0.7, Class: "high", R: 88.1, MOSLQ: 4.29, MOSCQ: 4.21,
			Reported: &MediaReported{LossPercent: 0.39, JitterMS: 2.5, R: 90, MOSLQ: 4.3, MOSCQ: 4.2}},
		MediaOneWay:  MediaUnheardData{Leg: goldenLeg, Side: "callee", State: "began", Verdict: "wrong-source", Source: "private", Since: stamp, LastedMS: 7100},
		MediaSilence: MediaUnheardData{Leg: goldenLeg, Side: "caller", State: "over", Verdict: "muted", Source: "public", Since: stamp, LastedMS: 31000},
		MediaTimeout: MediaTimeoutData{Leg: goldenLeg, Side: "callee", Limit: "steady", Since: stamp, SilentMS: 60100},
		RecordingStarted: RecordingStartedData{Recording: goldenRec, Mode: "record-from-answer", Channels: "dual", KeyRef: "k1",
			Segment: 2, Previous: goldenRec, Caller: goldenLeg, Callee: goldenLeg, Source: "voicemail", Mailbox: "sales"},
		RecordingPaused:    RecordingPausedData{Recording: goldenRec, By: "callee", Source: "keypad"},
		RecordingResumed:   RecordingResumedData{Recording: goldenRec, By: "caller", Source: "keypad"},
		RecordingDegraded:  RecordingDegradedData{Recording: goldenRec, Reason: "disk slow"},
		RecordingCompleted: RecordingCompletedData{Recording: goldenRec, Result: "ok", Completeness: 1, Completion: "closed", DurationMS: 8000, Bytes: 131072, Segments: 32, Root: "00ff"},
		SIPSourceBanned:    SIPSourceBannedData{Source: "198.51.100.7/32", Reason: "scan", Until: stamp, Count: 2},
		ConfigChanged: ConfigChangedData{Source: "nats", Version: "3f2a00ff3f2a", PreviousVersion: "00ff3f2a00ff", Commit: 18, PreviousCommit: 17, Node: "edge-1", By: "ops",
			Added: map[string]int{"numbers": 3}, Changed: map[string]int{"flows": 1}, Removed: map[string]int{"numbers": 1}},
		ConfigRefused:   ConfigRefusedData{Reason: "head", Text: "the newest commit was not written with this directory key, or is damaged", Version: "3f2a00ff3f2a", Commit: 18},
		RecordingFailed: RecordingFailedData{Recording: goldenRec, Reason: "disk full"},
	}
	var all []Event
	for _, t := range Types() {
		if OfNode(t) {
			all = append(all, Event{Account: System, Call: "node_01ARZ3NDEKTSV4RRFFQ69G5FAZ", Type: t, Time: at, Seq: 1, Data: data[t]})
			continue
		}
		all = append(all, Event{Account: "demo", Call: goldenCall, Type: t, Time: at, Seq: 1, Data: data[t]})
	}
	return all
}

func TestGolden(t *testing.T) {
	for _, e := range samples() {
		t.Run(e.Type, func(t *testing.T) {
			b, err := Encode(e, "edge-1")
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, b, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			file := filepath.Join("testdata", e.Type+".json")
			if *update {
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("%s\n%s\nwant\n%s", file, &pretty, want)
			}
			if back, err := Decode(want); err != nil || ID(back.Call, back.Seq) != ID(e.Call, e.Seq) || back.Type != e.Type || back.Account != e.Account || !back.Time.Equal(e.Time.Truncate(time.Millisecond)) {
				t.Errorf("decoded %+v, %v", back, err)
			}
		})
	}
}
