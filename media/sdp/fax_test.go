package sdp

import (
	"errors"
	"strings"
	"testing"
)

const t38 = "m=image 4002 udptl t38\na=T38FaxVersion:0\na=T38MaxBitRate:14400\na=T38FaxRateManagement:transferredTCF\n" +
	"a=T38FaxMaxBuffer:260\na=T38FaxMaxDatagram:400\na=T38FaxUdpEC:t38UDPRedundancy\na=X-Gateway:192.0.2.66\n"

// A switch to fax and back: the offer reaches the other party with our address
// and the attributes of T.38, in the place of the audio it replaces.
func TestFaxReplacesAudio(t *testing.T) {
	caller, callee := parse(t, session("m=audio 5000 RTP/AVP 8\n")), parse(t, session("m=audio 6000 RTP/AVP 8\n"))
	for name, body := range map[string]string{"in its place": t38, "behind it": "m=audio 0 RTP/AVP 8\n" + t38} {
		offer := parse(t, session(body))
		if !offer.Fax() || offer.Acceptable() != nil {
			t.Fatalf("%s: fax %v, %v", name, offer.Fax(), offer.Acceptable())
		}
		if _, err := Reanswer(offer, caller, callee, us); !errors.Is(err, ErrUnacceptable) {
			t.Errorf("%s: a fax is answered from what was agreed for talk: %v", name, err)
		}
		asked, err := Renew(offer, callee, us)
		if err != nil {
			t.Fatal(err)
		}
		want := "m=image 20000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\n" +
			"a=T38FaxMaxBuffer:260\r\na=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
		if !strings.HasSuffix(string(asked), want) || strings.Contains(string(asked), "m=audio") {
			t.Errorf("%s: the other party is offered\n%s", name, asked)
		}
		answer := parse(t, session("m=image 6004 udptl t38\na=T38FaxVersion:0\n"))
		back, err := Accept(offer, answer, us)
		if err != nil || !strings.Contains(string(back), "m=image 20000 udptl t38\r\na=T38FaxVersion:0\r\n") {
			t.Errorf("%s: answered %v\n%s", name, err, back)
		}
		if n := strings.Count(string(back), "\nm="); n != strings.Count("\n"+body, "\nm=") {
			t.Errorf("%s: %d m= lines in the answer", name, n)
		}
		again := parse(t, session("m=audio 5000 RTP/AVP 8\n"))
		if _, err := Reanswer(again, offer, answer, us); !errors.Is(err, ErrUnacceptable) {
			t.Errorf("%s: talk is answered from what was agreed for a fax: %v", name, err)
		}
		if _, err := Reanswer(offer, offer, answer, us); err != nil {
			t.Errorf("%s: a refresh of the fax: %v", name, err)
		}
	}
}
