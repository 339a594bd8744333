package api

import (
	"strings"
	"testing"
)

func TestHistogram(t *testing.T) {
	var m Metrics
	m.Histogram("ringdown_mos", "MOS.", []float64{2, 3.5}, []uint64{1, 4, 5}, 34.5)
	want := `# HELP ringdown_mos MOS.
# TYPE ringdown_mos histogram
ringdown_mos_bucket{le="2"} 1
ringdown_mos_bucket{le="3.5"} 5
ringdown_mos_bucket{le="+Inf"} 10
ringdown_mos_sum 34.5
ringdown_mos_count 10
`
	if got := written(t, &m); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for why, add := range map[string]func(*Metrics){
		"name":      func(m *Metrics) { m.Histogram("a-b", "", nil, []uint64{1}, 0) },
		"kind":      func(m *Metrics) { m.Histogram("a", "", []float64{1}, []uint64{1}, 0) },
		"duplicate": func(m *Metrics) { m.Histogram("a", "", nil, []uint64{1}, 0); m.Histogram("a", "", nil, []uint64{1}, 0) },
	} {
		var m Metrics
		add(&m)
		if got := written(t, &m); !strings.Contains(got, `reason="`+why+`"} 1`) {
			t.Errorf("no %s in %s", why, got)
		}
	}
}
