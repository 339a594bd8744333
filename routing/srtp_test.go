package routing

import (
	"slices"
	"testing"
)

// What a trunk asks of encryption goes with every target by it, also with a URI
// that is spoken to in its manner, and with its callers; a decision's copy is its own.
func TestSRTPOfATrunk(t *testing.T) {
	want := SRTP{Mode: SRTPRequire, Suites: []string{"AEAD_AES_128_GCM"}, InsecureSignalling: true}
	spec := Spec{
		Trunks: []Trunk{{ID: "pbx", Sources: []string{"192.0.2.0/24"}, SRTP: want, NumberFormat: NumberFormat{Country: "NO"},
			Targets: []TrunkTarget{{URI: "sip:192.0.2.7;transport=udp"}}}},
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
	d := ask()
	same := func(got SRTP) bool {
		return got.Mode == want.Mode && slices.Equal(got.Suites, want.Suites) && got.InsecureSignalling
	}
	if len(d.Targets) != 3 || !same(d.MediaSources.SRTP) || !same(d.Targets[0].Media.SRTP) || !same(d.Targets[1].Media.SRTP) {
		t.Fatalf("%+v", d)
	}
	if got := d.Targets[2].Media.SRTP.Mode; got != "" {
		t.Errorf("a target of no trunk has mode %q", got)
	}
	d.Targets[0].Media.SRTP.Suites[0] = "changed"
	d.MediaSources.SRTP.Suites[0] = "changed"
	if again := ask(); !same(again.Targets[0].Media.SRTP) || !same(again.MediaSources.SRTP) {
		t.Error("a decision shares its suites with the table")
	}
}

// A key is in the open where a transport says so, or where RFC 3263 leaves none
// but UDP; where DNS decides nobody can tell before.
func TestKeysInTheOpen(t *testing.T) {
	require := SRTP{Mode: SRTPRequire}
	for text, want := range map[string]bool{
		"sip:10.0.0.9": true, "sip:10.0.0.9:5060": true, "sip:[2001:db8::9]": true, "sip:10.0.0.9;lr": true,
		"sip:sbc.example:5061": true, "sip:sbc.example;transport=udp": true, "sip:sbc.example;lr;Transport=tcp": true,
		"sip:sbc.example": false, "sip:10.0.0.9;transport=tls": false, "sip:sbc.example:5061;transport=tls": false,
	} {
		u, msg := parseURI(text)
		if msg != "" {
			t.Fatal(text, msg)
		}
		if got := keysInTheOpen(require, u); got != want {
			t.Errorf("%s: %t", text, got)
		}
		for _, s := range []SRTP{{}, {Mode: SRTPOffer}, {Mode: SRTPRequire, Keys: KeysDTLS}, {Mode: SRTPRequire, InsecureSignalling: true}} {
			if keysInTheOpen(s, u) {
				t.Errorf("%s is refused for %+v", text, s)
			}
		}
	}
}
