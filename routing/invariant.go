package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Invariant is what must hold of every call that it is about, whatever the hour
// and whatever anybody does: exactly one of the keys beside when.
type Invariant struct {
	When          InvariantWhen `yaml:"when" json:",omitzero"`
	TargetsWithin []string      `yaml:"targets_within" json:",omitempty"` // numbers that are rung are of these countries; a SIP address is of none
	RecordedOnly  string        `yaml:"recorded_only" json:",omitempty"`  // talk is recorded with this consent only: opt-in | announced | never
	Reaches       []string      `yaml:"reaches" json:",omitempty"`        // the call comes to one of these: target | voicemail | reject | hangup
	RingsNobody   bool          `yaml:"rings_nobody" json:",omitempty"`   // no target is rung
}

// InvariantWhen says which calls an Invariant is about: those of which all holds
// that is said; of a list one is enough.
type InvariantWhen struct {
	Accounts  []string `yaml:"accounts" json:",omitempty"`  // of the number called
	Flows     []string `yaml:"flows" json:",omitempty"`     // that the number called starts
	Countries []string `yaml:"countries" json:",omitempty"` // of the caller; who withholds his number is of none
	Callers   []string `yaml:"callers" json:",omitempty"`   // lists, of which the caller is in one
	Withheld  *bool    `yaml:"withheld" json:",omitempty"`  // he does, or does not, withhold his number
	Calendar  string   `yaml:"calendar" json:",omitempty"`  // with state
	State     string   `yaml:"state" json:",omitempty"`     // of the calendar: open | closed | holiday
}

// What a call may have to reach.
const (
	ReachTarget    = "target"
	ReachVoicemail = "voicemail"
	ReachReject    = "reject"
	ReachHangup    = "hangup"
)

var (
	reachWords    = []string{ReachTarget, ReachVoicemail, ReachReject, ReachHangup}
	recordedWords = []string{ConsentOptIn, ConsentAnnounced, ConsentNever}
)

// invariant is an Invariant to check.
type invariant struct {
	Invariant
	id        string
	within    map[string]bool
	countries map[string]bool
	callers   []*numberSet
	calendar  *calendar
}

func (b *builder) addInvariants(all map[string]Invariant) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "invariants")
		}
		b.table.invariants = append(b.table.invariants, b.invariant(id, all[id], "invariants."+id))
	}
}

func (b *builder) invariant(id string, spec Invariant, path string) *invariant {
	said := 0
	for _, is := range [...]bool{len(spec.TargetsWithin) > 0, spec.RecordedOnly != "", len(spec.Reaches) > 0, spec.RingsNobody} {
		if is {
			said++
		}
	}
	if said != 1 {
		b.fault("is not exactly one of: targets_within, recorded_only, reaches, rings_nobody", "%s", path)
	}
	b.fault(checkWord(spec.RecordedOnly, recordedWords), "%s.recorded_only", path)
	for i, word := range spec.Reaches {
		if word == "" {
			b.fault("is missing: "+strings.Join(reachWords, ", "), "%s.reaches[%d]", path, i)
		}
		b.fault(checkWord(word, reachWords), "%s.reaches[%d]", path, i)
	}
	v := &invariant{Invariant: spec, id: id, within: b.countryList(spec.TargetsWithin, path+".targets_within")}
	w := spec.When
	for i, id := range w.Accounts {
		b.refer("account", id, fmt.Sprintf("%s.when.accounts[%d]", path, i), b.hasAccount, b.accountIDs)
	}
	for i, id := range w.Flows {
		b.refer("flow", id, fmt.Sprintf("%s.when.flows[%d]", path, i), b.hasFlow, b.flowIDs)
	}
	v.countries = b.countryList(w.Countries, path+".when.countries")
	v.callers = b.listsOf(w.Callers, path+".when.callers")
	b.fault(checkWord(w.State, calendarStates), "%s.when.state", path)
	if (w.State == "") != (w.Calendar == "") {
		b.fault("calendar and state belong together", "%s.when", path)
	}
	if w.Calendar != "" {
		v.calendar = b.calendarOf(w.Calendar, path+".when.calendar")
	}
	return v
}

// calendarOf is the calendar that a reference at path names, nil when there is
// none, which has been told.
func (b *builder) calendarOf(id, path string) *calendar {
	b.refer("calendar", id, path, func(id string) bool { return has(b.calendars, id) }, func() []string { return slices.Collect(maps.Keys(b.calendars)) })
	return b.calendars[id]
}

// about reports whether an invariant is about a call.
func (v *invariant) about(c *probe) bool {
	w := v.When
	switch {
	case len(w.Accounts) > 0 && !slices.Contains(w.Accounts, c.entry.account.id),
		len(w.Flows) > 0 && !slices.Contains(w.Flows, c.entry.flow.id),
		len(v.countries) > 0 && (c.caller.private || !v.countries[c.caller.number.ground()]),
		len(v.callers) > 0 && !slices.ContainsFunc(v.callers, func(s *numberSet) bool { return s.has(c.caller.number) }),
		w.Withheld != nil && *w.Withheld != (c.caller.private || c.caller.number == 0):
		return false
	}
	if v.calendar == nil {
		return true
	}
	state, _ := v.calendar.at(c.at)
	return state == w.State
}
