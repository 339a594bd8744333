package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"ringdown/media"
)

func TestAnswerAlone(t *testing.T) {
	pcmOnly := func(f media.Format) bool { return f.Name == "PCMU" || f.Name == "PCMA" }
	offer, err := Parse([]byte("v=0\r\no=alice 1 1 IN IP4 10.1.0.1\r\nc=IN IP4 10.1.0.1\r\n" +
		"m=audio 4000 RTP/AVP 18 8 96 0\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=sendrecv\r\nm=video 4002 RTP/AVP 31\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	us := Ours{ID: 7, Version: 1, Media: netip.MustParseAddrPort("192.0.2.1:20000")}
	text, err := AnswerAlone(offer, us, pcmOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"m=audio 20000 RTP/AVP 8 96\r\n", "a=fmtp:96 0-15\r\n", "c=IN IP4 192.0.2.1\r\n", "a=sendrecv\r\n", "m=video 0 "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "10.1.0.1") || strings.Contains(string(text), "alice") {
		t.Errorf("it tells who offered:\n%s", text)
	}
	if _, err := AnswerAlone(offer, us, func(media.Format) bool { return false }); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("without a codec: %v", err)
	}
	fax, _ := Parse([]byte("v=0\r\nc=IN IP4 10.1.0.1\r\nm=image 4000 udptl t38\r\n"))
	if _, err := AnswerAlone(fax, us, pcmOnly); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("without audio: %v", err)
	}
}
