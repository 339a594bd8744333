package relay

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/secure"
)

// browser is a peer that does what a browser does: a full agent of ICE, one port
// for everything, keys by DTLS.
type browser struct {
	t                  *testing.T
	conn               ear
	tone               mediatest.Tone
	id                 *secure.Identity
	fragment, password string
	setup              string // of its offers and answers
	ice                bool
	told               string
	ours               netip.AddrPort
	aim                func(netip.AddrPort) netip.AddrPort // chooses another candidate; nil: the first
	stop               chan struct{}

	mu      sync.Mutex
	hand    *secure.Handshake
	out     *secure.Sealer
	in      *secure.Opener
	failed  error
	replies int // to its checks that are signed as they must be
	heard   [][]byte
	reports [][]byte
}

func (w *world) browser(ip string, port uint16, setup string) *browser {
	w.t.Helper()
	id, err := secure.NewIdentity(time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{t: w.t, conn: w.conn(ip, port), tone: mediatest.Tone{Hz: 440, SSRC: 99}, id: id, setup: setup, ice: true,
		fragment: "brws", password: "password-of-the-browser"[:23], stop: make(chan struct{})}
	b.password = strings.ReplaceAll(b.password, "-", "+")
	go b.read() // until close
	return b
}

// body is a description as browsers write it, that hides where it is.
func (b *browser) body() []byte {
	proto, ice, at := "UDP/TLS/RTP/SAVPF", "a=ice-ufrag:"+b.fragment+"\r\na=ice-pwd:"+b.password+"\r\na=ice-options:trickle\r\n", "0.0.0.0"
	port := uint16(9)
	if !b.ice {
		proto, ice, at, port = "UDP/TLS/RTP/SAVP", "", b.conn.AddrPort().Addr().String(), b.conn.AddrPort().Port()
	}
	return fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n"+
		"m=audio %d %s 0 8\r\nc=IN IP4 %s\r\na=rtcp:9 IN IP4 0.0.0.0\r\n%sa=fingerprint:%s\r\na=setup:%s\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"+
		"a=rtcp-fb:0 transport-cc\r\na=ssrc:99 cname:secret\r\n", port, proto, at, ice, b.id.Fingerprint(), b.setup)
}

func (b *browser) word(name string) string {
	if m := regexp.MustCompile(`a=` + name + `:([^\r\n]*)`).FindStringSubmatch(b.told); m != nil {
		return m[1]
	}
	return ""
}

// hear takes a description of ours and does what follows from it.
func (b *browser) hear(body []byte) {
	b.t.Helper()
	b.told = string(body)
	if b.ours = ledBy(b.t, body); b.aim != nil {
		b.ours = b.aim(b.ours)
	}
	prints, err := secure.ParseFingerprints([]string{b.word("fingerprint")})
	if err != nil {
		b.t.Fatalf("%v in\n%s", err, body)
	}
	client := b.word("setup") == "passive" || b.word("setup") == "actpass" && b.setup == "active"
	if b.ice {
		b.check(false)
		b.check(true)
		b.settle()
	}
	b.shake(client, prints)
}

func (b *browser) shake(client bool, prints []secure.Fingerprint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hand = b.id.Start(secure.DTLS{
		Client: client, Peer: prints,
		Send: func(pkt []byte) error { _, err := b.conn.WriteToUDPAddrPort(pkt, b.ours); return err },
		Done: func(k secure.Pair, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.failed = err; err == nil {
				b.out, _ = secure.NewSealer(k.Ours)
				b.in, _ = secure.NewOpener(k.Theirs)
			}
		},
	})
}

// check asks by STUN whether we are there, and nominates.
func (b *browser) check(nominate bool) {
	pkt := []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	attr := func(kind uint16, value []byte) {
		pkt = binary.BigEndian.AppendUint16(pkt, kind)
		pkt = append(binary.BigEndian.AppendUint16(pkt, uint16(len(value))), value...)
		for len(pkt)%4 != 0 {
			pkt = append(pkt, 0)
		}
	}
	attr(6, []byte(b.word("ice-ufrag")+":"+b.fragment))
	attr(0x802a, make([]byte, 8))
	if nominate {
		attr(0x25, nil)
	}
	binary.BigEndian.PutUint16(pkt[2:], uint16(len(pkt)+4))
	mac := hmac.New(sha1.New, []byte(b.word("ice-pwd")))
	mac.Write(pkt)
	attr(8, mac.Sum(nil))
	b.conn.WriteToUDPAddrPort(pkt, b.ours)
}

func (b *browser) read() {
	for {
		select {
		case <-b.stop:
			return
		case <-time.After(time.Millisecond):
		}
		for _, pkt := range b.conn.Drain() {
			b.take(bytes.Clone(pkt))
		}
	}
}

// settle lets what is on its way arrive.
func (b *browser) settle() {
	time.Sleep(5 * time.Millisecond) // the bubble's clock
	synctest.Wait()
}

func (b *browser) take(pkt []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case secure.IsSTUN(pkt):
		if pkt[0] == 1 && pkt[1] == 1 {
			b.replies++
		}
	case secure.IsDTLS(pkt):
		if b.hand != nil {
			b.hand.Take(pkt)
		}
	case b.in == nil:
		b.t.Errorf("media before the keys: %x", pkt[:12])
	case isRTCP(pkt):
		if got, err := b.in.RTCP(pkt, 0); err == nil {
			b.reports = append(b.reports, got)
		} else {
			b.t.Error("report: ", err)
		}
	default:
		got, err := b.in.RTP(pkt, 0)
		if err != nil {
			b.t.Error(err)
		}
		b.heard = append(b.heard, got)
	}
}

func (b *browser) sings(n int) (plain [][]byte) {
	for range n {
		pkt := b.tone.Next()
		plain = append(plain, pkt)
		b.mu.Lock()
		wire := append(make([]byte, 0, len(pkt)+secure.Overhead), pkt...)
		if b.out != nil {
			wire, _ = b.out.RTP(wire)
		}
		b.mu.Unlock()
		b.conn.WriteToUDPAddrPort(wire, b.ours)
		time.Sleep(mediatest.Frame)
	}
	b.settle()
	return plain
}

func (b *browser) hears() [][]byte {
	b.settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.heard
	b.heard = nil
	return got
}

func (b *browser) close() {
	b.mu.Lock()
	if b.hand != nil {
		b.hand.Close()
	}
	b.mu.Unlock()
	close(b.stop)
	b.conn.Close()
	synctest.Wait()
}

// web is the rule of a trunk of browsers.
func web() (src media.Source) {
	src.Terms.SRTP = media.SRTP{Mode: media.SRTPRequire, DTLS: true, WebRTC: true}
	return src
}

// ring makes the call between a browser and the phone of w.callee, either way.
func (w *world) ring(b *browser, src media.Source, out bool) *keyed {
	w.t.Helper()
	phone := w.keyed(w.callee, 0, "RTP/AVP")
	if !out {
		if _, err := w.relay.Offer(media.Caller, b.body(), src); err != nil {
			w.t.Fatal(err)
		}
		offer, err := w.relay.Over(media.Callee, phone.rtp.AddrPort().Addr(), media.Source{})
		if err != nil {
			w.t.Fatal(err)
		}
		answer, err := w.relay.Answer(media.Callee, phone.answer(offer), media.Source{})
		if err != nil {
			w.t.Fatal(err)
		}
		b.hear(answer)
	} else {
		if _, err := w.relay.Offer(media.Caller, phone.offer(), media.Source{}); err != nil {
			w.t.Fatal(err)
		}
		offer, err := w.relay.Over(media.Callee, b.conn.AddrPort().Addr(), src)
		if err != nil {
			w.t.Fatal(err)
		}
		b.told = string(offer)
		answer, err := w.relay.Answer(media.Callee, b.body(), src)
		if err != nil {
			w.t.Fatal(err)
		}
		phone.hear(answer)
		b.hear(offer)
	}
	time.Sleep(2 * time.Second) // the bubble's clock: the handshake
	synctest.Wait()
	return phone
}

// confirm lets both sing and checks that each hears the other.
func (w *world) confirm(b *browser, phone *keyed) {
	w.t.Helper()
	if sent := b.sings(20); !equal(phone.hears(), sent) {
		w.t.Error("the phone does not hear the browser")
	}
	if sent := phone.sings(20); !equal(b.hears(), sent) {
		w.t.Error("the browser does not hear the phone")
	}
}

// A browser calls a telephone and is called by one, whichever of the two ends
// speaks first in DTLS, and its RTCP goes over the one port it has.
func TestBrowser(t *testing.T) {
	for _, out := range []bool{false, true} {
		for _, setup := range []string{"actpass", "active", "passive"} {
			if out && setup == "actpass" { // not an answer
				continue
			}
			t.Run(fmt.Sprintf("called %v, %s", out, setup), func(t *testing.T) {
				inWorld(t, mediatest.Link{}, func(w *world) {
					b := w.browser(sipperIP, 6000, setup)
					defer b.close()
					tap := newListener(t)
					w.relay.Tap(tap)
					phone := w.ring(b, web(), out)
					if b.failed != nil || b.replies < 2 {
						t.Fatalf("%d checks answered, %v; told\n%s", b.replies, b.failed, b.told)
					}
					for _, want := range []string{"a=group:BUNDLE 0\r\n", "a=ice-lite\r\n", "m=audio ", " UDP/TLS/RTP/SAVPF ", "a=mid:0\r\n", "a=rtcp-mux\r\n",
						"a=candidate:1 1 udp 2130706431 " + relayIP + " "} {
						if !strings.Contains(b.told, want) {
							t.Errorf("%q is not in\n%s", want, b.told)
						}
					}
					for _, secret := range []string{"fingerprint", "ice-", "SAVP", "rtcp-mux", "cname", "mid:", "BUNDLE", "rtcp-fb", "crypto"} {
						if strings.Contains(phone.told, secret) {
							t.Errorf("the phone was told %q:\n%s", secret, phone.told)
						}
					}
					w.confirm(b, phone)
					side := media.Caller
					if out {
						side = media.Callee
					}
					if heard := mediatest.Goertzel(tap.sound(side), mediatest.Rate, 440); heard < 0.99 {
						t.Errorf("the tap hears %.2f of the browser", heard)
					}
					report := make([]byte, 28, 28+secure.Overhead)
					report[0], report[1], report[3], report[7] = 0x80, 200, 6, 42
					phone.rtcp.WriteToUDPAddrPort(report, netip.AddrPortFrom(phone.ours.Addr(), phone.ours.Port()+1))
					sealed, _ := b.out.RTCP(append(make([]byte, 0, 60), report...))
					b.conn.WriteToUDPAddrPort(sealed, b.ours)
					time.Sleep(15 * time.Second) // the bubble's clock: a report of ours is due
					b.settle()
					if len(b.reports) == 0 || phone.rtcp.Waiting() == 0 {
						t.Errorf("%d reports for the browser, %d for the phone", len(b.reports), phone.rtcp.Waiting())
					}
					stats := w.relay.Close()
					wantDrops(t, stats.Caller, nil)
					wantDrops(t, stats.Callee, nil)
					if stats.Caller.RTCP != 1 || stats.Callee.RTCP != 1 || stats.Caller.Packets != 20 || stats.Callee.Packets != 20 {
						t.Errorf("%+v", stats)
					}
				})
			})
		}
	}
}
