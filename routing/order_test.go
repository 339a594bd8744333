package routing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func weighing(weights ...int) (all []candidate) {
	for i, w := range weights {
		all = append(all, candidate{fmt.Sprintf("sip:%c@127.0.0.1", 'a'+i), w})
	}
	return all
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		strategy string
		all      []candidate
		by       chance
		want     []int
	}{
		{Sequential, weighing(1, 5, 3), chance{draw: 7, turn: 2}, []int{0, 1, 2}},
		{Simultaneous, weighing(1, 5, 3), chance{draw: 7, turn: 2}, []int{0, 1, 2}},
		{RoundRobin, weighing(0, 0, 0), chance{turn: 0}, []int{0, 1, 2}},
		{RoundRobin, weighing(0, 0, 0), chance{turn: 4}, []int{1, 2, 0}},
		{RoundRobin, weighing(0, 0, 0), chance{turn: math.MaxUint64}, []int{0, 1, 2}},
		{RoundRobin, nil, chance{turn: 3}, []int{}},
		{RoundRobin, weighing(0, 0, 0), chance{turn: 1, sticky: "sip:a@127.0.0.1"}, []int{0, 1, 2}},
		{Sequential, weighing(0, 0, 0), chance{sticky: "sip:c@127.0.0.1"}, []int{2, 0, 1}},
		{Sequential, weighing(0, 0, 0), chance{sticky: "sip:gone@127.0.0.1"}, []int{0, 1, 2}},
		{Weighted, weighing(0, 0, 0), chance{draw: 99}, []int{0, 1, 2}},
		{Percentage, weighing(0, 0, 9), chance{caller: 4791234567}, []int{2, 0, 1}},
		{"no such", weighing(1, 2), chance{draw: 5}, []int{0, 1}},
	} {
		if got := ordered(test.strategy, test.all, test.by); !slices.Equal(got, test.want) {
			t.Errorf("%s %+v %+v: %v, want %v", test.strategy, test.all, test.by, got, test.want)
		}
	}
}

// Whatever goes in, each target comes out once, those without a weight behind
// those with one, and who answered before in front.
func TestOrderIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := weighing(rapid.SliceOfN(rapid.IntRange(0, maxWeight), 0, 12).Draw(t, "weights")...)
		strategy := rapid.SampledFrom([]string{Sequential, Simultaneous, RoundRobin, Weighted, Percentage}).Draw(t, "strategy")
		by := chance{draw: rapid.Uint64().Draw(t, "draw"), turn: rapid.Uint64().Draw(t, "turn"), caller: number(rapid.Uint64Range(0, uint64(highestE164)).Draw(t, "caller"))}
		if len(all) > 0 && rapid.Bool().Draw(t, "sticky") {
			by.sticky = rapid.SampledFrom(all).Draw(t, "who").identity
		}
		got := ordered(strategy, all, by)
		if sorted := slices.Sorted(slices.Values(got)); len(sorted) != len(all) || len(sorted) > 0 && (sorted[0] != 0 || sorted[len(sorted)-1] != len(all)-1 || len(slices.Compact(sorted)) != len(all)) {
			t.Fatalf("%v is no order of %d", got, len(all))
		}
		if !slices.Equal(got, ordered(strategy, all, by)) {
			t.Fatal("the same twice comes out differently")
		}
		if by.sticky != "" {
			if all[got[0]].identity != by.sticky {
				t.Fatalf("%v does not begin with %s", got, by.sticky)
			}
			by.sticky = ""
			rest := slices.DeleteFunc(ordered(strategy, all, by), func(i int) bool { return i == got[0] })
			if !slices.Equal(rest, got[1:]) {
				t.Fatalf("the others changed: %v, %v", rest, got[1:])
			}
			return
		}
		if strategy == Weighted || strategy == Percentage {
			unweighted := false
			for _, i := range got {
				if all[i].weight > 0 && unweighted {
					t.Fatalf("%v: weight 0 goes before a weight", got)
				}
				unweighted = unweighted || all[i].weight == 0
			}
		}
	})
}

// Shares of the first place, and of the second where the first is known, are
// those of the weights: within five standard deviations, so that chance fails
// the test less than once in a million runs.
func TestShares(t *testing.T) {
	weights := []int{50, 30, 20, 1, 0}
	const calls = 200_000
	random := rand.New(rand.NewPCG(1, 2))
	for _, strategy := range []string{Weighted, Percentage} {
		firsts, seconds := make([]int, len(weights)), make([]int, len(weights))
		for range calls {
			by := chance{draw: random.Uint64(), caller: number(random.Uint64N(uint64(highestE164))), key: "sales"}
			got := ordered(strategy, weighing(weights...), by)
			if firsts[got[0]]++; got[0] == 0 {
				seconds[got[1]]++
			}
		}
		within := func(what string, got, of, weight, total int) {
			p := float64(weight) / float64(total)
			want, deviation := p*float64(of), math.Sqrt(p*(1-p)*float64(of))
			if math.Abs(float64(got)-want) > 5*deviation {
				t.Errorf("%s: %s is %d of %d, want %.0f ± %.0f", strategy, what, got, of, want, deviation)
			}
		}
		for i, w := range weights {
			within(fmt.Sprintf("first with weight %d", w), firsts[i], calls, w, 101)
			if i > 0 {
				within(fmt.Sprintf("second with weight %d", w), seconds[i], firsts[0], w, 51)
			}
		}
	}
}

// A target that comes, goes or changes its weight moves callers to it or from
// it, and nobody between two others.
func TestPercentageMovesFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := weighing(rapid.SliceOfN(rapid.IntRange(0, 100), 2, 6).Draw(t, "weights")...)
		after := slices.Clone(before)
		changed := rapid.IntRange(0, len(after)-1).Draw(t, "changed")
		after[changed].weight = rapid.IntRange(0, 100).Draw(t, "weight")
		by := chance{caller: number(rapid.Uint64Range(1e7, 1e14).Draw(t, "caller")), key: "x"}
		strip := func(all []candidate) []int {
			return slices.DeleteFunc(ordered(Percentage, all, by), func(i int) bool { return i == changed })
		}
		if a, b := strip(before), strip(after); !slices.Equal(a, b) {
			t.Fatalf("%v became %v when %d changed", a, b, changed)
		}
	})
}

// Golden assignments: a caller stays where he is across restarts, nodes and
// versions. They must never change.
func TestPercentageIsForEver(t *testing.T) {
	all := weighing(50, 30, 20)
	want := map[number]string{
		4791234567: "[0 2 1]", 4791234568: "[1 0 2]", 46701234567: "[2 0 1]", 12125550123: "[2 0 1]", 442071234567: "[0 1 2]",
	}
	for caller, order := range want {
		if got := fmt.Sprint(ordered(Percentage, all, chance{caller: caller, key: "sales", draw: rand.Uint64()})); got != order {
			t.Errorf("%s: %s, want %s", caller, got, order)
		}
	}
	if a, b := ordered(Percentage, all, chance{draw: 4, key: "sales"}), ordered(Percentage, all, chance{draw: 5, key: "sales"}); slices.Equal(a, b) {
		t.Errorf("who withholds his number goes by the draw: %v, %v", a, b)
	}
	if got := fmt.Sprint(ordered(Weighted, all, chance{draw: 0x0123456789abcdef})); got != "[1 0 2]" {
		t.Errorf("weighted: %s", got)
	}
}

// The logarithm in whole numbers is the logarithm.
func TestExponential(t *testing.T) {
	for _, even := range []uint64{0, 1, 2, 3, 5, 1 << 20, 1<<63 - 1, 1 << 63, 1<<63 + 1<<62, math.MaxUint64} {
		got := float64(exponential(even)) / (1 << fraction)
		if want := 64 - math.Log2(float64(even|1)); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d: %v, want %v", even, got, want)
		}
	}
}

func BenchmarkPercentage(b *testing.B) {
	all := weighing(50, 30, 20)
	for b.Loop() {
		ordered(Percentage, all, chance{caller: 4791234567, key: "sales"})
	}
}
