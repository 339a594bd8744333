package routing

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// pbxSpec is good() with a PBX that may transfer: names at its own place,
// numbers through carrier-b.
func pbxSpec() Spec {
	s := good()
	s.Trunks = append(s.Trunks, Trunk{
		ID: "pbx", Sources: []string{"203.0.113.0/28", "2001:db8::/64"}, NumberFormat: NumberFormat{Country: "NO"},
		Targets:  []TrunkTarget{{URI: "sip:203.0.113.1:5070", Priority: 1}, {URI: "sip:pbx.example;transport=tcp", Priority: 2}},
		Transfer: Transfer{Allow: true, Through: "carrier-b", Timeout: Seconds(15)},
	})
	return s
}

func mustTable(t *testing.T, s Spec) *Table {
	t.Helper()
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	return table
}

func TestTransfer(t *testing.T) {
	dialled := Referral{Trunk: "pbx", Dialled: "sip:+4791234567@203.0.113.1:5070", User: "201", Host: "203.0.113.1"}
	with := func(f func(*Referral)) Referral { r := dialled; f(&r); return r }
	for _, c := range []struct {
		name   string
		spec   func(*Spec)
		ask    Referral
		reject Reason
		want   []string // URI by trunk
	}{
		{"a name at the referrer's own place", nil, dialled, "", []string{"sip:201@203.0.113.1:5070 pbx"}},
		{"another host is not followed", nil, with(func(r *Referral) { r.Host, r.Port = "198.51.100.66", 5080 }), "", []string{"sip:201@203.0.113.1:5070 pbx"}},
		{"nor is a name", nil, with(func(r *Referral) { r.Host = "evil.example" }), "", []string{"sip:201@203.0.113.1:5070 pbx"}},
		{"nor is our own loopback", nil, with(func(r *Referral) { r.Host = "127.0.0.1" }), "", []string{"sip:201@203.0.113.1:5070 pbx"}},
		{"the other target of the trunk, by name", nil, with(func(r *Referral) { r.Host = "PBX.example" }), "", []string{"sip:201@pbx.example;transport=tcp pbx"}},
		{"an address among the sources", nil, with(func(r *Referral) { r.Host, r.Port = "203.0.113.7", 5062 }), "", []string{"sip:201@203.0.113.7:5062 pbx"}},
		{"over what the referrer was dialled", nil, with(func(r *Referral) { r.Dialled, r.Host = "sip:x@203.0.113.1;transport=tcp;x=y", "203.0.113.7" }), "", []string{"sip:201@203.0.113.7:5060;transport=tcp pbx"}},
		{"an IPv6 address among the sources", nil, with(func(r *Referral) { r.Host = "[2001:db8::7]" }), "", []string{"sip:201@[2001:db8::7]:5060 pbx"}},
		{"a target at another port is none", nil, with(func(r *Referral) { r.Host, r.Port = "pbx.example", 5099 }), "", []string{"sip:201@203.0.113.1:5070 pbx"}},
		{"who called is asked at the trunk's targets", nil, with(func(r *Referral) {
			r.Dialled, r.Source, r.Host = "", netip.MustParseAddrPort("203.0.113.9:5062"), "ringdown.example"
		}), "", []string{"sip:201@203.0.113.1:5070 pbx", "sip:201@pbx.example;transport=tcp pbx"}},
		{"or where he called from", func(s *Spec) { s.Trunks[2].Targets = nil }, with(func(r *Referral) {
			r.Dialled, r.Source, r.Transport, r.Host = "", netip.MustParseAddrPort("[2001:db8::9]:5062"), "tls", "ringdown.example"
		}), "", []string{"sip:201@[2001:db8::9]:5062;transport=tls pbx"}},
		{"a number goes through the trunk named", nil, with(func(r *Referral) { r.User = "+4722334455" }), "", []string{"sip:+4722334455@198.51.100.1 carrier-b"}},
		{"a national number too", nil, with(func(r *Referral) { r.User = "22334455" }), "", []string{"sip:+4722334455@198.51.100.1 carrier-b"}},
		{"as that trunk wants it written", func(s *Spec) {
			s.Trunks[1].NumberFormat = NumberFormat{Country: "NO", Out: OutNational, Prefix: "7#"}
		}, with(func(r *Referral) { r.User = "22334455" }), "", []string{"sip:7%2322334455@198.51.100.1 carrier-b"}},
		{"no number abroad", nil, with(func(r *Referral) { r.User = "+882135555555" }), TransferNotAllowed, nil},
		{"but to a country that is listed", func(s *Spec) { s.Trunks[2].Transfer.Countries = []string{"SE"} }, with(func(r *Referral) { r.User = "+46812345678" }), "", []string{"sip:+46812345678@198.51.100.1 carrier-b"}},
		{"a list is the whole list", func(s *Spec) { s.Trunks[2].Transfer.Countries = []string{"SE"} }, with(func(r *Referral) { r.User = "+4722334455" }), TransferNotAllowed, nil},
		{"no number without a trunk for it", func(s *Spec) { s.Trunks[2].Transfer.Through = "" }, with(func(r *Referral) { r.User = "+4722334455" }), TransferNotAllowed, nil},
		{"a dialog is the peer's, whatever the user part looks like", nil, with(func(r *Referral) { r.User, r.Attended = "+4722334455", true }), "", []string{"sip:+4722334455@203.0.113.1:5070 pbx"}},
		{"a trunk that may not", nil, Referral{Trunk: "carrier-a", User: "201"}, TransferNotAllowed, nil},
		{"a destination by its URI", nil, Referral{Dialled: "sip:agent@127.0.0.1:5090", User: "201"}, TransferNotAllowed, nil},
		{"an unknown trunk", nil, Referral{Trunk: "gone", User: "201"}, TransferNotAllowed, nil},
		{"no user", nil, with(func(r *Referral) { r.User = "" }), NoRoute, nil},
		{"a user that would end the URI", nil, with(func(r *Referral) { r.User = "201@evil.example" }), NoRoute, nil},
		{"a password", nil, with(func(r *Referral) { r.User = "201:secret" }), NoRoute, nil},
		{"an endless user", nil, with(func(r *Referral) { r.User = strings.Repeat("a", 65) }), NoRoute, nil},
		{"nowhere to ask", func(s *Spec) { s.Trunks[2].Targets = nil }, with(func(r *Referral) { r.Dialled, r.Host = "", "x" }), NoRoute, nil},
		{"who comes by Replaces is there", nil, Referral{Trunk: "pbx", Replaces: true}, "", nil},
		{"unless his trunk may not", nil, Referral{Trunk: "carrier-a", Replaces: true}, TransferNotAllowed, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := pbxSpec()
			if c.spec != nil {
				c.spec(&spec)
			}
			d := mustTable(t, spec).Transfer(c.ask)
			var got []string
			for _, target := range d.Targets {
				got = append(got, target.URI+" "+target.Trunk)
				if target.Timeout != 15*time.Second {
					t.Errorf("rings %s", target.Timeout)
				}
			}
			if d.Reject != c.reject || !slices.Equal(got, c.want) {
				t.Errorf("reject %q, targets %q, want %q and %q", d.Reject, got, c.reject, c.want)
			}
			if len(d.Trace) == 0 {
				t.Error("no trace")
			}
		})
	}
	if d := (*Table)(nil).Transfer(dialled); d.Reject != PolicyError {
		t.Errorf("a nil table: %+v", d)
	}
}

// Whatever a referrer writes, nothing leaves for a host that is not his own
// trunk's or the one numbers go through, and the trace shows no number.
func TestTransferStaysInside(t *testing.T) {
	table := mustTable(t, pbxSpec())
	allowed := []string{"203.0.113.", "pbx.example", "[2001:db8::", "198.51.100.1"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9+@:;%.]{0,20}`), dialledText())
		d := table.Transfer(Referral{
			Trunk: "pbx", Dialled: "sip:x@203.0.113.1", User: text.Draw(t, "user"), Port: rapid.IntRange(-5, 70000).Draw(t, "port"),
			Host:     rapid.OneOf(text, rapid.SampledFrom([]string{"203.0.113.3", "::ffff:203.0.113.3", "fe80::1%eth0"})).Draw(t, "host"),
			Attended: rapid.Bool().Draw(t, "attended"),
		})
		if (d.Reject == "") != (len(d.Targets) > 0) {
			t.Fatalf("reject %q with %d targets", d.Reject, len(d.Targets))
		}
		for _, target := range d.Targets {
			_, place, _ := strings.Cut(target.URI, "@")
			if !slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(place, p) }) {
				t.Fatalf("leaves for %q", target.URI)
			}
			if _, msg := parseURI(target.URI); msg != "" {
				t.Fatalf("%q %s", target.URI, msg)
			}
		}
		for _, l := range d.Trace {
			for field := range strings.FieldsFuncSeq(l.Text, func(r rune) bool { return r < '0' || r > '9' }) {
				if len(field) >= minE164 {
					t.Fatalf("a number is in the trace: %s", l.Text)
				}
			}
		}
	})
}

func TestTransferFaults(t *testing.T) {
	spec := good()
	spec.Trunks[0].Transfer = Transfer{Through: "carrier-b"}
	spec.Trunks[1].Transfer = Transfer{Allow: true, Through: "carrier-a", Countries: []string{"no", "ZZ"}, Timeout: Seconds(3600)}
	_, faults := NewTable(spec)
	want := []string{
		"trunks[0].transfer.allow: is false or missing, so the other keys mean nothing",
		"trunks[1].transfer.countries[0]: is written in capitals: NO",
		"trunks[1].transfer.countries[1]: is not the ISO 3166-1 code of a country whose numbers are known, such as NO",
		"trunks[1].transfer.timeout: is not a ring time: PT1S to PT10M",
		`trunks[1].transfer.through: trunk "carrier-a" has no targets to send calls to`,
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Path+": "+f.Msg)
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults\n%s", strings.Join(got, "\n"))
	}
}
