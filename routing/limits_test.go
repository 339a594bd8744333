package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// limited is the good Spec with limits in every scope.
func limited(number, account, agency, trunk Limits, to DestinationLimits) Spec {
	s := good()
	s.Agencies = []Agency{{ID: "demo-agency", Limits: agency}}
	s.Accounts[0].Limits, s.Numbers[0].Limits = account, number
	s.Trunks[0].Limits.Limits = trunk
	dial(&s).Targets[1].Limits = to
	return s
}

func decideTo(t *testing.T, s Spec) Decision {
	t.Helper()
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	return table.Decide(Request{Trunk: "carrier-a", From: "+4799999912", To: "+4721000001"})
}

// The smallest of all scopes counts, and the trace says whose it is.
func TestSmallestSpanCounts(t *testing.T) {
	d := decideTo(t, limited(
		Limits{Calls: 1, Duration: Seconds(600), Ring: Seconds(50)},
		Limits{Calls: 2, Duration: Seconds(300), PreAnswer: Seconds(90)},
		Limits{Calls: 3, Duration: Seconds(300), Ring: Seconds(40), PreAnswer: Seconds(80)},
		Limits{Calls: 4, Duration: Seconds(301), Ring: Seconds(40), PreAnswer: Seconds(70)},
		DestinationLimits{Calls: 5, Duration: Seconds(120)}))
	want := Spans{Span{300 * time.Second, ScopeAccount}, Span{40 * time.Second, ScopeAgency}, Span{70 * time.Second, ScopeTrunk}}
	if d.Spans != want || d.OfNumber.Calls != 1 || d.OfAccount.Calls != 2 || d.OfAgency.Calls != 3 {
		t.Errorf("spans %+v, calls %d %d %d", d.Spans, d.OfNumber.Calls, d.OfAccount.Calls, d.OfAgency.Calls)
	}
	if to := d.Targets[1]; to.Limits.Calls != 5 || to.Talk != (Span{120 * time.Second, ScopeDestination}) {
		t.Errorf("the destination has %+v, %+v", to.Limits, to.Talk)
	}
	text := d.Text()
	for _, line := range []string{"the call may last 5m0s, says the account", "it may ring for 40s, says the agency",
		"it may be without an answer for 1m10s, says the trunk", "5 calls at once, 2m0s at the longest"} {
		if !strings.Contains(text, line) {
			t.Errorf("the trace does not say %q:\n%s", line, text)
		}
	}
}

// A call by a trunk lasts as long as the trunk takes it, and its destination.
func TestTrunkBoundsTheTalkOfItsTargets(t *testing.T) {
	s := limited(Limits{}, Limits{}, Limits{}, Limits{}, DestinationLimits{Duration: Seconds(120)})
	s.Trunks[1].Limits.Duration = Seconds(60)
	d := decideTo(t, s)
	if to := d.Targets[1]; to.Talk != (Span{time.Minute, ScopeTrunk}) {
		t.Errorf("%+v", to.Talk)
	}
	if (d.Spans != Spans{}) {
		t.Errorf("what nobody says is bounded: %+v", d.Spans)
	}
}

// Whatever the scopes say, the span is one that is said, none is shorter, and
// nothing is said only when nobody says anything.
func TestSpansAreTheSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scopes []scope
		var said []time.Duration
		for _, name := range []string{ScopeNumber, ScopeAccount, ScopeAgency, ScopeTrunk} {
			n := rapid.IntRange(0, 5).Draw(t, name)
			scopes = append(scopes, scope{name, Limits{Duration: Seconds(n)}})
			if n > 0 {
				said = append(said, time.Duration(n)*time.Second)
			}
		}
		got := spans(scopes...).Talk
		if len(said) == 0 {
			if got != (Span{}) {
				t.Fatalf("%+v of nothing", got)
			}
			return
		}
		first := slices.IndexFunc(scopes, func(s scope) bool { d, _ := s.limits.Duration.Exact(); return d == slices.Min(said) })
		if got.For != slices.Min(said) || got.Of != scopes[first].name {
			t.Fatalf("%+v of %v", got, scopes)
		}
		if other := (Span{time.Hour, "x"}); got.Or(other) != got || other.Or(got) != got || (Span{}).Or(got) != got || got.Or(Span{}) != got {
			t.Fatal("the smaller of two is not")
		}
	})
}
