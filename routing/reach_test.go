package routing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What stands around a number hides it from nobody who dials, so not from the guard.
func TestGuardReadsWhatIsAroundANumber(t *testing.T) {
	table := guardedTable(t, nil, nil, &Fraud{Countries: []string{"NO", "TR", "VU", "JP"}}) // both write numbers as in Norway, carrier-b behind 99#
	for _, c := range []struct{ user, trunk, rule, class string }{
		{"(882)13123456", "", RulePremium, ClassPremium},
		{"p088213123456", "", RulePremium, ClassPremium},
		{"88213123456%23", "", RulePremium, ClassPremium},
		{"+88213123456%3Bx", "", RulePremium, ClassPremium},
		{"88213123456,,1", "", RulePremium, ClassPremium},
		{"1234*88213123456", "", RulePremium, ClassPremium},
		{"*67*88213123456", "", RulePremium, ClassPremium},
		{"*6788213123456", "", RulePremium, ClassPremium},
		{"901188213123456", "", RulePremium, ClassPremium},
		{"00088213123456", "", RulePremium, ClassPremium},
		{"81088213123456", "", RulePremium, ClassPremium},
		{"1001,,88213123456", "", RulePremium, ClassPremium},
		{"88213.123*456", "", RulePremium, ClassPremium},
		{"agent88213123456", "", RulePremium, ClassPremium},
		{"agent;rn=+88213123456", "", RulePremium, ClassPremium},
		{"13123456;phone-context=+882", "", RulePremium, ClassPremium},
		{"88213123456;phone-context=+47", "", RulePremium, ClassPremium},
		{"88213123456", "carrier-b", RulePremium, ClassPremium},
		{"99%2382012345", "carrier-b", RulePremium, ClassPremium},
		{"4781549300%23", "", "", ClassDomestic},
		{"46812345678%23", "", RuleCountry, ClassInternational},
		{"1234*46812345678", "", RuleCountry, ClassInternational},
		{"21000001%23", "carrier-b", RuleOwnNumber, ClassDomestic},

		{"1234*5678*90", "", RuleUnreadable, ""},
		{"12345678901234567890", "", RuleUnreadable, ""},
		{"1234567", "carrier-b", RuleUnreadable, ""},
		{"118118", "carrier-b", RuleUnreadable, ""},
		{"agent123456", "carrier-b", RuleUnreadable, ""},
		{"%D9%A8%D9%A8%D9%A2%D9%A1%D9%A3%D9%A1%D9%A2%D9%A3", "", RuleUnreadable, ""}, // Arabic digits

		{"agent", "carrier-b", "", ""},
		{"201", "carrier-b", "", ""},
		{"1001", "", "", ""},
		{"100200", "", "", ""},
		{"*98", "carrier-b", "", ""},
		{"agent-20260401", "", "", ""},
		{"5f3a9c1b-2d4e-4f6a-8b1c-0d2e4f6a8b1c", "", "", ""},
		{"phone.4721000001", "", "", ""}, // named after the number it answers
		{"+4791234567", "", "", ClassDomestic},
		{"+47(0)91234567", "", "", ClassDomestic},
		{"+4791234567,,12345678", "", "", ClassDomestic}, // a conference and its code
		{"91234567", "carrier-b", "", ClassDomestic},
		{"%2B4791234567;ext=12", "carrier-b", "", ClassDomestic},
	} {
		t.Run(c.user+" by "+c.trunk, func(t *testing.T) {
			r := table.Guard(Guarded{Account: "demo", Number: "+4721000001"}, Target{URI: "sip:" + c.user + "@h", Trunk: c.trunk})
			if r.Rule != c.rule || r.Refused != (c.rule != "") || r.Class != c.class {
				t.Errorf("%+v", r)
			}
			if r.Refused && (r.Text == "" || strings.ContainsAny(r.Text, "0123456789")) {
				t.Errorf("says %q", r.Text)
			}
		})
	}
	for _, to := range []Target{{Number: "+12"}, {URI: "tel:+88213123456"}, {URI: "sip:88213123456:x@h"}} {
		if r := table.Guard(Guarded{Account: "demo"}, to); r.Rule != RuleUnreadable {
			t.Errorf("a target that is none: %+v", r)
		}
	}
}

// Where premium numbers may be called, one that is hidden costs what it costs.
func TestHiddenPremiumIsPaidFor(t *testing.T) {
	table := guardedTable(t, nil, nil, &Fraud{Premium: PremiumAllow})
	for _, user := range []string{"88213123456%23", "agent88213123456", "901188213123456"} {
		r := table.Guard(Guarded{Account: "demo", Number: "+19005551234"}, Target{URI: "sip:" + user + "@h"})
		if r.Rule == RulePremium || r.Units != 10 && !r.Refused {
			t.Errorf("%s: %+v", user, r)
		}
	}
}

// Whatever is written around the digits of a premium number, and between them, by
// whatever trunk: it is not let out.
func TestGuardIsNotLedAstray(t *testing.T) {
	table := guardedTable(t, nil, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.SampledFrom([]string{"979", "882", "883", "8816", "870", "808", "1900", "49900", "44871"}).Draw(t, "head") +
			rapid.StringMatching(`[2-9][0-9]{6}`).Draw(t, "rest")
		var user strings.Builder
		user.WriteString(rapid.SampledFrom([]string{"", "+", "%2B", "0", "00", "000", "011", "9011", "900", "9,", "9p", "p", "w0", "*", "%23", "*67", "*67*", "1234*", "1234%23", "agent", "tel%3A", "tel%3A+", "(", "%2B(", "1001,,", "%20"}).Draw(t, "before"))
		between := rapid.SampledFrom([]string{"", "", "", "-", ".", "%20", "/", "(", ")", "_", "~", "!", "'", "*", ",", "w", "%2D", "%40"})
		for _, d := range digits {
			user.WriteString(string(d) + between.Draw(t, "between"))
		}
		user.WriteString(rapid.SampledFrom([]string{"", "%23", "*", ",,1", "p12", ";x", "%3Bx", ";ext=1", ";phone-context=h", "%20", "x5", "%40h"}).Draw(t, "behind"))
		to := Target{URI: "sip:" + user.String() + "@h", Trunk: rapid.SampledFrom([]string{"", "carrier-a", "carrier-b"}).Draw(t, "trunk")}
		if r := table.Guard(Guarded{Account: "demo", Number: "+4721000001"}, to); !r.Refused {
			t.Fatalf("%s is let out by %q: %+v", to.URI, to.Trunk, r)
		}
	})
}

// Names and extensions are nobody's number.
func TestGuardLeavesNamesAlone(t *testing.T) {
	table := guardedTable(t, nil, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.StringMatching(`[a-z][a-z._-]{2,15}[0-9]{0,5}|[0-9]{2,5}|[*][0-9]{2,4}`).Draw(t, "user")
		to := Target{URI: "sip:" + user + "@h", Trunk: rapid.SampledFrom([]string{"", "carrier-a", "carrier-b"}).Draw(t, "trunk")}
		r := table.Guard(Guarded{Account: "demo", Number: "+4721000001"}, to)
		if r.Refused && !(to.Trunk != "" && r.Class != "") { // five digits are a Norwegian number
			t.Fatalf("%s: %+v", to.URI, r)
		}
	})
}
