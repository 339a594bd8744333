package sdp

import (
	"errors"
	"strings"
	"testing"
)

func parsed(t *testing.T, rest string) *Description {
	t.Helper()
	d, err := Parse([]byte(session(rest)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Who is invited into a session gets a plain offer to talk, and, when he comes
// from another one, his m= lines in their places.
func TestInvite(t *testing.T) {
	of := parsed(t, `
m=audio 6000 RTP/AVP 8 101
a=rtpmap:101 telephone-event/8000
a=recvonly
`)
	const audio = "m=audio 20000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\na=sendrecv\n"
	for name, c := range map[string]struct{ told, want string }{
		"new": {"", audio},
		"from another session": {`
m=video 0 RTP/AVP 96
m=audio 5000 RTP/AVP 0
`, "m=video 0 RTP/AVP 96\n" + audio},
	} {
		t.Run(name, func(t *testing.T) {
			var told *Description
			if c.told != "" {
				told = parsed(t, c.told)
			}
			text, err := Invite(of, told, us)
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, text); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			back, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if id, version, ok := back.Origin(); !ok || id != us.ID || version != us.Version {
				t.Errorf("o= reads %d %d %v", id, version, ok)
			}
		})
	}
	none := parsed(t, "\nm=image 4000 tcp t38\n")
	if _, err := Invite(none, nil, us); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("into nothing that is relayed: %v", err)
	}
	if _, err := Invite(of, none, us); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("from nothing that is relayed: %v", err)
	}
	fax := parsed(t, "\nm=image 4000 udptl t38\n")
	if _, err := fax.Suits(of); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("a fax suits talk: %v", err)
	}
}

func TestSuits(t *testing.T) {
	for name, c := range map[string]struct {
		told, now string
		suits     bool
		err       error
	}{
		"the same":               {"0 101\na=rtpmap:101 telephone-event/8000", "0 101\na=rtpmap:101 telephone-event/8000", true, nil},
		"more than was told":     {"8", "0 8 18", true, nil},
		"less than was told":     {"0 8", "8", false, nil},
		"digits do not count":    {"8 101\na=rtpmap:101 telephone-event/8000", "8", true, nil},
		"under another number":   {"96\na=rtpmap:96 opus/48000/2", "111\na=rtpmap:111 opus/48000/2", true, nil},
		"a number means another": {"96\na=rtpmap:96 opus/48000/2", "96\na=rtpmap:96 speex/8000", false, ErrUnacceptable},
		"nothing in common":      {"0", "8", false, ErrUnacceptable},
	} {
		t.Run(name, func(t *testing.T) {
			told, now := parsed(t, "\nm=audio 5000 RTP/AVP "+c.told+"\n"), parsed(t, "\nm=audio 6000 RTP/AVP "+c.now+"\n")
			if suits, err := now.Suits(told); suits != c.suits || !errors.Is(err, c.err) {
				t.Errorf("suits %v, %v", suits, err)
			}
		})
	}
}

func TestOriginOfNobody(t *testing.T) {
	for _, o := range []string{"", "o=- x 1 IN IP4 h\n", "o=- 1\n", "o=- 1 99999999999999999999 IN IP4 h\n"} {
		d, err := Parse([]byte("v=0\n" + strings.TrimSpace(o) + "\nt=0 0\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := d.Origin(); ok {
			t.Errorf("%q has an origin", o)
		}
	}
}
