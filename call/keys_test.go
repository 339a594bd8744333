package call

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/events"
	"ringdown/media"
	"ringdown/routing"
)

// TestKeysAreCarriedOut: what the machine decides about keys reaches the relay, the
// legs and the recording, and no digit reaches an event.
func TestKeysAreCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.decision.Recording.Mode = recordFromAnswer
		w.decision.Codes = routing.StarCodes{By: routing.CodesByBoth, Pause: "*1", Resume: "*2", Hide: "*3", Show: "*4", HangUp: "**"}
		board := w.board(Config{})
		a, fromCaller := admitted(t, board)
		b := w.b(0)
		b.send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		fromCaller(Acked{At: Now()})
		synctest.Wait()
		say := func(n media.Notice) {
			n.At = time.Now()
			w.notices(n)
			synctest.Wait()
		}
		fromCaller(Keyed{Now(), media.Press{Digit: 5, For: 100 * time.Millisecond}})
		say(media.Notice{Kind: media.Pressed, Side: media.Caller, Press: media.Press{Digit: 5}, Way: media.ByInfo})
		say(media.Notice{Kind: media.Tell, Side: media.Callee, Press: media.Press{Digit: 5}})
		did(t, b, "press key")
		b.send(Untold{Now(), media.Press{Digit: 5}})
		for code := range 4 {
			say(media.Notice{Kind: media.Coded, Side: media.Callee, Code: code})
		}
		if pauses := w.recs[0].pauses(); pauses != "tap, pause by callee keypad, resume by callee keypad" {
			t.Errorf("the recording was asked %q", pauses)
		}
		time.Sleep(burstGap)
		synctest.Wait()
		say(media.Notice{Kind: media.Coded, Side: media.Caller, Code: 4})
		for _, l := range []*fakeLeg{a, b} {
			if all := l.done(); len(all) == 0 || all[len(all)-1] != "hangup 200" {
				t.Errorf("a leg did %q", all)
			}
		}
		fromCaller(Gone{Now()})
		b.send(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{`codes of the callee: ["*1" "*2" "*3" "*4" "**"]`, `codes of the caller: ["*1" "*2" "*3" "*4" "**"]`,
			"caller pressed a key for 100ms", "press 1 for the callee by inband", "keys of the caller: silence", "keys of the caller: pass"}
		if !slices.Equal(w.keys, want) {
			t.Errorf("the relay was asked %q", w.keys)
		}
		at := slices.IndexFunc(w.events, func(e events.Event) bool { return e.Type == events.DTMFDetected })
		if at < 0 {
			t.Fatalf("events %v", w.told())
		}
		if d := w.events[at].Data.(events.DTMFDetectedData); d.Side != "caller" || d.Class != "key" || d.Count != 1 || !slices.Equal(d.Ways, []string{"info"}) {
			t.Errorf("%+v", d)
		}
	})
}

// TestKeysThatDoNotArrive: they are counted, and told once; a line for each would
// tell when each was pressed.
func TestKeysThatDoNotArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.pressErr = errors.New("no tone in this codec")
		var log bytes.Buffer
		w.log = slog.NewTextHandler(&log, nil)
		board := w.board(Config{})
		a, b := talkingCall(t, w, board)
		for range 5 {
			b.send(Untold{Now(), media.Press{Digit: 5}})
			time.Sleep(time.Second)
		}
		b.send(Bye{Now(), Cause{Status: 200, Remote: true}})
		b.send(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		said := log.String()
		if strings.Count(said, "keys did not reach") != 1 || !strings.Contains(said, "keys=5") || !strings.Contains(said, "no tone in this codec") {
			t.Errorf("the log says %s", said)
		}
		if len(w.keys) != 5 || len(a.done()) == 0 {
			t.Errorf("the relay was asked %q", w.keys)
		}
	})
}

// TestPausedBeforeItIsTapped: neither a recording that opens late nor the next
// segment is given anything of a pause that began before it.
func TestPausedBeforeItIsTapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.direct = allow
		w.recordFor = time.Second
		w.decision.Recording.Mode = recordFromAnswer
		w.decision.Codes = routing.StarCodes{By: routing.CodesByBoth, Pause: "*1", Resume: "*2"}
		board := w.board(Config{})
		a, fromCaller := admitted(t, board)
		b := w.b(0)
		b.send(Answered{At: Now(), Body: []byte("answer")})
		time.Sleep(recordWait + durableWait)
		synctest.Wait()
		fromCaller(Acked{At: Now()})
		w.notices(media.Notice{Kind: media.Coded, Side: media.Callee, At: time.Now()})
		time.Sleep(time.Second)
		synctest.Wait()
		w.mu.Lock()
		w.recordFor = 0
		w.mu.Unlock()
		b.send(Referred{Now(), 1, ReferTo{User: "201"}})
		synctest.Wait()
		w.b(1).send(Answered{At: Now(), Body: []byte("answer")})
		synctest.Wait()
		for i, want := range []string{"pause by callee keypad, tap", "pause by callee keypad, tap"} {
			if i >= len(w.recs) || w.recs[i].pauses() != want {
				t.Errorf("recording %d of %d: %q", i, len(w.recs), w.recs[min(i, len(w.recs)-1)].pauses())
			}
		}
		// Said again within the two minutes, the pause lasts anew.
		time.Sleep(pauseMost - 10*time.Second)
		w.notices(media.Notice{Kind: media.Coded, Side: media.Caller, At: time.Now()})
		time.Sleep(pauseMost - 10*time.Second)
		synctest.Wait()
		if got := w.recs[1].pauses(); got != "pause by callee keypad, tap" {
			t.Errorf("a pause that was asked for again: %q", got)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := w.recs[1].pauses(); got != "pause by callee keypad, tap, resume by limit " {
			t.Errorf("a pause that nobody ended: %q", got)
		}
		fromCaller(Bye{Now(), Cause{Status: 200, Remote: true}})
		fromCaller(Gone{Now()})
		if err := board.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := a.done(); len(got) == 0 {
			t.Error("the caller was never answered")
		}
	})
}

// What a trunk says about keys reaches the relay.
func TestDigitTerms(t *testing.T) {
	for _, c := range []struct {
		in   routing.DTMF
		want media.DigitTerms
	}{
		{routing.DTMF{}, media.DigitTerms{}},
		{routing.DTMF{Send: routing.DTMFAuto}, media.DigitTerms{}},
		{routing.DTMF{Send: routing.DTMFInfo, Receive: []string{"inband", "rfc4733"}}, media.DigitTerms{Say: media.ByInfo, Hear: media.ByEvent | media.BySound}},
		{routing.DTMF{Send: routing.DTMFInband, Receive: []string{"info"}}, media.DigitTerms{Say: media.BySound, Hear: media.ByInfo}},
		{routing.DTMF{Send: routing.DTMFEvent}, media.DigitTerms{Say: media.ByEvent}},
	} {
		if got := source(routing.Media{DTMF: c.in}, false).Terms.Digits; got != c.want {
			t.Errorf("%+v is %+v, want %+v", c.in, got, c.want)
		}
	}
}

// What an account says about hidden keys reaches the relay.
func TestHiddenAs(t *testing.T) {
	for word, want := range map[string]media.Suppression{
		"": media.SilenceDigits, routing.HiddenAsSilence: media.SilenceDigits, routing.HiddenAsTone: media.ToneDigits, routing.HiddenAsNothing: media.DropDigits,
	} {
		if got := hiddenAs(routing.StarCodes{HiddenAs: word}); got != want || word != "" && got.String() != word {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}
