package sdp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestBombs: each body is refused with its class,
// or read, and then nothing of the bomb is in what we write.
func TestBombs(t *testing.T) {
	const audio = head + "m=audio 5000 RTP/AVP 0 96\n"
	for name, c := range map[string]struct {
		body  string
		class error // nil: read
	}{
		"2,000 m=":               {head + strings.Repeat("m=x 1 y z\n", 2000), ErrMalformed},
		"700 m= within the size": {head + strings.Repeat("m=x 1 y z\n", 700), ErrMalformed},
		"10,000 formats":         {head + "m=audio 5000 RTP/AVP" + strings.Repeat(" 0", 10_000) + "\n", ErrMalformed},
		"1,000 formats":          {head + "m=audio 5000 RTP/AVP" + strings.Repeat(" 0", 1000) + "\n", ErrMalformed},
		"huge crypto key":        {audio + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 60_000) + "\n", ErrMalformed},
		"large crypto key":       {audio + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 6000) + "\n", nil},
		"empty body":             {"", ErrMalformed},
		"only line ends":         {"\r\n\r\n\n\n", ErrMalformed},
		"multipart":              {"--b\r\nContent-Type: application/sdp\r\n\r\n" + audio + "--b--\r\n", ErrMalformed},
		"UTF-8 junk":             {audio + "a=x:\xff\xfe\xc0\xaf\ni=\xed\xa0\x80\n", nil},
		"junk in the m= line":    {head + "m=\xff\xfe 5000 RTP/AVP 0\n", ErrMalformed},
		"junk for formats":       {head + "m=audio 5000 RTP/AVP \xff 999 -1 1e3 0x00\n", ErrUnacceptable},
		"bad rtpmap": {audio + strings.Join([]string{
			"a=rtpmap", "a=rtpmap:", "a=rtpmap:96", "a=rtpmap:96 ", "a=rtpmap:96 /", "a=rtpmap:96 x/", "a=rtpmap:96 x/0", "a=rtpmap:96 x/-8000",
			"a=rtpmap:96 x/8000/0", "a=rtpmap:96 x/8000/999", "a=rtpmap:96 x/99999999999", "a=rtpmap:96 x y/8000", "a=rtpmap:999 x/8000",
			"a=rtpmap:-1 x/8000", "a=rtpmap:96 " + strings.Repeat("x", 500) + "/8000", "a=rtpmap:x x/8000"}, "\n"), nil},
		"bad fmtp": {audio + strings.Join([]string{
			"a=fmtp", "a=fmtp:", "a=fmtp:96", "a=fmtp:999 a=b", "a=fmtp:-1 a=b", "a=fmtp:x", "a=fmtp:97 not listed"}, "\n"), nil},
		"bad ptime":   {audio + "a=ptime\na=ptime:\na=ptime:-20\na=ptime:99999999999999999999\na=maxptime:x\n", nil},
		"bad rtcp":    {audio + "a=rtcp\na=rtcp:\na=rtcp:0\na=rtcp:65536\na=rtcp:-1\na=rtcp:1 IN\n", nil},
		"many colons": {audio + "a=" + strings.Repeat(":", 2000) + "\n", nil},
		"many blanks": {audio + "a=fmtp:96" + strings.Repeat(" ", 4000) + "\n", nil},
		"many equals": {audio + strings.Repeat("=", 10) + "\n", ErrMalformed},
	} {
		d, err := Parse([]byte(c.body))
		if err == nil {
			err = d.Acceptable()
		}
		if c.class != nil || err != nil {
			if !errors.Is(err, c.class) {
				t.Errorf("%s: %v", name, err)
			} else if len(err.Error()) > 200 || !utf8.ValidString(err.Error()) {
				t.Errorf("%s: the error repeats the bomb: %q", name, err)
			}
			continue
		}
		offer, err := d.Offer(us)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check(t, d, offer)
		if got := body(t, offer); got != "m=audio 20000 RTP/AVP 0 96\na=sendrecv\n" {
			t.Errorf("%s: we write\n%s", name, got)
		}
	}
}

// TestEveryoneWithEveryone lets each telephone of the corpus answer each other:
// whenever both can be relayed and share a codec there is an answer, with the
// m= lines of the offer.
func TestEveryoneWithEveryone(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.sdp")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*Description{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := parse(t, string(text)); d.Acceptable() == nil {
			all[strings.TrimSuffix(filepath.Base(file), ".sdp")] = d
		}
	}
	answered := 0
	for a, offer := range all {
		for b, answer := range all {
			shared := false
			for _, f := range answer.Formats() {
				for _, g := range offer.Formats() {
					shared = shared || sameCodec(f, g) && answer.voice(f.PT)
				}
			}
			text, err := Answer(offer, answer, us)
			if shared != (err == nil) && a != b {
				t.Errorf("%s answered by %s: shared codec %v, %v", a, b, shared, err)
			}
			if err != nil {
				continue
			}
			answered++
			ours := check(t, answer, text)
			if len(ours.sections) != len(offer.sections) || ours.audio != offer.audio {
				t.Errorf("%s answered by %s: m= lines moved:\n%s", a, b, text)
			}
			for i, s := range ours.sections {
				if s.kind != offer.sections[i].kind || i != ours.audio && s.port != 0 {
					t.Errorf("%s answered by %s: m= line %d:\n%s", a, b, i, text)
				}
			}
			if d := ours.Direction(); d&^offer.Direction().Reverse() != 0 || d&^answer.Direction() != 0 {
				t.Errorf("%s answered by %s: direction %v", a, b, d)
			}
		}
	}
	if answered < 50 {
		t.Errorf("only %d pairs could talk", answered)
	}
}
