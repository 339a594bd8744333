package call

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
)

// TestSilenceIsAskedAbout: before a call ends because a party is silent, its leg is
// asked when it was heard of last, and the relay counts from there.
func TestSilenceIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		board := w.board(Config{})
		a, b := talkingCall(t, w, board)
		began := time.Now()
		expired := func(since time.Time) {
			w.notices(media.Notice{Kind: media.Expired, Side: media.Callee, At: time.Now(), Limit: media.SteadyLimit, Since: since})
			synctest.Wait()
		}
		time.Sleep(50 * time.Second)
		answers := time.Now()
		b.mu.Lock()
		b.last = answers
		b.mu.Unlock()
		time.Sleep(10 * time.Second)
		expired(began)
		if len(board.Calls()) != 1 || !slices.Equal(w.keys, []string{"spare the callee, heard 10s ago"}) {
			t.Fatalf("the relay was asked %q, live: %+v", w.keys, board.Calls())
		}
		time.Sleep(50 * time.Second)
		expired(answers)
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := w.end()
		if end == nil || end.EndedBy != string(ByMedia) || end.BilledUntil == nil || !time.Time(*end.BilledUntil).Equal(answers) || len(a.done()) == 0 {
			t.Errorf("%+v", end)
		}
	})
}

// paused is how a recording begins, behind "tap" or "next segment".
func paused(by string) string {
	if by != "" {
		return ", paused by " + by
	}
	return ""
}

// noticed reads "[kind] [side] [since in ms] [limit] [alive in ms, of the caller and
// of the callee]".
func noticed(at At, args []string) Noticed {
	args = append(args, make([]string, 6)...)
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	s := Noticed{At: at, Notice: noticeOf(at, args[0], args[1], number(args[2]))}
	if args[0] == "expired" && args[3] != "" {
		s.Notice.Limit = media.Limit(args[3])
	}
	for i, text := range args[4:6] {
		if text != "" {
			s.Alive[i] = zero.Add(time.Duration(number(text)) * time.Millisecond)
		}
	}
	return s
}

// noticeOf is what a transcript's "noticed [kind] [side] [since in ms]" says;
// without a kind it is the caller's first packet.
func noticeOf(at At, kind, side string, since int) media.Notice {
	n := media.Notice{Kind: media.Started, Side: media.Caller, At: at.Time, PT: 8, Since: zero.Add(time.Duration(since) * time.Millisecond)}
	if side == "callee" {
		n.Side = media.Callee
	}
	switch kind {
	case "one-way":
		n.Kind, n.Unheard = media.OneWay, &media.Unheard{Verdict: media.WrongSource, Origin: media.Private}
	case "one-way-over":
		n.Kind, n.Unheard = media.OneWay, &media.Unheard{Verdict: media.WrongSource, Origin: media.Private, Over: true}
	case "silence":
		n.Kind, n.Unheard = media.Silent, &media.Unheard{Verdict: media.Muted}
	case "quality":
		n.Kind, n.Heard = media.Quality, &media.Heard{Codec: "PCMU", Packets: 450, Expected: 500, Lost: 50, Rated: true, R: 61, ListeningMOS: 3.15, Class: "low"}
	case "expired":
		n.Kind, n.Limit = media.Expired, media.SteadyLimit
	}
	return n
}
