package routing

import (
	"net/netip"
	"slices"
	"testing"
)

// A URI that is spoken to in the manner of a trunk has the trunk's media rules
// too, but for what it says itself: a PBX whose trunk latches must not be
// silent because it is named by its URI.
func TestMannerOfATrunkHoldsForMedia(t *testing.T) {
	pbx, own := "192.0.2.0/24", "198.51.100.0/24"
	for _, tt := range []struct {
		name    string
		to      Destination
		latch   bool
		sources []string
	}{
		{"says nothing", Destination{Trunk: "pbx"}, true, []string{pbx}},
		{"says its rule", Destination{Trunk: "pbx", MediaRule: MediaStrict}, false, []string{pbx}},
		{"says its sources", Destination{Trunk: "pbx", MediaSources: []string{own}}, true, []string{own}},
		{"of a strict trunk", Destination{Trunk: "strict"}, false, nil},
		{"of no trunk", Destination{}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.to.URI = "sip:desk@192.0.2.7"
			table, faults := NewTable(Spec{
				Trunks: []Trunk{
					{ID: "pbx", Sources: []string{pbx}, MediaRule: MediaLatch, MediaSources: []string{pbx}},
					{ID: "strict", Sources: []string{own}},
				},
				Accounts: []Account{{ID: "demo"}},
				Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "f"}},
				Flows:    map[string]Flow{"f": {{Dial: &Dial{Targets: []Destination{tt.to}}}}},
			})
			if faults != nil {
				t.Fatal(faults)
			}
			d := table.Decide(Request{Trunk: "pbx", To: "+4721000001"})
			if len(d.Targets) != 1 {
				t.Fatalf("targets %+v, reject %q", d.Targets, d.Reject)
			}
			var want []netip.Prefix
			for _, s := range tt.sources {
				want = append(want, netip.MustParsePrefix(s))
			}
			if got := d.Targets[0].Media; got.Latch != tt.latch || !slices.Equal(got.Sources, want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
