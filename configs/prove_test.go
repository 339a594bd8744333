package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An invariant that does not hold is told with its line and with a call that
// breaks it; without the invariant the file is right.
func TestProve(t *testing.T) {
	const file = `node: {id: edge-1}
trunks:
  - {id: carrier, sources: [192.0.2.0/24], targets: [{uri: "sip:192.0.2.9"}]}
accounts: [{id: demo}]
calendars:
  office: {zone: Europe/Oslo, open: [{days: [mon-fri], from: "08:00", until: "16:00"}]}
flows:
  sales:
    - schedule:
        calendar: office
        open: [{dial: {targets: [{number: "+4791234567", trunk: carrier}]}}]
        closed: [{dial: {targets: [{number: "+46812345678", trunk: carrier}]}}]
numbers:
  - {number: "+4721000001", account: demo, flow: sales}
`
	const rule = `invariants:
  at-home:
    targets_within: ["NO"]
`
	from := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "ringdown.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	if c, err := Prove(path, from); err != nil || c.Table() == nil {
		t.Fatalf("%v", err)
	}
	write(file + rule)
	if _, err := Load(path); err != nil {
		t.Fatalf("a node would not start: %v", err)
	}
	_, err := Prove(path, from)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 {
		t.Fatalf("got %v", err)
	}
	want := path + ":16: invariants.at-home: does not hold: a caller of NO (+47*****22) calls +47*****01 of account demo by trunk carrier " +
		"at Mon 2026-06-01 14:00Z: flows.sales[0].schedule.closed[0].dial rings +46*****78, which is of SE, not of NO"
	if got := faults[0].String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(err.Error(), "+4791234567") {
		t.Error("shows a number")
	}
	write("node: {")
	if _, err := Prove(path, from); err == nil {
		t.Error("a broken file is right")
	}
	if _, err := Prove(path+".gone", from); err == nil {
		t.Error("a file that is not there is right")
	}
}
