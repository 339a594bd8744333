package routing

import (
	"slices"
	"testing"
	"time"
)

// What a trunk asks of its codecs goes with its callers and with every target by
// it, in capitals; a decision's copy is its own.
func TestSpeechOfATrunk(t *testing.T) {
	spec := Spec{
		Trunks: []Trunk{{ID: "pbx", Sources: []string{"192.0.2.0/24"}, Codecs: []string{"opus", "G722"}, PacketTime: 20,
			NumberFormat: NumberFormat{Country: "NO"}, Targets: []TrunkTarget{{URI: "sip:192.0.2.7"}}}},
		Accounts: []Account{{ID: "demo"}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "f"}},
		Flows: map[string]Flow{"f": {{Dial: &Dial{Targets: []Destination{
			{URI: "sip:desk@192.0.2.7", Trunk: "pbx"}, {Number: "+4791234567", Trunk: "pbx"}, {URI: "sip:desk@192.0.2.7"},
		}}}}},
	}
	table, faults := NewTable(spec)
	if faults != nil {
		t.Fatal(faults)
	}
	ask := func() Decision { return table.Decide(Request{Trunk: "pbx", To: "+4721000001"}) }
	same := func(s Speech) bool {
		return slices.Equal(s.Codecs, []string{"OPUS", "G722"}) && s.PacketTime == 20*time.Millisecond && !s.PassOnly
	}
	d := ask()
	if len(d.Targets) != 3 || !same(d.MediaSources.Speech) || !same(d.Targets[0].Media.Speech) || !same(d.Targets[1].Media.Speech) {
		t.Fatalf("%+v", d)
	}
	if s := d.Targets[2].Media.Speech; len(s.Codecs) != 0 || s.PacketTime != 0 {
		t.Errorf("a target of no trunk has %+v", s)
	}
	d.Targets[0].Media.Speech.Codecs[0] = "changed"
	d.MediaSources.Speech.Codecs[0] = "changed"
	if again := ask(); !same(again.Targets[0].Media.Speech) || !same(again.MediaSources.Speech) {
		t.Error("a decision shares its codecs with the table")
	}
}
