package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fraud is the guard over where calls of an account may go, whoever named the
// place: a dial step, a hook, a redirection, a transfer. It stands at the table, an
// agency and an account; each key that is said nearer to the account counts.
type Fraud struct {
	Guard     string   `yaml:"guard"`     // on (default) | off
	Countries []string `yaml:"countries"` // ISO 3166-1 of numbers that may be called; empty: that of the number that was called
	Premium   string   `yaml:"premium"`   // numbers that cost more than their country: reject (default) | allow
	Ranges    []string `yaml:"ranges"`    // lists whose numbers are never called
	Spend     Velocity `yaml:"spend"`     // units: one for a call to another country and each minute begun of it, ten where it is premium
	Fresh     Velocity `yaml:"fresh"`     // destinations that the account has not called lately
}

// Velocity bounds how much may happen within a window that slides.
type Velocity struct {
	Most   int      `yaml:"most"`   // -1: no bound; 0: the default
	Within Duration `yaml:"within"` // zero: an hour
}

// Words of Fraud.
const (
	GuardOn  = "on"
	GuardOff = "off"

	PremiumReject = "reject"
	PremiumAllow  = "allow"
)

// What the guard holds when nobody says otherwise.
const (
	defaultSpend    = 600
	defaultFresh    = 60
	defaultVelocity = time.Hour
	mostVelocity    = 100_000
)

func (b *builder) fraud(f *Fraud, path string) {
	if f == nil {
		return
	}
	b.fault(checkWord(f.Guard, []string{GuardOn, GuardOff}), "%s.guard", path)
	b.fault(checkWord(f.Premium, []string{PremiumReject, PremiumAllow}), "%s.premium", path)
	for i, iso := range f.Countries {
		b.fault(checkCountry(iso), "%s.countries[%d]", path, i)
	}
	for i, id := range f.Ranges {
		b.listed(id, fmt.Sprintf("%s.ranges[%d]", path, i))
	}
	for _, v := range []struct {
		key string
		Velocity
	}{{"spend", f.Spend}, {"fresh", f.Fresh}} {
		if v.Most < -1 || v.Most > mostVelocity {
			b.fault(fmt.Sprintf("is not -1 to %d", mostVelocity), "%s.%s.most", path, v.key)
		}
		b.fault(checkSpan(v.Within, longestRepeats), "%s.%s.within", path, v.key)
	}
}

// Guarded is what the guard knows of the call whose leg is to go out.
type Guarded struct {
	Account string
	Number  string // the tracking number that was called, E.164
	At      time.Time
	Sent    int // how often the call was sent on before it came (Diversion, History-Info)
}

// Ruling is what the guard says of a target.
type Ruling struct {
	Refused bool
	Rule    string // that refuses: range, premium, country, own-number, loop, unreadable
	Class   string // domestic, international, premium; empty: no telephone number
	Country string // ISO 3166-1; empty: none, or of no country
	Text    string // in words, without the number

	Units  int    // of spend that a call to it and each minute of it costs
	Spend  Limit  // of the account
	Fresh  Limit  // of the account
	Target string // identity of the target, which is personal data
}

// Limit is a Velocity, decided. Most 0: no bound.
type Limit struct {
	Most   int
	Within time.Duration
}

// Rules of the guard, as events name them.
const (
	RuleRange      = "range"
	RulePremium    = "premium"
	RuleCountry    = "country"
	RuleOwnNumber  = "own-number"
	RuleLoop       = "loop"
	RuleUnreadable = "unreadable"
	RuleSpend      = "spend"
	RuleFresh      = "fresh"
)

// Classes of numbers.
const (
	ClassDomestic      = "domestic"
	ClassInternational = "international"
	ClassPremium       = "premium"
)

// mostSent is how often a call may have been sent on before it came and be sent on
// by us all the same.
const mostSent = 5

// Guard says whether a call may go to a target. It is as pure and as safe as
// [Table.Decide]. What is counted is for its caller: Spend and Fresh say what.
func (t *Table) Guard(g Guarded, to Target) Ruling {
	r := Ruling{Target: to.Identity()}
	if t == nil {
		return r
	}
	f := t.fraud(g.Account)
	if f.Guard == GuardOff {
		return r
	}
	r.Spend, r.Fresh = f.Spend.limit(defaultSpend), f.Fresh.limit(defaultFresh)
	if g.Sent > mostSent {
		return r.refuse(RuleLoop, "the call has been sent on too often before it came")
	}
	own, _ := parseE164(strings.TrimPrefix(g.Number, "+"))
	at := t.reach(to)
	out := r
	for i, n := range at.plain {
		switch next := t.judge(r, f, own, n, g.At); {
		case next.Refused:
			return next
		case i == 0 || next.Units > out.Units:
			out = next
		}
	}
	for _, n := range at.maybe {
		next := t.judge(r, f, own, n, g.At)
		if next.Refused && (next.Rule == RulePremium || next.Rule == RuleRange) {
			return next
		}
		if next.Class == ClassPremium && next.Units > out.Units {
			out = next
		}
	}
	if at.unclear {
		return r.refuse(RuleUnreadable, "the target holds digits enough for a number, and cannot be read as one")
	}
	return out
}

// judge says whether a number may be called then.
func (t *Table) judge(r Ruling, f Fraud, own, n number, then time.Time) Ruling {
	r.Country, r.Class = n.ground(), ClassInternational
	switch {
	case isPremium(n):
		r.Class, r.Units = ClassPremium, 10
	case own != 0 && r.Country == own.ground() && r.Country != "":
		r.Class = ClassDomestic
	default:
		r.Units = 1
	}
	switch {
	case t.numbers.ours(n, then.Unix()):
		return r.refuse(RuleOwnNumber, "the number is one of the tracking numbers: a call to it would come back in; redirect to its flow does the same inside")
	case t.inRanges(f.Ranges, n) != "":
		return r.refuse(RuleRange, "the number is on list "+t.inRanges(f.Ranges, n)+", which is never called")
	case r.Class == ClassPremium && f.Premium != PremiumAllow:
		return r.refuse(RulePremium, "the number costs more than its country")
	case r.Class == ClassInternational && !slices.Contains(f.Countries, r.Country):
		return r.refuse(RuleCountry, "the number is in none of the countries that may be called ("+cmp.Or(strings.Join(f.Countries, ", "), "that of the number called")+")")
	case r.Class == ClassDomestic && len(f.Countries) > 0 && !slices.Contains(f.Countries, r.Country):
		return r.refuse(RuleCountry, "the number is in none of the countries that may be called ("+strings.Join(f.Countries, ", ")+")")
	}
	return r
}

func (r Ruling) refuse(rule, text string) Ruling {
	r.Refused, r.Rule, r.Text = true, rule, text
	return r
}

// fraud is what holds for an account, key by key.
func (t *Table) fraud(account string) (f Fraud) {
	a := t.accounts.at(t.accounts.of[account])
	if a == nil {
		a = noAccount
	}
	for _, l := range []*Fraud{a.fraud, a.agency.fraud, t.rest.Fraud} {
		if l == nil {
			continue
		}
		f.Guard, f.Premium = cmp.Or(f.Guard, l.Guard), cmp.Or(f.Premium, l.Premium)
		if len(f.Countries) == 0 {
			f.Countries = l.Countries
		}
		f.Ranges = append(slices.Clip(f.Ranges), l.Ranges...) // they add up
		f.Spend, f.Fresh = f.Spend.or(l.Spend), f.Fresh.or(l.Fresh)
	}
	return f
}

func (v Velocity) or(other Velocity) Velocity {
	if v == (Velocity{}) {
		return other
	}
	return v
}

func (v Velocity) limit(most int) Limit {
	l := Limit{cmp.Or(v.Most, most), defaultVelocity}
	if exact, ok := v.Within.Exact(); ok && exact > 0 {
		l.Within = exact
	}
	if l.Most < 0 {
		return Limit{}
	}
	return l
}

// ours reports whether a number is a tracking number at a time: one that was ported
// out is another's, and one that nobody has at the time too.
func (all *pages) ours(n number, unix int64) bool {
	r, found := all.at(n, unix)
	return found && r.state != portedOut
}

// everOurs reports whether there is a time at which it is.
func (all *pages) everOurs(n number) bool {
	for r := range all.from(n, beginless) {
		if r.number != n {
			return false
		}
		if r.state != portedOut {
			return true
		}
	}
	return false
}

func (t *Table) inRanges(lists []string, n number) string {
	for _, id := range lists {
		if t.lists[id].has(n) {
			return id
		}
	}
	return ""
}

// warnOfDials says of the numbers that flows dial what the guard will, as far as
// that is the same for every call.
func (b *builder) warnOfDials(s Spec, say func(msg, path string, args ...any)) {
	if s.Fraud != nil && s.Fraud.Guard == GuardOff {
		return
	}
	byPath := map[string]number{}
	for identity, at := range b.destinations {
		if digits, ok := strings.CutPrefix(identity, "number +"); ok {
			byPath[at.path], _ = parseE164(digits)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		switch n := byPath[path]; {
		case n == 0:
		case b.table.numbers.everOurs(n):
			say("is a tracking number: the fraud guard does not dial it, redirect to its flow", "%s.number", path)
		case isPremium(n):
			say("costs more than its country: the fraud guard does not dial it for accounts without premium: allow", "%s.number", path)
		}
	}
}
