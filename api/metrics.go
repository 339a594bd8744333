package api

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
)

// metricsType is the media type of the exposition format that [Metrics.WriteTo] writes.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// maxSeries bounds a family: labels are ids of ours and values of enumerations,
// so more than this is somebody's text in a label.
const maxSeries = 2000

// Metrics collects one scrape and writes it in the Prometheus text format, the
// lines of a family together whatever the order they came in. What cannot stand
// there is left out and counted in ringdown_metrics_refused: a scrape never
// fails as a whole. Not safe for concurrent use.
type Metrics struct {
	families map[string]*family
	refused  map[string]int
}

type family struct {
	kind, help string
	lines      map[string]float64 // by written labels
	rows       []string           // of a histogram, as they are written
}

// Counter adds a value that only grows. The name ends in _total. Labels are
// pairs of name and value; a value that reads like a phone number is refused,
// and so are a second value for the same labels and a name of the other kind.
func (m *Metrics) Counter(name, help string, value float64, labels ...string) {
	m.add("counter", name, help, value, labels)
}

// Gauge adds a value that goes up and down; labels as in [Metrics.Counter].
func (m *Metrics) Gauge(name, help string, value float64, labels ...string) {
	m.add("gauge", name, help, value, labels)
}

func (m *Metrics) add(kind, name, help string, value float64, labels []string) {
	text, why := writeLabels(labels)
	if !metricName(name) {
		why = "name"
	}
	if why != "" {
		m.refuse(why)
		return
	}
	f := m.families[name]
	if f == nil {
		f = &family{kind: kind, help: help, lines: map[string]float64{}}
		if m.families == nil {
			m.families = map[string]*family{}
		}
		m.families[name] = f
	}
	_, twice := f.lines[text]
	switch {
	case f.kind != kind:
		m.refuse("kind")
	case twice:
		m.refuse("duplicate")
	case len(f.lines) >= maxSeries:
		m.refuse("series")
	default:
		f.lines[text] = value
	}
}

func (m *Metrics) refuse(why string) {
	if m.refused == nil {
		m.refused = map[string]int{}
	}
	m.refused[why]++
}

// WriteTo writes what was collected, sorted, so that two scrapes compare by line.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	for why, n := range m.refused {
		m.Gauge("ringdown_metrics_refused", "Values left out of this scrape, by what was wrong with them.", float64(n), "reason", why)
	}
	m.refused = nil
	b := bufio.NewWriter(w)
	var n int64
	put := func(format string, args ...any) {
		k, _ := fmt.Fprintf(b, format, args...) // the writer keeps the error for Flush
		n += int64(k)
	}
	for _, name := range sorted(m.families) {
		f := m.families[name]
		put("# HELP %s %s\n# TYPE %s %s\n", name, helpEscape.Replace(f.help), name, f.kind)
		for _, row := range f.rows {
			put("%s\n", row)
		}
		for _, labels := range sorted(f.lines) {
			put("%s%s %s\n", name, labels, number(f.lines[labels]))
		}
	}
	return n, b.Flush()
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

var (
	helpEscape  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// writeLabels returns {a="b",c="d"}, or what is wrong with them.
func writeLabels(labels []string) (text, why string) {
	if len(labels) == 0 {
		return "", ""
	}
	if len(labels)%2 != 0 {
		return "", "labels"
	}
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		name, value := labels[i], labels[i+1]
		if !metricName(name) || strings.ContainsRune(name, ':') {
			return "", "labels"
		}
		if likeNumber(value) {
			return "", "phone-number"
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s="%s"`, name, labelEscape.Replace(strings.ToValidUTF8(value, "\uFFFD")))
	}
	return "{" + b.String() + "}", ""
}

// metricName: [a-zA-Z_:][a-zA-Z0-9_:]*
func metricName(s string) bool {
	for i := range len(s) {
		c := s[i]
		digit := c >= '0' && c <= '9'
		if !letter(c) && c != ':' && (!digit || i == 0) {
			return false
		}
	}
	return s != ""
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// likeNumber reports whether some part of the value could be dialled: seven
// digits or more, whatever is written between them, or five behind a plus.
// Digits grown together with letters (a hash, a version, an id) are none.
func likeNumber(s string) bool {
	const between = " .-()/"
	for i := 0; i < len(s); {
		if s[i] != '+' && (s[i] < '0' || s[i] > '9') {
			i++
			continue
		}
		start, end, digits := i, i, 0
		for ; i < len(s); i++ {
			c := s[i]
			if c >= '0' && c <= '9' {
				digits++
				end = i + 1
			} else if strings.IndexByte(between, c) < 0 && (c != '+' || i != start) {
				break
			}
		}
		glued := start > 0 && letter(s[start-1]) || end < len(s) && letter(s[end])
		if digits >= 7 && !glued || digits >= 5 && s[start] == '+' {
			return true
		}
		i = max(end, start+1)
	}
	return false
}
