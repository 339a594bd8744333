package routing

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// NewTable checks a Spec and builds the table of it. It reports every fault at
// once, in the order of the Spec; with any, the table is nil.
func NewTable(s Spec) (*Table, []Fault) {
	b := newBuilder()
	rest := b.build(s)
	b.place(&Table{})
	ops := b.addNumbers(s.Numbers, b.poolNumbers(slices.Sorted(maps.Keys(b.pools))))
	if len(b.faults) > 0 {
		return nil, b.faults
	}
	t := b.table
	t.rest, t.restDigest = rest, digestOf(rest)
	t.enter(ops, t)
	rest.Numbers = s.Numbers
	said := b.warn(rest)
	t.warnings = func() []Fault { return said }
	b.shared = sharing{}
	t.builder = b.keep()
	return t, nil
}

func newBuilder() *builder {
	return &builder{
		table:        &Table{trunks: map[string]*trunk{}, certNames: map[string]string{}, guests: map[string][]string{}},
		destinations: map[string]destination{}, accounts: map[string]*account{}, flows: map[string]*flow{},
		seenTrunk: map[string]int{}, seenAccount: map[string]int{},
		prefix: map[netip.Prefix]string{}, certName: map[string]string{}, user: map[string]string{}, algorithms: map[string][2]string{}, used: map[string]bool{},
	}
}

// build builds all but the numbers, and returns what of, profiles merged in.
func (b *builder) build(s Spec) Spec {
	s.Numbers = nil
	s.Trunks = b.withProfiles(s.Trunks)
	b.addTrunks(s.Trunks)
	b.transfers(s.Trunks)
	b.addLists(s.Lists)
	b.screening(s.Screening, "screening")
	b.fraud(s.Fraud, "fraud")
	b.addAgencies(s.Agencies)
	b.addCalendars(s.Calendars)
	b.addAreas(s.Areas)
	b.addPrompts(s.Prompts)
	b.addAccounts(s.Accounts)
	b.addFlows(s.Flows)
	b.addInvariants(s.Invariants)
	b.addPools(s.Pools)
	b.intercepts(s)
	return s
}

// place gives what rows refer to its places, those that it has in old if it is
// there.
func (b *builder) place(old *Table) {
	t := b.table
	t.accounts, t.flows, t.pools = old.accounts.with(b.accounts), old.flows.with(b.flows), old.pools.with(b.pools)
}

// builder collects the table and what is wrong with it. What has a fault is
// still entered under its id, so that nobody who refers to it is blamed.
type builder struct {
	table    *Table
	accounts map[string]*account
	agencies map[string]*agency

	destinations map[string]destination // by identity
	flows        map[string]*flow
	pools        map[string]*pool
	choosing     choosing // of the flow being compiled
	options      int      // of menus that the step being compiled is in
	named

	seenTrunk, seenAccount map[string]int          // id to index, for duplicates
	prefix                 map[netip.Prefix]string // path of each trunk source
	user                   map[string]string       // path of each realm and user name
	algorithms             map[string][2]string    // of each realm that is asked for: path and words
	certName               map[string]string       // path of each trunk's name in certificates
	used                   map[string]bool         // "trunk x", "account x", "flow x" somebody but a number refers to
	usedBefore             map[string]bool         // in a change of numbers: used when all else was built
	shared                 sharing                 // among the numbers being added
	faults                 []Fault
}

// fault reports msg under the path, and whether there was one.
func (b *builder) fault(msg, path string, args ...any) bool {
	if msg == "" {
		return false
	}
	b.faults = append(b.faults, Fault{fmt.Sprintf(path, args...), msg})
	return true
}

// unique checks an id and that it is the first of its kind.
func (b *builder) unique(kind, id string, i int, seen map[string]int) bool {
	path := fmt.Sprintf("%ss[%d].id", kind, i)
	valid := !b.fault(checkID(id), "%s", path)
	if id == "" {
		return false
	}
	if first, dup := seen[id]; dup {
		b.fault(fmt.Sprintf("%q is the id of %ss[%d] already", id, kind, first), "%s", path)
		return false
	}
	seen[id] = i
	return valid
}

func (b *builder) addTrunks(all []Trunk) {
	for i, spec := range all {
		t := &trunk{id: spec.ID, spec: spec}
		unique := b.unique("trunk", spec.ID, i, b.seenTrunk)
		path := fmt.Sprintf("trunks[%d]", i)
		for j, s := range spec.Sources {
			b.addSource(s, spec.ID, fmt.Sprintf("%s.sources[%d]", path, j), unique)
		}
		b.addTLS(spec.TLS, spec.ID, path, unique)
		t.media = b.media(spec.MediaRule, spec.MediaSources, path)
		t.media.SRTP, t.media.WebRTC = b.srtp(spec, path), spec.WebRTC
		t.media.Speech = b.speech(spec, path)
		b.network(spec, &t.media, path)
		t.media.DTMF = b.dtmf(spec.DTMF, path)
		t.media.Silence = b.watchdog(spec.Watchdog, path)
		t.targets = b.trunkTargets(spec.Targets, path)
		b.health(spec, path)
		t.redirect = b.redirect(Bounds{spec.Redirect.Follow, spec.Redirect.Hosts}, path)
		for _, s := range t.targets {
			t.redirect.own(s.uri)
		}
		b.identity(spec.Identity, path)
		b.stir(spec.STIR, path)
		b.session(spec, path)
		b.auth(spec, path)
		b.register(spec, path)
		b.registrar(spec, path)
		b.trunkLimits(spec.Limits, path)
		b.headers(spec.Headers, path)
		t.country = b.numberFormat(spec.NumberFormat, path)
		if unique {
			b.table.trunks[spec.ID] = t
			b.table.addGuest(spec)
		}
	}
}

func checkCountry(iso string) string {
	if countryOf(iso) != nil {
		return ""
	}
	if len(iso) == 2 && countryOf(upper(iso)) != nil {
		return "is written in capitals: " + upper(iso)
	}
	return "is not the ISO 3166-1 code of a country whose numbers are known, such as NO"
}

func upper(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

func (b *builder) addSource(s, trunk, path string, enter bool) {
	p, msg := checkPrefix(s)
	if b.fault(msg, "%s", path) {
		return
	}
	if first, dup := b.prefix[p]; dup {
		b.fault(fmt.Sprintf("%s is at %s already; a prefix belongs to one trunk, once", p, first), "%s", path)
		return
	}
	b.prefix[p] = path
	if enter {
		b.table.sources.add(p, trunk)
	}
}

func (b *builder) media(rule string, from []string, path string) Media {
	b.fault(checkWord(rule, mediaRules), "%s.media_rule", path)
	m := Media{Latch: rule == MediaLatch}
	for i, s := range from {
		p, msg := checkPrefix(s)
		if !b.fault(msg, "%s.media_sources[%d]", path, i) {
			m.Sources = append(m.Sources, p)
		}
	}
	return m
}

func (b *builder) addAccounts(all []Account) {
	for i, spec := range all {
		path := fmt.Sprintf("accounts[%d]", i)
		unique := b.unique("account", spec.ID, i, b.seenAccount)
		over := b.agencyOf(spec.Agency, path)
		b.recording(spec.Recording, path)
		b.limits(spec.Limits, path)
		b.screening(spec.Screening, path+".screening")
		b.fraud(spec.Fraud, path+".fraud")
		b.soundPolicy(spec.Sound, path, true)
		b.starCodes(spec.StarCodes, path)
		b.fault(checkLanguage(spec.Language), "%s.language", path)
		b.prompts(spec.Prompts, spec.ID, path+".prompts")
		if unique {
			b.accounts[spec.ID] = &account{
				spec.ID, over, spec.Recording, spec.Limits, spec.StarCodes, spec.Sound, spec.Intercept, spec.Screening, spec.Fraud,
				spec.Language, spec.Prompts.in(spec.Sound.Folder),
			}
		}
	}
}

// isUsed reports whether anybody refers to it.
func (b *builder) isUsed(kind, id string) bool {
	t := b.table
	return b.used[kind+" "+id] || b.usedBefore[kind+" "+id] || kind == "account" && t.tally.of(t.tally.accounts, t.accounts.of[id]) > 0 ||
		kind == "flow" && t.tally.of(t.tally.flows, t.flows.of[id]) > 0 || kind == "pool" && t.tally.of(t.tally.pools, t.pools.of[id]) > 0
}

// attributionLimit is the longest key or value of an attribution, and how many
// there may be.
const attributionLimit = 256

func (b *builder) attribution(all map[string]string, path string) {
	if len(all) > attributionLimit {
		b.fault(fmt.Sprintf("holds more than %d entries", attributionLimit), "%s", path)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(key); msg != "" {
			b.fault("has a key that "+msg, "%s", path)
			continue
		}
		b.fault(checkText(all[key], attributionLimit), "%s.%s", path, key)
	}
}

// refer checks a reference and notes that what it names is used.
func (b *builder) refer(kind, id, path string, known func(string) bool, all func() []string) {
	if !b.fault(checkRef(kind, id, known, all), "%s", path) {
		b.used[kind+" "+id] = true
	}
}

func (b *builder) hasTrunk(id string) bool   { return has(b.seenTrunk, id) }
func (b *builder) hasAccount(id string) bool { return has(b.seenAccount, id) }
func (b *builder) hasFlow(id string) bool    { return has(b.flows, id) }

func (b *builder) trunkIDs() []string   { return slices.Collect(maps.Keys(b.seenTrunk)) }
func (b *builder) accountIDs() []string { return slices.Collect(maps.Keys(b.seenAccount)) }
func (b *builder) flowIDs() []string    { return slices.Collect(maps.Keys(b.flows)) }

func has[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}
