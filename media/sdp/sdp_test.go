package sdp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

const head = "v=0\no=- 1 1 IN IP4 192.0.2.5\ns=-\nc=IN IP4 192.0.2.5\nt=0 0\n"

func parse(t *testing.T, body string) *Description {
	t.Helper()
	d, err := Parse([]byte(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return d
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ body, says string }{
		"empty":             {"", "body is empty"},
		"too long":          {head + strings.Repeat("a=x\n", MaxBytes/4), "at most 8192 are read"},
		"multipart":         {"--boundary\r\nContent-Type: application/sdp\r\n\r\n" + head, "line 1: not of the form"},
		"upper case":        {"V=0\n", "line 1: not of the form"},
		"version 1":         {"v=1\n", "line 1: version is not 0"},
		"nul":               {"v=0\ns=a\x00b\n", "line 2: control character 0x00"},
		"bare CR":           {"v=0\rs=-\n", "line 1: control character 0x0d"},
		"escape":            {"s=\x1b[31m\n", "line 1: control character 0x1b"},
		"m= without port":   {head + "m=audio\n", "line 6: m= needs"},
		"m= without proto":  {head + "m=audio 5000\n", "line 6: m= needs"},
		"m= port":           {head + "m=audio 65536 RTP/AVP 0\n", "line 6: port is not"},
		"m= negative port":  {head + "m=audio -1 RTP/AVP 0\n", "line 6: port is not"},
		"m= long port":      {head + "m=audio 00000000005000 RTP/AVP 0\n", "line 6: port is not"},
		"m= is an address":  {head + "m=10.0.0.1 5000 RTP/AVP 0\n", "line 6: m= holds"},
		"m= protocol":       {head + "m=audio 5000 RTP:AVP 0\n", "line 6: m= holds"},
		"nine m=":           {head + strings.Repeat("m=audio 5000 RTP/AVP 0\n", 9), "line 14: more than 8 m= lines"},
		"33 formats":        {head + "m=audio 5000 RTP/AVP" + strings.Repeat(" 0", 33) + "\n", "line 6: more than 32 formats"},
		"65 attributes":     {head + "m=audio 5000 RTP/AVP 0\n" + strings.Repeat("a=x\n", 65), "line 71: more than 64 attributes"},
		"65 session a=":     {strings.Repeat("a=x\n", 65), "line 65: more than 64 attributes"},
		"33 other lines":    {strings.Repeat("i=x\n", 33), "line 33: more than 64 attributes or 32 other"},
		"2000 m= (AST)":     {strings.Repeat("m=a 1 x\n", 1000), "line 9: more than 8 m= lines"},
		"SIP instead":       {"INVITE sip:x@y SIP/2.0\r\n", "line 1: not of the form"},
		"hidden line break": {head + "a=x\x0by\n", "control character 0x0b"},
	} {
		d, err := Parse([]byte(c.body))
		if !errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnacceptable) || d != nil {
			t.Errorf("%s: %v, %v", name, d, err)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		}
	}
}

func TestUnacceptable(t *testing.T) {
	for name, c := range map[string]struct{ body, says string }{
		"no media":     {head, "no audio among 0 m= lines"},
		"video":        {head + "m=video 5000 RTP/AVP 96\n", "no audio among 1 m= lines"},
		"fax":          {head + "m=image 5000 tcp t38\n", "fax (m=image) is not T.38 over UDPTL"},
		"image":        {head + "m=image 5000 udptl t37\n", "fax (m=image) is not T.38 over UDPTL"},
		"fax refused":  {head + "m=image 0 udptl t38\n", "fax is refused by its port 0"},
		"fax beside":   {head + "m=audio 5000 RTP/SAVP 0\nm=image 5000 udptl t38\n", "insists on SRTP"},
		"port 0":       {head + "m=audio 0 RTP/AVP 0\n", "refused by its port 0"},
		"srtp":         {head + "m=audio 5000 RTP/SAVP 0\n", "insists on SRTP"},
		"srtp, closed": {head + "m=audio 0 RTP/AVP 0\nm=audio 5000 RTP/SAVP 0\n", "insists on SRTP"},
		"dtls":         {head + "m=audio 9 UDP/TLS/RTP/SAVPF 0\n", "insists on SRTP"},
		"tcp":          {head + "m=audio 5000 TCP/RTP/AVP 0\n", "not RTP/AVP"},
		"no c=":        {"v=0\nm=audio 5000 RTP/AVP 0\n", "no connection address"},
		"c= cut short": {"c=IN IP4\nm=audio 5000 RTP/AVP 0\n", "no connection address"},
		"name":         {"c=IN IP4 pbx.example\nm=audio 5000 RTP/AVP 0\n", "not an IP address"},
		"zone":         {"c=IN IP6 fe80::1%eth0\nm=audio 5000 RTP/AVP 0\n", "not an IP address"},
		"multicast":    {"c=IN IP4 224.2.1.1/127\nm=audio 5000 RTP/AVP 0\n", "not of one host"},
		"broadcast":    {"c=IN IP4 255.255.255.255\nm=audio 5000 RTP/AVP 0\n", "not of one host"},
		"multicast 6":  {"c=IN IP6 ff15::101/3\nm=audio 5000 RTP/AVP 0\n", "not of one host"},
		"no format":    {head + "m=audio 5000 RTP/AVP\n", "no payload type"},
		"formats junk": {head + "m=audio 5000 RTP/AVP 128 x -1 0x0\n", "no payload type"},
	} {
		d := parse(t, c.body)
		err := d.Acceptable()
		if !errors.Is(err, ErrUnacceptable) || errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := d.Offer(us); again != err {
			t.Errorf("%s: Offer says %v", name, again)
		}
		if rtp, rtcp := d.Remote(); rtp.IsValid() || rtcp.IsValid() || d.Formats() != nil {
			t.Errorf("%s: leads to %v, %v with %v", name, rtp, rtcp, d.Formats())
		}
	}
}

func TestRemote(t *testing.T) {
	for name, c := range map[string]struct{ body, rtp, rtcp string }{
		"session c=":     {head + "m=audio 5000 RTP/AVP 0\n", "192.0.2.5:5000", "192.0.2.5:5001"},
		"own c=":         {head + "m=audio 5000 RTP/AVP 0\nc=IN IP4 192.0.2.6\n", "192.0.2.6:5000", "192.0.2.6:5001"},
		"c= after a=":    {"m=audio 5000 RTP/AVP 0\na=sendrecv\nc=IN IP4 192.0.2.6", "192.0.2.6:5000", "192.0.2.6:5001"},
		"ttl and number": {"c=IN IP4 192.0.2.6/127/2\nm=audio 5000/2 RTP/AVP 0\n", "192.0.2.6:5000", "192.0.2.6:5001"},
		"ipv6":           {"c=IN IP6 2001:db8::1\nm=audio 5000 RTP/AVP 0\n", "[2001:db8::1]:5000", "[2001:db8::1]:5001"},
		"mapped":         {"c=IN IP6 ::ffff:192.0.2.6\nm=audio 5000 RTP/AVP 0\n", "192.0.2.6:5000", "192.0.2.6:5001"},
		"wrong family":   {"c=IN IP4 2001:db8::1\nm=audio 5000 RTP/AVP 0\n", "[2001:db8::1]:5000", "[2001:db8::1]:5001"},
		"rtcp port":      {head + "m=audio 5000 RTP/AVP 0\na=rtcp:6001\n", "192.0.2.5:5000", "192.0.2.5:6001"},
		"rtcp address":   {head + "m=audio 5000 RTP/AVP 0\na=rtcp:6001 IN IP4 192.0.2.9\n", "192.0.2.5:5000", "192.0.2.9:6001"},
		"rtcp junk":      {head + "m=audio 5000 RTP/AVP 0\na=rtcp:x IN IP4 192.0.2.9\n", "192.0.2.5:5000", "192.0.2.5:5001"},
		"rtcp name":      {head + "m=audio 5000 RTP/AVP 0\na=rtcp:6001 IN IP4 host.example\n", "192.0.2.5:5000", "192.0.2.5:5001"},
		"rtcp nowhere":   {head + "m=audio 5000 RTP/AVP 0\na=rtcp:6001 IN IP4 0.0.0.0\n", "192.0.2.5:5000", "192.0.2.5:5001"},
		"last port":      {head + "m=audio 65535 RTP/AVP 0\n", "192.0.2.5:65535", "invalid AddrPort"},
		"second audio":   {head + "m=audio 0 RTP/AVP 0\nm=audio 5004 RTP/AVP 0\n", "192.0.2.5:5004", "192.0.2.5:5005"},
		"hold":           {"c=IN IP4 0.0.0.0\nm=audio 5000 RTP/AVP 0\n", "invalid AddrPort", "invalid AddrPort"},
		"hold 6":         {"c=IN IP6 ::\nm=audio 5000 RTP/AVP 0\n", "invalid AddrPort", "invalid AddrPort"},
	} {
		d := parse(t, c.body)
		if err := d.Acceptable(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if rtp, rtcp := d.Remote(); rtp.String() != c.rtp || rtcp.String() != c.rtcp {
			t.Errorf("%s: %v and %v", name, rtp, rtcp)
		}
	}
}

func TestDirection(t *testing.T) {
	for body, want := range map[string]Direction{
		"c=IN IP4 192.0.2.5\nm=audio 5 RTP/AVP 0\n":                          SendRecv,
		"c=IN IP4 192.0.2.5\nm=audio 5 RTP/AVP 0\na=sendonly\n":              SendOnly,
		"c=IN IP4 192.0.2.5\na=recvonly\nm=audio 5 RTP/AVP 0\n":              RecvOnly,
		"c=IN IP4 192.0.2.5\na=recvonly\nm=audio 5 RTP/AVP 0\na=inactive\n":  Inactive,
		"c=IN IP4 192.0.2.5\nm=audio 5 RTP/AVP 0\nm=video 6 x 1\na=inactive": SendRecv,
		"c=IN IP4 192.0.2.5\nm=audio 5 RTP/AVP 0\na=SendOnly\n":              SendOnly,
		"c=IN IP4 0.0.0.0\nm=audio 5 RTP/AVP 0\n":                            SendOnly,
		"c=IN IP4 0.0.0.0\nm=audio 5 RTP/AVP 0\na=recvonly\n":                Inactive,
	} {
		if got := parse(t, body).Direction(); got != want {
			t.Errorf("%v, want %v, in\n%s", got, want, body)
		}
	}
	for d, reverse := range map[Direction]Direction{SendRecv: SendRecv, SendOnly: RecvOnly, RecvOnly: SendOnly, Inactive: Inactive} {
		if d.Reverse() != reverse {
			t.Errorf("reverse of %v is %v", d, d.Reverse())
		}
		if d.Sends() != reverse.Receives() || d.Receives() != reverse.Sends() {
			t.Errorf("%v and %v do not mirror", d, reverse)
		}
	}
}

func TestFormats(t *testing.T) {
	d := parse(t, head+`m=audio 5000 RTP/AVP 0 8 8 96 97 98 99 18 10 101 13 128 text
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1; minptime=10
a=rtpmap:97 AMR/8000/1
a=rtpmap:98 broken
a=rtpmap:8 PCMA/8000
a=rtpmap:18 g729/8000
a=fmtp:18 annexb=no
a=rtpmap:101 telephone-event/8000
a=rtpmap:55 notlisted/8000
a=rtpmap:13 CN/0
a=ptime:30
`)
	want := []media.Format{
		{PT: 0, Name: "PCMU", Clock: 8000, Channels: 1},
		{PT: 8, Name: "PCMA", Clock: 8000, Channels: 1},
		{PT: 96, Name: "OPUS", Clock: 48000, Channels: 2, Params: "useinbandfec=1; minptime=10"},
		{PT: 97, Name: "AMR", Clock: 8000, Channels: 1},
		{PT: 18, Name: "G729", Clock: 8000, Channels: 1, Params: "annexb=no"},
		{PT: 10, Name: "L16", Clock: 44100, Channels: 2},
		{PT: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1},
		{PT: 13, Name: "CN", Clock: 8000, Channels: 1},
	}
	if got := d.Formats(); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if d.PacketTime() != 30*time.Millisecond {
		t.Errorf("packet time %v", d.PacketTime())
	}
	offer, err := d.Offer(us)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(offer, []byte("RTP/AVP 0 8 96 97 98 99 18 10 101 13\r\n")) {
		t.Errorf("a payload type without a meaning must pass too:\n%s", offer)
	}
}

// The formats of 8.1 in RFC 3551 that stand without a=rtpmap.
func TestStaticFormats(t *testing.T) {
	for pt, f := range static {
		d := parse(t, fmt.Sprintf("%sm=audio 5000 RTP/AVP %d\n", head, pt))
		f.PT = pt
		if got := d.Formats(); len(got) != 1 || got[0] != f {
			t.Errorf("payload type %d: %+v", pt, got)
		}
	}
	if got := parse(t, head+"m=audio 5000 RTP/AVP 19 96\n").Formats(); len(got) != 0 {
		t.Errorf("payload types without a meaning: %+v", got)
	}
}

func TestBytesKeepTheLines(t *testing.T) {
	in := "v=0\r\nz=odd line\r\na=b\r\nm=audio 5000/1 RTP/AVP 0 x\r\nk=what\r\nc=IN IP4 192.0.2.1\r\na=after:c\r\nm=image 0 udptl t38\r\n"
	if got := string(parse(t, strings.ReplaceAll(in, "\r\n", " \n")).Bytes()); got != in {
		t.Errorf("got\n%s", got)
	}
}

func TestMappedOwnAddress(t *testing.T) {
	mapped := us
	mapped.Media = netip.MustParseAddrPort("[::ffff:198.18.0.1]:20000")
	got, err := parse(t, head+"m=audio 5000 RTP/AVP 0\n").Offer(mapped)
	if err != nil || !bytes.Contains(got, []byte("c=IN IP4 198.18.0.1\r\n")) {
		t.Errorf("%v\n%s", err, got)
	}
	six := us
	six.Media = netip.MustParseAddrPort("[2001:db8::1]:20000")
	got, err = parse(t, head+"m=audio 5000 RTP/AVP 0\n").Offer(six)
	if err != nil || !bytes.Contains(got, []byte("c=IN IP6 2001:db8::1\r\n")) {
		t.Errorf("%v\n%s", err, got)
	}
}

// BenchmarkParseBomb reads and writes what is dearest within the limits (A-14:
// at most 1 ms).
func BenchmarkParseBomb(b *testing.B) {
	var in strings.Builder
	for range MaxLines - 1 {
		in.WriteString("i=anna example\n")
	}
	in.WriteString("c=IN IP4 192.0.2.5\n" + strings.Repeat("a=x:y\n", MaxAttributes) + "m=audio 5000 RTP/AVP")
	for pt := range MaxFormats {
		fmt.Fprintf(&in, " %d", 96+pt)
	}
	in.WriteString("\n" + strings.Repeat("i=anna example\n", MaxLines))
	for pt := range MaxAttributes {
		fmt.Fprintf(&in, "a=rtpmap:%d a%s/8000\n", 96+pt%32, strings.Repeat("x", 20))
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := Parse([]byte(in.String()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Offer(us); err != nil {
			b.Fatal(err)
		}
	}
}
