//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// row is what the runs of one relay at one load come to.
type row struct {
	turn
	runs                     []turn
	added                    []float64 // CPU-s/Mpkt of the machine beyond the direct run of the same round
	addP50, addP99, addP999  []float64
	sent, heard              uint64
	process, memory, outside []float64
}

// rows pairs each turn with the direct one of its round, so that a slow minute of
// the machine touches both.
func rows(turns []turn) []*row {
	type place struct {
		calls, run int
	}
	floor := map[place]turn{}
	for _, t := range turns {
		if t.Relay == "direct" {
			floor[place{t.Calls, t.Run}] = t
		}
	}
	var all []*row
	for _, t := range turns {
		i := slices.IndexFunc(all, func(r *row) bool {
			return r.Relay == t.Relay && r.Calls == t.Calls && r.Recorded == t.Recorded
		})
		if i < 0 {
			i, all = len(all), append(all, &row{turn: t})
		}
		r, d := all[i], floor[place{t.Calls, t.Run}]
		r.runs = append(r.runs, t)
		r.added = append(r.added, t.Machine-d.Machine)
		r.addP50, r.addP99, r.addP999 = append(r.addP50, t.P50-d.P50), append(r.addP99, t.P99-d.P99), append(r.addP999, t.P999-d.P999)
		r.process, r.memory, r.outside = append(r.process, t.Process), append(r.memory, t.CallKB), append(r.outside, t.Elsewhere)
		r.sent, r.heard = r.sent+t.Sent, r.heard+t.Heard
	}
	return all
}

// median leaves the list sorted; 0 when it is empty.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}

// writeTable writes the medians in the form in which they stand in RESULTS.md.
func writeTable(w io.Writer, turns []turn) {
	all := rows(turns)
	c := map[int]float64{} // what the reference adds, by calls
	for _, r := range all {
		if r.Relay == "c" {
			c[r.Calls] = median(r.added)
		}
	}
	fmt.Fprintf(w, "%s, %s\n\n", machine(), time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintln(w, "| calls | relay | recorded | machine beyond direct, CPU-s/Mpkt (min to max) | to the C reference | its process | lost | added latency p50 / p99 / p99.9 | memory a call | others' cores |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	slices.SortStableFunc(all, func(a, b *row) int { return a.Calls - b.Calls })
	for _, r := range all {
		if r.Relay == "direct" {
			lat := func(f func(turn) float64) float64 {
				var list []float64
				for _, t := range r.runs {
					list = append(list, f(t))
				}
				return median(list)
			}
			fmt.Fprintf(w, "| %d | direct | | (is %.2f) | | | %s | (is %.0f / %.0f / %.0f us) | | %.2f |\n", r.Calls,
				lat(func(t turn) float64 { return t.Machine }), r.loss(), lat(func(t turn) float64 { return t.P50 }),
				lat(func(t turn) float64 { return t.P99 }), lat(func(t turn) float64 { return t.P999 }), median(r.outside))
			continue
		}
		ratio := ""
		if c[r.Calls] > 0 {
			ratio = fmt.Sprintf("%.2f", median(r.added)/c[r.Calls])
		}
		recorded := map[bool]string{true: "yes", false: "no"}[r.Recorded]
		fmt.Fprintf(w, "| %d | %s | %s | **%.2f** (%.2f to %.2f) | %s | %.2f | %s | %.0f / %.0f / %.0f us | %.1f kB | %.2f |\n",
			r.Calls, r.Relay, recorded, median(r.added), slices.Min(r.added), slices.Max(r.added), ratio, median(r.process), r.loss(),
			median(r.addP50), median(r.addP99), median(r.addP999), median(r.memory), median(r.outside))
	}
}

// loss is of all runs together.
func (r *row) loss() string { return fmt.Sprintf("%d of %d", int64(r.sent)-int64(r.heard), r.sent) }
