//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// Who calls is judged by sipp, from the outside: regular expressions on the
// headers it gets, and on the whole message for what must not be in it.

// claims are what a message must say and must not hold. A name ends in a colon
// for a header; "msg" is the whole message.
type claims struct {
	Says  [][2]string // header and expression
	Never []string    // expressions that fit nowhere in the message
}

func (c claims) Any() bool { return len(c.Says)+len(c.Never) > 0 }

// asked is a call of the carrier's.
type asked struct {
	URI, From string
	Headers   []string
	Final     int
	Answer    claims // of the final response
	Bye       claims // of a BYE that is waited for; none: we say it
	Talk      int    // ms
}

// judged is what a destination gets and does.
type judged struct {
	Invite, Cancel claims
	Status         int
	SaysBye        bool
	Headers        []string // of its refusal or BYE
}

const judge = `{{define "judge"}}{{range $i, $c := .Says}}
    <ereg regexp="{{xml (index $c 1)}}" search_in="hdr" header="{{xml (index $c 0)}}" check_it="true" assign_to="v"/>{{end}}{{range .Never}}
    <ereg regexp="{{xml .}}" search_in="msg" check_it_inverse="true" assign_to="v"/>{{end}}{{if or .Says .Never}}
    <log message="[$v]"/>{{end}}
    <ereg regexp=".+" search_in="hdr" header="From:" check_it="true" assign_to="from"/>
    <ereg regexp=".+" search_in="hdr" header="To:" check_it="true" assign_to="to"/>
    <log message="[$from] [$to]"/>
  {{end}}`

// scenario fills a template of testdata and returns the file's name.
func scenario(t *testing.T, dir, name string, data any) string {
	t.Helper()
	// sipp reads these four entities and no others.
	funcs := template.FuncMap{"xml": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace}
	tpl, err := template.New(name).Funcs(funcs).ParseFiles(filepath.Join("testdata", name))
	if err == nil {
		_, err = tpl.Parse(judge)
	}
	var text bytes.Buffer
	if err == nil {
		err = tpl.Execute(&text, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "*-"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text.Bytes()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// street is a node with a carrier on one side and a destination on the other.
type street struct {
	*node
	dir, carrier, pbx string
	asks              int // sipps started for the carrier: each has media ports of its own
}

// newStreet starts a node whose trunks, numbers and flows are text, in which
// PBX stands for where the destination listens.
func newStreet(t *testing.T, host, text string) *street {
	t.Helper()
	s := &street{dir: t.TempDir(), carrier: host + ".2", pbx: freePort(t, host+".3")}
	s.node = newNode(t, plan{Host: host + ".1", Sources: s.carrier, Agent: s.pbx})
	b, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(b), "trunks:\n")
	text = strings.NewReplacer("PBX", s.pbx, "CARRIER", s.carrier).Replace(text)
	if err := os.WriteFile(s.config, []byte(head+text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, ringdown, "check", "--config", s.config)
	s.start(t)
	return s
}

// call has the carrier call and both sides judge.
func (s *street) call(t *testing.T, a asked, j judged) {
	t.Helper()
	host, _, _ := strings.Cut(s.pbx, ":")
	uas := sipp(t, s.dir, scenario(t, s.dir, "judges.xml", j), host, s.pbx, "-m", "1", "-timeout", "20")
	uac := s.ask1(t, a)
	if code := uac.code(t, 30*time.Second); code != 0 {
		t.Errorf("the carrier is not content: exit %d\n%s%s", code, uac.out.tail(), s.errors(t))
	}
	if code := uas.code(t, 30*time.Second); code != 0 {
		t.Errorf("the destination is not content: exit %d\n%s%s", code, uas.out.tail(), s.errors(t))
	}
}

// ask1 starts one call of the carrier's.
func (s *street) ask1(t *testing.T, a asked) *program {
	t.Helper()
	if a.Talk == 0 {
		a.Talk = 200
	}
	a.URI = strings.ReplaceAll(a.URI, "NODE", s.SIP)
	s.asks++
	return sipp(t, s.dir, scenario(t, s.dir, "asks.xml", a), s.carrier, freePort(t, s.carrier), "-m", "1", "-timeout", "20", "-mp", strconv.Itoa(31000+10*s.asks), s.SIP)
}

// errors is what sipp wrote down of messages it did not want.
func (s *street) errors(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*_errors.log"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\n%s\n", filepath.Base(f), b)
		os.Remove(f)
	}
	return out.String()
}

const identityStreet = `trunks:
  - {id: carrier, sources: [CARRIER], number_format: {country: NO, strip: "99#"}, headers: {in: [User-to-User, X-Campaign]}}
  - {id: tracking, targets: [{uri: "sip:PBX"}], identity: {from: tracking-number, asserted: caller, display: true}}
  - {id: forwards, targets: [{uri: "sip:PBX"}], identity: {asserted: tracking-number, diversion: true, history_info: true}}
  - {id: trusted, targets: [{uri: "sip:PBX"}], identity: {asserted: caller, trust: both}}
  - {id: inland, targets: [{uri: "sip:PBX"}], identity: {user_phone: true}, headers: {out: [User-to-User]},
     number_format: {country: NO, out: national, prefix: "77"}}
  - {id: old, profile: old-gateway, targets: [{uri: "sip:PBX"}]}
accounts:
  - {id: demo}
numbers:
  - {number: "+4721000001", account: demo, flow: plain}
  - {number: "+4721000002", account: demo, flow: tracking}
  - {number: "+4721000003", account: demo, flow: forwards}
  - {number: "+4721000004", account: demo, flow: trusted}
  - {number: "+4721000005", account: demo, flow: inland}
  - {number: "+4721000006", account: demo, flow: old}
flows:
  plain: [{dial: {targets: [{uri: "sip:agent@PBX"}]}}]
  tracking: [{dial: {targets: [{number: "+4791234567", trunk: tracking}]}}]
  forwards: [{dial: {targets: [{number: "+4791234567", trunk: forwards}]}}]
  trusted: [{dial: {targets: [{number: "+4791234567", trunk: trusted}]}}]
  inland: [{dial: {targets: [{number: "+4791234567", trunk: inland}]}}]
  old: [{dial: {targets: [{number: "+4791234567", trunk: old}]}}]
`

// TestIdentityOnTheWire: what each trunk is shown of the caller and the number
// he called (RFC 3323, 3325, 5806, 7044, 7433), and in which form.
func TestIdentityOnTheWire(t *testing.T) {
	s := newStreet(t, "127.0.61", identityStreet)
	const kari = `"Canary Kari" <sip:+4799912345@carrier.example>`
	hidden := []string{"P-Asserted-Identity: <sip:+4799912345@carrier.example>", "Privacy: id"}
	for _, c := range []struct {
		name string
		a    asked
		j    judged
	}{
		{"the caller in From and nothing else", asked{URI: "sip:+4721000001@NODE", From: kari},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *<sip:\+4799912345@127\.0\.61\.1>;tag=`}},
				Never: []string{"P-Asserted-Identity", "Diversion", "History-Info", "Privacy:", "Kari", "carrier.example", "21000001"}}}},
		{"the tracking number in From, the caller asserted", asked{URI: "sip:21000002@NODE", From: kari},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *<sip:\+4721000002@`}, {"P-Asserted-Identity:", `"Canary Kari" <sip:\+4799912345@127\.0\.61\.1>`}},
				Never: []string{"Privacy:", "Diversion:"}}}},
		{"sent on, and by whom", asked{URI: "sip:+4721000003@NODE", From: kari, Headers: []string{"Diversion: <sip:+4722334455@carrier.example>;reason=user-busy;counter=1"}},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *<sip:\+4799912345@`}, {"P-Asserted-Identity:", `<sip:\+4721000003@127\.0\.61\.1>`},
				{"Diversion:", `<sip:\+4721000003@127\.0\.61\.1>;reason=unconditional;counter=2`},
				{"History-Info:", `<sip:\+4721000003@127\.0\.61\.1>;index=1, *<sip:\+4791234567@[^;]*;cause=302>;index=1\.1;mp=1`}}, Never: []string{"22334455"}}}},
		{"withheld, to who is not trusted", asked{URI: "sip:+4721000003@NODE", From: `"Anonymous" <sip:anonymous@anonymous.invalid>`, Headers: hidden},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *"Anonymous" <sip:anonymous@anonymous\.invalid>`}, {"Privacy:", `id`}},
				Never: []string{"99912345", "21000003", "P-Asserted-Identity", "Diversion:", "History-Info:"}}}},
		{"withheld, to who is trusted", asked{URI: "sip:+4721000004@NODE", From: `"Anonymous" <sip:anonymous@anonymous.invalid>`, Headers: hidden},
			judged{Invite: claims{Says: [][2]string{{"From:", `<sip:anonymous@anonymous\.invalid>`}, {"P-Asserted-Identity:", `<sip:\+4799912345@127\.0\.61\.1>`}, {"Privacy:", `id`}}}}},
		{"tel: in, national out, and the headers that are listed", asked{URI: "tel:21000005;phone-context=+47", From: `<tel:+4799912345>`,
			Headers: []string{"User-to-User: 56a390f3;encoding=hex", "X-Campaign: autumn", "X-Secret: no"}},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *<sip:99912345@127\.0\.61\.1;user=phone>`}, {"To:", `^ *<sip:7791234567@[^>]*;user=phone>`},
				{"User-to-User:", `^ *56a390f3;encoding=hex$`}}, Never: []string{"X-Campaign", "X-Secret", "autumn"}}}},
		{"an old gateway, called behind a technical prefix", asked{URI: "sip:99%2321000006@NODE;user=phone", From: kari},
			judged{Invite: claims{Says: [][2]string{{"From:", `^ *<sip:\+4799912345@[^>]*;user=phone>`},
				{"Remote-Party-ID:", `<sip:\+4799912345@[^>]*>;party=calling;screen=yes;privacy=off`}}, Never: []string{"P-Asserted-Identity"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.a.Final = 200
			s.call(t, c.a, c.j)
		})
	}
	s.settled(t, 7)
	tail := s.ask(t, "events", "tail")
	for _, want := range []string{`"diverted":{"count":1,"reason":"user-busy"}`, `"User-to-User":"56a390f3;encoding=hex"`, `"X-Campaign":"autumn"`} {
		if !strings.Contains(tail, want) {
			t.Errorf("the events do not hold %s", want)
		}
	}
	for _, never := range []string{"99912345", "22334455", "X-Secret", "Canary"} {
		if strings.Contains(tail, never) || strings.Contains(s.out.String(), never) {
			t.Errorf("%q is in the events or the log", never)
		}
	}
	explained := must(t, ringdown, "route", "explain", "--config", s.config, "--trunk", "carrier", "--from", "+4799912345", "--to", "99#21000005")
	for _, want := range []string{"national, belongs to account demo", "numbers as dialled in NO, behind a technical prefix", "sip:7791234567@"} {
		if !strings.Contains(explained, want) {
			t.Errorf("route explain does not say %q:\n%s", want, explained)
		}
	}
	s.stop(t)
}

const oneNumber = `trunks:
  - {id: carrier, sources: [CARRIER], number_format: {country: NO}TRUNK}
accounts:
  - {id: demoACCOUNT}
numbers:
  - {number: "+4721000001", account: demo, flow: salesNUMBER}
flows:
  sales: [{dial: {targets: [{uri: "sip:agent@PBX"}]}}]
`

func limited(trunk, account, number string) string {
	return strings.NewReplacer("TRUNK", trunk, "ACCOUNT", account, "NUMBER", number).Replace(oneNumber)
}

// TestCausesCross: why one side ended is told to the other (RFC 3326, RFC 6432).
func TestCausesCross(t *testing.T) {
	s := newStreet(t, "127.0.62", limited("", "", ""))
	call := asked{URI: "sip:+4721000001@NODE", From: `<sip:+4799912345@carrier.example>`, Final: 200}
	t.Run("a gateway's 503 that means busy", func(t *testing.T) {
		a := call
		a.Final, a.Answer = 486, claims{Says: [][2]string{{"Reason:", `^ *Q\.850;cause=17$`}}}
		s.call(t, a, judged{Status: 503, Headers: []string{`Reason: Q.850;cause=17;text="their words"`}})
	})
	t.Run("a 503 is not ours, its cause is", func(t *testing.T) {
		a := call
		a.Final, a.Answer = 500, claims{Says: [][2]string{{"Reason:", `^ *Q\.850;cause=34$`}}, Never: []string{"their words"}}
		s.call(t, a, judged{Status: 503, Headers: []string{`Reason: Q.850;cause=34;text="their words"`, "Retry-After: 60"}})
	})
	t.Run("a BYE's", func(t *testing.T) {
		a := call
		a.Bye = claims{Says: [][2]string{{"Reason:", `^ *Q\.850;cause=41, SIP;cause=503;text="Service Unavailable"`}}, Never: []string{"their words"}}
		s.call(t, a, judged{SaysBye: true, Headers: []string{`Reason: SIP;cause=503;text="their words"`}})
	})
	t.Run("answered elsewhere", func(t *testing.T) {
		a := call
		a.Final = 487
		s.call(t, a, judged{Cancel: claims{Says: [][2]string{{"Reason:", `SIP;cause=200;text="Call completed elsewhere"`}}}})
	})
	all := s.settled(t, 4)
	for i, want := range []string{"busy", "failed", "completed", "canceled"} {
		if got := all[i].last("call.ended").Status; got != want {
			t.Errorf("call %d ended %s, want %s", i+1, got, want)
		}
	}
	s.stop(t)
}

// TestLimitsOnTheWire: while two calls talk the third is refused, with the code
// of whose limit it is; they are not disturbed, and their end makes room.
func TestLimitsOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name, text, limit string
		status            int
		reason            string
	}{
		{"trunk", limited(", limits: {calls: 2}", "", ""), "trunk", 503, `^ *Q\.850;cause=34$`},
		{"account", limited("", ", limits: {calls: 2}", ""), "account", 486, `^ *Q\.850;cause=17$`},
		{"number", limited("", "", ", limits: {calls: 2}"), "number", 486, `^ *Q\.850;cause=17$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStreet(t, "127.0.63", c.text)
			host, _, _ := strings.Cut(s.pbx, ":")
			uas := sipp(t, s.dir, scenario(t, s.dir, "judges.xml", judged{}), host, s.pbx, "-m", "3", "-timeout", "40")
			call := asked{URI: "sip:+4721000001@NODE", From: `<sip:+4799912345@carrier.example>`, Final: 200, Talk: 4000}
			talking := []*program{s.ask1(t, call), s.ask1(t, call)}
			eventually(t, 5*time.Second, "two calls", func() bool { return s.live(t) == 2 })
			third := call
			third.Final, third.Answer = c.status, claims{Says: [][2]string{{"Reason:", c.reason}, {"Retry-After:", `^ *10$`}}}
			if p := s.ask1(t, third); p.code(t, 10*time.Second) != 0 {
				t.Errorf("the third call: %s%s", p.out.tail(), s.errors(t))
			}
			for _, p := range talking {
				if p.code(t, 20*time.Second) != 0 {
					t.Errorf("a call in progress: %s%s", p.out.tail(), s.errors(t))
				}
			}
			call.Talk = 200
			if p := s.ask1(t, call); p.code(t, 20*time.Second) != 0 {
				t.Errorf("the call after: %s%s", p.out.tail(), s.errors(t))
			}
			if uas.code(t, 20*time.Second) != 0 {
				t.Errorf("the destination: %s%s", uas.out.tail(), s.errors(t))
			}
			refused := 0
			for _, st := range s.settled(t, 4) {
				if r := st.last("call.rejected"); r.RejectReason == "concurrency-limit" {
					refused++
				}
			}
			if tail := s.ask(t, "events", "tail"); refused != 1 || !strings.Contains(tail, `"limit":"`+c.limit+`"`) {
				t.Errorf("%d calls refused for the limit of the %s", refused, c.limit)
			}
			s.stop(t)
		})
	}
}
