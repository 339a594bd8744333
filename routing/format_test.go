package routing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormatWrites(t *testing.T) {
	tests := []struct {
		format     NumberFormat
		number     string
		from, call string
	}{
		{NumberFormat{}, "+4721000001", "+4721000001", "+4721000001"},
		{NumberFormat{Out: OutE164, Prefix: "77#"}, "+4721000001", "+4721000001", "77#+4721000001"},
		{NumberFormat{Out: OutPlusLess}, "+4721000001", "4721000001", "4721000001"},
		{NumberFormat{Out: OutZeros, Prefix: "*31*"}, "+4721000001", "004721000001", "*31*004721000001"},
		{NumberFormat{Out: OutNational, Country: "NO"}, "+4721000001", "21000001", "21000001"},
		{NumberFormat{Out: OutNational, Country: "NO"}, "+46812345678", "0046812345678", "0046812345678"},
		{NumberFormat{Out: OutNational, Country: "SE"}, "+46812345678", "0812345678", "0812345678"},
		{NumberFormat{Out: OutNational, Country: "US"}, "+14155550100", "14155550100", "14155550100"},
		{NumberFormat{Out: OutNational, Country: "US"}, "+4721000001", "0114721000001", "0114721000001"},
		{NumberFormat{Out: OutNational, Country: "IT"}, "+390669812345", "0669812345", "0669812345"},
		{NumberFormat{Out: OutNational, Country: "HU"}, "+3612345678", "0612345678", "0612345678"},
		{NumberFormat{Out: OutPlusLess}, "alice", "alice", "alice"},
		{NumberFormat{Out: OutZeros}, "", "", ""},
	}
	for _, tt := range tests {
		if from, call := tt.format.Write(tt.number), tt.format.Called(tt.number); from != tt.from || call != tt.call {
			t.Errorf("%+v: %q is %q and called %q, want %q and %q", tt.format, tt.number, from, call, tt.from, tt.call)
		}
	}
}

// What we write, a trunk of the same country reads back.
func TestFormatReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &countries[rapid.IntRange(0, len(countries)-1).Draw(t, "trunk's country")]
		of := &countries[rapid.IntRange(0, len(countries)-1).Draw(t, "number's country")]
		length := rapid.IntRange(6, 13).Filter(of.lengths.has).Draw(t, "length")
		first := rapid.ByteRange('2', '9').Filter(func(b byte) bool {
			return !strings.HasPrefix(of.national, string(b)) && b != of.code[0]
		}).Draw(t, "first")
		want := "+" + of.code + string(first) + rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), length-1, length-1, -1).Draw(t, "rest")
		for _, out := range []string{OutE164, OutNational} {
			f := NumberFormat{Out: out, Country: c.iso}
			if got, how := read(f.Write(want), c); got.e164() != want {
				t.Fatalf("%s %s: %q was written %q and read %q (%v)", c.iso, out, want, f.Write(want), got.e164(), how)
			}
		}
	})
}

func TestFormatStripsItsPrefix(t *testing.T) {
	table, faults := NewTable(Spec{
		Trunks: []Trunk{
			{ID: "in", Sources: []string{"192.0.2.0/24"}, NumberFormat: NumberFormat{Country: "NO", Strip: "99#"}},
			{ID: "out", Targets: []TrunkTarget{{URI: "sip:198.51.100.1;transport=tcp"}}, Identity: Identity{UserPhone: yes()},
				NumberFormat: NumberFormat{Country: "NO", Out: OutNational, Prefix: "7#"}},
		},
		Accounts: []Account{{ID: "demo"}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "f"}},
		Flows:    map[string]Flow{"f": {{Dial: &Dial{Targets: []Destination{{Number: "+4791234567", Trunk: "out"}, {URI: "sip:desk@pbx.example", Trunk: "out"}}}}}},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for to, ok := range map[string]bool{"99#21000001": true, "21000001": true, "99#+4721000001": true, "tel:99#21000001": true, "98#21000001": false} {
		d := table.Decide(Request{Trunk: "in", To: to})
		if (d.Number == "+4721000001") != ok {
			t.Errorf("%q: number %q, reject %q", to, d.Number, d.Reject)
		}
		if !ok {
			continue
		}
		if got := d.Targets[0]; got.URI != "sip:7%2391234567@198.51.100.1;transport=tcp;user=phone" || got.Trunk != "out" {
			t.Errorf("called %+v", got)
		}
		if got := d.Targets[1]; got.URI != "sip:desk@pbx.example" || got.Trunk != "out" {
			t.Errorf("called %+v", got)
		}
		if text := d.Text(); !strings.Contains(text, "numbers as dialled in NO, behind a technical prefix") || !strings.Contains(text, "in the manner of trunk out") {
			t.Errorf("the trace does not show the format:\n%s", text)
		}
	}
}

func TestFormatFaults(t *testing.T) {
	tests := []struct {
		format NumberFormat
		path   string
	}{
		{NumberFormat{Out: "local"}, "trunks[0].number_format.out"},
		{NumberFormat{Out: OutNational}, "trunks[0].number_format.country"},
		{NumberFormat{Country: "no"}, "trunks[0].number_format.country"},
		{NumberFormat{Strip: "+47"}, "trunks[0].number_format.strip"},
		{NumberFormat{Prefix: "1234567890123"}, "trunks[0].number_format.prefix"},
	}
	for _, tt := range tests {
		_, faults := NewTable(Spec{Trunks: []Trunk{{ID: "a", NumberFormat: tt.format}}})
		if len(faults) != 1 || faults[0].Path != tt.path {
			t.Errorf("%+v: %v", tt.format, faults)
		}
	}
}
