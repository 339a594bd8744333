package routing

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// screened is the good Spec with lists and screening at the levels named.
func screened(rules map[string]*Screening) Spec {
	s := good()
	s.Lists = map[string]NumberList{"spam": {Prefixes: []string{"+4799"}}, "friends": {Numbers: []string{"+4799999912"}}}
	s.Agencies = []Agency{{ID: "demo-agency", Screening: rules[ScopeAgency]}}
	s.Accounts[0].Screening, s.Numbers[0].Screening, s.Screening = rules[ScopeAccount], rules[ScopeNumber], rules[ScopeTable]
	return s
}

// asked is a call of somebody, decided.
func asked(t *testing.T, s Spec, r Request) Decision {
	t.Helper()
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	r.Trunk, r.To = "carrier-a", "+4721000001"
	return table.Decide(r)
}

// What needs nobody to be asked is decided at once, by the nearest that says it.
func TestScreeningDecidesAtOnce(t *testing.T) {
	block, allow := &Screening{Block: []string{"spam"}}, &Screening{Allow: []string{"friends"}}
	both := &Screening{Block: []string{"spam"}, Allow: []string{"friends"}}
	passed := Attested{Verstat: verstatPassed, Attest: AttestB}
	anonymous := func(word string) *Screening { return &Screening{Anonymous: word} }
	for _, c := range []struct {
		name   string
		rules  map[string]*Screening
		r      Request
		reject Reason
		want   Verdict
	}{
		{"nothing is said", nil, Request{From: "+4799999912"}, "", Verdict{}},
		{"no rule names him", map[string]*Screening{ScopeTable: block}, Request{From: "+4721999912"}, "", Verdict{Result: ScreenPassed}},
		{"blocked", map[string]*Screening{ScopeTable: block}, Request{From: "+4799999912"}, BlockedCaller, Verdict{ScreenRefused, RuleBlock, ScopeTable, "spam"}},
		{"blocked though he withholds his number", map[string]*Screening{ScopeTable: block}, Request{From: "+4799999912", Private: true}, BlockedCaller, Verdict{ScreenRefused, RuleBlock, ScopeTable, "spam"}},
		{"let in by who is nearer", map[string]*Screening{ScopeTable: block, ScopeAccount: allow}, Request{From: "+4799999912"}, "", Verdict{ScreenPassed, RuleAllow, ScopeAccount, "friends"}},
		{"blocked by who is nearer", map[string]*Screening{ScopeAgency: allow, ScopeNumber: block}, Request{From: "+4799999912"}, BlockedCaller, Verdict{ScreenRefused, RuleBlock, ScopeNumber, "spam"}},
		{"an allow list before a block list", map[string]*Screening{ScopeAccount: both}, Request{From: "+4799999912"}, "", Verdict{ScreenPassed, RuleAllow, ScopeAccount, "friends"}},
		{"lists add up", map[string]*Screening{ScopeTable: block, ScopeNumber: allow}, Request{From: "+4799999913"}, BlockedCaller, Verdict{ScreenRefused, RuleBlock, ScopeTable, "spam"}},
		{"anonymous refused", map[string]*Screening{ScopeAccount: anonymous(ScreenReject)}, Request{From: "anonymous"}, AnonymousRefused, Verdict{ScreenRefused, RuleAnonymous, ScopeAccount, ""}},
		{"privacy is anonymous too", map[string]*Screening{ScopeAccount: anonymous(ScreenReject)}, Request{From: "+4721999912", Private: true}, AnonymousRefused, Verdict{ScreenRefused, RuleAnonymous, ScopeAccount, ""}},
		{"but for who is let in", map[string]*Screening{ScopeAccount: anonymous(ScreenReject), ScopeTable: allow}, Request{From: "+4799999912", Private: true}, "", Verdict{ScreenPassed, RuleAllow, ScopeTable, "friends"}},
		{"the number takes them", map[string]*Screening{ScopeAccount: anonymous(ScreenReject), ScopeNumber: anonymous(ScreenAllow)}, Request{From: "anonymous"}, "", Verdict{Result: ScreenPassed}},
		{"no number is not anonymous", map[string]*Screening{ScopeAccount: anonymous(ScreenReject)}, Request{From: "alice"}, "", Verdict{Result: ScreenPassed}},
		{"attested too low", map[string]*Screening{ScopeAgency: {Attestation: AttestA}}, Request{From: "+4721999912", Attested: passed}, AttestationTooLow, Verdict{ScreenRefused, RuleAttestation, ScopeAgency, ""}},
		{"an allow list lets in a number, not whoever shows it", map[string]*Screening{ScopeAgency: {Attestation: AttestA}, ScopeNumber: allow}, Request{From: "+4799999912", Attested: passed}, AttestationTooLow, Verdict{ScreenRefused, RuleAttestation, ScopeAgency, ""}},
		{"enough for the number", map[string]*Screening{ScopeAgency: {Attestation: AttestA}, ScopeNumber: {Attestation: AttestB}}, Request{From: "+4721999912", Attested: passed}, "", Verdict{Result: ScreenPassed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := asked(t, screened(c.rules), c.r)
			if got := d.Walk.Verdict(); d.Reject != c.reject || got != c.want {
				t.Errorf("%q, %+v\n%s", d.Reject, got, d.Text())
			}
			if _, rings := d.First.(Ring); rings != (c.reject == "") {
				t.Errorf("first %T", d.First)
			}
		})
	}
}

// through leads a walk by answers, and returns what it asked on its way.
func through(d Decision, answers ...Outcome) (steps []string, last Instruction) {
	last = d.First
	note := func() {
		switch i := last.(type) {
		case Want:
			steps = append(steps, fmt.Sprintf("count %s %s %d", i.Key, i.Over, i.Most))
		case Ask:
			steps = append(steps, fmt.Sprintf("ask %s %s", i.Hook.Subject, i.Deadline))
		case Gather:
			steps = append(steps, "gather "+i.Prompts[0].Shipped)
		case Refuse:
			steps = append(steps, "refuse "+string(i.Reason))
		case Ring:
			steps = append(steps, "ring")
		}
	}
	note()
	for _, o := range answers {
		last = d.Walk.Next(o)
		note()
	}
	return steps, last
}

// What has to be asked is asked in order: how often he called, what others say of
// him, a key.
func TestScreeningAsks(t *testing.T) {
	at := When{time.Unix(0, 0)}
	repeat := func(then string) *Screening {
		return &Screening{Repeat: Repeat{Calls: 3, Within: Seconds(600), Then: then}}
	}
	reputation := func(otherwise string) *Screening {
		return &Screening{Reputation: Reputation{Subject: "rep", Otherwise: otherwise}}
	}
	caller, nobody := Request{From: "+4721999912", Draw: 6}, Request{From: "anonymous", Draw: 6}
	count := func(n uint64) Outcome { return Fact{When: at, Number: n} }
	reply := func(refuse bool, err string) Outcome { return Replied{at, HookReply{Refuse: refuse}, err} }
	key := func(k string) Outcome { return Gathered{When: at, Keys: k} }
	for _, c := range []struct {
		name    string
		rules   map[string]*Screening
		r       Request
		answers []Outcome
		want    string
		verdict Verdict
	}{
		{"a third call", map[string]*Screening{ScopeAccount: repeat("")}, caller, []Outcome{count(3)}, "count account 10m0s 3, ring", Verdict{Result: ScreenPassed}},
		{"a fourth", map[string]*Screening{ScopeAccount: repeat("")}, caller, []Outcome{count(4)}, "count account 10m0s 3, refuse repeat-rate", Verdict{ScreenRefused, RuleRepeat, ScopeAccount, ""}},
		{"to one number", map[string]*Screening{ScopeNumber: repeat("")}, caller, []Outcome{count(9)}, "count number 10m0s 3, refuse repeat-rate", Verdict{ScreenRefused, RuleRepeat, ScopeNumber, ""}},
		{"a fourth that presses the key", map[string]*Screening{ScopeTable: repeat(ScreenChallenge)}, caller, []Outcome{count(4), key("7")}, "count account 10m0s 3, gather en/press-7, ring", Verdict{ScreenPassed, RuleRepeat, ScopeTable, ""}},
		{"who cannot be told from others is not counted", map[string]*Screening{ScopeAccount: repeat("")}, nobody, nil, "ring", Verdict{Result: ScreenPassed}},
		{"a good name", map[string]*Screening{ScopeAccount: reputation("")}, caller, []Outcome{reply(false, "")}, "ask rep 1s, ring", Verdict{Result: ScreenPassed}},
		{"a bad name", map[string]*Screening{ScopeAccount: reputation("")}, caller, []Outcome{reply(true, "")}, "ask rep 1s, refuse reputation", Verdict{ScreenRefused, RuleReputation, ScopeAccount, ""}},
		{"no answer", map[string]*Screening{ScopeAccount: reputation("")}, caller, []Outcome{reply(true, "timeout")}, "ask rep 1s, ring", Verdict{Result: ScreenPassed}},
		{"no answer, and none let in without", map[string]*Screening{ScopeAccount: reputation(ScreenReject)}, caller, []Outcome{reply(false, "timeout")}, "ask rep 1s, refuse reputation", Verdict{ScreenRefused, RuleReputation, ScopeAccount, ""}},
		{"everybody presses a key", map[string]*Screening{ScopeAccount: {Challenge: ChallengeAll}}, caller, []Outcome{key("1"), key("7")}, "gather en/press-7, gather en/press-7, ring", Verdict{ScreenPassed, RuleChallenge, ScopeAccount, ""}},
		{"the wrong one twice", map[string]*Screening{ScopeAccount: {Challenge: ChallengeAll}}, caller, []Outcome{key(""), key("8")}, "gather en/press-7, gather en/press-7, refuse challenge-failed", Verdict{ScreenRefused, RuleChallenge, ScopeAccount, ""}},
		{"unattested", map[string]*Screening{ScopeAccount: {Challenge: ChallengeUnattested}}, caller, []Outcome{key("7")}, "gather en/press-7, ring", Verdict{ScreenPassed, RuleChallenge, ScopeAccount, ""}},
		{"all three, the key once", map[string]*Screening{ScopeNumber: {Anonymous: ScreenChallenge}, ScopeAccount: reputation(""), ScopeTable: {Challenge: ChallengeAll}}, nobody,
			[]Outcome{key("7"), reply(false, "")}, "gather en/press-7, ask rep 1s, ring", Verdict{ScreenPassed, RuleAnonymous, ScopeNumber, ""}},
		{"counted, asked about and challenged", map[string]*Screening{ScopeNumber: repeat(""), ScopeAccount: reputation(""), ScopeTable: {Challenge: ChallengeAll}}, caller,
			[]Outcome{count(1), reply(false, ""), key("7")}, "count number 10m0s 3, ask rep 1s, gather en/press-7, ring", Verdict{ScreenPassed, RuleChallenge, ScopeTable, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := asked(t, screened(c.rules), c.r)
			switch d.First.(type) {
			case Want, Ask: // nothing is known yet
				if v := d.Walk.Verdict(); v != (Verdict{}) {
					t.Errorf("before the first answer the verdict is %+v", v)
				}
			}
			steps, _ := through(d, c.answers...)
			if got := strings.Join(steps, ", "); got != c.want || d.Walk.Verdict() != c.verdict {
				t.Errorf("%s\nwant %s\n%+v", got, c.want, d.Walk.Verdict())
			}
		})
	}
}

// Whatever is said where, and whatever is answered: screening ends, asks nothing
// twice but for the key, and a caller is refused or the first step of his flow
// comes next. Of the same call always the same key is asked.
func TestScreeningEnds(t *testing.T) {
	word := func(t *rapid.T, name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	rapid.Check(t, func(t *rapid.T) {
		rules := map[string]*Screening{}
		for _, at := range []string{ScopeNumber, ScopeAccount, ScopeAgency, ScopeTable} {
			s := &Screening{
				Anonymous: word(t, "anonymous", "", ScreenAllow, ScreenReject, ScreenChallenge), Challenge: word(t, "challenge", "", ChallengeNone, ChallengeAll, ChallengeUnattested),
				Attestation: word(t, "attestation", "", "", RequireNone, RequirePassed),
			}
			if rapid.Bool().Draw(t, "repeat") {
				s.Repeat = Repeat{Calls: rapid.IntRange(1, 3).Draw(t, "calls"), Within: Seconds(60), Then: word(t, "then", "", ScreenChallenge)}
			}
			if rapid.Bool().Draw(t, "reputation") {
				s.Reputation = Reputation{Subject: "rep", Otherwise: word(t, "otherwise", "", ScreenReject)}
			}
			if rapid.Bool().Draw(t, "lists") {
				s.Block, s.Allow = []string{"spam"}, []string{"friends"}
			}
			if !rapid.Bool().Draw(t, at) {
				s = nil
			}
			rules[at] = s
		}
		table, faults := NewTable(screened(rules))
		if faults != nil {
			t.Fatal(faults)
		}
		d := table.Decide(Request{Trunk: "carrier-a", To: "+4721000001", From: word(t, "from", "+4799999912", "+4799999913", "+4721999912", "anonymous", "alice"),
			Private: rapid.Bool().Draw(t, "private"), Draw: rapid.Uint64().Draw(t, "draw")})
		seen := map[string]int{}
		last := d.First
		for {
			at := When{time.Unix(0, 0)}
			seen[reflect.TypeOf(last).Name()]++
			switch i := last.(type) {
			case Want:
				last = d.Walk.Next(Fact{When: at, Number: rapid.Uint64Range(0, 5).Draw(t, "count")})
			case Ask:
				last = d.Walk.Next(Replied{at, HookReply{Refuse: rapid.Bool().Draw(t, "refuse")}, word(t, "err", "", "timeout")})
			case Gather:
				if want := "en/press-" + d.Walk.facts.challengeKey(); i.Prompts[0].Shipped != want {
					t.Fatalf("%s is played, want %s", i.Prompts[0].Shipped, want)
				}
				last = d.Walk.Next(Gathered{When: at, Keys: word(t, "keys", "", "1", d.Walk.facts.challengeKey())})
			case Refuse, Ring:
				_, refused := i.(Refuse)
				if v := d.Walk.Verdict(); refused != (v.Result == ScreenRefused) || refused && v.Rule == "" {
					t.Fatalf("%T with %+v", i, v)
				}
				if seen["Want"] > 1 || seen["Ask"] > 1 || seen["Gather"] > challengeTries {
					t.Fatalf("asked too often: %v", seen)
				}
				return
			default:
				t.Fatalf("%T", i)
			}
		}
	})
}
