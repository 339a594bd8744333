package routing

import (
	"slices"
	"strings"
	"testing"
)

// Codes are the number's, or its account's; how keys travel goes with each target.
func TestDTMFOfADecision(t *testing.T) {
	dtmf := DTMF{Send: DTMFInfo, Receive: []string{DTMFInband}}
	ofAccount := StarCodes{Pause: "*1", Resume: "*2"}
	table, faults := NewTable(Spec{
		Trunks:   []Trunk{{ID: "pbx", Sources: []string{"192.0.2.0/24"}, DTMF: dtmf, NumberFormat: NumberFormat{Country: "NO"}}},
		Accounts: []Account{{ID: "demo", StarCodes: ofAccount}},
		Numbers: []TrackingNumber{
			{Number: "+4721000001", Account: "demo", Flow: "f"},
			{Number: "+4721000002", Account: "demo", Flow: "f", StarCodes: StarCodes{By: CodesByBoth, HangUp: "**"}},
			{Number: "+4721000003", Account: "demo", Flow: "f", StarCodes: StarCodes{By: CodesOff}},
		},
		Flows: map[string]Flow{"f": {{Dial: &Dial{Targets: []Destination{
			{URI: "sip:desk@192.0.2.7", Trunk: "pbx"}, {URI: "sip:desk@192.0.2.7"}}}}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	d := table.Decide(Request{Trunk: "pbx", To: "+4721000001"})
	if d.Codes != ofAccount {
		t.Errorf("a number without codes of its own has %+v", d.Codes)
	}
	same := func(got DTMF) bool { return got.Send == dtmf.Send && slices.Equal(got.Receive, dtmf.Receive) }
	if !same(d.MediaSources.DTMF) || !same(d.Targets[0].Media.DTMF) || d.Targets[1].Media.DTMF.Send != "" {
		t.Errorf("keys travel as %+v, %+v, %+v", d.MediaSources.DTMF, d.Targets[0].Media.DTMF, d.Targets[1].Media.DTMF)
	}
	d = table.Decide(Request{Trunk: "pbx", To: "+4721000002"})
	if codes, does := d.Codes.List(); d.Codes.By != CodesByBoth || !slices.Equal(codes, []string{"**"}) || !slices.Equal(does, []Does{HangUp}) {
		t.Errorf("a number with codes of its own has %+v", d.Codes)
	}
	if d = table.Decide(Request{Trunk: "pbx", To: "+4721000003"}); d.Codes != (StarCodes{}) {
		t.Errorf("a number that switches its account's codes off has %+v", d.Codes)
	}
	if codes, does := ofAccount.List(); !slices.Equal(codes, []string{"*1", "*2"}) || !slices.Equal(does, []Does{PauseRecording, ResumeRecording}) {
		t.Errorf("the codes are %v for %v", codes, does)
	}
}

// A caller may pause what must be recorded only with a warning; the codes and the
// recording may each come from another level.
func TestCodesAgainstRefuseCall(t *testing.T) {
	both := StarCodes{By: CodesByBoth, Pause: "*1", Resume: "*2"}
	must := RecordingPolicy{Mode: RecordFromAnswer, OnFailure: RefuseCall}
	for _, c := range []struct {
		name    string
		account Account
		number  TrackingNumber
		flow    RecordingPolicy
		want    []string // paths
	}{
		{"of a number", Account{}, TrackingNumber{StarCodes: both, Recording: must}, RecordingPolicy{}, []string{"numbers[0].star_codes.by", "numbers[1].star_codes.by"}},
		{"of an account", Account{StarCodes: both, Recording: must}, TrackingNumber{}, RecordingPolicy{}, []string{"accounts[0].star_codes.by"}},
		{"of a flow", Account{StarCodes: both}, TrackingNumber{}, must, []string{"accounts[0].star_codes.by"}},
		{"off", Account{StarCodes: both, Recording: must}, TrackingNumber{StarCodes: StarCodes{By: CodesOff}}, RecordingPolicy{}, nil},
		{"by the callee", Account{StarCodes: StarCodes{Pause: "*1", Resume: "*2"}, Recording: must}, TrackingNumber{}, RecordingPolicy{}, nil},
		{"no pause", Account{StarCodes: StarCodes{By: CodesByBoth, HangUp: "**"}, Recording: must}, TrackingNumber{}, RecordingPolicy{}, nil},
		{"may go unrecorded", Account{StarCodes: both, Recording: must}, TrackingNumber{Recording: RecordingPolicy{Mode: RecordFromAnswer}}, RecordingPolicy{}, nil},
		{"not recorded", Account{StarCodes: both, Recording: must}, TrackingNumber{Recording: RecordingPolicy{Mode: DoNotRecord}}, RecordingPolicy{}, nil},
	} {
		s := good()
		c.account.ID = "demo"
		s.Accounts = []Account{c.account}
		steps := Flow{{Dial: &Dial{Targets: []Destination{{URI: "sip:desk@192.0.2.7"}}}}}
		if c.flow.Mode != "" {
			steps = append(Flow{{Recording: &c.flow}}, steps...)
		}
		s.Flows = map[string]Flow{"f": steps}
		c.number.Account, c.number.Flow = "demo", "f"
		s.Numbers = []TrackingNumber{c.number, c.number}
		s.Numbers[0].Number, s.Numbers[1].Number = "+4721000001", "+4721000002"
		table, faults := NewTable(s)
		if faults != nil {
			t.Fatal(c.name, faults)
		}
		var got []string
		for _, w := range table.Warnings() {
			if strings.Contains(w.Msg, "refuse-call") {
				got = append(got, w.Path)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: warned of %q, want %q", c.name, got, c.want)
		}
	}
}
