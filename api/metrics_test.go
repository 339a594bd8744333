package api

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func written(t interface{ Fatal(...any) }, m *Metrics) string {
	var b strings.Builder
	n, err := m.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, b.Len(), err)
	}
	return b.String()
}

func TestMetricsText(t *testing.T) {
	var m Metrics
	m.Gauge("ringdown_calls", "Live calls\nby \\ state.", 3, "status", "in-progress")
	m.Counter("ringdown_packets_total", "Packets.", 1<<40)
	m.Gauge("ringdown_calls", "Live calls\nby \\ state.", 1, "status", `a "quoted" \ one`+"\n")
	m.Gauge("ringdown_lag_seconds", "Lag.", 0.25)
	m.Gauge("ringdown_odd", "Odd.", math.Inf(1), "which", "up")
	m.Gauge("ringdown_odd", "Odd.", math.Inf(-1), "which", "down")
	m.Gauge("ringdown_odd", "Odd.", math.NaN(), "which", "none")
	want := `# HELP ringdown_calls Live calls\nby \\ state.
# TYPE ringdown_calls gauge
ringdown_calls{status="a \"quoted\" \\ one\n"} 1
ringdown_calls{status="in-progress"} 3
# HELP ringdown_lag_seconds Lag.
# TYPE ringdown_lag_seconds gauge
ringdown_lag_seconds 0.25
# HELP ringdown_odd Odd.
# TYPE ringdown_odd gauge
ringdown_odd{which="down"} -Inf
ringdown_odd{which="none"} NaN
ringdown_odd{which="up"} +Inf
# HELP ringdown_packets_total Packets.
# TYPE ringdown_packets_total counter
ringdown_packets_total 1099511627776
`
	if got := written(t, &m); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMetricsRefused(t *testing.T) {
	for _, c := range []struct {
		why string
		add func(*Metrics)
	}{
		{"name", func(m *Metrics) { m.Gauge("ringdown-calls", "", 1) }},
		{"name", func(m *Metrics) { m.Gauge("", "", 1) }},
		{"name", func(m *Metrics) { m.Gauge("9lives", "", 1) }},
		{"labels", func(m *Metrics) { m.Gauge("a", "", 1, "odd") }},
		{"labels", func(m *Metrics) { m.Gauge("a", "", 1, "a:b", "x") }},
		{"kind", func(m *Metrics) { m.Gauge("a", "", 1, "x", "1"); m.Counter("a", "", 1, "x", "2") }},
		{"duplicate", func(m *Metrics) { m.Gauge("a", "", 1); m.Gauge("a", "", 2) }},
		{"phone-number", func(m *Metrics) { m.Gauge("a", "", 1, "account", "+4721000001") }},
		{"series", func(m *Metrics) {
			for i := range maxSeries + 1 {
				m.Gauge("a", "", 1, "x", fmt.Sprint(i))
			}
		}},
	} {
		var m Metrics
		c.add(&m)
		line := fmt.Sprintf("ringdown_metrics_refused{reason=%q} 1\n", c.why)
		if got := written(t, &m); !strings.Contains(got, line) {
			t.Errorf("no %s in %.300s", line, got)
		}
	}
}

func TestLikeNumber(t *testing.T) {
	numbers := []string{
		"+4721000001", "4721000001", "004721000001", "21000001", "2100001", "+47 21 00 00 01", "(212) 555-1234",
		"212.555.1234", "sip:4721000001@example.com", "tel:+4721000001", "acct-4721000001", "caller 21000001 rang",
		"47/21/00/00/01", "+47123", "x +4721000001", "a 1 2 3 4 5 6 7",
	}
	others := []string{
		"", "demo", "in-progress", "edge-1", "486", "200", "carrier_7", "v1.2.3", "go1.26.8", "20000", "eu-north-1",
		"b74a4f7d0011223344556677889900aabbccddee", "12345678abcd", "v0.0.0-20261121220400-b74a4f7", "+47*****12", "123456",
		"call_01JD0000000000000000000001", "+", "++", "+1", "...---...",
	}
	for _, s := range numbers {
		if !likeNumber(s) {
			t.Errorf("%q passes", s)
		}
	}
	for _, s := range others {
		if likeNumber(s) {
			t.Errorf("%q is refused", s)
		}
	}
}

// Whatever the rooms hand over, every line of a scrape has the form of the
// format, and no E.164 number set apart from letters is in it.
func TestMetricsAlwaysWellFormed(t *testing.T) {
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)+\})? (NaN|[+-]Inf|[-+0-9.e]+))$`)
	rapid.Check(t, func(t *rapid.T) {
		var m Metrics
		number := rapid.StringMatching(`\+[1-9][0-9]{7,14}`).Draw(t, "number")
		for range rapid.IntRange(1, 20).Draw(t, "values") {
			name := rapid.SampledFrom([]string{"a", "b_total", "bad name", "c:d"}).Draw(t, "name")
			label := rapid.SampledFrom([]string{"x", "y", "", "z z"}).Draw(t, "label")
			value := rapid.String().Draw(t, "value")
			if rapid.Bool().Draw(t, "leak") {
				value += rapid.SampledFrom([]string{"", " ", ":", "sip:", "-"}).Draw(t, "border") + number
			}
			m.Gauge(name, rapid.String().Draw(t, "help"), rapid.Float64().Draw(t, "v"), label, value)
		}
		for l := range strings.Lines(written(t, &m)) {
			if !line.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Fatalf("%q", l)
			}
			if !strings.HasPrefix(l, "#") && strings.Contains(l, number) {
				t.Fatalf("%s stands in %q", number, l)
			}
		}
	})
}
