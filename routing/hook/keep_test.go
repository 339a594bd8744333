package hook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/routing"
)

// A reply counts for the next calls of the same caller to the same account for as
// long as the hook says; a failure is never kept, and nothing of who withholds his
// number.
func TestRepliesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asks, fail := 0, false
		a, err := New(Config{}, func(context.Context, string, map[string]string, []byte) ([]byte, map[string]string, error) {
			if asks++; fail {
				return nil, nil, errors.New("injected")
			}
			return []byte(`{"refuse":true}`), nil, nil
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		h := &routing.Hooked{Subject: "rep", Keep: time.Minute}
		for i, c := range []struct {
			after            time.Duration
			account, subject string
			fail             bool
			want             int // questions so far
		}{
			{0, "demo", "sub_1", true, 1}, {time.Second, "demo", "sub_1", false, 2}, {time.Second, "demo", "sub_1", true, 2}, {time.Second, "other", "sub_1", false, 3},
			{time.Second, "demo", "sub_2", false, 4}, {time.Second, "demo", "", false, 5}, {time.Second, "demo", "", false, 6}, {time.Minute, "demo", "sub_1", false, 7},
		} {
			time.Sleep(c.after)
			fail = c.fail
			r, err := a.Ask(t.Context(), h, Question{ID: fmt.Sprint(i), Account: c.account, Subject: c.subject})
			if asks != c.want || (err == nil) != r.Refuse {
				t.Errorf("%d: %d questions, want %d; %+v, %v", i, asks, c.want, r, err)
			}
		}
	})
}

func TestKeptRepliesAreBounded(t *testing.T) {
	var k kept
	now := time.Unix(0, 0)
	for i := range 3 * mostKept {
		k.put(keptKey{subject: fmt.Sprint(i)}, routing.HookReply{}, now.Add(time.Hour), now)
	}
	if len(k.all) != mostKept {
		t.Errorf("%d are kept", len(k.all))
	}
	k.put(keptKey{subject: "later"}, routing.HookReply{}, now.Add(3*time.Hour), now.Add(2*time.Hour))
	if _, ok := k.find(keptKey{subject: "later"}, now.Add(2*time.Hour)); !ok || len(k.all) != 1 {
		t.Errorf("what is over keeps its place: %d", len(k.all))
	}
}
