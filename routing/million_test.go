package routing

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// million is a Spec of a million numbers of ten thousand accounts and flows, each
// number with an attribution of its own, as a campaign gives it.
func million() Spec {
	const numbers, accounts = 1_000_000, 10_000
	s := good()
	s.Accounts, s.Flows = nil, map[string]Flow{}
	for i := range accounts {
		s.Accounts = append(s.Accounts, Account{ID: fmt.Sprintf("account-%d", i), Recording: RecordingPolicy{Mode: RecordFromAnswer}})
		s.Flows[fmt.Sprintf("flow-%d", i)] = Flow{{Dial: &Dial{Targets: []Destination{{URI: "sip:agent@192.0.2.7"}}}}}
	}
	s.Numbers = make([]TrackingNumber, numbers)
	for i := range s.Numbers {
		s.Numbers[i] = TrackingNumber{
			Number: fmt.Sprintf("+4720%07d", i*7%numbers), Account: s.Accounts[i%accounts].ID, Flow: fmt.Sprintf("flow-%d", i%accounts),
			Attribution: map[string]string{"source": "google-ads", "campaign": fmt.Sprintf("campaign-%d", i)},
		}
	}
	return s
}

func millionTable(b *testing.B) *Table {
	notShort(b)
	b.Helper()
	t, faults := NewTable(million())
	if faults != nil {
		b.Fatal(faults[:min(len(faults), 5)])
	}
	runtime.GC() // of the Spec
	return t
}

// BenchmarkMillionLookUp reads a number as it is dialled, finds it and resolves
// what it refers to, all numbers alike, so that no cache helps.
func BenchmarkMillionLookUp(b *testing.B) {
	t := millionTable(b)
	no := countryOf("NO")
	dialled := make([]string, 1<<16)
	for i := range dialled {
		dialled[i] = fmt.Sprintf("+4720%07d", rand.IntN(1_000_000))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n, _ := read(dialled[i%len(dialled)], no)
		r, ok := t.numbers.at(n, 0)
		if !ok || t.entry(r).flow == noFlow {
			b.Fatal("not found")
		}
	}
}

// BenchmarkMillionLoad builds the table of a million numbers and weighs what it
// holds when the Spec is gone.
func BenchmarkMillionLoad(b *testing.B) {
	notShort(b)
	s := million()
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		t, faults := NewTable(s)
		b.StopTimer()
		if faults != nil {
			b.Fatal(faults[0])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "B/number")
		runtime.KeepAlive(t)
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/load")
}

// BenchmarkMillionChange changes one number of a million, and asks for it in the
// table that comes of it.
func BenchmarkMillionChange(b *testing.B) {
	t := millionTable(b)
	b.ReportAllocs()
	for b.Loop() {
		n := fmt.Sprintf("+4720%07d", rand.IntN(1_000_000))
		next, faults := t.Apply(Change{Put: Spec{Numbers: []TrackingNumber{{Number: n, Account: "account-0", Flow: "flow-0", State: Suspended}}}})
		if faults != nil {
			b.Fatal(faults)
		}
		if d := next.Decide(Request{Trunk: "carrier-a", To: n}); d.Reject != NumberSuspended {
			b.Fatal(d.Text())
		}
		t = next
	}
}

// BenchmarkMillionChangeFlow changes one flow of ten thousand: all but the
// numbers is built again.
func BenchmarkMillionChangeFlow(b *testing.B) {
	t := millionTable(b)
	flow := Flow{{Dial: &Dial{Targets: []Destination{{URI: "sip:other@192.0.2.7"}}}}}
	b.ReportAllocs()
	for b.Loop() {
		next, faults := t.Apply(Change{Put: Spec{Flows: map[string]Flow{fmt.Sprintf("flow-%d", rand.IntN(10_000)): flow}}})
		if faults != nil {
			b.Fatal(faults)
		}
		t = next
	}
}

// BenchmarkMillionImport puts ten thousand numbers at a time.
func BenchmarkMillionImport(b *testing.B) {
	t := millionTable(b)
	put := make([]TrackingNumber, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		for i := range put {
			put[i] = TrackingNumber{Number: fmt.Sprintf("+4721%07d", rand.IntN(10_000_000/10_000)*10_000+i), Account: "account-0", Flow: "flow-0"}
		}
		next, faults := t.Apply(Change{Put: Spec{Numbers: put}})
		if faults != nil {
			b.Fatal(faults[0])
		}
		t = next
	}
}

// notShort leaves a benchmark out that takes seconds for each round.
func notShort(b testing.TB) {
	if testing.Short() {
		b.Skip("a million numbers take their time: without -short")
	}
}
