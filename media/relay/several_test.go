package relay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringdown/media"
	"ringdown/media/mediatest"
	"ringdown/media/secure"
)

// This file shows several who are called at once, and callees who are spoken to
// before they are put through.

// rung is one of several who are called.
type rung struct {
	*keyed
	src   media.Source
	offer []byte
}

// rings offers the call to ten, each under terms of his own: plain, encrypted in
// several suites, and two of them at one address.
func (w *world) rings(begin func(to netip.Addr, src media.Source) ([]byte, error)) (all []*rung) {
	w.t.Helper()
	suites := []secure.Suite{0, secure.AES128GCM, secure.AES128CM80, secure.AES256GCM, secure.AES128CM32}
	for i := range 10 {
		ip := fmt.Sprintf("10.2.0.%d", 10+i/2)
		n := &rung{keyed: w.keyed(w.phone(ip, uint16(5000+10*i), float64(500+100*i)), suites[i%5], "")}
		if n.suite != 0 {
			n.src = srtp(media.SRTPRequire, n.suite)
		}
		n.src.Attempt = fmt.Sprintf("b%d", i+1)
		var err error
		if n.offer, err = begin(n.rtp.AddrPort().Addr(), n.src); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// Of ten who are called at once, whoever answers is heard and hears the caller under
// the keys of his own offer, whenever those of the others are answered or speak.
func TestSeveralAtOnce(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a := w.keyed(w.caller, 0, "")
		if _, err := w.relay.Offer(media.Caller, a.body(""), media.Source{}); err != nil {
			t.Fatal(err)
		}
		all := w.rings(func(to netip.Addr, src media.Source) ([]byte, error) { return w.relay.Over(media.Callee, to, src) })
		seen := map[string]bool{}
		for i, n := range all {
			for _, c := range n.lines(n.offer) {
				if line := c.Line(); seen[line] {
					t.Errorf("attempt %d has another's key", i+1)
				} else {
					seen[line] = true
				}
			}
			origin := strings.Split(string(n.offer), "\r\n")[1]
			if seen[origin] {
				t.Errorf("attempt %d has another's session: %s", i+1, origin)
			}
			seen[origin] = true
		}
		for _, i := range []int{3, 6, 3, 8, 9} { // early media of some, and the last one answers
			n := all[i]
			answer, err := w.relay.Answer(media.Callee, n.answer(n.offer), n.src)
			if err != nil {
				t.Fatalf("attempt %d: %v", i+1, err)
			}
			a.hear(answer)
			a.hears()
			n.sings(10)
			for j, other := range all {
				if j != i && other.in == nil {
					other.hear(other.offer) // knows where to send
				}
				if j != i {
					other.sings(1)
				}
			}
			sound, err := mediatest.Hear(a.hears())
			if part := mediatest.Goertzel(sound, mediatest.Rate, n.tone.Hz); err != nil || len(sound) != 10*mediatest.Samples || part < 0.98 {
				t.Errorf("attempt %d: the caller hears %d samples, %.2f of them his, %v", i+1, len(sound), part, err)
			}
			a.sings(10)
			if got := len(n.hears()); got != 10 {
				t.Errorf("attempt %d hears %d packets", i+1, got)
			}
			for j, other := range all {
				if j != i && other.rtp.Waiting() != 0 {
					t.Errorf("attempt %d is sent packets while %d has the side", j+1, i+1)
				}
			}
		}
	})
}

// Early media of one who was never answered for, from the host of who was, is not
// taken for his before he has spoken himself.
func TestRivalOfTheSameHost(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a := w.keyed(w.caller, 0, "")
		if _, err := w.relay.Offer(media.Caller, a.body(""), media.Source{}); err != nil {
			t.Fatal(err)
		}
		for _, rule := range []media.Rule{media.Strict, media.Latch} {
			n, rival := w.keyed(w.phone("10.2.0.9", 7000+10*uint16(len(rule)), 700), 0, ""), w.keyed(w.phone("10.2.0.9", 7200+10*uint16(len(rule)), 900), 0, "")
			src, other := media.Source{Attempt: "b1" + string(rule), Rule: rule}, media.Source{Attempt: "b2" + string(rule), Rule: rule}
			offer, err := w.relay.Over(media.Callee, n.rtp.AddrPort().Addr(), src)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.relay.Over(media.Callee, rival.rtp.AddrPort().Addr(), other); err != nil {
				t.Fatal(err)
			}
			answer, err := w.relay.Answer(media.Callee, n.answer(offer), src)
			if err != nil {
				t.Fatal(err)
			}
			a.hear(answer)
			rival.ours = n.ours
			rival.sings(10) // the CANCEL is on its way
			if got := len(a.hears()); got != 0 {
				t.Errorf("%s: the caller hears %d packets of the rival", rule, got)
			}
			time.Sleep(time.Second)
			n.sings(20)
			w.hearsOnly(a, 700, 20)
			rival.sings(10)
			if got := len(a.hears()); got != 0 {
				t.Errorf("%s: the caller hears %d packets of the rival behind it", rule, got)
			}
		}
	})
}

// An answer with a name that was offered nothing is as one without; one that cannot
// be leaves who is there alone.
func TestAnswersOfNobody(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		a, b := w.keyed(w.caller, 0, ""), w.keyed(w.callee, 0, "")
		if _, err := w.relay.Offer(media.Caller, a.body(""), media.Source{}); err != nil {
			t.Fatal(err)
		}
		b1, b2 := media.Source{Attempt: "b1"}, srtp(media.SRTPRequire)
		b2.Attempt = "b2"
		offer, err := w.relay.Over(media.Callee, netip.Addr{}, b1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.relay.Over(media.Callee, netip.Addr{}, b2); err != nil {
			t.Fatal(err)
		}
		answer, err := w.relay.Answer(media.Callee, b.answer(offer), b1)
		if err != nil {
			t.Fatal(err)
		}
		a.hear(answer)
		for _, body := range [][]byte{b.body(""), []byte("nonsense"), only(b.body(""), "18")} {
			if _, err := w.relay.Answer(media.Callee, body, b2); err == nil {
				t.Errorf("an answer that is not encrypted is taken: %q", body)
			}
		}
		if _, err := w.relay.Replace(media.Callee, b.body(""), media.Source{Attempt: "b3"}); err == nil {
			t.Error("an answer to no invitation is taken")
		}
		w.talked(a, b, 440, 1000)
	})
}

// Three are whispered to in rooms of their own, two accept at once, and the first is
// put through: of the whisper, of what was said to it and of our reports nothing
// reaches the caller, and nothing of him them.
func TestAnterooms(t *testing.T) {
	for _, attended := range []bool{false, true} {
		inWorld(t, mediatest.Link{}, func(w *world) {
			secret := srtp(media.SRTPRequire, secure.AES128GCM)
			a := w.keyed(w.caller, secure.AES128GCM, "RTP/SAVP")
			if _, err := w.relay.Offer(media.Caller, a.offer(), secret); err != nil {
				t.Fatal(err)
			}
			if attended {
				answer, err := w.relay.Await(media.Caller)
				if err != nil {
					t.Fatal(err)
				}
				a.hear(answer)
			}
			free := w.pool.Free()
			type guest struct {
				*keyed
				room *Relay
				src  media.Source
			}
			var all []*guest
			for i := range 3 {
				g := &guest{keyed: w.keyed(w.phone("10.2.0.9", uint16(7000+10*i), float64(600+200*i)), secure.AES128GCM*secure.Suite(i%2), "")}
				if g.suite != 0 {
					g.src = secret
				}
				g.src.Attempt = fmt.Sprintf("b%d", i+1)
				var err error
				if g.room, err = w.pool.NewAnteroom("call_1", nil); err != nil {
					t.Fatal(err)
				}
				if _, err := g.room.Offer(media.Caller, w.relay.Said(media.Caller), secret); err != nil {
					t.Fatal(err)
				}
				offer, err := g.room.Over(media.Callee, g.rtp.AddrPort().Addr(), g.src)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := g.room.Answer(media.Callee, g.answer(offer), g.src); err != nil || text != nil {
					t.Fatalf("%q, %v", text, err)
				}
				g.room.Apart(false) // for good
				g.room.Watch(media.Callee)
				if _, err := g.room.Play(media.Play{To: media.Callee, Sound: media.Sound{File: file(t, 300, 500*time.Millisecond)}}); err != nil {
					t.Fatal(err)
				}
				g.sings(5)
				all = append(all, g)
			}
			if n := free - w.pool.Free(); n != 3 {
				t.Errorf("three anterooms have taken %d pairs of ports", n)
			}
			time.Sleep(12 * time.Second) // for reports, too
			for i, g := range all {
				got := g.hears()
				sound, err := mediatest.Hear(got)
				if part := mediatest.Goertzel(sound, mediatest.Rate, 300); err != nil || part < 0.95 {
					t.Errorf("guest %d hears %.2f of the whisper in %d packets, %v", i+1, part, len(got), err)
				}
				if g.rtcp.Waiting() == 0 {
					t.Errorf("guest %d gets no report of ours", i+1)
				}
			}
			if n, m := w.caller.rtp.Waiting(), w.caller.rtcp.Waiting(); n != 0 || m != 0 && !attended {
				t.Errorf("the caller got %d packets and %d reports", n, m)
			}
			for i, g := range all[:2] { // both accept
				offer, err := w.relay.Invite(media.Callee, g.rtp.AddrPort().Addr(), g.src, g.room.Told(media.Callee))
				if err != nil {
					t.Fatalf("guest %d: %v", i+1, err)
				}
				first := strings.Split(string(g.room.Told(media.Callee)), "\r\n")[1]
				if now := strings.Split(string(offer), "\r\n")[1]; strings.Fields(now)[1] != strings.Fields(first)[1] {
					t.Errorf("the re-INVITE is of another session: %s behind %s", now, first)
				}
				g.told = string(offer)
				all[i].keyed.told = string(offer)
			}
			g := all[0]
			body := g.answer([]byte(g.told))
			if attended {
				if again, err := w.relay.Replace(media.Callee, body, g.src); err != nil || again != nil {
					t.Fatalf("%q, %v", again, err)
				}
			} else {
				answer, err := w.relay.Answer(media.Callee, body, g.src)
				if err != nil {
					t.Fatal(err)
				}
				a.hear(answer)
			}
			g.room.Close()
			all[1].sings(5) // he is told that he was too late
			if n := len(a.hears()); n != 0 {
				t.Errorf("the caller hears %d packets of who was too late", n)
			}
			w.talked(a, g, 440, 600)
			if n := all[1].rtp.Waiting() + all[2].rtp.Waiting(); n != 0 {
				t.Errorf("others are sent %d packets", n)
			}
			for _, g := range all {
				g.room.Close()
			}
		})
	}
}
