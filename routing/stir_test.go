package routing

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func stirTable(t *testing.T, require string) *Table {
	t.Helper()
	table, faults := NewTable(Spec{
		Trunks:   []Trunk{{ID: "carrier", Sources: []string{"192.0.2.0/24"}, NumberFormat: NumberFormat{Country: "NO", Strip: "99"}, STIR: STIR{Require: require}}},
		Accounts: []Account{{ID: "demo"}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales"}},
		Flows:    map[string]Flow{"sales": {{Dial: &Dial{Targets: []Destination{{URI: "sip:a@192.0.2.9"}}}}}},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return table
}

// What a trunk requires decides, and the trace says what was there.
func TestAttestationGate(t *testing.T) {
	passed := func(level string) Attested { return Attested{Verstat: verstatPassed, Attest: level} }
	broken := Attested{Verstat: "TN-Validation-Failed", Reason: "signature-invalid"}
	for _, c := range []struct {
		require string
		got     Attested
		taken   bool
	}{
		{"", Attested{}, true}, {"none", broken, true}, {"none", passed("C"), true},
		{"passed", passed("C"), true}, {"passed", broken, false}, {"passed", Attested{}, false},
		{"B", passed("A"), true}, {"B", passed("B"), true}, {"B", passed("C"), false},
		{"A", passed("A"), true}, {"A", passed("B"), false}, {"A", broken, false},
		{"A", Attested{Verstat: "TN-Validation-Failed", Attest: "A"}, false},
	} {
		d := stirTable(t, c.require).Decide(Request{Trunk: "carrier", From: "90000001", To: "9921000001", At: time.Unix(0, 0), Attested: c.got})
		if (d.Reject == "") != c.taken || !c.taken && d.Reject != AttestationTooLow {
			t.Errorf("%q, %+v: rejected for %q", c.require, c.got, d.Reject)
		}
		said := slices.ContainsFunc(d.Trace, func(l Look) bool { return l.What == "stir" && strings.Contains(l.Text, c.got.Verstat) })
		if said != (c.got.Verstat != "" || !c.taken) {
			t.Errorf("%q, %+v: the trace says of it: %v", c.require, c.got, said)
		}
	}
}

func TestSTIRWords(t *testing.T) {
	_, faults := NewTable(Spec{Trunks: []Trunk{{ID: "carrier", STIR: STIR{Require: "D", Attest: "none"}}}})
	if len(faults) != 2 || faults[0].Path != "trunks[0].stir.require" || faults[1].Path != "trunks[0].stir.attest" {
		t.Errorf("got %v", faults)
	}
}

func TestNumbersOfACall(t *testing.T) {
	table := stirTable(t, "")
	if caller, called := table.Numbers("carrier", "90000001", "9921000001"); caller != "+4790000001" || called != "+4721000001" {
		t.Errorf("got %q and %q", caller, called)
	}
	if caller, called := table.Numbers("carrier", "anonymous", ""); caller != "" || called != "" {
		t.Errorf("no numbers: got %q and %q", caller, called)
	}
	if caller, called := table.Numbers("nobody", "90000001", "21000001"); caller != "" || called != "" {
		t.Errorf("no trunk: got %q and %q", caller, called)
	}
}
