package call

import (
	"net/netip"
	"slices"
	"testing"

	"ringdown/media"
	"ringdown/routing"
)

// What a trunk says about encryption reaches the relay as it is meant, and a key
// may be written only where nobody reads it, or where the trunk does not mind.
func TestSourceSaysHowToEncrypt(t *testing.T) {
	nets := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, c := range map[string]struct {
		in      routing.Media
		private bool
		want    media.SRTP
	}{
		"nothing":      {routing.Media{}, true, media.SRTP{Private: true}},
		"off":          {routing.Media{SRTP: routing.SRTP{Mode: routing.SRTPOff}}, false, media.SRTP{}},
		"offer":        {routing.Media{SRTP: routing.SRTP{Mode: routing.SRTPOffer}}, false, media.SRTP{Mode: media.SRTPOffer}},
		"require, TLS": {routing.Media{SRTP: routing.SRTP{Mode: routing.SRTPRequire}}, true, media.SRTP{Mode: media.SRTPRequire, Private: true}},
		"does not mind": {routing.Media{SRTP: routing.SRTP{Mode: routing.SRTPRequire, InsecureSignalling: true, Suites: []string{"AEAD_AES_128_GCM"}}}, false,
			media.SRTP{Mode: media.SRTPRequire, Private: true, Suites: []string{"AEAD_AES_128_GCM"}}},
		"DTLS":     {routing.Media{SRTP: routing.SRTP{Mode: routing.SRTPRequire, Keys: routing.KeysDTLS}}, false, media.SRTP{Mode: media.SRTPRequire, DTLS: true}},
		"browsers": {routing.Media{WebRTC: true}, true, media.SRTP{Mode: media.SRTPRequire, DTLS: true, WebRTC: true, Private: true}},
	} {
		c.in.Latch, c.in.Sources = true, nets
		got := source(c.in, c.private)
		s := got.Terms.SRTP
		if s.Mode != c.want.Mode || s.DTLS != c.want.DTLS || s.WebRTC != c.want.WebRTC || s.Private != c.want.Private || !slices.Equal(s.Suites, c.want.Suites) {
			t.Errorf("%s: %+v, want %+v", name, s, c.want)
		}
		if got.Rule != media.Latch || !slices.Equal(got.Allow, nets) {
			t.Errorf("%s: %+v", name, got)
		}
		if plain := plainly(got); plain.Terms.SRTP.Mode != media.SRTPOff || plain.Rule != media.Latch {
			t.Errorf("%s: not plain: %+v", name, plain)
		}
	}
	for transport, want := range map[string]bool{"tls": true, "wss": true, "udp": false, "tcp": false, "ws": false, "": false} {
		if private(transport) != want {
			t.Errorf("%q: private %v", transport, !want)
		}
	}
}
