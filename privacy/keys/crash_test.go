package keys

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"ringdown/privacy"
)

// TestCrashEverywhere cuts the journal of a living store at every byte and opens
// it: every key that was handed out before the cut is there, the store goes on,
// and what it then writes is found again.
func TestCrashEverywhere(t *testing.T) {
	s := newStore(t)
	base := s.journal.length()
	type step struct {
		end int64
		deposit
	}
	var steps []step
	for i := range 4 {
		sub := newSubject(t, s, "demo", privacy.E164(fmt.Sprintf("+479182736%d", i)))
		d := newDeposit(t, s, "demo", sub)
		steps = append(steps, step{s.journal.length(), d})
	}
	s.Close()
	path := s.path(journalName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.config, Options{})
		if int64(n) < base {
			if left, rerr := os.ReadFile(path); !errors.Is(err, ErrDamaged) || rerr != nil || len(left) != n {
				t.Fatalf("cut to %d: %v; %d bytes left", n, err, len(left))
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut to %d: %v", n, err)
		}
		for _, st := range steps {
			want := error(nil)
			if st.end > int64(n) {
				want = ErrUnknownKey
			}
			st.expect(t, again, want)
		}
		if torn := again.Status().Torn; torn != int64(n)-(again.Status().Bytes) {
			t.Errorf("cut to %d: %d bytes torn of %d", n, torn, again.Status().Bytes)
		}
		d := newDeposit(t, again, "demo", newSubject(t, again, "demo", caller))
		again.Close()
		if again, err = Open(s.config, Options{}); err != nil {
			t.Fatalf("cut to %d and written on: %v", n, err)
		}
		d.expect(t, again, nil)
		again.Close()
	}
}
