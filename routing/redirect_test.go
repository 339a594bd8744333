package routing

import (
	"slices"
	"strings"
	"testing"
)

func TestRedirected(t *testing.T) {
	spec := Spec{
		Trunks: []Trunk{
			{ID: "in", Sources: []string{"192.0.2.0/24"}, NumberFormat: NumberFormat{Country: "NO"}},
			{ID: "out", Targets: []TrunkTarget{{URI: "sip:198.51.100.1:5070"}, {URI: "sip:SBC.example"}},
				Redirect: Redirect{Follow: 2, Hosts: []string{"203.0.113.0/28", "Edge.example.", "2001:db8::7"}}},
		},
		Accounts: []Account{{ID: "demo"}},
		Numbers:  []TrackingNumber{{Number: "+4721000001", Account: "demo", Flow: "f"}},
		Flows: map[string]Flow{"f": {{Dial: &Dial{Targets: []Destination{
			{Number: "+4791234567", Trunk: "out"}, {URI: "sip:desk@pbx.example", Redirect: Bounds{Follow: 1}}, {URI: "sip:plain@pbx.example"},
			{URI: "sip:ext@10.0.0.9", Trunk: "out"},
		}}}}},
	}
	d := mustTable(t, spec).Decide(Request{Trunk: "in", To: "+4721000001"})
	if len(d.Targets) != 4 || d.PassRedirect {
		t.Fatalf("%+v", d)
	}
	out, desk, plain, ext := d.Targets[0], d.Targets[1], d.Targets[2], d.Targets[3]
	for _, c := range []struct {
		name string
		from Target
		to   string
		want string
	}{
		{"a target of the trunk", out, "sip:201@198.51.100.1", "sip:201@198.51.100.1"},
		{"another port of it", out, "sip:201@198.51.100.1:5099;transport=tcp", "sip:201@198.51.100.1:5099;transport=tcp"},
		{"a target by name", out, "sip:201@sbc.EXAMPLE.", "sip:201@sbc.EXAMPLE."},
		{"listed hosts", out, "sip:a@203.0.113.3 sip:b@edge.example sip:c@[2001:db8::7]:5070", "sip:a@203.0.113.3 sip:b@edge.example sip:c@[2001:db8::7]:5070"},
		{"IPv4 in IPv6 is that host", out, "sip:a@[::ffff:203.0.113.3]", "sip:a@[::ffff:203.0.113.3]"},
		{"other hosts", out, "sip:a@203.0.113.16 sip:a@pbx.example sip:a@127.0.0.1 sip:a@[::1] sip:a@169.254.169.254 sip:a@x.edge.example", ""},
		{"other schemes", out, "sips:a@edge.example tel:+4721000001 https://edge.example mailto:a@edge.example", ""},
		{"what cannot be sent", out, "sip:a:secret@edge.example sip:a@edge.example?Subject=x sip:a@edge.example;transport=ws", ""},
		{"itself", out, "sip:+4791234567@198.51.100.1:5070 sip:+4791234567@SBC.example:5060;x=y", ""},
		{"twice the same", out, "sip:a@edge.example sip:a@EDGE.example:5060 sip:a@edge.example;transport=udp", "sip:a@edge.example"},
		{"to a destination that comes anyway", desk, "sip:plain@pbx.example", ""},
		{"no more than a few", out, "sip:a@edge.example sip:b@edge.example sip:c@edge.example sip:d@edge.example sip:e@edge.example",
			"sip:a@edge.example sip:b@edge.example sip:c@edge.example sip:d@edge.example"},
		{"a destination's own host", desk, "sip:201@pbx.example sip:201@sbc.example", "sip:201@pbx.example"},
		{"nothing said", plain, "sip:201@pbx.example", ""},
		{"in the manner of a trunk", ext, "sip:201@10.0.0.9 sip:201@edge.example", "sip:201@10.0.0.9 sip:201@edge.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, n := range c.from.Redirected(strings.Fields(c.to), d.Targets) {
				got = append(got, n.URI)
				if n.Trunk != c.from.Trunk || n.Timeout != c.from.Timeout || n.Places != nil || n.Redirect.Follow != c.from.Redirect.Follow-1 {
					t.Errorf("%+v", n)
				}
			}
			if !slices.Equal(got, strings.Fields(c.want)) {
				t.Errorf("%q", got)
			}
		})
	}
	if text := d.Text(); !strings.Contains(text, "follows 2 redirections in a row") {
		t.Errorf("the trace does not say so:\n%s", text)
	}
}

// Chains end: by the count of a target, and by that of all attempts of a call.
func TestRedirectionsEnd(t *testing.T) {
	first := Target{URI: "sip:0@a.example", Redirect: Redirection{Follow: maxFollow, Names: []string{"a.example"}}}
	all := []Target{first}
	for n := 0; n < len(all); n++ {
		var contacts []string
		for i := range 10 {
			contacts = append(contacts, "sip:"+strings.Repeat("x", len(all))+string(rune('a'+i))+"@a.example")
		}
		all = append(all, all[n].Redirected(contacts, all)...)
	}
	if len(all) != maxAttempts {
		t.Errorf("%d attempts", len(all))
	}
	chain := []Target{first}
	for {
		next := chain[len(chain)-1].Redirected([]string{"sip:" + strings.Repeat("y", len(chain)) + "@a.example"}, chain)
		if len(next) == 0 {
			break
		}
		chain = append(chain, next...)
	}
	if len(chain) != maxFollow+1 {
		t.Errorf("%d in a row", len(chain))
	}
}

func FuzzRedirected(f *testing.F) {
	f.Add("sip:a@a.example", "sip:b@a.example;transport=tcp")
	f.Add("sip:a@[::1]:5060", "sip:%41@a.example?x=y")
	t0 := Target{URI: "sip:0@a.example", Redirect: Redirection{Follow: 1, Names: []string{"a.example"}}}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, n := range t0.Redirected([]string{a, b}, []Target{t0}) {
			if u, msg := parseURI(n.URI); msg != "" || !strings.EqualFold(strings.TrimSuffix(u.host, "."), "a.example") {
				t.Errorf("%q is followed: %s", n.URI, msg)
			}
		}
	})
}

// TestRedirectedPhone: a registered phone that forwards its calls is not called again
// itself.
func TestRedirectedPhone(t *testing.T) {
	phone := Target{User: "desk", URI: "sip:desk@pbx.example", Trunk: "phones", Redirect: Redirection{Follow: 1, Names: []string{"pbx.example"}}}
	next := phone.Redirected([]string{"sip:colleague@pbx.example"}, []Target{phone})
	if len(next) != 1 || next[0].User != "" || next[0].URI != "sip:colleague@pbx.example" || next[0].Trunk != "phones" {
		t.Errorf("%+v", next)
	}
}
