package relay

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/secure"
)

// keyed is a phone that can encrypt by SDES.
type keyed struct {
	*phone
	w     *world
	suite secure.Suite // zero: it speaks plain RTP only
	proto string       // of its offers
	key   secure.Key
	out   *secure.Sealer
	in    *secure.Opener
	told  string // our last description to it
}

func (w *world) keyed(p *phone, s secure.Suite, proto string) *keyed {
	k := &keyed{phone: p, w: w, suite: s, proto: proto}
	if s != 0 {
		k.renew()
	}
	return k
}

// renew gives the phone another key.
func (k *keyed) renew() {
	k.key = secure.NewKey(k.suite)
	var err error
	if k.out, err = secure.NewSealer(k.key); err != nil {
		k.w.t.Fatal(err)
	}
}

// offer is a description with the phone's key, which the relay answers.
func (k *keyed) offer() []byte {
	body := strings.Replace(string(k.body("")), "RTP/AVP", k.proto, 1)
	if k.suite != 0 {
		body += "a=crypto:7 " + secure.Crypto{Key: k.key}.Line()[2:] + "\r\n"
	}
	return []byte(body)
}

var cryptoLine = regexp.MustCompile(`a=crypto:([^\r\n]*)\r\n`)

// lines are the a=crypto of a description of ours.
func (k *keyed) lines(body []byte) (all []secure.Crypto) {
	k.w.t.Helper()
	for _, m := range cryptoLine.FindAllSubmatch(body, -1) {
		c, err := secure.ParseCrypto(string(m[1]))
		if err != nil {
			k.w.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// hear takes a description of ours: where to send, and under what key it comes.
func (k *keyed) hear(body []byte) {
	k.w.t.Helper()
	k.told = string(body)
	k.ours = ledBy(k.w.t, body)
	for _, c := range k.lines(body) {
		if c.Key.Suite() != k.suite {
			continue
		}
		if k.in == nil {
			k.in, _ = secure.NewOpener(c.Key)
		} else if err := k.in.Rekey(c.Key, 0); err != nil {
			k.w.t.Fatal(err)
		}
	}
}

// answer takes an offer of ours and answers it with the line of the phone's suite.
func (k *keyed) answer(offer []byte) []byte {
	k.w.t.Helper()
	k.hear(offer)
	proto := regexp.MustCompile(`m=audio \d+ (\S+)`).FindStringSubmatch(k.told)[1]
	body := strings.Replace(string(k.body("")), "RTP/AVP", proto, 1)
	for _, c := range k.lines(offer) {
		if c.Key.Suite() == k.suite {
			body += "a=crypto:" + c.Accept(k.key).Line() + "\r\n"
		}
	}
	return []byte(body)
}

// sings sends n packets, one each 20 ms, and returns what they were before they
// were encrypted.
func (k *keyed) sings(n int) (plain [][]byte) {
	k.w.t.Helper()
	for range n {
		pkt := k.tone.Next()
		plain = append(plain, pkt)
		wire := append(make([]byte, 0, len(pkt)+secure.Overhead), pkt...)
		if k.suite != 0 {
			var err error
			if wire, err = k.out.RTP(wire); err != nil {
				k.w.t.Fatal(err)
			}
		}
		k.rtp.WriteToUDPAddrPort(wire, k.ours)
		time.Sleep(mediatest.Frame) // the bubble's clock
	}
	synctest.Wait()
	return plain
}

// hears returns what arrived, decrypted; what cannot be is an error of the test.
func (k *keyed) hears() (plain [][]byte) {
	k.w.t.Helper()
	for i, pkt := range k.rtp.Drain() {
		if k.suite != 0 {
			var err error
			if pkt, err = k.in.RTP(bytes.Clone(pkt), 0); err != nil {
				k.w.t.Errorf("packet %d for %v: %v", i, k.rtp.AddrPort(), err)
				continue
			}
		}
		plain = append(plain, pkt)
	}
	return plain
}

// converse lets both sing and checks that each hears the other as it was, under its
// own keys.
func (w *world) converse(a, b *keyed) {
	w.t.Helper()
	for _, way := range [][2]*keyed{{a, b}, {b, a}} {
		sent := way[0].sings(20)
		if got := way[1].hears(); !equal(got, sent) {
			w.t.Errorf("%v got %d of %d packets of %v as they were", way[1].rtp.AddrPort(), len(got), len(sent), way[0].rtp.AddrPort())
		}
	}
}

// srtp is the rule of a trunk with these terms.
func srtp(mode media.SRTPMode, suites ...secure.Suite) (src media.Source) {
	src.Terms.SRTP = media.SRTP{Mode: mode, Private: true}
	for _, s := range suites {
		src.Terms.SRTP.Suites = append(src.Terms.SRTP.Suites, s.String())
	}
	return src
}

// dial makes the call of a to b, whose terms these are.
func (w *world) dial(a, b *keyed, caller, callee media.Source) error {
	w.t.Helper()
	if _, err := w.relay.Offer(media.Caller, a.offer(), caller); err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	offer, err := w.relay.Over(media.Callee, b.rtp.AddrPort().Addr(), callee)
	if err != nil {
		return fmt.Errorf("over: %w", err)
	}
	answer, err := w.relay.Answer(media.Callee, b.answer(offer), callee)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	a.hear(answer)
	return nil
}
