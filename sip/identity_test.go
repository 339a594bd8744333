package sip

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/routing"
)

func on() *bool { b := true; return &b }

// policies answers Deps.Policy with these trunks, as the routing table has them.
func policies(t *testing.T, trunks ...routing.Trunk) func(string) (routing.Trunk, bool) {
	t.Helper()
	table, faults := routing.NewTable(routing.Spec{Trunks: trunks})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return table.Trunk
}

// told are the headers that say who calls, in the order they went out.
func told(inv message) string {
	var out []string
	for _, h := range inv.headers {
		switch h[0] {
		case "From":
			v, _, _ := strings.Cut(h[1], ";tag=")
			out = append(out, "From: "+v)
		case "P-Asserted-Identity", "Remote-Party-ID", "Privacy", "Diversion", "History-Info", "User-to-User":
			out = append(out, h[0]+": "+h[1])
		default:
			if strings.HasPrefix(strings.ToLower(h[0]), "x-") {
				out = append(out, h[0]+": "+h[1])
			}
		}
	}
	return strings.Join(out, "\n")
}

const (
	kari   = "+4790000001"
	number = "+4721000001"
)

func TestIdentityShown(t *testing.T) {
	open := call.Dial{From: kari, Display: `Kari "N"`, Number: number, Diverted: call.Diverted{Count: 2, Reason: "no-answer"}}
	hidden := call.Dial{Withheld: kari, Number: number, Diverted: call.Diverted{Count: 2}}
	nobody := call.Dial{Number: number}
	anonymous := `From: "Anonymous" <sip:anonymous@anonymous.invalid>` + "\n"
	for _, c := range []struct {
		name  string
		trunk routing.Trunk
		dial  call.Dial
		want  string
	}{
		{"by default the caller in From", routing.Trunk{}, open, `From: <sip:+4790000001@10.0.0.1>`},
		{"by default a withheld number stays withheld", routing.Trunk{}, hidden, anonymous + `Privacy: id`},
		{"the tracking number in From", routing.Trunk{Identity: routing.Identity{From: routing.ShowNumber, Asserted: routing.ShowCaller, Display: on()}}, open,
			`From: <sip:+4721000001@10.0.0.1>` + "\n" + `P-Asserted-Identity: "Kari N" <sip:+4790000001@10.0.0.1>`},
		{"both, with name", routing.Trunk{Identity: routing.Identity{Asserted: routing.ShowNumber, Display: on()}}, open,
			`From: "Kari N" <sip:+4790000001@10.0.0.1>` + "\n" + `P-Asserted-Identity: <sip:+4721000001@10.0.0.1>`},
		{"sent on", routing.Trunk{Identity: routing.Identity{Diversion: on(), HistoryInfo: on()}}, open,
			`From: <sip:+4790000001@10.0.0.1>` + "\n" +
				`Diversion: <sip:+4721000001@10.0.0.1>;reason=unconditional;counter=3;privacy=off;screen=no` + "\n" +
				`History-Info: <sip:+4721000001@10.0.0.1>;index=1, <sip:agent@10.2.0.1;cause=302>;index=1.1;mp=1`},
		{"nothing of a withheld call for one that is not trusted", routing.Trunk{Identity: routing.Identity{From: routing.ShowNumber,
			Asserted: routing.ShowCaller, Diversion: on(), HistoryInfo: on(), RemotePartyID: on(), Display: on()}}, hidden, anonymous + `Privacy: id`},
		{"the number of a withheld call for one that is", routing.Trunk{Identity: routing.Identity{Trust: routing.TrustBoth,
			Asserted: routing.ShowCaller, Diversion: on(), RemotePartyID: on(), Display: on()}}, hidden, anonymous +
			`P-Asserted-Identity: <sip:+4790000001@10.0.0.1>` + "\n" +
			`Remote-Party-ID: <sip:+4790000001@10.0.0.1>;party=calling;screen=yes;privacy=full` + "\n" + `Privacy: id` + "\n" +
			`Diversion: <sip:+4721000001@10.0.0.1>;reason=unconditional;counter=3;privacy=off;screen=no`},
		{"a caller without any number", routing.Trunk{Identity: routing.Identity{Trust: routing.TrustBoth, Asserted: routing.ShowCaller}}, nobody, anonymous + `Privacy: id`},
		{"the tracking number asserted for nobody", routing.Trunk{Identity: routing.Identity{Trust: routing.TrustBoth, Asserted: routing.ShowNumber}}, nobody,
			anonymous + `P-Asserted-Identity: <sip:+4721000001@10.0.0.1>` + "\n" + `Privacy: id`},
		{"in the trunk's own format", routing.Trunk{NumberFormat: routing.NumberFormat{Country: "NO", Out: routing.OutNational, Prefix: "99#"},
			Identity: routing.Identity{Asserted: routing.ShowNumber, Diversion: on(), UserPhone: on()}}, open,
			`From: <sip:90000001@10.0.0.1;user=phone>` + "\n" + `P-Asserted-Identity: <sip:21000001@10.0.0.1;user=phone>` + "\n" +
				`Diversion: <sip:21000001@10.0.0.1;user=phone>;reason=unconditional;counter=3;privacy=off;screen=no`},
		{"a name that would end its quotes", routing.Trunk{Identity: routing.Identity{Display: on()}},
			call.Dial{From: kari, Display: "a\\\" <sip:x@y>\r\nVia: z"}, `From: "a <sip:x@y>  Via: z" <sip:+4790000001@10.0.0.1>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.trunk.ID = "out"
			wantTold(t, c.trunk, c.dial, c.want)
		})
	}
}

func wantTold(t *testing.T, trunk routing.Trunk, dial call.Dial, want string) {
	t.Helper()
	inWorld(t, Config{}, Deps{Policy: policies(t, trunk)}, func(w *world) {
		dial.MaxForwards, dial.Body = 69, ourSDP
		dial.Target.URI, dial.Target.Trunk = "sip:agent@"+calleeAddr, trunk.ID
		if _, err := w.ep.Dial(w.Context(), dial, func(call.Signal) {}); err != nil {
			t.Fatal(err)
		}
		if got := told(w.callee.want("INVITE")); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if strings.Contains(w.log.String(), "90000001") || strings.Contains(w.log.String(), "21000001") {
			t.Errorf("a number is in the log:\n%s", w.log)
		}
	})
}

// profilesTell is what each profile changes in an INVITE; a profile without a
// row fails.
var profilesTell = map[string]string{
	"default":       `From: <sip:+4790000001@10.0.0.1>`,
	"asterisk":      "From: <sip:+4790000001@10.0.0.1>\nP-Asserted-Identity: <sip:+4790000001@10.0.0.1>",
	"freeswitch":    "From: <sip:+4790000001@10.0.0.1>\nRemote-Party-ID: <sip:+4790000001@10.0.0.1>;party=calling;screen=yes;privacy=off",
	"kamailio-edge": "From: <sip:+4790000001@10.0.0.1>\nP-Asserted-Identity: <sip:+4790000001@10.0.0.1>",
	"cucm": "From: <sip:+4790000001@10.0.0.1>\nRemote-Party-ID: <sip:+4790000001@10.0.0.1>;party=calling;screen=yes;privacy=off\n" +
		"Diversion: <sip:+4721000001@10.0.0.1>;reason=unconditional;counter=1;privacy=off;screen=no",
	"broadworks": "From: <sip:+4790000001@10.0.0.1;user=phone>\nP-Asserted-Identity: <sip:+4790000001@10.0.0.1;user=phone>\n" +
		"Diversion: <sip:+4721000001@10.0.0.1;user=phone>;reason=unconditional;counter=1;privacy=off;screen=no",
	"ms-teams-sbc": "From: <sip:+4790000001@10.0.0.1;user=phone>\nP-Asserted-Identity: <sip:+4790000001@10.0.0.1;user=phone>\n" +
		"History-Info: <sip:+4721000001@10.0.0.1;user=phone>;index=1, <sip:agent@10.2.0.1;cause=302>;index=1.1;mp=1",
	"old-gateway": "From: <sip:+4790000001@10.0.0.1;user=phone>\n" +
		"Remote-Party-ID: <sip:+4790000001@10.0.0.1;user=phone>;party=calling;screen=yes;privacy=off",
}

func TestProfilesTell(t *testing.T) {
	if names := slices.Sorted(maps.Keys(profilesTell)); !slices.Equal(names, routing.Profiles()) {
		t.Errorf("profiles %v, tested %v", routing.Profiles(), names)
	}
	for name, want := range profilesTell {
		t.Run(name, func(t *testing.T) {
			wantTold(t, routing.Trunk{ID: "out", Profile: name}, call.Dial{From: kari, Number: number}, want)
		})
	}
	// Who knows no option is offered none.
	for name, offered := range map[string]bool{"default": true, "old-gateway": false} {
		inWorld(t, Config{}, Deps{Policy: policies(t, routing.Trunk{ID: "out", Profile: name})}, func(w *world) {
			d := call.Dial{From: kari, MaxForwards: 69, Body: ourSDP}
			d.Target.URI, d.Target.Trunk = "sip:agent@"+calleeAddr, "out"
			if _, err := w.ep.Dial(w.Context(), d, func(call.Signal) {}); err != nil {
				t.Fatal(err)
			}
			if inv := w.callee.want("INVITE"); strings.Contains(inv.get("Supported"), "100rel") != offered {
				t.Errorf("%s: Supported: %s", name, inv.get("Supported"))
			}
		})
	}
	// What a trusted edge is told of a caller who hides.
	wantTold(t, routing.Trunk{ID: "out", Profile: "kamailio-edge"}, call.Dial{Withheld: kari, Number: number},
		"From: \"Anonymous\" <sip:anonymous@anonymous.invalid>\nP-Asserted-Identity: <sip:+4790000001@10.0.0.1>\nPrivacy: id")
}

func TestIdentityRead(t *testing.T) {
	const from = "From: \"Kari\" <sip:+4790000001@h>;tag=x\n"
	plain := call.Party{User: kari, Display: "Kari"}
	rpid := routing.Identity{RemotePartyID: on()}
	for _, c := range []struct {
		headers string
		id      routing.Identity
		want    call.Party
	}{
		{from + "P-Asserted-Identity: \"K\" <tel:+4790000009>", routing.Identity{}, call.Party{User: "+4790000009", Display: "K"}},
		{from + "P-Asserted-Identity: <tel:+4790000009>", routing.Identity{Trust: routing.TrustNone}, plain},
		{from + "P-Preferred-Identity: <sip:+4790000008@h>", routing.Identity{}, call.Party{User: "+4790000008"}},
		{from + "P-Preferred-Identity: <sip:+4790000008@h>", routing.Identity{Trust: routing.TrustNone}, plain},
		{from + "P-Preferred-Identity: <sip:+4790000008@h>\nP-Asserted-Identity: <sip:+4790000009@h>", routing.Identity{}, call.Party{User: "+4790000009"}},
		{from + "Remote-Party-ID: <sip:+4790000007@h>;party=calling", routing.Identity{}, plain},
		{from + "Remote-Party-ID: <sip:+4790000007@h>;party=calling", rpid, call.Party{User: "+4790000007"}},
		{from + "Remote-Party-ID: <sip:+4721000001@h>;party=called, <sip:+4790000007@h>;party=Calling", rpid, call.Party{User: "+4790000007"}},
		{from + "Remote-Party-ID: <sip:+4790000007@h>;privacy=full", rpid, call.Party{User: "+4790000007", Private: true}},
		{from + "Remote-Party-ID: <sip:+4790000007@h>;privacy=off", rpid, call.Party{User: "+4790000007"}},
		{from + "Remote-Party-ID: <sip:+4790000007@h>;privacy=full", routing.Identity{Trust: routing.TrustNone, RemotePartyID: on()}, plain},
		{from + "Privacy: id", routing.Identity{Trust: routing.TrustNone}, call.Party{User: kari, Display: "Kari", Private: true}},
		{"From: <sip:0121000009;phone-context=%2B47@h;user=phone>;tag=x", routing.Identity{}, call.Party{User: "0121000009;phone-context=+47"}},
		{"From: <tel:21000009;isub=1;phone-context=+47>;tag=x", routing.Identity{}, call.Party{User: "21000009;phone-context=+47"}},
		{"From: <tel:+4721000009;npdi;rn=+4799>;tag=x", routing.Identity{}, call.Party{User: "+4721000009"}},
	} {
		msg, err := gosip.NewParser().ParseSIP(text("INVITE sip:b@h SIP/2.0\n%s\n\n", c.headers))
		if err != nil {
			t.Fatalf("%s: %v", c.headers, err)
		}
		if got := party(msg.(*gosip.Request), c.id); got != c.want {
			t.Errorf("%s (%+v):\n got %+v\nwant %+v", c.headers, c.id, got, c.want)
		}
	}
}

// A trunk may write the number called in any way a telephone number is written.
func TestCalledNumberRead(t *testing.T) {
	for uri, want := range map[string]string{
		"tel:+4721000001":                               number,
		"TEL:+47-21-00-00-01":                           number,
		"tel:21000001;phone-context=+47":                number,
		"tel:+4721000001;npdi;rn=+4799;cic=+1500":       number,
		"sip:+4721000001;npdi;rn=+4799@10.0.0.1":        number,
		"sip:21000001;phone-context=%2B47@10.0.0.1":     number,
		"sip:004721000001@10.0.0.1;user=phone":          number,
		"sip:21000001@10.0.0.1;user=phone;npdi":         number,
		"sip:%2B4721000001@10.0.0.1:5060;transport=udp": number,
		"sip:sales@10.0.0.1":                            "",
		"tel:sales":                                     "",
	} {
		bubble(t, func(w *world) {
			w.carrier.send(`
				INVITE %s SIP/2.0
				Via: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKn;rport
				Max-Forwards: 70
				From: <tel:+4790000001>;tag=kari
				To: <%s>
				Call-ID: n@carrier
				CSeq: 1 INVITE
				Contact: <sip:10.1.0.1:5060>
				Content-Type: application/sdp

				%s`, uri, uri, offer)
			w.carrier.want("SIP/2.0 100")
			a := w.admitted()
			if n, _ := routing.Normalise(a.To, "NO"); n.Reveal() != want {
				t.Errorf("%s: called %q, read %q", uri, a.To, n.Reveal())
			}
			if a.Party.User != kari {
				t.Errorf("%s: caller %q", uri, a.Party.User)
			}
			a.leg.Answer(ourSDP)
			ok := w.carrier.want("SIP/2.0 200")
			a.leg.Hangup(call.Cause{Status: 200, Q850: 16})
			w.carrier.send(`
				ACK sip:10.0.0.1:5060 SIP/2.0
				Via: SIP/2.0/UDP 10.1.0.1:5060;branch=z9hG4bKna;rport
				Max-Forwards: 70
				From: <tel:+4790000001>;tag=kari
				To: <%s>;tag=%s
				Call-ID: n@carrier
				CSeq: 1 ACK
				`, uri, ok.tag("To"))
			// The dialog's From and To are what the caller's were, scheme and all.
			bye := w.carrier.want("BYE sip:10.1.0.1:5060")
			if !strings.HasPrefix(bye.get("To"), "<tel:+4790000001>;tag=kari") || !strings.HasSuffix(bye.get("From"), ";tag="+ok.tag("To")) {
				t.Errorf("%s", bye.raw)
			}
			w.carrier.reply(bye, 200, "", "")
			signal[call.Acked](w, a.signals)
		})
	}
}

func TestDivertedRead(t *testing.T) {
	for headers, want := range map[string]call.Diverted{
		"X-Nothing: 1": {},
		"Diversion: <sip:+4721000009@h>;reason=user-busy;counter=1;privacy=off":                                {Count: 1, Reason: "user-busy"},
		"Diversion: \"a;reason=away\" <tel:+4721000009>;Reason=\"No-Answer\";counter=3, <sip:b@h>;reason=away": {Count: 4, Reason: "no-answer"},
		"Diversion: <sip:a@h>;reason=unconditional\nDiversion: <sip:b@h>;reason=user-busy;counter=0":           {Count: 2, Reason: "unconditional"},
		"Diversion: <sip:a@h>;reason=\"because of 90000001\";counter=9999999999999999999":                      {Count: 1, Reason: "unknown"},
		"Diversion: garbage": {Count: 1, Reason: "unknown"},
		"Diversion: <sip:a@h>;counter=99, <sip:a@h>;counter=99":                                                                           {Count: 99, Reason: "unknown"},
		"History-Info: <sip:a@h>;index=1, <sip:b@h;cause=486>;index=1.1;mp=1, <sip:c@h?Reason=SIP%3Bcause%3D302;cause=302>;index=1.1.1":   {Count: 1, Reason: "user-busy"},
		"History-Info: <sip:a@h;cause=302>;index=1\nHistory-Info: <sip:b@h;Cause=408>;index=1.1":                                          {Count: 2, Reason: "no-answer"},
		"History-Info: <sip:a@h;cause=302;cause=x>;index=1\nDiversion: <sip:b@h>;reason=away":                                             {Count: 1, Reason: "away"},
		"History-Info: <sip:a@h;cause=999>;index=1, <sip:a@h;cause=>;index=2, \"<sip:x;cause=302>\" <sip:y@h>;index=3, sip:z@h;cause=302": {},
	} {
		msg, err := gosip.NewParser().ParseSIP(text("INVITE sip:b@h SIP/2.0\n%s\n\n", headers))
		if err != nil {
			t.Fatalf("%s: %v", headers, err)
		}
		if got := diverted(msg.(*gosip.Request)); got != want {
			t.Errorf("%s: %+v, want %+v", headers, got, want)
		}
	}
}

// Only what the one trunk lists comes in, and only what the other lists goes on.
func TestHeadersThatCross(t *testing.T) {
	in := routing.Trunk{ID: "carrier", Headers: routing.Headers{In: []string{"X-Campaign", "User-to-User", "X-Long", "X-Twice"}}}
	out := routing.Trunk{ID: "out", Headers: routing.Headers{Out: []string{"user-to-user", "X-Twice", "X-Absent"}}}
	inWorld(t, Config{}, Deps{Policy: policies(t, in, out)}, func(w *world) {
		w.carrier.invite("x-campaign: autumn 90000001", "User-to-User: 56a390f3;encoding=hex", "X-Secret: no", "X-Long: "+strings.Repeat("a", maxCrossed+1),
			"X-Twice: one", "X-Twice: two", "Diversion: <sip:+4721000009@h>;reason=user-busy")
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		want := []call.Header{{Name: "X-Campaign", Value: "autumn 90000001"}, {Name: "User-to-User", Value: "56a390f3;encoding=hex"}, {Name: "X-Twice", Value: "one"}}
		if !slices.Equal(a.Headers, want) || a.Diverted != (call.Diverted{Count: 1, Reason: "user-busy"}) {
			t.Errorf("%+v %+v", a.Headers, a.Diverted)
		}
		if d := w.ep.Stats().Drops; d["header-unfit"] != 1 || d["header-repeated"] != 1 {
			t.Errorf("drops %v", d)
		}
		for trunk, want := range map[string]string{"out": "user-to-user: 56a390f3;encoding=hex\nX-Twice: one", "": ""} {
			d := call.Dial{From: kari, MaxForwards: 69, Body: ourSDP, Headers: append(a.Headers, call.Header{Name: "X-Absent", Value: "a\r\nVia: b"})}
			d.Target.URI, d.Target.Trunk = "sip:agent@"+calleeAddr, trunk
			leg, err := w.ep.Dial(w.Context(), d, func(call.Signal) {})
			if err != nil {
				t.Fatal(err)
			}
			inv := w.callee.want("INVITE")
			got := strings.TrimPrefix(told(inv), "From: <sip:+4790000001@10.0.0.1>")
			if uui := inv.get("user-to-user"); uui != "" {
				got = "\nuser-to-user: " + uui + got
			}
			if strings.TrimPrefix(got, "\n") != want {
				t.Errorf("through %q: %q, want %q", trunk, got, want)
			}
			w.callee.reply(inv, 486, "x", "")
			w.callee.want("ACK")
			leg.Hangup(call.Cause{})
		}
		if strings.Contains(w.log.String(), "autumn") || strings.Contains(w.log.String(), "56a390f3") {
			t.Errorf("a value is in the log:\n%s", w.log)
		}
		time.Sleep(time.Second)
	})
}

// FuzzIdentityHeaders: whatever stands in the headers that tell who called and
// who sent the call on, what is read of it is bounded, of known words and fit to
// be written into another INVITE.
func FuzzIdentityHeaders(f *testing.F) {
	for _, s := range []string{
		`<sip:+4721000009@h>;reason=user-busy;counter=3`, `"a, b" <tel:+1>;privacy=full, <sip:x@y;cause=302>;index=1.1`,
		`<`, `"`, `<sip:;cause=302`, `;;;=`, `>;<`, `56a390f3;encoding=hex`, "\xff\u2028", `a\"b" <sip:c@d>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		req := gosip.NewRequest(gosip.INVITE, gosip.Uri{Scheme: "sip", Host: "h"})
		req.AppendHeader(&gosip.FromHeader{Address: gosip.Uri{Scheme: "sip", User: "a", Host: "h"}})
		for _, name := range []string{"Diversion", "History-Info", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy", "User-to-User"} {
			req.AppendHeader(gosip.NewHeader(name, s))
		}
		d := diverted(req)
		if d.Count < 0 || d.Count > maxDiversions || d.Count > 0 != (d.Reason != "") || d.Count > 0 && !slices.Contains(diversionReasons, d.Reason) {
			t.Fatalf("%q: %+v", s, d)
		}
		p := party(req, routing.Identity{RemotePartyID: on()})
		if len(p.User) > maxDisplay || len(p.Display) > maxDisplay {
			t.Fatalf("%q: %+v", s, p)
		}
		e := &Endpoint{count: newCounts()}
		kept := e.crossing(req, []string{"User-to-User"})
		who := shown{dial: &call.Dial{From: p.User, Display: p.Display, Number: number, Diverted: d}, host: "10.0.0.1", policy: routing.Trunk{Identity: routing.Identity{
			Asserted: routing.ShowCaller, RemotePartyID: on(), Diversion: on(), HistoryInfo: on(), Display: on()}}, target: gosip.Uri{Scheme: "sip", Host: "h"}}
		out := gosip.NewRequest(gosip.INVITE, gosip.Uri{Scheme: "sip", Host: "h"})
		out.AppendHeader(who.from("tag"))
		for _, h := range append(who.headers(), crossed(kept, []string{"User-to-User"})...) {
			out.AppendHeader(h)
		}
		setBody(out, nil)
		b, err := serialise(new(bytes.Buffer), out)
		if err != nil {
			t.Fatalf("%q cannot go out: %v", s, err)
		}
		if fields := strings.Count(string(b), "\r\n"); fields != len(out.Headers())+2 {
			t.Fatalf("%q: %d lines for %d headers:\n%s", s, fields, len(out.Headers()), b)
		}
	})
}
