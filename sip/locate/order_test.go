package locate

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWeightsShare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := []Ranked[string]{{10, 60, "heavy"}, {10, 20, "light"}, {10, 20, "other"}, {20, 100, "spare"}, {10, 0, "zero"}}
	first := map[string]int{}
	const rounds = 20000
	for range rounds {
		got := Order(list, random.IntN)
		if len(got) != 5 || got[4] != "spare" {
			t.Fatalf("%v", got)
		}
		first[got[0]]++
	}
	for name, want := range map[string]float64{"heavy": 0.6, "light": 0.2, "other": 0.2, "spare": 0, "zero": 0.01} {
		if share := float64(first[name]) / rounds; share < want-0.015 || share > want+0.015 {
			t.Errorf("%s is first in %.3f of the calls, want about %.2f", name, share, want)
		}
	}
}

// Whatever chance says, everything comes exactly once, by priority; without
// weights in the order written.
func TestOrderKeepsAll(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var list []Ranked[int]
		weights := rapid.IntRange(0, 1).Draw(r, "weights")
		for i := range rapid.IntRange(0, 12).Draw(r, "items") {
			list = append(list, Ranked[int]{rapid.IntRange(0, 3).Draw(r, "priority"), weights * rapid.IntRange(0, 65535).Draw(r, "weight"), i})
		}
		before := slices.Clone(list)
		got := Order(list, func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "chance") })
		if !slices.Equal(list, before) {
			r.Fatal("the list was changed")
		}
		if sorted := slices.Sorted(slices.Values(got)); len(got) != len(list) || len(slices.Compact(sorted)) != len(list) {
			r.Fatalf("%v of %d items", got, len(list))
		}
		for i := 1; i < len(got); i++ {
			a, b := list[got[i-1]], list[got[i]]
			if a.Priority > b.Priority || weights == 0 && a.Priority == b.Priority && a.Item > b.Item {
				r.Fatalf("%v: %+v before %+v", got, a, b)
			}
		}
	})
}
