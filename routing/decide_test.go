package routing

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is asked, the decision is whole and the trace says nothing of who
// calls.
func TestDecideHoldsForAnything(t *testing.T) {
	spec := good()
	spec.Numbers = append(spec.Numbers, TrackingNumber{Number: "+4721000002", Account: "demo", Flow: "sales", State: Suspended})
	table, faults := NewTable(spec)
	if faults != nil {
		t.Fatal(faults)
	}
	called := rapid.OneOf(dialledText(), rapid.SampledFrom([]string{"+4721000001", "21000002", "4721000001", "+4721000003"}))
	rapid.Check(t, func(t *rapid.T) {
		r := Request{
			Trunk: rapid.OneOf(rapid.SampledFrom([]string{"carrier-a", "carrier-b", ""}), rapid.String()).Draw(t, "trunk"),
			From:  rapid.OneOf(dialledText(), rapid.StringMatching(`\+[1-9][0-9]{8,14}`)).Draw(t, "from"),
			To:    called.Draw(t, "to"),
			At:    time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "at"), 0),
		}
		d := table.Decide(r)
		if (d.Reject == "") != (len(d.Targets) > 0) {
			t.Fatalf("reject %q with %d targets", d.Reject, len(d.Targets))
		}
		if d.Version == "" || len(d.Trace) == 0 || d.Recording.Mode == "" {
			t.Fatalf("incomplete: %+v", d)
		}
		text := d.Text()
		if caller := d.Caller.Reveal(); caller != "" && strings.Contains(text, caller[1:]) {
			t.Fatalf("the caller is in the trace:\n%s", text)
		}
		// A run of digits as long as a number would be one in the clear.
		for field := range strings.FieldsFuncSeq(strings.ReplaceAll(text, d.Version, ""), func(r rune) bool { return r < '0' || r > '9' }) {
			if len(field) >= minE164 {
				t.Fatalf("a number is in the trace:\n%s", text)
			}
		}
	})
}

// The longest prefix wins: the same answer as asking every prefix.
func TestTrunkOfLongestPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s sources
		all := map[netip.Prefix]string{}
		addr := rapid.Custom(func(t *rapid.T) netip.Addr {
			// Few different bytes, so that prefixes nest.
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 128, 255}), 4, 4).Draw(t, "bytes")
			if rapid.Bool().Draw(t, "v6") {
				return netip.AddrFrom16([16]byte{0x20, 1, b[0], b[1], 8: b[2], 15: b[3]})
			}
			return netip.AddrFrom4([4]byte(b))
		})
		for i := range rapid.IntRange(0, 12).Draw(t, "prefixes") {
			a := addr.Draw(t, "net")
			p, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			if err != nil {
				t.Fatal(err)
			}
			if _, dup := all[p]; !dup {
				id := fmt.Sprint("trunk-", i)
				all[p] = id
				s.add(p, id)
			}
		}
		for range 8 {
			a := addr.Draw(t, "source")
			want, best := "", -1
			for p, id := range all {
				if p.Contains(a) && p.Bits() > best {
					want, best = id, p.Bits()
				}
			}
			mapped := netip.AddrFrom16(a.As16())
			if got, ok := s.of(a); got != want || ok != (best >= 0) {
				t.Fatalf("%s: got %q, want %q of %v", a, got, want, all)
			}
			if got, _ := s.of(mapped); got != want {
				t.Fatalf("%s as IPv6: got %q, want %q", a, got, want)
			}
		}
	})
}

// large is a table of n numbers.
func large(tb testing.TB, n int) *Table {
	s := good()
	s.Numbers = make([]TrackingNumber, n)
	for i := range s.Numbers {
		s.Numbers[i] = TrackingNumber{Number: fmt.Sprintf("+472%07d", i), Account: "demo", Flow: "sales"}
	}
	table, faults := NewTable(s)
	if faults != nil {
		tb.Fatal(faults)
	}
	return table
}

func BenchmarkDecide(b *testing.B) {
	table := large(b, 100_000)
	for _, to := range []struct{ name, number string }{{"accept", "20054321"}, {"unassigned", "99999999"}} {
		b.Run(to.name, func(b *testing.B) {
			r := Request{Trunk: "carrier-a", From: "+4791234567", To: to.number}
			b.ReportAllocs()
			for b.Loop() {
				table.Decide(r)
			}
		})
	}
}

func BenchmarkTrunkOf(b *testing.B) {
	table := large(b, 1)
	addr := netip.MustParseAddr("198.51.100.77")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := table.TrunkOf(addr); !ok {
			b.Fatal("not found")
		}
	}
}

// The look-up is on the way of every call and scanner: it must not make garbage.
func TestLookUpDoesNotAllocate(t *testing.T) {
	table := large(t, 1000)
	no, se := countryOf("NO"), countryOf("SE")
	addr := netip.MustParseAddr("::ffff:192.0.2.9")
	if n := testing.AllocsPerRun(100, func() {
		for _, in := range []string{"+4720000321", "20000321", "004720000321", "4720000321", "20000321;phone-context=+47", "alice", ""} {
			n, _ := read(in, no)
			if r, ok := table.numbers.at(n, 0); ok {
				_ = table.entry(r)
			}
			read(in, se)
		}
		table.TrunkOf(addr)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One slip of a finger away from a number, the trace says so.
func TestNearestFindsEachSlip(t *testing.T) {
	one := good()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[1-9][0-9]{9,12}`).Draw(t, "number")
		one.Numbers[0].Number = "+" + number
		table, faults := NewTable(one)
		if faults != nil {
			t.Fatal(faults)
		}
		i := rapid.IntRange(0, len(number)-2).Draw(t, "at")
		digit := string(rapid.ByteRange('0', '9').Draw(t, "digit"))
		slipped := map[string]string{
			"differs":  number[:i] + digit + number[i+1:],
			"missing":  number[:i] + number[i+1:],
			"too many": number[:i] + digit + number[i:],
			"swapped":  number[:i] + number[i+1:i+2] + number[i:i+1] + number[i+2:],
		}
		for kind, called := range slipped {
			if called == number || called[0] == '0' {
				continue
			}
			d := table.Decide(Request{Trunk: "carrier-b", To: "+" + called})
			if d.Reject != NumberUnassigned || !strings.Contains(d.Text(), " is in the table: digit ") {
				t.Fatalf("%s: +%s for +%s:\n%s", kind, called, number, d.Text())
			}
		}
	})
}

// A call that an intercept answers is refused in the end, for the reason of the
// number's state, whatever its flow comes to.
func TestInterceptRefusesInTheEnd(t *testing.T) {
	s := good()
	s.Numbers[0].State, s.Accounts[0].Intercept = Suspended, Intercept{Suspended: "sales"}
	table, faults := NewTable(s)
	if faults != nil {
		t.Fatal(faults)
	}
	d := table.Decide(Request{Trunk: "carrier-a", To: "21000001", At: time.Unix(0, 0)})
	if _, rings := d.First.(Ring); !rings || d.Recording.Mode != DoNotRecord {
		t.Fatalf("%#v, %+v", d.First, d.Recording)
	}
	got := d.Walk.Next(Rung{Result: Busy})
	if refuse, ok := got.(Refuse); !ok || refuse.Reason != NumberSuspended {
		t.Errorf("%#v", got)
	}
}
