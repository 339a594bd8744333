package sdp

import (
	"errors"
	"strings"
	"testing"
)

// session is the top of a description of a party at 192.0.2.5.
func session(rest string) string { return head + strings.TrimLeft(rest, "\n") }

// body cuts our own session lines off and gives the rest with plain LF.
func body(t *testing.T, text []byte) string {
	t.Helper()
	const ours = "v=0\r\no=- 77 1 IN IP4 198.18.0.1\r\ns=-\r\nc=IN IP4 198.18.0.1\r\nt=0 0\r\n"
	rest, ok := strings.CutPrefix(string(text), ours)
	if !ok {
		t.Fatalf("not our session lines:\n%s", text)
	}
	return strings.ReplaceAll(rest, "\r\n", "\n")
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct{ name, offer, answer, want string }{
		{"one codec of three", `
m=audio 5000 RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000
`, `
m=audio 6000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=rtcp-mux
`, `
m=audio 20000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
`},
		{"other lines refused in their places (RFC 3264 6)", `
m=video 5002 RTP/AVP 96 97
a=rtpmap:96 VP8/90000
m=audio 5000 RTP/AVPF 0
m=application 5004 TCP/BFCP *
m=image 5006 udptl t38
`, `
m=audio 6000 RTP/AVPF 0
`, `
m=video 0 RTP/AVP 96
m=audio 20000 RTP/AVPF 0
a=sendrecv
m=application 0 TCP/BFCP *
m=image 0 udptl t38
`},
		{"a refused line's format is an address", `
m=audio 5000 RTP/AVP 0
m=application 5004 udp 10.9.8.7
`, `
m=audio 6000 RTP/AVP 0
`, `
m=audio 20000 RTP/AVP 0
a=sendrecv
m=application 0 udp 0
`},
		{"SRTP refused, plain taken", `
m=audio 5000 RTP/SAVP 0
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
m=audio 5002 RTP/AVP 0
`, `
m=audio 6000 RTP/AVP 0
`, `
m=audio 0 RTP/SAVP 0
m=audio 20000 RTP/AVP 0
a=sendrecv
`},
		{"the same codec under another number", `
m=audio 5000 RTP/AVP 96
a=rtpmap:96 opus/48000/2
`, `
m=audio 6000 RTP/AVP 111
a=rtpmap:111 OPUS/48000/2
`, `
m=audio 20000 RTP/AVP 111
a=rtpmap:111 OPUS/48000/2
a=sendrecv
`},
		{"hold offered, wrongly answered", `
m=audio 5000 RTP/AVP 0
a=sendonly
`, `
m=audio 6000 RTP/AVP 0
a=sendrecv
`, `
m=audio 20000 RTP/AVP 0
a=recvonly
`},
		{"two-way offered, one-way answered", `
m=audio 5000 RTP/AVP 0
`, `
m=audio 6000 RTP/AVP 0
a=sendonly
`, `
m=audio 20000 RTP/AVP 0
a=sendonly
`},
		{"unknown numbers pass", `
m=audio 5000 RTP/AVP 99
`, `
m=audio 6000 RTP/AVP 99
`, `
m=audio 20000 RTP/AVP 99
a=sendrecv
`},
		{"answer with more m= lines than we offered", `
m=audio 5000 RTP/AVP 0
`, `
m=audio 0 RTP/AVP 0
m=audio 6000 RTP/AVP 0
m=video 6002 RTP/AVP 96
`, `
m=audio 20000 RTP/AVP 0
a=sendrecv
`},
	} {
		offer := parse(t, session(c.offer))
		answer := parse(t, session(c.answer))
		got, err := Answer(offer, answer, us)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		check(t, answer, got)
		if b := body(t, got); b != strings.TrimLeft(c.want, "\n") {
			t.Errorf("%s: got\n%s", c.name, b)
		}
	}
}

func TestAnswerRefused(t *testing.T) {
	good := parse(t, session("m=audio 5000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n"))
	for name, c := range map[string]struct {
		offer, answer *Description
		says          string
	}{
		"offer":       {parse(t, session("m=image 1 TCP t38\n")), good, "fax"},
		"fax, talk":   {parse(t, session("m=image 1 udptl t38\n")), good, "no codec of the offer"},
		"talk, fax":   {good, parse(t, session("m=image 1 udptl t38\n")), "no codec of the offer"},
		"answer":      {good, parse(t, session("m=audio 0 RTP/AVP 0\n")), "answer: audio is refused"},
		"no codec":    {good, parse(t, session("m=audio 5000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000\n")), "no codec of the offer"},
		"renumbered":  {good, parse(t, session("m=audio 5000 RTP/AVP 0\na=rtpmap:0 G726-32/8000\n")), "no codec of the offer"},
		"unknown one": {good, parse(t, session("m=audio 5000 RTP/AVP 99\n")), "no codec of the offer"},
	} {
		got, err := Answer(c.offer, c.answer, us)
		if got != nil || !errors.Is(err, ErrUnacceptable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReanswer(t *testing.T) {
	const events = "a=rtpmap:101 telephone-event/8000\n"
	caller := session("m=audio 5000 RTP/AVP 0 8 101\n" + events)
	callee := session("m=audio 6000 RTP/AVP 8 101\n" + events)
	for _, c := range []struct{ name, offer, before, peer, want string }{
		{"hold by the caller", session("m=audio 5000 RTP/AVP 0 8 101\n" + events + "a=sendonly\n"), caller, callee,
			"m=audio 20000 RTP/AVP 8 101\n" + events + "a=recvonly\n"},
		{"old hold by the callee", "c=IN IP4 0.0.0.0\nm=audio 6000 RTP/AVP 8 101\n" + events, callee, caller,
			"m=audio 20000 RTP/AVP 8 101\n" + events + "a=recvonly\n"},
		{"a refresh while the peer holds", caller, caller, callee + "a=sendonly\n",
			"m=audio 20000 RTP/AVP 8 101\n" + events + "a=sendrecv\n"},
		{"both hold", caller + "a=sendonly\n", caller, callee + "a=sendonly\n",
			"m=audio 20000 RTP/AVP 8 101\n" + events + "a=recvonly\n"},
		{"a codec not agreed on is not answered", session("m=audio 6000 RTP/AVP 8 0 101\n" + events), callee, caller,
			"m=audio 20000 RTP/AVP 8 101\n" + events + "a=sendrecv\n"},
		{"the digits moved to another number", session("m=audio 5000 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\n"), caller, callee,
			"m=audio 20000 RTP/AVP 8\na=sendrecv\n"},
		{"a new line for video", session("m=audio 5000 RTP/AVP 8\nm=video 5002 RTP/AVP 96\n"), caller, callee,
			"m=audio 20000 RTP/AVP 8\na=sendrecv\nm=video 0 RTP/AVP 96\n"},
		{"a number without a meaning", session("m=audio 5000 RTP/AVP 99\n"), session("m=audio 5000 RTP/AVP 99\n"), session("m=audio 5000 RTP/AVP 99\n"),
			"m=audio 20000 RTP/AVP 99\na=sendrecv\n"},
	} {
		offer, before, peer := parse(t, c.offer), parse(t, c.before), parse(t, c.peer)
		got, err := Reanswer(offer, before, peer, us)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		check(t, peer, got)
		if b := body(t, got); b != c.want {
			t.Errorf("%s: got\n%s", c.name, b)
		}
	}
	for name, offer := range map[string]string{
		"to fax":           session("m=image 5000 udptl t38\n"),
		"another codec":    session("m=audio 5000 RTP/AVP 18 101\n" + events),
		"digits only":      session("m=audio 5000 RTP/AVP 101\n" + events),
		"dropped codec":    session("m=audio 5000 RTP/AVP 0\n"),
		"number re-used":   session("m=audio 5000 RTP/AVP 8\na=rtpmap:8 G726-32/8000\n"),
		"everything is 0":  session("m=audio 0 RTP/AVP 8\n"),
		"SRTP from now on": session("m=audio 5000 RTP/SAVP 8\n"),
	} {
		if got, err := Reanswer(parse(t, offer), parse(t, caller), parse(t, callee), us); !errors.Is(err, ErrUnacceptable) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Ours may be longer than what came; it may not be longer than the limit.
func TestOursTooLong(t *testing.T) {
	in := "c=IN IP4 1.2.3.4\nm=audio 5000 RTP/AVP 96\na=fmtp:96 "
	in += strings.Repeat("x", MaxBytes-len(in))
	if got, err := parse(t, in).Offer(us); !errors.Is(err, ErrUnacceptable) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

func TestMostAttributesStillParse(t *testing.T) {
	d := parse(t, session("m=audio 5000 RTP/AVP 0\n"+strings.Repeat("a=x-y:z\n", MaxAttributes)))
	got, err := d.Offer(us)
	if err != nil {
		t.Fatal(err)
	}
	check(t, d, got)
	if n := strings.Count(string(got), "a=x-y"); n != MaxAttributes-1 {
		t.Errorf("%d kept", n)
	}
}
