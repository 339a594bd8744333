package api

// Histogram adds how often a value fell below each of some bounds, which grow.
// buckets has the count of each bound by itself, and one more for what is above
// all of them. Without labels: a name is taken once.
func (m *Metrics) Histogram(name, help string, bounds []float64, buckets []uint64, sum float64) {
	switch {
	case !metricName(name):
		m.refuse("name")
		return
	case len(buckets) != len(bounds)+1:
		m.refuse("kind")
		return
	case m.families[name] != nil:
		m.refuse("duplicate")
		return
	}
	f := &family{kind: "histogram", help: help}
	total := uint64(0)
	for i, n := range buckets {
		total += n
		le := "+Inf"
		if i < len(bounds) {
			le = number(bounds[i])
		}
		f.rows = append(f.rows, name+`_bucket{le="`+le+`"} `+number(float64(total)))
	}
	f.rows = append(f.rows, name+"_sum "+number(sum), name+"_count "+number(float64(total)))
	if m.families == nil {
		m.families = map[string]*family{}
	}
	m.families[name] = f
}
