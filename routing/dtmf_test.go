package routing

import (
	"slices"
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
	if codes, does := ofAccount.List(); !slices.Equal(codes, []string{"*1", "*2"}) || !slices.Equal(does, []Does{PauseRecording, ResumeRecording}) {
		t.Errorf("the codes are %v for %v", codes, does)
	}
}
