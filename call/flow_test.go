package call

import (
	"encoding/json"
	"testing"

	"ringdown/routing"
)

// walk makes the decision that of a table with this flow, as JSON.
func (s *setup) walk(t *testing.T, flow string) {
	t.Helper()
	spec := routing.Spec{
		Trunks:   []routing.Trunk{{ID: "carrier", Sources: []string{"192.0.2.0/24"}, NumberFormat: routing.NumberFormat{Country: "NO"}}},
		Accounts: []routing.Account{{ID: "demo", Recording: routing.RecordingPolicy{Mode: s.decision.Recording.Mode}}},
		Numbers:  []routing.TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales"}},
		Flows:    map[string]routing.Flow{}, Screening: s.screens,
	}
	var steps routing.Flow
	if err := json.Unmarshal([]byte(flow), &steps); err != nil {
		t.Fatalf("flow: %v", err)
	}
	spec.Flows["sales"] = steps
	table, faults := routing.NewTable(spec)
	if faults != nil {
		t.Fatalf("flow: %v", faults)
	}
	s.table, s.spec = table, spec
	s.decision = table.Decide(routing.Request{Trunk: "carrier", From: "+4799999912", To: "21000001", At: zero, Draw: 7})
	s.decision.Version = "v1" // of no interest here
}
