package sdp

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const twoSections = "v=0\no=x 1 1 IN IP4 192.0.2.5\ns=-\nc=IN IP4 192.0.2.5\nt=0 0\n" +
	"m=audio 30000 RTP/AVP 0\na=crypto:1 PLAIN-ONE\n" +
	"m=audio 30002 RTP/SAVP 8\na=crypto:1 FIRST\na=crypto:2 SECOND\na=setup:ActPass\n" +
	"m=audio 30004 UDP/TLS/RTP/SAVPF 9\na=fingerprint:sha-256 AA\na=mid:a1\na=rtcp-mux\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"

// Of several sections the judge's first among the encrypted is taken, then its
// first among the others, and what it chose of it is kept.
func TestParseFor(t *testing.T) {
	no := errors.New("no")
	for name, c := range map[string]struct {
		judge  Judge
		types  []uint8
		choice Choice
	}{
		"plain only":      {PlainOnly, []uint8{0}, Plain()},
		"anything":        {AnyKind, []uint8{8}, Plain()},
		"the second line": {func(s Security) (Choice, error) { return Choice{Crypto: slices.Index(s.Crypto, "2 SECOND")}, nil }, []uint8{8}, Choice{Crypto: 1}},
		"DTLS": {func(s Security) (Choice, error) {
			if !s.DTLS() {
				return Plain(), no
			}
			return Choice{Crypto: -1, DTLS: true}, nil
		}, []uint8{9}, Choice{Crypto: -1, DTLS: true}},
		"neither": {func(s Security) (Choice, error) {
			if s.Encrypted() {
				return Plain(), no
			}
			return Plain(), nil
		}, []uint8{0}, Plain()},
	} {
		d, err := ParseFor([]byte(twoSections), c.judge)
		if err != nil || d.Acceptable() != nil {
			t.Errorf("%s: %v, %v", name, err, d.Acceptable())
			continue
		}
		if _, choice := d.Security(); !slices.Equal(d.Types(), c.types) || choice != c.choice {
			t.Errorf("%s: types %v, choice %+v", name, d.Types(), choice)
		}
	}
	d, err := ParseFor([]byte(twoSections), func(Security) (Choice, error) { return Plain(), no })
	if err != nil || !errors.Is(d.Acceptable(), ErrUnacceptable) || !errors.Is(d.Acceptable(), no) {
		t.Errorf("none: %v, %v", err, d.Acceptable())
	}
}

func TestSecurity(t *testing.T) {
	body := strings.Replace(twoSections, "t=0 0\n", "t=0 0\na=group:BUNDLE x a1\na=setup:passive\na=fingerprint:sha-1 00\n", 1)
	d, _ := ParseFor([]byte(body), func(s Security) (Choice, error) {
		if !s.DTLS() {
			return Plain(), errors.New("no")
		}
		return Choice{Crypto: -1, DTLS: true, ICE: true}, nil
	})
	got, _ := d.Security()
	if got.Proto != "UDP/TLS/RTP/SAVPF" || !slices.Equal(got.Fingerprints, []string{"sha-256 AA"}) || got.Setup != "passive" ||
		got.Fragment != "abcd" || got.Password != "0123456789012345678901" || !got.Mux || got.Mid != "a1" || !got.Bundled || !got.Encrypted() {
		t.Errorf("%+v", got)
	}
	if rtp, _ := d.Remote(); rtp.IsValid() || d.Direction() != SendRecv {
		t.Errorf("reached by checks, and yet at %v, %v", rtp, d.Direction())
	}
	if !d.Keyed() {
		t.Error("keys are not seen")
	}
	if odd, _ := ParseFor([]byte(strings.Replace(body, "a=mid:a1", "a=mid:a 1", 1)), AnyKind); odd.Acceptable() != nil {
		t.Error(odd.Acceptable())
	}
}

// What a party says about its encryption is in nothing that we write to the other.
func TestNoWordOfEncryptionPasses(t *testing.T) {
	d, _ := ParseFor([]byte(twoSections), func(s Security) (Choice, error) {
		if !s.DTLS() {
			return Plain(), errors.New("no")
		}
		return Choice{Crypto: -1, DTLS: true}, nil
	})
	offer, err := d.Offer(us)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SAVP", "TLS", "crypto", "fingerprint", "setup", "ice", "mid", "mux"} {
		if strings.Contains(string(offer), word) {
			t.Errorf("%q in\n%s", word, offer)
		}
	}
	ours := us
	ours.Proto, ours.Lines, ours.Session = "RTP/SAVP", []string{"crypto:1 OURS"}, []string{"ice-lite"}
	if offer, err = d.Offer(ours); err != nil || !strings.Contains(string(offer), " RTP/SAVP 9\r\n") ||
		!strings.Contains(string(offer), "a=crypto:1 OURS\r\n") || strings.Index(string(offer), "a=ice-lite") > strings.Index(string(offer), "m=audio") {
		t.Errorf("%v\n%s", err, offer)
	}
}

// FuzzSecurity: whatever stands in attributes about encryption, what we write from
// it holds none of it, and parses.
func FuzzSecurity(f *testing.F) {
	f.Add("0 a1", "a1", "abcd", "passive", "sha-256 AA:BB")
	f.Add("BUNDLE", "\u00e9", "", "holdconn", "")
	f.Fuzz(func(t *testing.T, group, mid, fragment, setup, print string) {
		body := "v=0\nc=IN IP4 192.0.2.5\nt=0 0\na=group:BUNDLE " + group + "\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:" + mid +
			"\na=ice-ufrag:" + fragment + "\na=ice-pwd:" + fragment + "\na=setup:" + setup + "\na=fingerprint:" + print + "\n"
		d, err := ParseFor([]byte(body), func(Security) (Choice, error) { return Choice{Crypto: -1, DTLS: true, ICE: true}, nil })
		if err != nil || d.Acceptable() != nil {
			return
		}
		s, _ := d.Security()
		if s.Mid != "" && !plain(s.Mid, tokenMarks) {
			t.Fatalf("mid %q", s.Mid)
		}
		offer, err := d.Offer(us)
		if err != nil {
			return
		}
		if again, err := Parse(offer); err != nil || again.Acceptable() != nil || again.Keyed() {
			t.Fatalf("%v\n%s", err, offer)
		}
	})
}
