package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/routing"
)

// timed runs f in a world whose trunk, named or not, has a session policy.
func timed(t *testing.T, s routing.Session, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{}, Deps{Policy: func(string) (routing.Trunk, bool) { return routing.Trunk{Session: s}, true }}, f)
}

func within(t *testing.T, what string, since time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(since); got != want {
		t.Errorf("%s after %v, want %v", what, got, want)
	}
}

// TestSessionAgreedWithCaller is RFC 4028 9, table 2, and what each side does then.
func TestSessionAgreedWithCaller(t *testing.T) {
	us, peer := routing.Session{Refresher: routing.RefresherUs}, routing.Session{Refresher: routing.RefresherPeer}
	for _, c := range []struct {
		name    string
		policy  routing.Session
		headers []string
		expires string // of the 200; empty: none
		require string
		refresh time.Duration // after which we do; 0: the peer has to
		ends    time.Duration // after which the silent peer is given up
	}{
		{"he may not choose, we say he", routing.Session{}, []string{"Supported: timer", "Session-Expires: 600"}, "600;refresher=uac", "timer", 0, 568 * time.Second},
		{"he refreshes", us, []string{"Supported: timer", "Session-Expires: 600;refresher=uac"}, "600;refresher=uac", "timer", 0, 568 * time.Second},
		{"he asks us", peer, []string{"k: foo, timer", "x: 600;Refresher=UAS"}, "600;refresher=uas", "", 300 * time.Second, 332 * time.Second},
		{"our trunk says we", us, []string{"Supported: timer", "Session-Expires: 600"}, "600;refresher=uas", "", 300 * time.Second, 332 * time.Second},
		{"he asks for nothing but knows it", routing.Session{}, []string{"Supported: timer"}, "1800;refresher=uas", "", 900 * time.Second, 932 * time.Second},
		{"the same, and our trunk says he", peer, []string{"Supported: timer"}, "1800;refresher=uac", "timer", 0, 1768 * time.Second},
		{"he does not know it", routing.Session{}, nil, "", "", 900 * time.Second, 932 * time.Second},
		{"a proxy asks for him", routing.Session{}, []string{"Session-Expires: 60"}, "60;refresher=uas", "", 30 * time.Second, 40 * time.Second},
		{"longer than ours", routing.Session{Expires: routing.Seconds(300)}, []string{"Supported: timer", "Session-Expires: 600"}, "300;refresher=uac", "timer", 0, 268 * time.Second},
		{"but not below his Min-SE", routing.Session{Expires: routing.Seconds(300)}, []string{"Supported: timer", "Session-Expires: 600", "Min-SE: 400"}, "400;refresher=uac", "timer", 0, 368 * time.Second},
		{"just ours", routing.Session{}, []string{"Supported: timer", "Session-Expires: 90"}, "90;refresher=uac", "timer", 0, 60 * time.Second},
		{"unreadable", routing.Session{}, []string{"Supported: timer", "Session-Expires: -1"}, "1800;refresher=uas", "", 900 * time.Second, 932 * time.Second},
		{"for ever", routing.Session{}, []string{"Supported: timer", "Session-Expires: 99999999999999999999"}, "1800;refresher=uac", "timer", 0, 1768 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			timed(t, c.policy, func(w *world) {
				i := w.carrier.invite(append(c.headers, "Allow: INVITE, ACK, BYE, UPDATE")...)
				w.carrier.want("SIP/2.0 100")
				a := w.admitted()
				a.leg.Answer(ourSDP)
				up := time.Now()
				ok := w.carrier.want("SIP/2.0 200")
				if ok.get("Session-Expires") != c.expires || ok.get("Require") != c.require || ok.get("Supported") != supported {
					t.Errorf("200 says %q, Require %q, Supported %q", ok.get("Session-Expires"), ok.get("Require"), ok.get("Supported"))
				}
				time.Sleep(100 * time.Millisecond)
				i.toTag = ok.tag("To")
				i.send("ACK", i.branch+"ack", 1, "")
				signal[call.Acked](w, a.signals)
				if c.refresh > 0 {
					u := w.carrier.wantLater("UPDATE sip:gw@" + carrierAddr)
					within(t, "refresh", up, c.refresh)
					if u.body != "" || u.get("Contact") == "" || u.tag("To") != "kari" || u.get("Supported") != supported || u.get("Min-SE") != "90" {
						t.Errorf("refresh:\n%s", u.raw)
					}
				}
				w.carrier.lost(a.signals, up, c.ends)
			})
		})
	}
}

// wantLater is want with the patience of session timers.
func (p *peer) wantLater(start string) message {
	p.w.Helper()
	m, ok := p.read(2 * time.Hour)
	if !ok || len(m.start) < len(start) || m.start[:len(start)] != start {
		p.w.Fatalf("got %q, want %q", m.start, start)
	}
	return m
}

// lost checks when the peer, who says nothing, is given up.
func (p *peer) lost(signals chan call.Signal, up time.Time, after time.Duration) {
	p.w.Helper()
	select {
	case s := <-signals:
		l, ok := s.(call.Lost)
		if !ok || l.Time.Sub(up) != after || l.Cause.By != call.ByTimer || l.Cause.Q850 != 102 {
			p.w.Fatalf("%T after %v: %+v; want Lost after %v", s, time.Since(up), s, after)
		}
	case <-time.After(2 * time.Hour):
		p.w.Fatal("never given up")
	}
	for {
		m := p.want("")
		if m.start[:3] == "BYE" {
			p.reply(m, 200, "", "")
			break
		}
	}
	signal[call.Gone](p.w, signals)
}

// TestSessionAgreedWithCallee is RFC 4028 7.2.
func TestSessionAgreedWithCallee(t *testing.T) {
	for _, c := range []struct {
		name    string
		policy  routing.Session
		asked   string
		extra   []string
		refresh time.Duration
		ends    time.Duration
	}{
		{"he does not know it", routing.Session{}, "1800", nil, 900 * time.Second, 932 * time.Second},
		{"we", routing.Session{Expires: routing.Seconds(600), Refresher: routing.RefresherUs}, "600;refresher=uac",
			[]string{"Session-Expires: 600;refresher=uac", "Require: timer"}, 300 * time.Second, 332 * time.Second},
		{"he", routing.Session{Expires: routing.Seconds(600), Refresher: routing.RefresherPeer}, "600;refresher=uas",
			[]string{"x:600;refresher=uas"}, 0, 568 * time.Second},
		{"he chose less", routing.Session{Expires: routing.Seconds(600)}, "600", []string{"Session-Expires: 300;refresher=uac"}, 150 * time.Second, 182 * time.Second},
		{"nobody is named", routing.Session{Expires: routing.Seconds(600)}, "600", []string{"Session-Expires: 600"}, 300 * time.Second, 332 * time.Second},
		{"absurd, by us", routing.Session{}, "1800", []string{"Session-Expires: 0;refresher=uac"}, 5 * time.Second, 6666666667 * time.Nanosecond},
		{"absurd, by him", routing.Session{}, "1800", []string{"Session-Expires: 0;refresher=uas"}, 0, 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			timed(t, c.policy, func(w *world) {
				_, signals, inv := w.dialled()
				if inv.get("Session-Expires") != c.asked || inv.get("Min-SE") != "90" || inv.get("Supported") != "timer, replaces, norefersub, 100rel, 199" || inv.get("Require") != "" {
					t.Errorf("INVITE:\n%s", inv.raw)
				}
				w.callee.reply(inv, 200, "agent", offer, append(c.extra, "Allow: INVITE, UPDATE, BYE")...)
				w.callee.want("ACK")
				signal[call.Answered](w, signals)
				up := time.Now()
				if c.refresh > 0 {
					w.callee.wantLater("UPDATE")
					within(t, "refresh", up, c.refresh)
				}
				w.callee.lost(signals, up, c.ends)
			})
		})
	}
}

// TestSessionRefreshedByUs: each answered refresh begins the interval anew, who
// refreshes may change with it, and any answer is a sign of life.
func TestSessionRefreshedByUs(t *testing.T) {
	timed(t, routing.Session{Expires: routing.Seconds(600)}, func(w *world) {
		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer, "Session-Expires: 600;refresher=uac", "Allow: UPDATE")
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		up := time.Now()
		first := w.callee.wantLater("UPDATE")
		within(t, "first refresh", up, 300*time.Second)
		if first.get("Session-Expires") != "600;refresher=uac" || first.get("CSeq") != "2 UPDATE" {
			t.Errorf("first refresh:\n%s", first.raw)
		}
		time.Sleep(200 * time.Millisecond)
		w.callee.reply(first, 200, "", "", "Session-Expires: 400;refresher=uac", "Contact: <sip:agent@10.2.0.1:5062>")
		up = time.Now()
		moved := w.peer("10.2.0.1:5062") // a refresh is a target refresh
		second := moved.wantLater("UPDATE sip:agent@10.2.0.1:5062")
		within(t, "second refresh", up, 200*time.Second)
		moved.reply(second, 422, "", "", "Min-SE: 500") // a proxy on the way has grown stricter
		third := moved.wantLater("UPDATE")
		within(t, "a longer one", up, 200*time.Second)
		if third.get("Session-Expires") != "500;refresher=uac" || third.get("Min-SE") != "500" {
			t.Errorf("third refresh:\n%s", third.raw)
		}
		moved.reply(third, 488, "", "") // refused: alive all the same
		up = time.Now()
		fourth := moved.wantLater("UPDATE")
		within(t, "fourth refresh", up, 200*time.Second)
		moved.reply(fourth, 200, "", "", "Session-Expires: 500;refresher=uas")
		up = time.Now()
		moved.quiet(467 * time.Second)
		if s, ok := (<-signals).(call.Lost); !ok || s.Time.Sub(up) != 468*time.Second || !s.Alive.Equal(up) {
			t.Errorf("lost %+v after %v", s, time.Since(up))
		}
		leg.Hangup(localCause(200))
		bye := moved.want("BYE")
		moved.reply(bye, 200, "", "")
		signal[call.Gone](w, signals)
	})
}

// TestSessionNeverLongEnough: a peer whose every 422 wants a second more is
// asked a few times and then left until the next refresh is due.
func TestSessionNeverLongEnough(t *testing.T) {
	timed(t, routing.Session{Expires: routing.Seconds(600)}, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer, "Session-Expires: 600;refresher=uac", "Allow: UPDATE")
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		for n := range maxRaises + 1 {
			w.callee.reply(w.callee.wantLater("UPDATE"), 422, "", "", fmt.Sprintf("Min-SE: %d", 601+n))
		}
		up := time.Now()
		w.callee.wantLater("UPDATE")
		within(t, "the next refresh", up, 300*time.Second)
	})
}

// TestSessionRefreshedByPeer: re-INVITE and UPDATE of his begin it anew, a
// too short one is refused and changes nothing.
func TestSessionRefreshedByPeer(t *testing.T) {
	timed(t, routing.Session{}, func(w *world) {
		i, a := w.answered("Supported: timer", "Session-Expires: 100;refresher=uac", "Allow: UPDATE")
		for range 3 {
			time.Sleep(50 * time.Second)
			i.request("UPDATE", "", "Supported: timer", "Session-Expires: 100;refresher=uac", "Contact: <sip:gw@"+carrierAddr+">")
			if ok := w.carrier.want("SIP/2.0 200"); ok.get("Session-Expires") != "100;refresher=uac" || ok.get("Require") != "timer" || ok.body != "" {
				t.Errorf("%s", ok.raw)
			}
		}
		time.Sleep(50 * time.Second)
		i.request("INVITE", offer, "Supported: timer", "Session-Expires: 200;refresher=uas", "Contact: <sip:gw@"+carrierAddr+">")
		w.carrier.want("SIP/2.0 100")
		signal[call.Offered](w, a.signals)
		a.leg.Update(1, ourSDP)
		if ok := w.carrier.want("SIP/2.0 200"); ok.get("Session-Expires") != "200;refresher=uas" || ok.get("Require") != "" {
			t.Errorf("%s", ok.raw)
		}
		up := time.Now()
		i.send("ACK", i.branch+"ack2", i.cseq, "")
		u := w.carrier.wantLater("UPDATE") // now it is ours
		within(t, "refresh", up, 100*time.Second)
		w.carrier.reply(u, 200, "", "", "Session-Expires: 200;refresher=uac")
		up = time.Now()
		time.Sleep(10 * time.Second)
		i.request("UPDATE", "", "Supported: timer", "Session-Expires: 89;refresher=uas")
		if no := w.carrier.want("SIP/2.0 422"); no.get("Min-SE") != "90" {
			t.Errorf("%s", no.raw)
		}
		w.carrier.wantLater("UPDATE")
		within(t, "refresh", up, 100*time.Second)
		w.carrier.lost(a.signals, up, 132*time.Second)
	})
}

// TestSessionTooSmallForCallee: 422 is answered by the same call with a longer
// interval, as long as it grows, three times at the most.
func TestSessionTooSmallForCallee(t *testing.T) {
	timed(t, routing.Session{Expires: routing.Seconds(120)}, func(w *world) {
		_, signals, inv := w.dialled()
		for n, least := range []string{"300", "400", "500"} {
			w.callee.reply(inv, 422, "t", "", "Min-SE: "+least)
			w.callee.want("ACK")
			next := w.callee.want("INVITE")
			if next.get("Session-Expires") != least || next.get("Min-SE") != least || next.get("Call-ID") != inv.get("Call-ID") ||
				next.get("CSeq") != fmt.Sprintf("%d INVITE", n+2) || next.tag("From") != inv.tag("From") || next.branch() == inv.branch() {
				t.Errorf("after 422:\n%s", next.raw)
			}
			inv = next
		}
		w.callee.reply(inv, 422, "t", "", "Min-SE: 600")
		w.callee.want("ACK")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 422 {
			t.Errorf("%+v", f)
		}
		signal[call.Gone](w, signals)
	})
	for _, header := range []string{"Min-SE: 1800", "Min-SE: x", "Warning: none"} {
		bubble(t, func(w *world) { // nothing to be gained by another try
			_, signals, inv := w.dialled()
			w.callee.reply(inv, 422, "t", "", header)
			w.callee.want("ACK")
			signal[call.Failed](w, signals)
			signal[call.Gone](w, signals)
		})
	}
}

// TestSessionPeerForgotTheCall: 481 and 408 to a refresh end the leg.
func TestSessionPeerForgotTheCall(t *testing.T) {
	for _, status := range []int{481, 408} {
		timed(t, routing.Session{}, func(w *world) {
			i, a := w.answered("Allow: UPDATE")
			u := w.carrier.wantLater("UPDATE")
			w.carrier.reply(u, status, "", "")
			l := signal[call.Lost](w, a.signals)
			if l.Cause.Status != status || !l.Cause.Remote || l.Cause.By == call.ByTimer != (status == 408) {
				t.Errorf("%+v", l.Cause)
			}
			bye := w.carrier.want("BYE")
			if bye.get("Call-ID") != i.callID {
				t.Errorf("%s", bye.raw)
			}
			w.carrier.reply(bye, 481, "", "")
			signal[call.Gone](w, a.signals)
		})
	}
}

// TestSessionByeCrossesRefresh: a refresh that is out when the call ends says nothing.
func TestSessionByeCrossesRefresh(t *testing.T) {
	timed(t, routing.Session{}, func(w *world) {
		i, a := w.answered("Allow: UPDATE")
		u := w.carrier.wantLater("UPDATE")
		i.request("BYE", "")
		w.carrier.want("SIP/2.0 200")
		w.carrier.reply(u, 481, "", "")
		signal[call.Bye](w, a.signals)
		signal[call.Gone](w, a.signals)
		synctest.Wait()
		w.carrier.quiet(time.Hour)
	})
}

func FuzzSessionExpires(f *testing.F) {
	for _, s := range []string{"1800", "1800;refresher=uac", " 90 ; x=y; refresher = UAS ", "", ";", "99999999999999999999", "-1", "1.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		e, ok := readExpires(value)
		if e.interval < 0 || e.interval > longest || !ok && e.interval != 0 {
			t.Errorf("%q: %+v %v", value, e, ok)
		}
		if e.refresher != "" && e.refresher != "uac" && e.refresher != "uas" {
			t.Errorf("%q: refresher %q", value, e.refresher)
		}
	})
}

// TestSessionRefreshedByReinvite: who does not take UPDATE gets the description
// he has once more; only an answer that says something new is told to the call.
func TestSessionRefreshedByReinvite(t *testing.T) {
	timed(t, routing.Session{Expires: routing.Seconds(600)}, func(w *world) {
		_, signals, inv := w.dialled()
		w.callee.reply(inv, 200, "agent", offer, "Allow: INVITE, ACK, BYE")
		w.callee.want("ACK")
		signal[call.Answered](w, signals)
		up := time.Now()
		refresh := func(after time.Duration) message {
			re := w.callee.wantLater("INVITE")
			within(t, "refresh", up, after)
			up = time.Now()
			if re.body != inv.body || re.get("Supported") != supported || re.tag("To") != "agent" {
				t.Errorf("refresh:\n%s", re.raw)
			}
			return re
		}
		re := refresh(300 * time.Second)
		if re.get("Session-Expires") != "600;refresher=uac" {
			t.Errorf("refresh:\n%s", re.raw)
		}
		w.callee.reply(re, 200, "", offer)
		w.callee.want("ACK")
		re = refresh(300 * time.Second)
		w.callee.reply(re, 422, "", "", "Min-SE: 1200")
		w.callee.want("ACK")
		re = refresh(0)
		if re.get("Session-Expires") != "1200;refresher=uac" || re.get("Min-SE") != "1200" {
			t.Errorf("refresh:\n%s", re.raw)
		}
		w.callee.reply(re, 200, "", offer, "Session-Expires: 1200;refresher=uac")
		w.callee.want("ACK")
		re = refresh(600 * time.Second)
		w.callee.reply(re, 488, "", "") // the session is as it was, and he is there
		w.callee.want("ACK")
		w.noSignal(signals, 0)
		re = refresh(600 * time.Second)
		moved := "v=0\no=- 1 2 IN IP4 10.2.0.1\ns=-\nc=IN IP4 10.2.0.1\nt=0 0\nm=audio 4002 RTP/AVP 0\n"
		w.callee.reply(re, 200, "", moved)
		w.callee.want("ACK")
		if s := signal[call.Accepted](w, signals); string(s.Body) != crlf(moved) {
			t.Errorf("accepted %q", s.Body)
		}
		re = refresh(600 * time.Second)
		w.callee.lost(signals, up, 32*time.Second)
	})
}

// TestSessionRefreshMeetsAnOffer: an exchange that is under way refreshes too.
func TestSessionRefreshMeetsAnOffer(t *testing.T) {
	timed(t, routing.Session{Expires: routing.Seconds(600)}, func(w *world) {
		i, a := w.answered("Allow: INVITE, BYE")
		time.Sleep(299 * time.Second)
		i.request("INVITE", offer, "Contact: <sip:gw@"+carrierAddr+">")
		w.carrier.want("SIP/2.0 100")
		signal[call.Offered](w, a.signals)
		time.Sleep(4 * time.Second) // ours is due meanwhile
		a.leg.Update(1, ourSDP)
		up := time.Now()
		w.carrier.want("SIP/2.0 200")
		i.send("ACK", i.branch+"ack2", i.cseq, "")
		w.carrier.wantLater("INVITE")
		within(t, "refresh", up, 300*time.Second)
	})
}

// crlf is a body as text sends it.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
