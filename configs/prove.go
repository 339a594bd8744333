package configs

import "time"

// Prove is Load, and holds the invariants against every way that a call can
// take in the year from then on: one that does not hold is a fault of its line.
// The node itself starts without it, because what is right today must not keep
// it from starting again on another day.
func Prove(path string, from time.Time) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	c, faults := read(path, data)
	if len(faults) > 0 {
		return nil, faults
	}
	violations := c.table.Violations(from)
	if len(violations) == 0 {
		return c, nil
	}
	s := &source{file: path}
	s.parse(data) // it was right a moment ago
	for _, v := range violations {
		s.fault(s.line(v.Path), v.Path, v.Msg)
	}
	return nil, s.faults.sorted()
}
