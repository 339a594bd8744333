package routing

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// good is a Spec without faults or warnings, to be spoilt.
func good() Spec {
	return Spec{
		Trunks: []Trunk{
			{ID: "carrier-a", Sources: []string{"192.0.2.0/24"}, NumberFormat: NumberFormat{Country: "NO"}},
			{ID: "carrier-b", Sources: []string{"198.51.100.0/24"}, Targets: []TrunkTarget{{URI: "sip:198.51.100.1"}}},
		},
		Accounts: []Account{{ID: "demo", Agency: "demo-agency", Recording: RecordingPolicy{Mode: RecordFromAnswer}}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "sales", Attribution: map[string]string{"source": "ads"}}},
		Flows: map[string]Flow{"sales": {{Dial: &Dial{Timeout: Seconds(20), Targets: []Destination{
			{URI: "sip:agent@127.0.0.1:5090"}, {Number: "+4791234567", Trunk: "carrier-b"}}}}}},
	}
}

func TestGoodSpec(t *testing.T) {
	table, faults := NewTable(good())
	if faults != nil || table == nil {
		t.Fatalf("faults: %v", faults)
	}
	if w := table.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %v", w)
	}
	if got := table.Trunks(); !slices.Equal(got, []string{"carrier-a", "carrier-b"}) || table.Len() != 1 {
		t.Errorf("trunks %v, %d numbers", got, table.Len())
	}
}

// dial is the dial step of the good Spec.
func dial(s *Spec) *Dial { return s.Flows["sales"][0].Dial }

func TestFaults(t *testing.T) {
	month, err := ParseDuration("P1M")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		spoil func(*Spec)
		want  []string // "path: msg", all of them
	}{
		{"no id", func(s *Spec) { s.Accounts = append(s.Accounts, Account{}) }, []string{"accounts[1].id: is missing"}},
		{"bad id", func(s *Spec) { s.Trunks = append(s.Trunks, Trunk{ID: "Carrier"}) }, []string{"trunks[2].id: is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit"}},
		{"id is a number", func(s *Spec) { s.Accounts[0].Agency = "47-2100-0001" }, []string{"accounts[0].agency: looks like a telephone number; ids are shown in subjects and paths"}},
		{"duplicate id", func(s *Spec) { s.Trunks = append(s.Trunks, Trunk{ID: "carrier-a"}) }, []string{`trunks[2].id: "carrier-a" is the id of trunks[0] already`}},
		{"duplicate number", func(s *Spec) { s.Numbers = append(s.Numbers, s.Numbers[0]) }, []string{"numbers[1].number: is the number of numbers[0] already"}},
		{"not E.164", func(s *Spec) { s.Numbers[0].Number = "21 00 00 01" }, []string{"numbers[0].number: is not E.164: a + and 7 to 15 digits, the first not 0, nothing between them"}},
		{"unknown references", func(s *Spec) {
			s.Numbers[0].Account, s.Numbers[0].Flow, s.Numbers[0].Trunks = "domo", "support", []string{"Carrier A", ""}
		}, []string{
			`numbers[0].account: there is no account "domo"; did you mean "demo"?`,
			`numbers[0].flow: there is no flow "support"`,
			"numbers[0].trunks[0]: is not the id of a trunk",
			"numbers[0].trunks[1]: is missing: the id of a trunk",
		}},
		{"a reference that is a number is not repeated", func(s *Spec) { s.Numbers[0].Account = "4791234567" }, []string{"numbers[0].account: is not the id of an account"}},
		{"unknown words", func(s *Spec) {
			s.Accounts[0].Recording = RecordingPolicy{Mode: "always", Channels: "stereo", OnFailure: "+4791234567"}
			s.Numbers[0].State = "dead"
			s.Trunks[0].MediaRule = "loose"
			dial(s).Strategy = "random"
		}, []string{
			`trunks[0].media_rule: "loose" is not known; allowed: strict, latch`,
			`accounts[0].recording.mode: "always" is not known; allowed: do-not-record, record-from-ringing, record-from-answer, on-demand`,
			`accounts[0].recording.channels: "stereo" is not known; allowed: dual, mono`,
			`accounts[0].recording.on_failure: is not known; allowed: continue-unrecorded, refuse-call`,
			`flows.sales[0].dial.strategy: "random" is not known; allowed: sequential, simultaneous, round-robin, weighted, percentage`,
			`numbers[0].state: "dead" is not known; allowed: active, suspended, unassigned, ported-out, quarantined`,
		}},
		{"channels without a mode", func(s *Spec) { s.Numbers[0].Recording.Channels = Mono }, []string{"numbers[0].recording.mode: is missing: channels and on_failure belong to a mode beside them"}},
		{"bad sources", func(s *Spec) {
			s.Trunks[0].Sources = []string{"192.0.2.300", "10.0.0.1/8", "::ffff:0:0/90", "fe80::1%eth0"}
			s.Trunks[1].MediaSources = []string{"all"}
		}, []string{
			`trunks[0].sources[0]: is not an address or CIDR such as "192.0.2.0/24"`,
			"trunks[0].sources[1]: has bits set beyond its length: write 10.0.0.0/8",
			"trunks[0].sources[2]: mixes IPv4 and IPv6 addresses",
			`trunks[0].sources[3]: is not an address or CIDR such as "192.0.2.0/24"`,
			`trunks[1].media_sources[0]: is not an address or CIDR such as "192.0.2.0/24"`,
		}},
		{"one prefix in two trunks", func(s *Spec) { s.Trunks[1].Sources = []string{"::ffff:192.0.2.0/120"} }, []string{"trunks[1].sources[0]: 192.0.2.0/24 is at trunks[0].sources[0] already; a prefix belongs to one trunk, once"}},
		{"trunk targets", func(s *Spec) {
			s.Trunks[1].Targets = []TrunkTarget{{URI: "sip:me@198.51.100.1", Priority: -1, Weight: 70000}, {}}
		}, []string{
			"trunks[1].targets[0].uri: has a user part; the number called goes there",
			"trunks[1].targets[0].priority: is not 0 to 65535",
			"trunks[1].targets[0].weight: is not 0 to 65535",
			"trunks[1].targets[1].uri: is missing",
		}},
		{"countries", func(s *Spec) {
			s.Trunks[0].NumberFormat.Country = "no"
			s.Trunks[1].NumberFormat.Country = "Norway"
		}, []string{
			"trunks[0].number_format.country: is written in capitals: NO",
			"trunks[1].number_format.country: is not the ISO 3166-1 code of a country whose numbers are known, such as NO",
		}},
		{"ring times", func(s *Spec) {
			dial(s).Timeout, dial(s).Targets[0].Timeout, dial(s).Targets[1].Timeout = month, Seconds(601), Duration{clock: 1}
		}, []string{
			"flows.sales[0].dial.timeout: is not a ring time: PT1S to PT10M",
			"flows.sales[0].dial.targets[0].timeout: is not a ring time: PT1S to PT10M",
			"flows.sales[0].dial.targets[1].timeout: is not a ring time: PT1S to PT10M",
		}},
		{"destinations", func(s *Spec) {
			dial(s).Targets = []Destination{{}, {URI: "sip:a@b", Number: "+4722334455"}, {Number: "22334455", Trunk: "carrier-c"}, {Trunk: "carrier-a", MediaRule: MediaLatch, Number: "+4722334455"}}
		}, []string{
			"flows.sales[0].dial.targets[0]: is empty: a uri, a number with a trunk, or a user of a trunk",
			"flows.sales[0].dial.targets[1]: is one of: a uri, a number with a trunk, a user of a trunk",
			"flows.sales[0].dial.targets[2].number: is not E.164: a + and 7 to 15 digits, the first not 0, nothing between them",
			`flows.sales[0].dial.targets[2].trunk: there is no trunk "carrier-c"; did you mean "carrier-a"?`,
			"flows.sales[0].dial.targets[3]: has media rules; those of its trunk hold",
			`flows.sales[0].dial.targets[3].trunk: trunk "carrier-a" has no targets to send calls to`,
		}},
		{"steps", func(s *Spec) {
			late := &RecordingPolicy{Mode: DoNotRecord}
			s.Flows["sales"] = append(s.Flows["sales"], Step{}, Step{Recording: late}, Step{Recording: late, Dial: dial(s)})
			s.Flows["mute"] = Flow{{Recording: &RecordingPolicy{}}}
			s.Flows["empty"] = Flow{{Dial: &Dial{}}}
			s.Flows["quiet"] = Flow{{Recording: late}}
			s.Flows["+4721000001"] = nil
		}, []string{
			"flows: has a key that is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit",
			"flows.empty[0].dial.targets: is empty: a dial step needs somebody to ring",
			"flows.mute[0].recording.mode: is missing",
			"flows.quiet: has no dial step, so a call of it reaches nobody",
			"flows.sales[1]: is not exactly one of: " + strings.Join(stepKinds, ", "),
			"flows.sales[3]: is not exactly one of: " + strings.Join(stepKinds, ", "),
		}},
		{"attribution", func(s *Spec) {
			s.Numbers[0].Attribution = map[string]string{"UTM Source": "x", "a": "x\r\ny", "b": strings.Repeat("x", 257), "c": "\xff"}
		}, []string{
			"numbers[0].attribution: has a key that is not an id: 1 to 63 of a-z, 0-9, - and _, the first a letter or digit",
			"numbers[0].attribution.a: holds a control character",
			"numbers[0].attribution.b: is longer than 256 bytes",
			"numbers[0].attribution.c: is not UTF-8",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good()
			tt.spoil(&s)
			table, faults := NewTable(s)
			if table != nil {
				t.Error("a table came of it")
			}
			var got []string
			for _, f := range faults {
				got = append(got, f.Path+": "+f.Msg)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	s := good()
	s.Trunks = append(s.Trunks, Trunk{ID: "idle", MediaRule: MediaLatch}, Trunk{ID: "open", Sources: []string{"::/0"}},
		Trunk{ID: "digest", Auth: Auth{Realm: "calls.example", Users: []User{{Name: "a", Password: NewSecret("env:A", "secret")}}}},
		Trunk{ID: "bound", Auth: Auth{Username: "a", Password: NewSecret("env:A", "secret")}, Register: Register{Registrar: "sip:198.51.100.1"}})
	s.Accounts = append(s.Accounts, Account{ID: "spare"})
	s.Flows["old"] = s.Flows["sales"]
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	want := []Fault{
		{"trunks[2]", "nobody can call in through this trunk and nothing goes out through it"},
		{"trunks[2].media_rule", "latch without media_sources learns the source of RTP from anywhere"},
		{"trunks[3].sources[0]", "lets the whole internet call in"},
		{"accounts[1]", "no number belongs to this account"},
		{"flows.old", "no number starts this flow"},
	}
	if got := table.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestWarningsOfAnEmptySpec(t *testing.T) {
	table, faults := NewTable(Spec{})
	if faults != nil {
		t.Fatal(faults)
	}
	if got := table.Warnings(); len(got) != 2 || got[0].Path != "trunks" || got[1].Path != "numbers" {
		t.Errorf("got %v", got)
	}
	if d := table.Decide(Request{Trunk: "a", To: "+4721000001"}); d.Reject != NoTrunkMatch {
		t.Errorf("got %+v", d)
	}
}

func TestURI(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "is missing",
		"agent@host":                      `is not a sip: URI such as "sip:agent@192.0.2.7:5060"`,
		"tel:+4721000001":                 `is not a sip: URI such as "sip:agent@192.0.2.7:5060"`,
		"sips:a@b":                        "asks for sips:, which promises TLS all the way to the phone and nobody can keep it: write sip: with ;transport=tls",
		"sip:":                            "has no valid host",
		"sip:a@":                          "has no valid host",
		"sip:@b":                          "has an empty user part",
		"sip:a@b?Replaces=x":              "holds header fields (?…), which are not sent",
		"sip:a:secret@b":                  "holds a password in its user part",
		"sip:a b@c":                       "has a character in its user part that must be escaped",
		"sip:a%0d%0aVia@c":                "holds a control character",
		"sip:a%4@c":                       "has a broken escape in its user part",
		"sip:a@b\r\nVia: x":               "holds a control character",
		"sip:a@b:0":                       "has a port that is not 1 to 65535",
		"sip:a@b:65536":                   "has a port that is not 1 to 65535",
		"sip:a@b:":                        "has a port that is not 1 to 65535",
		"sip:a@1.2.3.400":                 "has no valid host",
		"sip:a@-b.example":                "has no valid host",
		"sip:a@b@c":                       "has no valid host",
		"sip:a@[::1":                      "has an IPv6 address without its closing bracket",
		"sip:a@[1.2.3.4]":                 "has something else than an IPv6 address in brackets",
		"sip:a@[::1]5060":                 "has something behind its address that is not a port",
		"sip:a@b;transport=sctp":          "has a transport that is not spoken; allowed: udp, tcp, tls",
		"sip:a@b;;":                       "has a parameter that is not name or name=value",
		"sip:a@b;x=<y>":                   "has a parameter that is not name or name=value",
		"sip:" + strings.Repeat("a", 260): "is longer than 255 bytes",
		"sip:agent@127.0.0.1:5090":        "",
		"SIP:+4721000001@a.example;x;transport=tcp": "",
		"sip:a%20b;ext=1@[2001:db8::1]:5060":        "",
		"sip:host.example.":                         "",
	} {
		if _, msg := parseURI(in); msg != want {
			t.Errorf("%q: got %q, want %q", in, msg, want)
		}
	}
}

func TestVersion(t *testing.T) {
	version := func(s Spec) string {
		t.Helper()
		table, faults := NewTable(s)
		if faults != nil {
			t.Fatal(faults)
		}
		return table.Version()
	}
	base := version(good())
	if len(base) != 12 {
		t.Errorf("version %q is not 12 digits", base)
	}
	same := good()
	slices.Reverse(same.Trunks)
	same.Numbers[0].State, same.Trunks[0].MediaRule = Active, MediaStrict
	if got := version(same); got != base {
		t.Errorf("another order changed the version: %s, %s", got, base)
	}
	for i, change := range []func(*Spec){
		func(s *Spec) { s.Numbers[0].State = Suspended },
		func(s *Spec) { s.Numbers[0].Attribution["source"] = "radio" },
		func(s *Spec) { dial(s).Timeout = Seconds(21) },
		func(s *Spec) { slices.Reverse(dial(s).Targets) },
		func(s *Spec) { s.Accounts[0].Retention = Duration{months: 24} },
	} {
		s := good()
		change(&s)
		if version(s) == base {
			t.Errorf("change %d left the version as it was", i)
		}
	}
}

func TestTrunkOf(t *testing.T) {
	table, faults := NewTable(Spec{Trunks: []Trunk{
		{ID: "world", Sources: []string{"0.0.0.0/0", "2001:db8::/32"}},
		{ID: "net", Sources: []string{"192.0.2.0/24", "2001:db8:1::/48"}},
		{ID: "host", Sources: []string{"192.0.2.7", "::ffff:10.0.0.0/104", "2001:db8:1::7"}},
	}})
	if faults != nil {
		t.Fatal(faults)
	}
	for in, want := range map[string]string{
		"192.0.2.7": "host", "::ffff:192.0.2.7": "host", "192.0.2.8": "net", "198.51.100.1": "world", "10.9.8.7": "host",
		"2001:db8:1::7": "host", "2001:db8:1::8": "net", "2001:db8:2::8": "world", "2001:db9::1": "", "2001:db8:1::7%eth0": "host",
	} {
		if got, ok := table.TrunkOf(netip.MustParseAddr(in)); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", in, got, ok, want)
		}
	}
	if _, ok := table.TrunkOf(netip.Addr{}); ok {
		t.Error("no address at all has a trunk")
	}
}

func TestDecisionIsTheCallersOwn(t *testing.T) {
	s := good()
	s.Trunks[0].MediaSources = []string{"192.0.2.0/24"}
	dial(&s).Targets[0].MediaSources = []string{"127.0.0.1"}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	ask := Request{Trunk: "carrier-a", From: "anonymous", To: "21000001"}
	print := func(d Decision) string {
		d.Walk = nil // a cursor of its own, by its address
		return fmt.Sprintf("%+v", d)
	}
	first := table.Decide(ask)
	want := print(first)
	first.Attribution["source"] = "changed"
	first.Targets[0].URI = "changed"
	first.Targets[0].Media.Sources[0] = netip.Prefix{}
	first.MediaSources.Sources[0] = netip.Prefix{}
	first.Trace[0].Text = "changed"
	s.Numbers[0].Attribution["source"] = "changed too"
	if got := print(table.Decide(ask)); got != want {
		t.Errorf("the table changed:\n%s\n%s", got, want)
	}
}

func TestNoTable(t *testing.T) {
	var none *Table
	if d := none.Decide(Request{}); d.Reject != PolicyError || len(d.Trace) != 1 {
		t.Errorf("got %+v", d)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"listen", "advertise", "tls"}
	for in, want := range map[string]string{"lisen": "listen", "Listen": "listen", "listen_on": "listen", "tsl": "", "zzz": "", "": "", "advertize": "advertise"} {
		if got := Nearest(in, words); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
