package sip

import (
	"strings"
	"testing"
)

func TestReferTo(t *testing.T) {
	for value, want := range map[string]struct {
		user, host string
		port       int
		replaces   string
	}{
		"<sip:201@pbx.example>":                                           {"201", "pbx.example", 0, ""},
		"sip:201@pbx.example:5070;x=y":                                    {"201", "pbx.example", 5070, ""},
		`"Who, ever" <sip:201@192.0.2.7:5070;transport=tcp>;x=1`:          {"201", "192.0.2.7", 5070, ""},
		"<sip:+4799@[2001:db8::1]:5070>":                                  {"+4799", "2001:db8::1", 5070, ""},
		"<sip:+4799@[2001:db8::1]>":                                       {"+4799", "2001:db8::1", 0, ""},
		"<SIP:a%2Db@h;user=phone;method=INVITE>":                          {"a-b", "h", 0, ""},
		"<tel:+47-22-33;phone-context=x>":                                 {"+47-22-33", "", 0, ""},
		"<sip:1@h?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>":            {"1", "h", 0, "a@b;to-tag=1;from-tag=2"},
		"<sip:1@h?Require=replaces&replaces=a@b;from-tag=2;to-tag=1;x=y>": {"1", "h", 0, "a@b;to-tag=1;from-tag=2"},
		"<sip:1@h?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only>":   {"1", "h", 0, "a;to-tag=1;from-tag=2;early-only"},
	} {
		to, _, ok := referTo(value)
		if !ok || to.User != want.user || to.Host != want.host || to.Port != want.port || to.Replaces != want.replaces {
			t.Errorf("%s: %+v, %v", value, to, ok)
		}
	}
	for _, value := range []string{
		"", "<>", "<sip:>", "<sip:h>", "<sip:@h>", "<sip:1@>", "<sip:1@h", "sip:1@h?Replaces=x", "<sip:1@h:0>", "<sip:1@h:99999>", "<sip:1@h:x>",
		"<sip:1@[::1>", "<sip:1@[fe80::1%25eth0]>", "<sip:1@h h>", "<sip:1@h>, <sip:2@h>", "<sip:a?b@h>", "<sips:1@h>", "<mailto:a@h>", "<sip:1@h;method=REFER>",
		"<sip:1@h?Replaces=a>", "<sip:1@h?Replaces=a%3Bto-tag%3D1>", "<sip:1@h?Replaces=a%0D%0AX%3Bto-tag%3D1%3Bfrom-tag%3D2>",
		"<sip:1@h?Replaces=a%3Bto-tag%3D1%3Bto-tag%3D3%3Bfrom-tag%3D2>", "<sip:1@h?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>",
		"<sip:1@h?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D%22>", "<sip:1@h?Replaces=a%2>", "<tel:>", "<sip:1@h>" + strings.Repeat(" ", maxReferTo) + ";",
		"<sip:1@h?Replaces=" + strings.Repeat("a", 300) + "%3Bto-tag%3D1%3Bfrom-tag%3D2>",
	} {
		if to, _, ok := referTo(value); ok {
			t.Errorf("%q is read as %+v", value, to)
		}
	}
}

// Whatever a Refer-To holds: what we make of it can stand in a header, reads as
// the same again, and never grows.
func FuzzReferTo(f *testing.F) {
	for _, s := range []string{"<sip:201@pbx.example:5070;transport=tcp?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>", "tel:+4722334455", "<sip:1@[::1]:5060>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, rep, ok := referTo(s)
		if !ok {
			return
		}
		if to.User == "" || to.Port < 0 || to.Port > 65535 || strings.ContainsFunc(to.Host, isControl) {
			t.Fatalf("%q: %+v", s, to)
		}
		if to.Replaces == "" {
			return
		}
		if strings.ContainsFunc(to.Replaces, isControl) || len(to.Replaces) > len(s)+32 {
			t.Fatalf("%q: Replaces %q", s, to.Replaces)
		}
		if again, ok := parseReplaces(to.Replaces); !ok || again != rep {
			t.Fatalf("%q: Replaces %q reads as %+v", s, to.Replaces, again)
		}
	})
}
