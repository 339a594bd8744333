package routing

import (
	"maps"
	"slices"
)

// Schedule goes on by what a calendar says of the moment. A branch that is left
// out has no steps; without one for holidays they count as closed.
type Schedule struct {
	Calendar string `yaml:"calendar"`
	Open     Flow   `yaml:"open"`
	Closed   Flow   `yaml:"closed"`
	Holiday  Flow   `yaml:"holiday"`
}

type scheduleStep struct {
	calendar *calendar
	branches map[string]*block // by state; nil where there are no steps
}

func (b *builder) schedule(spec Schedule, path string) node {
	b.refer("calendar", spec.Calendar, path+".calendar", func(id string) bool { return has(b.calendars, id) },
		func() []string { return slices.Collect(maps.Keys(b.calendars)) })
	if len(spec.Open)+len(spec.Closed)+len(spec.Holiday) == 0 {
		b.fault("does nothing: open, closed and holiday have no steps", "%s", path)
	}
	n := &scheduleStep{calendar: b.calendars[spec.Calendar], branches: map[string]*block{
		CalendarOpen: b.block(spec.Open, path+".open"), CalendarClosed: b.block(spec.Closed, path+".closed"),
	}}
	n.branches[CalendarHoliday] = n.branches[CalendarClosed]
	if len(spec.Holiday) > 0 {
		n.branches[CalendarHoliday] = b.block(spec.Holiday, path+".holiday")
	}
	return n
}

func (s *scheduleStep) run(w *Walk, o Outcome) Instruction {
	state, why := s.calendar.at(o.at())
	w.look("schedule", Chosen, "calendar "+s.calendar.id+" is "+why)
	if state != CalendarOpen {
		if near := s.calendar.nearly(o.at()); near != "" {
			w.look("schedule", Near, near)
		}
	}
	w.result(state)
	w.enter(s.branches[state])
	return nil
}
