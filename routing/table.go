package routing

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Table is what decisions are made from: immutable, versioned and safe for any
// number of callers at once. It is made by [NewTable].
type Table struct {
	version    string
	trunks     map[string]*trunk
	sources    sources
	guests     map[string][]string // ids of trunks known by digest alone, by realm
	certNames  map[string]string   // to the trunk
	numbers    pages
	accounts   places[account]
	flows      places[flow]
	pools      places[pool]
	intercept  Intercept
	tally      tally
	lists      map[string]*numberSet
	calendars  map[string]*calendar
	areas      prefixes[string]
	mentions   mentions
	prompts    Prompts
	invariants []*invariant
	countries  []*country // those some number or trunk belongs to, for the nearest miss
	warnings   func() []Fault

	rest       Spec     // what it was built from, without the numbers; the profiles of trunks merged in
	restDigest digest   // of rest
	total      total    // of the numbers
	builder    *builder // of rest: what a change refers to
}

type trunk struct {
	id       string
	spec     Trunk
	country  *country // nil: only numbers with a + are understood
	media    Media
	redirect Redirection
	targets  []spot // in the order to try, but for their weights
}

type account struct {
	id        string
	agency    *agency
	recording RecordingPolicy
	limits    Limits
	codes     StarCodes
	sound     SoundPolicy
	intercept Intercept
	screening *Screening
	fraud     *Fraud
	language  string
	prompts   Prompts
}

type flow struct {
	id        string
	recording RecordingPolicy
	steps     *block
}

// target is a Target with the line about it that a trace shows.
type target struct {
	Target
	text string
}

// What holds when nobody says otherwise.
const (
	defaultRing = 30 * time.Second
	minRing     = time.Second
	maxRing     = 10 * time.Minute
)

// Version is a short hash of what the table holds: equal for equal content, in
// whatever order it was written.
func (t *Table) Version() string { return t.version }

// Warnings are what is allowed but probably not meant, with the path in the Spec.
func (t *Table) Warnings() []Fault { return slices.Clone(t.warnings()) }

// Trunks returns the ids of all trunks in order.
func (t *Table) Trunks() []string { return slices.Sorted(maps.Keys(t.trunks)) }

// Trunk returns a trunk as it is meant, what its profile says filled in, for
// whoever speaks to it: its lists belong to the table and are not to be changed. ok is false for an unknown id.
func (t *Table) Trunk(id string) (spec Trunk, ok bool) {
	if known := t.trunks[id]; known != nil {
		return known.spec, true
	}
	return Trunk{}, false
}

// Len is the count of tracking numbers, each as often as it has validities.
func (t *Table) Len() int { return t.tally.numbers }

// TrunkOf returns the trunk a source address belongs to: the longest prefix of
// all trunks wins, and IPv4 in IPv6 counts as IPv4. It does not allocate.
func (t *Table) TrunkOf(addr netip.Addr) (id string, ok bool) {
	return t.sources.of(addr)
}

// sources finds the longest prefix that holds an address: one look-up for each
// length that occurs, longest first.
type sources struct {
	trunk  map[netip.Prefix]string
	v4, v6 []int // lengths that occur, longest first
}

func (s *sources) add(p netip.Prefix, trunk string) {
	if s.trunk == nil {
		s.trunk = map[netip.Prefix]string{}
	}
	s.trunk[p] = trunk
	lengths := &s.v6
	if p.Addr().Is4() {
		lengths = &s.v4
	}
	at, found := slices.BinarySearchFunc(*lengths, p.Bits(), func(have, want int) int { return cmp.Compare(want, have) })
	if !found {
		*lengths = slices.Insert(*lengths, at, p.Bits())
	}
}

func (s *sources) of(addr netip.Addr) (string, bool) {
	addr = addr.Unmap().WithZone("")
	lengths := s.v6
	if addr.Is4() {
		lengths = s.v4
	}
	for _, bits := range lengths {
		p, err := addr.Prefix(bits)
		if err != nil {
			return "", false // the zero Addr
		}
		if id, ok := s.trunk[p]; ok {
			return id, true
		}
	}
	return "", false
}

// digestOf hashes a Spec but for its numbers in its canonical form: lists whose
// order means nothing sorted, defaults written out.
func digestOf(s Spec) digest {
	s.Trunks = slices.Clone(s.Trunks)
	for i := range s.Trunks {
		t := &s.Trunks[i]
		t.MediaRule = cmp.Or(t.MediaRule, MediaStrict)
		t.Reliable, t.EarlyMedia = cmp.Or(t.Reliable, ReliableSupported), cmp.Or(t.EarlyMedia, EarlyPass)
		t.Session.Refresher = cmp.Or(t.Session.Refresher, RefresherAuto)
		t.Profile = "" // its content is merged in; the name says no more
		t.Sources = slices.Sorted(slices.Values(t.Sources))
		t.MediaSources = slices.Sorted(slices.Values(t.MediaSources))
		t.Auth.Algorithms = t.Auth.AskAlgorithms()
		t.Transfer.Countries = slices.Sorted(slices.Values(t.Transfer.Countries))
		t.TLS.Names = slices.Sorted(slices.Values(t.TLS.Names))
	}
	slices.SortFunc(s.Trunks, func(a, b Trunk) int { return cmp.Compare(a.ID, b.ID) })
	s.Agencies = slices.SortedFunc(slices.Values(s.Agencies), func(a, b Agency) int { return cmp.Compare(a.ID, b.ID) })
	s.Accounts = slices.SortedFunc(slices.Values(s.Accounts), func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	s.Numbers = nil
	s.Lists = canonicalLists(s.Lists)
	s.Pools = canonicalPools(s.Pools)
	return hashed("rest", s)
}
