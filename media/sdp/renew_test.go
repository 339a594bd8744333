package sdp

import (
	"errors"
	"testing"
)

func TestOwn(t *testing.T) {
	got, err := Own().Offer(us)
	if err != nil {
		t.Fatal(err)
	}
	const want = "m=audio 20000 RTP/AVP 8 0 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\n" +
		"a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv\n"
	if b := body(t, got); b != want {
		t.Errorf("our own offer:\n%s", b)
	}
}

// RFC 3264 8: an m= line keeps its place for ever, the refused ones with port 0.
func TestRenewKeepsTheLines(t *testing.T) {
	of := parse(t, session("m=audio 6000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=sendonly\n"))
	for _, c := range []struct{ name, to, want string }{
		{"one line", session("m=audio 5000 RTP/AVP 8\n"),
			"m=audio 20000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=sendrecv\n"},
		{"video before it", session("m=video 5002 RTP/AVP 96\nm=audio 5000 RTP/AVP 8\n"),
			"m=video 0 RTP/AVP 96\nm=audio 20000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=sendrecv\n"},
		{"SRTP offered first, fax behind", session("m=audio 5002 RTP/SAVP 8\nm=audio 5000 RTP/AVP 8\nm=image 5006 udptl t38\n"),
			"m=audio 0 RTP/SAVP 8\nm=audio 20000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\na=sendrecv\nm=image 0 udptl t38\n"},
	} {
		got, err := Renew(of, parse(t, c.to), us)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if b := body(t, got); b != c.want {
			t.Errorf("%s: got\n%s", c.name, b)
		}
	}
	none := parse(t, session("m=video 5002 RTP/AVP 96\n"))
	if got, err := Renew(of, none, us); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("to a party without audio: %q, %v", got, err)
	}
	if got, err := Renew(none, of, us); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("of a party without audio: %q, %v", got, err)
	}
}

func TestTake(t *testing.T) {
	const events = "a=rtpmap:101 telephone-event/8000\n"
	peer := parse(t, session("m=audio 6000 RTP/AVP 8 0 101\n"+events))
	for _, c := range []struct {
		name, answer string
		again, ok    bool
	}{
		{"all", "m=audio 5000 RTP/AVP 8 0 101\n" + events, false, true},
		{"the first", "m=audio 5000 RTP/AVP 8\n", false, true},
		{"not the first", "m=audio 5000 RTP/AVP 0\n", true, true},
		{"none", "m=audio 5000 RTP/AVP 18\n", false, false},
		{"digits only", "m=audio 5000 RTP/AVP 101\n" + events, false, false},
		{"refused", "m=audio 0 RTP/AVP 8\n", false, false},
	} {
		again, err := Take(parse(t, session(c.answer)), peer)
		if again != c.again || (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUnacceptable) {
			t.Errorf("%s: again %v, %v", c.name, again, err)
		}
	}
}

// RFC 3264 8.2: audio taken out by port 0 is answered by port 0.
func TestDrop(t *testing.T) {
	gone := parse(t, session("m=audio 0 RTP/AVP 8\nm=video 5002 RTP/AVP 96\n"))
	if !gone.Dropped() {
		t.Error("not seen as dropped")
	}
	got, err := gone.Drop(us)
	if b := body(t, got); err != nil || b != "m=audio 0 RTP/AVP 8\nm=video 0 RTP/AVP 96\n" {
		t.Errorf("answered %v\n%s", err, b)
	}
	for name, text := range map[string]string{
		"audio":              "m=audio 5000 RTP/AVP 8\n",
		"one of two":         "m=audio 0 RTP/AVP 8\nm=audio 5000 RTP/AVP 8\n",
		"SRTP in its place":  "m=audio 0 RTP/AVP 8\nm=audio 5000 RTP/SAVP 8\n",
		"never any":          "m=image 5000 udptl t38\n",
		"refused SRTP alone": "m=audio 0 RTP/SAVP 8\n",
	} {
		if parse(t, session(text)).Dropped() {
			t.Errorf("%s: seen as dropped", name)
		}
	}
}
