package siptest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const description = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=x\r\n" +
	"m=video 0 RTP/AVP 96\r\nc=IN IP4 192.0.2.8\r\n" +
	"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"

func TestParseSDP(t *testing.T) {
	s, err := ParseSDP([]byte(description))
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr.Port() != 4000 || !slices.Equal(s.Formats, []uint8{8, 0, 101}) || s.Direction != "sendonly" ||
		s.Version != 2 || s.Names[101] != "telephone-event/8000" || !slices.Equal(s.Media, []string{"video", "audio"}) {
		t.Errorf("%+v", s)
	}
}

func TestWriteSDP(t *testing.T) {
	for _, at := range []string{"192.0.2.1:4000", "[2001:db8::1]:4000"} {
		want := netip.MustParseAddrPort(at)
		s, err := ParseSDP(WriteSDP(want, []uint8{8, DTMF}, "inactive", 3))
		if err != nil || s.Addr != want || s.Direction != "inactive" || s.Version != 3 || s.Names[8] != "PCMA/8000" {
			t.Errorf("%s: %+v, %v", at, s, err)
		}
	}
}

func TestParseSDPRefuses(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"no final CRLF", "a=sendonly\r\n", "a=sendonly", "without CRLF"},
		{"bare LF", "s=-\r\n", "s=-\n", "line 3"},
		{"order", "s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n", "t=0 0\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n", "s= after t="},
		{"no t=", "t=0 0\r\n", "", "no t="},
		{"origin", "o=- 1 2 IN", "o=- 1 IN", "six parts"},
		{"version word", "o=- 1 2 IN", "o=- 1 x IN", "o= version"},
		{"name for address", "c=IN IP4 192.0.2.1", "c=IN IP4 host", "does not fit"},
		{"family", "c=IN IP4 192.0.2.1", "c=IN IP6 192.0.2.1", "does not fit"},
		{"port", "audio 4000", "audio 70000", "m= port"},
		{"payload type", "AVP 8 0", "AVP 8 128", "below 128"},
		{"short m=", "m=video 0 RTP/AVP 96", "m=video 0", "fewer than four"},
		{"no audio", "m=audio", "m=image", "no audio"},
		{"no address", "c=IN IP4 192.0.2.1\r\n", "", "no c= line"},
		{"rtpmap", "a=rtpmap:101 ", "a=rtpmap:x ", "a=rtpmap"},
	}
	for _, c := range cases {
		text := strings.Replace(description, c.old, c.new, 1)
		if _, err := ParseSDP([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) || text == description {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	offer, _ := ParseSDP([]byte(description))
	for name, c := range map[string]struct {
		text string
		good bool
	}{
		"fewer formats": {strings.Replace(description, "8 0 101", "0", 1), true},
		"other format":  {strings.Replace(description, "8 0 101", "9", 1), false},
		"other media":   {strings.Replace(description, "m=video", "m=image", 1), false},
		"refused":       {strings.Replace(description, "audio 4000 RTP/AVP 8", "audio 0 RTP/AVP 9", 1), true},
	} {
		answer, err := ParseSDP([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckAnswer(offer, answer); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseSDP(f *testing.F) {
	f.Add([]byte(description))
	f.Add([]byte("m=audio 1 x 0\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSDP(b); err == nil && len(s.Formats) == 0 {
			t.Fatalf("accepted without a format: %q", b)
		}
	})
}
