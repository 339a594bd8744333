package relay

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// ledBy reads where a description of ours leads to, encrypted or not.
func ledBy(t *testing.T, body []byte) netip.AddrPort {
	t.Helper()
	d, err := sdp.ParseFor(body, func(s sdp.Security) (sdp.Choice, error) { return sdp.Plain(), nil })
	if err != nil || d.Acceptable() != nil {
		t.Fatal(err, d.Acceptable())
	}
	rtp, _ := d.Remote()
	return rtp
}

// Each leg has its own encryption, or none, and the tap hears both in the clear.
func TestEncryptedLegs(t *testing.T) {
	off, offer := media.Source{}, srtp(media.SRTPOffer)
	for _, c := range []struct {
		name           string
		caller, callee secure.Suite
		proto          string // of the caller
		a, b           media.Source
		offered        string // to the callee
	}{
		{"encrypted to plain", secure.AES128CM80, 0, "RTP/SAVP", offer, off, "RTP/AVP"},
		{"best effort to plain", secure.AES256GCM, 0, "RTP/AVP", offer, off, "RTP/AVP"},
		{"with feedback to plain", secure.AES128CM80, 0, "RTP/SAVPF", offer, off, "RTP/AVP"},
		{"plain to encrypted", 0, secure.AES256CM80, "RTP/AVP", off, srtp(media.SRTPRequire), "RTP/SAVP"},
		{"plain to best effort", 0, secure.AES128GCM, "RTP/AVP", off, offer, "RTP/AVP"},
		{"plain to who cannot", 0, 0, "RTP/AVP", offer, offer, "RTP/AVP"},
		{"two suites", secure.AES128CM80, secure.AES256GCM, "RTP/SAVP", srtp(media.SRTPRequire), srtp(media.SRTPRequire), "RTP/SAVP"},
		{"one suite, two keys", secure.AES128GCM, secure.AES128GCM, "RTP/SAVP", offer, srtp(media.SRTPRequire), "RTP/SAVP"},
		{"short tags by name", secure.AES128CM32, secure.AES256CM32, "RTP/SAVP", srtp(media.SRTPOffer, secure.AES128CM32), srtp(media.SRTPRequire, secure.AES256CM32), "RTP/SAVP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				tap := newListener(t)
				w.relay.Tap(tap)
				a, b := w.keyed(w.caller, c.caller, c.proto), w.keyed(w.callee, c.callee, "")
				if err := w.dial(a, b, c.a, c.b); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(b.told, " "+c.offered+" ") || !strings.Contains(a.told, " "+c.proto+" ") {
					t.Errorf("offered\n%sanswered\n%s", b.told, a.told)
				}
				w.converse(a, b)
				for side, hz := range map[media.Side]float64{media.Caller: 440, media.Callee: 1000} {
					if heard := mediatest.Goertzel(tap.sound(side), mediatest.Rate, hz); heard < 0.99 {
						t.Errorf("the tap hears %.2f of the %s", heard, side)
					}
				}
				w.reports(a, b)
				w.reports(b, a)
				w.noKeyCrosses(a, b)
				stats := w.relay.Close()
				wantDrops(t, stats.Caller, nil)
				wantDrops(t, stats.Callee, nil)
				if stats.Caller.RTCP != 1 || stats.Callee.RTCP != 1 {
					t.Errorf("RTCP %+v", stats)
				}
			})
		})
	}
}

// reports sends an RTCP report of one, which is counted when it could be read,
// and reads what the other is sent by us.
func (w *world) reports(from, to *keyed) {
	w.t.Helper()
	report := make([]byte, 28, 28+secure.Overhead)
	report[0], report[1], report[3], report[7] = 0x80, 200, 6, 42
	if from.suite != 0 {
		report, _ = from.out.RTCP(report)
	}
	from.rtcp.WriteToUDPAddrPort(report, netip.AddrPortFrom(from.ours.Addr(), from.ours.Port()+1))
	time.Sleep(reportsBy)
	got := to.rtcp.Drain()
	if len(got) == 0 {
		w.t.Error("no report arrived")
	}
	for _, pkt := range got {
		if to.suite != 0 {
			opened, err := to.in.RTCP(bytes.Clone(pkt), 0)
			if err != nil {
				w.t.Error(err)
			}
			pkt = opened
		}
		if _, err := rtcp.Unmarshal(pkt); err != nil || !validRTCP(pkt) {
			w.t.Errorf("report %x: %v", pkt, err)
		}
	}
}

// noKeyCrosses checks that neither leg was told a key of the other.
func (w *world) noKeyCrosses(a, b *keyed) {
	w.t.Helper()
	for _, way := range [][2]*keyed{{a, b}, {b, a}} {
		secrets := [][]byte{[]byte(way[1].told)}
		for _, c := range append(way[1].lines([]byte(way[1].told)), secure.Crypto{Key: way[1].key}) {
			secrets = append(secrets, []byte(c.Line()))
		}
		for _, secret := range secrets[1:] {
			if _, key, _ := bytes.Cut(secret, []byte("inline:")); len(key) > 0 && strings.Contains(way[0].told, string(key)) {
				w.t.Errorf("a key of one leg was told to the other")
			}
		}
	}
}

// What a trunk does not allow is refused, with the reason and without a key in it
//
func TestEncryptionRefused(t *testing.T) {
	private := func(mode media.SRTPMode, yes bool) media.Source {
		src := srtp(mode)
		src.Terms.SRTP.Private = yes
		return src
	}
	for _, c := range []struct {
		name           string
		caller, callee secure.Suite
		proto          string
		a, b           media.Source
		where, why     string
	}{
		{"off, offered encrypted", secure.AES128CM80, 0, "RTP/SAVP", media.Source{}, media.Source{}, "offer", "insists on SRTP"},
		{"required, offered plain", 0, 0, "RTP/AVP", srtp(media.SRTPRequire), media.Source{}, "offer", "trunk requires it"},
		{"required, offered best effort", secure.AES128CM80, 0, "RTP/AVP", srtp(media.SRTPRequire), media.Source{}, "offer", "trunk requires it"},
		{"required, answered plain", 0, 0, "RTP/AVP", media.Source{}, srtp(media.SRTPRequire), "answer", "brings no key"},
		{"suite not allowed", secure.AES128CM32, 0, "RTP/SAVP", srtp(media.SRTPOffer), media.Source{}, "offer", "suite is not one that the trunk takes"},
		{"keys over open signalling", secure.AES128CM80, 0, "RTP/SAVP", private(media.SRTPOffer, false), media.Source{}, "offer", "signalling that others can read"},
		{"our keys over open signalling", 0, secure.AES128CM80, "RTP/AVP", media.Source{}, private(media.SRTPRequire, false), "over", "signalling that others can read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, mediatest.Link{}, func(w *world) {
				a, b := w.keyed(w.caller, c.caller, c.proto), w.keyed(w.callee, c.callee, "")
				err := w.dial(a, b, c.a, c.b)
				if !errors.Is(err, sdp.ErrUnacceptable) || !strings.HasPrefix(err.Error(), c.where) || !strings.Contains(err.Error(), c.why) {
					t.Errorf("%v", err)
				}
				for _, k := range []*keyed{a, b} {
					if _, key, _ := strings.Cut(secure.Crypto{Key: k.key}.Line(), "inline:"); key != "" && strings.Contains(fmt.Sprint(err), key) {
						t.Error("the key is in the error")
					}
				}
			})
		})
	}
}

// Best effort over signalling that others can read stays plain, both ways.
func TestNoKeyOverOpenSignalling(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		open := srtp(media.SRTPOffer)
		open.Terms.SRTP.Private = false
		a, b := w.keyed(w.caller, secure.AES128CM80, "RTP/AVP"), w.keyed(w.callee, secure.AES128CM80, "")
		if err := w.dial(a, b, open, open); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(a.told+b.told, "crypto") {
			t.Errorf("offered\n%sanswered\n%s", b.told, a.told)
		}
		a.suite, b.suite = 0, 0
		w.converse(a, b)
	})
}

// Strangers, forgers and repeaters are counted and change nothing: the call goes
// on, and nobody is learnt from before he has proved himself.
func TestBadSRTPIsOnlyCounted(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP"), w.keyed(w.callee, secure.AES128CM80, "")
		require := srtp(media.SRTPRequire)
		require.Rule = media.Latch
		if err := w.dial(a, b, require, require); err != nil {
			t.Fatal(err)
		}
		thief := w.phone(thiefIP, 6000, 800)
		for range 200 { // the plain sound of a thief, steady enough to be learnt
			thief.rtp.WriteToUDPAddrPort(thief.tone.Next(), a.ours)
		}
		synctest.Wait()
		if got := len(b.rtp.Drain()); got != 0 {
			t.Errorf("%d packets of the thief arrived", got)
		}
		for range 5 { // the caller is known now
			a.sings(1)
		}
		b.rtp.Drain()
		pkt := a.tone.Next()
		sealed, err := a.out.RTP(append(make([]byte, 0, 300), pkt...))
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(sealed)
		bad[20] ^= 1
		for _, p := range [][]byte{bad, sealed, sealed, pkt} {
			a.rtp.WriteToUDPAddrPort(p, a.ours)
		}
		synctest.Wait()
		if got := b.hears(); !equal(got, [][]byte{pkt}) {
			t.Errorf("%d packets arrived", len(got))
		}
		w.converse(a, b)
		stats := w.relay.Close()
		wantDrops(t, stats.Caller, map[media.Drop]uint64{media.DropAuth: 101, media.DropRate: 100, media.DropReplay: 2}) // half of the flood was not tried
	})
}
