package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func guardedTable(t *testing.T, table, agency, account *Fraud) *Table {
	t.Helper()
	s := good()
	s.Lists = map[string]NumberList{"wangiri": {Prefixes: []string{"+4781"}}}
	s.Agencies = []Agency{{ID: "demo-agency", Fraud: agency}}
	s.Accounts[0].Fraud, s.Fraud = account, table
	s.Trunks[1].NumberFormat = NumberFormat{Country: "NO", Prefix: "99#"}
	out, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	return out
}

func TestGuard(t *testing.T) {
	by := func(number string) Target { return Target{Number: number, Trunk: "carrier-b"} }
	uri := func(s string) Target { return Target{URI: s, Trunk: "carrier-b"} }
	plain, wide := guardedTable(t, nil, nil, nil), guardedTable(t, &Fraud{Countries: []string{"GB"}}, nil, &Fraud{Countries: []string{"NO", "SE"}, Ranges: []string{"wangiri"}})
	for _, c := range []struct {
		name                 string
		table                *Table
		to                   Target
		rule, class, country string
	}{
		{"the country that was called", plain, by("+4791234567"), "", ClassDomestic, "NO"},
		{"another one", plain, by("+46812345678"), RuleCountry, ClassInternational, "SE"},
		{"one that is allowed", wide, by("+46812345678"), "", ClassInternational, "SE"},
		{"the account's list goes before the table's", wide, by("+442071234567"), RuleCountry, ClassInternational, "GB"},
		{"Jamaica is not the United States", wide, by("+18765551234"), RuleCountry, ClassInternational, "JM"},
		{"premium at home", plain, by("+4782012345"), RulePremium, ClassPremium, "NO"},
		{"international premium", wide, by("+979123456789"), RulePremium, ClassPremium, ""},
		{"a satellite", wide, by("+881612345678"), RulePremium, ClassPremium, ""},
		{"networks of no country", wide, by("+882161234567"), RulePremium, ClassPremium, ""},
		{"900", wide, by("+19005551234"), RulePremium, ClassPremium, ""},
		{"976 of an area code", wide, by("+12129761234"), RulePremium, ClassPremium, "US"},
		{"a list of ranges", wide, by("+4781549300"), RuleRange, ClassDomestic, "NO"},
		{"a tracking number", plain, by("+4721000001"), RuleOwnNumber, ClassDomestic, "NO"},
		{"in a URI, as the trunk writes it", plain, uri("sip:99%23004682012345678@h"), RuleCountry, ClassInternational, "SE"},
		{"national in a URI", plain, uri("sip:82012345@h"), RulePremium, ClassPremium, "NO"},
		{"a tracking number in a URI", plain, uri("sip:21000001@h"), RuleOwnNumber, ClassDomestic, "NO"},
		{"digits without a trunk", plain, Target{URI: "sip:00979123456789@198.51.100.9"}, RulePremium, ClassPremium, ""},
		{"an agent", plain, uri("sip:agent@h"), "", "", ""},
		{"a phone", plain, Target{User: "agent", URI: "sip:agent@phones", Trunk: "carrier-b"}, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.table.Guard(Guarded{Account: "demo", Number: "+4721000001"}, c.to)
			if r.Rule != c.rule || r.Refused != (c.rule != "") || r.Class != c.class || r.Country != c.country {
				t.Errorf("%+v", r)
			}
			if r.Refused && (r.Text == "" || strings.ContainsAny(r.Text, "0123456789")) {
				t.Errorf("says %q", r.Text)
			}
		})
	}
}

func TestGuardIsSetByLevel(t *testing.T) {
	week, err := ParseDuration("P7D")
	if err != nil {
		t.Fatal(err)
	}
	table := guardedTable(t, &Fraud{Premium: PremiumAllow, Spend: Velocity{Most: 5}}, &Fraud{Fresh: Velocity{Most: -1}}, &Fraud{Spend: Velocity{Most: 7, Within: week}})
	r := table.Guard(Guarded{Account: "demo", Number: "+4721000001"}, Target{Number: "+4782012345"})
	if r.Refused || r.Units != 10 || r.Spend.Most != 7 || r.Fresh != (Limit{}) || r.Class != ClassPremium {
		t.Errorf("%+v", r)
	}
	if r := table.Guard(Guarded{Account: "other", Number: "+4721000001"}, Target{Number: "+4791234567"}); r.Spend != (Limit{5, time.Hour}) || r.Fresh != (Limit{60, time.Hour}) || r.Units != 0 {
		t.Errorf("of an account that says nothing: %+v", r)
	}
	off := guardedTable(t, nil, &Fraud{Guard: GuardOff}, nil)
	if r := off.Guard(Guarded{Account: "demo", Number: "+4721000001", Sent: 20}, Target{Number: "+979123456789"}); r.Refused {
		t.Errorf("it is off: %+v", r)
	}
	if r := table.Guard(Guarded{Account: "demo", Sent: mostSent + 1}, Target{URI: "sip:agent@h"}); r.Rule != RuleLoop {
		t.Errorf("a call that is sent round and round: %+v", r)
	}
	if r := (*Table)(nil).Guard(Guarded{}, Target{}); r.Refused {
		t.Error("there is no table")
	}
}

// Whatever a target is, however it is written: the guard never panics, a number
// that is no country's own is refused, and the same number is judged the same by
// its number and by its URI.
func TestGuardHoldsForAnything(t *testing.T) {
	table := guardedTable(t, nil, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[1-9][0-9]{6,14}`).Draw(t, "digits")
		g := Guarded{Account: "demo", Number: "+4721000001"}
		a := table.Guard(g, Target{Number: "+" + digits, Trunk: "carrier-b"})
		b := table.Guard(g, Target{URI: "sip:+" + digits + "@h", Trunk: "carrier-b"})
		if a.Rule != b.Rule || a.Class != b.Class {
			t.Fatalf("%+v, in a URI %+v", a, b)
		}
		if !strings.HasPrefix(digits, "47") && !a.Refused {
			t.Fatalf("+%s may be called", digits[:3])
		}
		table.Guard(g, Target{URI: rapid.String().Draw(t, "uri"), Trunk: rapid.SampledFrom([]string{"", "carrier-a", "carrier-b"}).Draw(t, "trunk")})
	})
}

// A number is refused as one of ours for as long as it is.
func TestGuardOwnNumberByTime(t *testing.T) {
	s := good()
	first, second := InstantOf(thisYear), InstantOf(thisYear.AddDate(0, 1, 0))
	s.Numbers = append(s.Numbers,
		TrackingNumber{Number: "+4721000002", State: "ported-out"},
		TrackingNumber{Number: "+4721000003", Account: "demo", Flow: "sales", ValidFrom: first, ValidUntil: second},
		TrackingNumber{Number: "+4721000004", Account: "demo", Flow: "sales", ValidUntil: second},
		TrackingNumber{Number: "+4721000004", State: "ported-out", ValidFrom: second},
		TrackingNumber{Number: "+4721000005", State: "quarantined"},
		TrackingNumber{Number: "+4721000006", Account: "demo", Flow: "sales", State: "suspended"})
	for _, n := range []string{"+4721000002", "+4721000003", "+4721000004"} {
		s.Flows["sales"] = append(s.Flows["sales"], Step{Dial: &Dial{Targets: []Destination{{Number: n, Trunk: "carrier-b"}}}})
	}
	table := mustTable(t, s)
	before, within, after := thisYear.AddDate(0, 0, -1), thisYear, thisYear.AddDate(0, 1, 0)
	for _, c := range []struct {
		number string
		at     time.Time
		rule   string
	}{
		{"+4721000001", before, RuleOwnNumber},
		{"+4721000002", within, ""},
		{"+4721000003", before, ""},
		{"+4721000003", within, RuleOwnNumber},
		{"+4721000003", after, ""},
		{"+4721000004", within, RuleOwnNumber},
		{"+4721000004", after, ""},
		{"+4721000005", within, RuleOwnNumber},
		{"+4721000006", within, RuleOwnNumber},
	} {
		if r := table.Guard(Guarded{Account: "demo", Number: "+4721000001", At: c.at}, Target{Number: c.number, Trunk: "carrier-b"}); r.Rule != c.rule || r.Refused != (c.rule != "") {
			t.Errorf("%s at %s: %+v", c.number, c.at.Format(time.DateOnly), r)
		}
	}
	var told []string
	for _, w := range table.Warnings() {
		if strings.Contains(w.Msg, "is a tracking number") {
			told = append(told, w.Path)
		}
	}
	if want := []string{"flows.sales[2].dial.targets[0].number", "flows.sales[3].dial.targets[0].number"}; !slices.Equal(told, want) {
		t.Errorf("warned of %q, want %q", told, want)
	}
}
