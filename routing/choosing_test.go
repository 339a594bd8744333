package routing

import (
	"fmt"
	"strings"
	"testing"
)

func dialOf(strategy string, targets ...string) Step {
	d := &Dial{Strategy: strategy, Redial: true}
	for i, name := range targets {
		to := Destination{URI: "sip:" + name + "@127.0.0.1:5090"}
		if strategy == Percentage {
			if to.Percent = 100 / len(targets); i == 0 {
				to.Percent += 100 % len(targets)
			}
		}
		d.Targets = append(d.Targets, to)
	}
	return Step{Dial: d}
}

// A caller who falls to somebody in one step of a flow may fall to anybody in the
// next one, wherever the two have targets in common.
func TestPercentageStepsDrawApart(t *testing.T) {
	s := good()
	s.Flows = map[string]Flow{"sales": {dialOf(Percentage, "a", "b"), dialOf(Percentage, "b", "c"), dialOf(Percentage, "a", "b", "c")}}
	table := mustTable(t, s)
	const callers = 600
	same := map[string]int{}
	for i := range callers {
		d := table.Decide(Request{Trunk: "carrier-a", From: fmt.Sprintf("+4791%03d000", i), To: "+4721000001", At: thisYear})
		var first []string
		for next := d.First; len(first) < 3; next = d.Walk.Next(Rung{When: When{thisYear}, Result: NoAnswer}) {
			first = append(first, next.(Ring).Targets[0].URI)
		}
		for x := range first {
			for y := range x {
				if first[x] == first[y] {
					same[fmt.Sprintf("steps %d and %d", y+1, x+1)]++
				}
			}
		}
	}
	// 1 of 4, 1 of 3 and 1 of 3 by the shares: 5 standard deviations are at most 58.
	for steps, want := range map[string]int{"steps 1 and 2": callers / 4, "steps 1 and 3": callers / 3, "steps 2 and 3": callers / 3} {
		if got := same[steps]; got < want-58 || got > want+58 {
			t.Errorf("%s begin with the same for %d of %d callers, %d are expected", steps, got, callers, want)
		}
	}
}

// turnKeys are the names that the round robins of a flow ask their turns by.
func turnKeys(t *testing.T, f Flow) (keys []string) {
	t.Helper()
	s := good()
	s.Flows = map[string]Flow{"sales": f}
	d := mustTable(t, s).Decide(Request{Trunk: "carrier-a", From: "+4791234567", To: "+4721000001", At: thisYear})
	for next := d.First; ; {
		switch i := next.(type) {
		case Want:
			keys = append(keys, i.Key)
			next = d.Walk.Next(Fact{When: When{thisYear}})
		case Ring:
			next = d.Walk.Next(Rung{When: When{thisYear}, Result: NoAnswer})
		case End:
			return keys
		default:
			next = d.Walk.Next(Done{When{thisYear}})
		}
	}
}

// A round robin goes on where it was when steps come and go around it, and when its
// targets are written in another order; two of them never turn each other.
func TestRoundRobinKeepsItsTurn(t *testing.T) {
	one := turnKeys(t, Flow{dialOf(RoundRobin, "a", "b")})
	if len(one) != 1 || !strings.HasPrefix(one[0], "sales/") || strings.Contains(one[0], "127.0.0.1") {
		t.Fatalf("asked for %q", one)
	}
	behind := turnKeys(t, Flow{dialOf(RoundRobin, "c", "d"), {Tag: map[string]string{"a": "b"}}, dialOf(RoundRobin, "b", "a")})
	if len(behind) != 2 || behind[1] != one[0] || behind[0] == one[0] {
		t.Errorf("behind other steps: %q, alone: %q", behind, one)
	}
	if twice := turnKeys(t, Flow{dialOf(RoundRobin, "a", "b"), dialOf(RoundRobin, "a", "b")}); len(twice) != 2 || twice[0] != one[0] || twice[1] == one[0] {
		t.Errorf("twice the same targets: %q", twice)
	}
}
