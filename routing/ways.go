package routing

import "fmt"

// The ways of the steps that branch by what is known; one of them is always taken.

func (s *scheduleStep) ways() ([]way, bool) {
	return []way{
		{"open", s.branches[CalendarOpen]}, {"closed", s.branches[CalendarClosed]}, {"holiday", s.branches[CalendarHoliday]},
	}, false
}

func (s *geoStep) ways() (all []way, on bool) {
	for i, c := range s.cases {
		all = append(all, way{fmt.Sprintf("cases[%d].steps", i), c.steps})
	}
	return append(all, way{"default", s.otherwise}), false
}

func (s *matchStep) ways() (all []way, on bool) {
	for i, c := range s.cases {
		all = append(all, way{fmt.Sprintf("cases[%d].steps", i), c.steps})
	}
	return append(all, way{"default", s.otherwise}), false
}
