package routing

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// caller stands for a class of callers.
type caller struct {
	number   number
	word     string // in the place of a number
	private  bool
	attested Attested
	headers  map[string]string
}

// askedOf is what is asked of the callers of a number beside who they are.
type askedOf struct {
	private, attested bool
	headers           []map[string]string // each with what else may come along; never empty
}

// attestations are all that can be known of a caller.
var attestations = []Attested{
	{}, {Verstat: verstatPassed, Attest: AttestA}, {Verstat: verstatPassed, Attest: AttestB}, {Verstat: verstatPassed, Attest: AttestC},
	{Verstat: "TN-Validation-Failed"}, {Verstat: "No-TN-Validation"},
}

// asks is what is asked of who calls a number by a trunk.
func (t *Table) asks(e entry, by *trunk) (a askedOf, cannot string) {
	a.private = t.mentions.withheld
	a.attested = t.mentions.attested || !enough(by.spec.STIR.Require, Attested{})
	for _, v := range t.invariants {
		a.private = a.private || v.When.Withheld != nil || len(v.When.Countries) > 0
	}
	for _, l := range (&Walk{table: t, facts: walkFacts{entry: e}}).levels() {
		a.private = a.private || l.rules.Anonymous != "" || l.rules.Repeat.Calls > 0
		a.attested = a.attested || l.rules.Attestation != "" || l.rules.Challenge != ""
	}
	a.headers, cannot = t.headersBy(by)
	return a, cannot
}

// callers are one of each class: of each class of numbers, of who has none and of
// who withholds his, and of these one of each that can be told apart beside.
func (t *Table) callers(numbers []number, a askedOf) iter.Seq[caller] {
	all := make([]caller, 0, 2*len(numbers)+4)
	for _, n := range numbers {
		all = append(all, caller{number: n})
	}
	all = append(all, caller{}, caller{number: 4799999998, private: true}, caller{word: "nobody"})
	if a.private {
		for _, n := range numbers {
			all = append(all, caller{number: n, private: true})
		}
	}
	known := attestations[:1]
	if a.attested {
		known = attestations
	}
	return func(yield func(caller) bool) {
		for _, brought := range a.headers {
			for _, k := range known {
				for _, c := range all {
					if c.attested, c.headers = k, brought; !yield(c) {
						return
					}
				}
			}
		}
	}
}

// from is the user part of the caller's address.
func (c caller) from() string { return cmp.Or(c.number.e164(), c.word) }

// numberLine is all numbers, cut at the prefixes that the table or the countries
// know: between two cuts nobody is told from another, unless a list holds him.
type numberLine struct {
	table *Table
	heads map[number]bool
	inner map[number]bool  // what longer heads begin with
	named prefixes[number] // the heads that the table knows
	isos  map[string]bool  // countries that the table knows
}

func (t *Table) line() *numberLine {
	l := &numberLine{table: t, heads: map[number]bool{}, inner: map[number]bool{}, isos: map[string]bool{}}
	for _, iso := range t.mentions.countries {
		l.isos[iso] = true
	}
	for head := range t.areas.of {
		l.named.add(head, head)
	}
	for _, head := range t.mentions.heads {
		l.named.add(head, head)
	}
	for _, set := range t.lists {
		for head := range set.heads.of {
			l.named.add(head, head)
		}
	}
	for _, of := range []iter.Seq[number]{maps.Keys(l.named.of), maps.Keys(grounds().of)} {
		for head := range of {
			l.heads[head] = true
			for head /= 10; head > 0; head /= 10 {
				l.inner[head] = true
			}
		}
	}
	return l
}

// numberClass is all that a table can tell of a caller by his number.
type numberClass struct {
	iso   string // empty: none that it knows
	head  number // the longest that it knows; those before it follow
	lists string // that hold the number itself
}

func (l *numberLine) class(n number) (c numberClass) {
	if iso := n.ground(); l.isos[iso] {
		c.iso = iso
	}
	c.head, _ = l.named.find(n)
	for _, id := range slices.Sorted(maps.Keys(l.table.lists)) {
		if _, in := l.table.lists[id].numbers[n]; in {
			c.lists += id + " "
		}
	}
	return c
}

// classes are one number of each class, those that the table names in front.
func (l *numberLine) classes() (all []number) {
	seen := map[numberClass]bool{}
	add := func(n number) {
		if c := l.class(n); n != 0 && !seen[c] {
			seen[c] = true
			all = append(all, n)
		}
	}
	ground := slices.Sorted(maps.Keys(grounds().of))
	for _, iso := range slices.Sorted(maps.Keys(l.isos)) {
		for _, head := range ground {
			if grounds().of[head] == iso {
				add(l.within(head))
			}
		}
	}
	for _, head := range slices.Sorted(maps.Keys(l.named.of)) {
		add(l.within(head))
	}
	least := map[numberClass]number{}
	for _, set := range l.table.lists {
		for n := range set.numbers {
			if c := l.class(n); least[c] == 0 || n < least[c] {
				least[c] = n
			}
		}
	}
	for _, n := range slices.Sorted(maps.Values(least)) {
		add(n)
	}
	for _, n := range []number{4799999999, 12125550100, 6834001, 8819999999} { // where nothing else is said
		add(n)
	}
	for _, head := range ground {
		add(l.within(head))
	}
	return all
}

// within is a number that begins with the head, with no longer one, and that no
// list holds itself; 0: there is none.
func (l *numberLine) within(head number) number {
	if !l.inner[head] {
		return l.fill(head)
	}
	for _, digit := range [...]number{2, 5, 9, 1, 3, 7, 0, 4, 6, 8} {
		next := head*10 + digit
		if next > highestE164 || l.heads[next] {
			continue
		}
		if n := l.within(next); n != 0 {
			return n
		}
	}
	return 0
}

// fill makes a number of eleven digits, or three more than the head has where that
// is longer, of a head that no other begins with.
func (l *numberLine) fill(head number) number {
	room := power(min(max(11-head.len(), 3), maxE164-head.len()))
	first := head * room
	for _, tail := range [...]number{222222222222222, 555555555555555} {
		if n := first + tail%room; !l.listed(n) {
			return n
		}
	}
	for tail := range room {
		if n := first + tail; n >= lowestE164 && !l.listed(n) {
			return n
		}
	}
	return 0
}

func (l *numberLine) listed(n number) bool {
	for _, set := range l.table.lists {
		if _, in := set.numbers[n]; in {
			return true
		}
	}
	return false
}

// mostBrought is in how many ways headers are looked at together.
const mostBrought = 4096

// headersBy are the headers that calls by a trunk can bring, as far as steps look
// at them: of each none, one without a value, and one for each condition.
func (t *Table) headersBy(by *trunk) (all []map[string]string, cannot string) {
	values, written := map[string][]string{}, map[string]string{}
	for _, m := range t.mentions.headers {
		name := strings.ToLower(m.Name)
		if !slices.ContainsFunc(by.spec.Headers.In, func(s string) bool { return strings.EqualFold(s, name) }) {
			continue
		}
		if m.cannot {
			return nil, "no value is found that the expression for header " + m.Name + " holds for"
		}
		values[name], written[name] = append(values[name], m.values(t.mentions.headers)...), m.Name
	}
	all = []map[string]string{nil}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		slices.Sort(values[name])
		known := slices.Compact(values[name])
		if len(all)*(len(known)+1) > mostBrought {
			return nil, "the headers of trunk " + by.id + " can come together in too many ways"
		}
		for _, brought := range slices.Clip(all) {
			for _, value := range known {
				with := maps.Clone(brought)
				if with == nil {
					with = map[string]string{}
				}
				with[written[name]] = value
				all = append(all, with)
			}
		}
	}
	return all, ""
}
