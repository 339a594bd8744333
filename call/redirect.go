package call

import "slices"

// Words of leg.failed for a 3xx.
const (
	redirectFollowed = "followed"
	redirectRefused  = "refused" // outside the bounds of the target, or in a circle
)

// redirect puts the destinations that a 3xx names in front of those still to
// come, as far as the target's bounds allow. Each is an attempt of its own.
func (m *machine) redirect(l *leg, c Cause) string {
	if c.Redirect == nil || l.target < 0 {
		return ""
	}
	t := m.target(l.target)
	next := t.Redirected(c.Redirect.To, m.decision.Targets)
	switch {
	case len(next) > 0:
	case t.Redirect.Follow > 0 || m.redirectedBy[l.target] != "":
		return redirectRefused
	default:
		return "" // nobody asked for it
	}
	later := map[int]string{}
	for i, by := range m.redirectedBy {
		if i >= m.next {
			i += len(next)
		}
		later[i] = by
	}
	for i := range next {
		later[m.next+i] = l.ulid
	}
	m.redirectedBy = later
	m.decision.Targets = slices.Insert(slices.Clone(m.decision.Targets), m.next, next...)
	here := m.next - m.flow.base
	m.flow.origin = slices.Insert(slices.Clone(m.flow.origin), here, slices.Repeat([]int{m.flow.origin[l.target-m.flow.base]}, len(next))...)
	return redirectFollowed
}
