package keys

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringdown/privacy"
)

// Whatever is done in whatever order, what is alive opens and what is erased
// does not, also after restarts and rotations.
func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := openIn(t, dir)
		defer func() { s.Close() }()
		type held struct {
			deposit
			subject string
			gone    bool
		}
		var recordings []*held
		subjects := map[string]string{} // number to id, while alive
		sealed := map[string]string{}   // id to field
		dead := map[string]bool{}
		pick := func() *held { return recordings[rapid.IntRange(0, len(recordings)-1).Draw(rt, "which")] }
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			step := rapid.SampledFrom([]string{"record", "record", "record", "erase", "forget", "rotate", "restart"}).Draw(rt, "step")
			if len(recordings) == 0 {
				step = "record"
			}
			switch step {
			case "record":
				n := fmt.Sprintf("+479182736%d", rapid.IntRange(0, 3).Draw(rt, "caller"))
				id := newSubject(t, s, "demo", privacy.E164(n))
				if was, ok := subjects[n]; ok && was != id || dead[id] {
					rt.Fatalf("%s is %s, was %s", n, id, was)
				}
				subjects[n] = id
				if sealed[id] == "" {
					if sealed[id], err = s.SealField("demo", id, []byte(n)); err != nil {
						rt.Fatal(err)
					}
				}
				recordings = append(recordings, &held{newDeposit(t, s, "demo", id), id, false})
			case "erase":
				r := pick()
				if err := s.EraseRecording(r.ref); err != nil {
					rt.Fatal(err)
				}
				r.gone = true
			case "forget":
				id := pick().subject
				if err := s.EraseSubject("demo", id); err != nil {
					rt.Fatal(err)
				}
				dead[id] = true
				for n, of := range subjects {
					if of == id {
						delete(subjects, n)
					}
				}
			case "rotate":
				if err := s.Rotate(time.Now()); err != nil {
					rt.Fatal(err)
				}
			case "restart":
				s = reopen(t, s)
			}
			for _, r := range recordings {
				var want error
				if r.gone || dead[r.subject] {
					want = ErrErased
				}
				r.expect(rt, s, want)
				got, err := s.OpenField("demo", r.subject, sealed[r.subject])
				if dead[r.subject] != errors.Is(err, ErrErased) || !dead[r.subject] && (err != nil || !strings.HasPrefix(string(got), "+47")) {
					rt.Fatalf("field of %s: %q, %v", r.subject, got, err)
				}
			}
		}
	})
}
