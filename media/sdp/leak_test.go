package sdp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPasses(t *testing.T) {
	d := parse(t, `v=0
o=annasphone 1 1 IN IP4 pbx.customer.example
s=Anna Example
c=IN IP4 192.0.2.5
m=audio 5000 RTP/AVP 0 96
`)
	types := []uint8{0, 96}
	for value, want := range map[string]bool{
		"rtpmap:0 PCMU/8000":           true,
		"rtpmap:96 opus/48000/2":       true,
		"rtpmap:97 opus/48000/2":       false, // not in the m= line
		"rtpmap:96 opus":               false,
		"rtpmap:96 10.0.0.1/8000":      false,
		"fmtp:96 a=b; c=d":             true,
		"fmtp:96 host=10.0.0.1":        false,
		"fmtp:96 pbx.customer.example": false,
		"fmtp:97 a=b":                  false,
		"rtcp-fb:96 nack":              true,
		"rtcp-fb:* nack":               true,
		"ptime:20":                     true,
		"ptime:lots":                   false,
		"maxptime:150":                 true,
		"extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level":                true,
		"extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": true,
		"sendrecv":                              false, // written by us
		"SENDONLY":                              false,
		"Crypto:1 x":                            false,
		"ice-lite":                              false,
		"rtcp-mux":                              false,
		"candidate:1 1 UDP 1 x 1 typ host":      false,
		"curr:qos local none":                   false,
		"des:qos mandatory local sendrecv":      false,
		"conf:qos remote sendrecv":              false,
		"x-new":                                 true,
		"x-new:thing":                           true,
		"x-new:2001:db8::1":                     false,
		"x-new:2001:DB8:0:0:0:0:0:1":            false,
		"x-new:::1":                             false,
		"x-new:at192.0.2.7port":                 false,
		"x-new:[192.0.2.7]:80":                  false,
		"x-new:a@b":                             false,
		"x-new:sip:b":                           false,
		"x-new:+47 21 00 00 01":                 false,
		"x-new:ANNASPHONE says":                 false,
		"x-new:anna example":                    false,
		"x-new:PBX.Customer.Example":            false,
		"x-new:http://somewhere/":               false,
		"x-new:\xff\xfe":                        false,
		"x-new:a\u0085b":                        false,
		"x-new:blåbær":                          true,
		"10.0.0.1:x":                            false,
		"an na:x":                               false,
		"":                                      false,
		strings.Repeat("x", 100) + ":long name": true,
	} {
		if got := d.passes(newLine('a', value), types); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	for value, want := range map[string]bool{"AS:64": true, "X-YZ:1": true, "AS:10.0.0.1": false, "AS": false, "AS:-1": false, "10.0.0.1:5": false} {
		if got := passesBandwidth(newLine('b', value)); got != want {
			t.Errorf("b=%s: %v", value, got)
		}
	}
}

// address draws an address of either family as text.
func address() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`(10|172|192|8)\.[1-9][0-9]?\.[1-9][0-9]?\.[1-9][0-9]?`),
		rapid.StringMatching(`2001:db8:[1-9a-f]{1,4}::[1-9a-f]{1,4}`),
		rapid.StringMatching(`fd00(:[1-9a-f]{1,4}){7}`),
	)
}

// TestNothingOfThePartyPasses builds descriptions full of addresses, in every
// place where one may stand and some where none may, and looks for them in ours.
func TestNothingOfThePartyPasses(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		where := []string{
			"o=- 1 1 IN IP4 %", "o=% 1 1 IN IP4 x", "s=%", "i=%", "u=http://%/", "c=IN IP4 %", "k=%", "b=AS:%", "t=% 0",
			"a=candidate:1 1 UDP 1 % 1 typ host", "a=rtcp:9 IN IP4 %", "a=x-at:%", "a=x%", "a=%", "a=fmtp:0 x=%", "a=rtpmap:0 %/8000",
			"a=oldmediaip:%", "a=source-filter: incl IN IP4 * %", "a=alt:1 1 : a b % 5", "a=label:%", "a=tool:%", "z=%",
		}
		var b strings.Builder
		var used []string
		place := func() {
			addr := address().Draw(r, "address")
			used = append(used, addr)
			b.WriteString(strings.ReplaceAll(rapid.SampledFrom(where).Draw(r, "place"), "%", addr) + "\n")
		}
		for range rapid.IntRange(0, 6).Draw(r, "session lines") {
			place()
		}
		b.WriteString("m=audio 5000 RTP/AVP 0 96\nc=IN IP4 192.0.2.5\n")
		for range rapid.IntRange(1, 12).Draw(r, "media lines") {
			place()
		}
		d, err := Parse([]byte(b.String()))
		if err != nil {
			r.Fatalf("%v\n%s", err, b.String())
		}
		offer, err := d.Offer(us)
		if err != nil {
			r.Fatalf("%v\n%s", err, b.String())
		}
		answer, err := Answer(d, d, us)
		if err != nil {
			r.Fatal(err)
		}
		for _, text := range [][]byte{offer, answer} {
			for _, addr := range append(used, "192.0.2.5") {
				if strings.Contains(string(text), addr) {
					r.Fatalf("%s is in\n%s", addr, text)
				}
			}
			if _, err := Parse(text); err != nil {
				r.Fatalf("ours does not parse: %v", err)
			}
		}
	})
}
