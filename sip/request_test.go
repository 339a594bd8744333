package sip

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

// ask sends a request outside dialogs and returns the final answer.
func (p *peer) ask(start string, headers ...string) message {
	p.w.Helper()
	p.seq++
	id := fmt.Sprintf("ask%d@%s", p.seq, p.conn.addr)
	method, _, _ := strings.Cut(start, " ")
	has := func(name string) bool { return contains(headers, name+":") }
	s := start + "\n"
	for _, h := range []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKask%d;rport", p.conn.addr, p.seq), "Max-Forwards: 70", "From: <sip:gw@10.1.0.1>;tag=gw",
		"To: <sip:x@10.0.0.1>", "Call-ID: " + id, "CSeq: 1 " + method, "Contact: <sip:gw@10.1.0.1>",
	} {
		if name, _, _ := strings.Cut(h, ":"); !has(name) {
			s += h + "\n"
		}
	}
	body := ""
	for _, h := range headers {
		if b, ok := strings.CutPrefix(h, "BODY "); ok {
			body = b
		} else if !strings.HasSuffix(h, ": -") {
			s += h + "\n"
		}
	}
	p.sendRaw(text("%s\n%s", s, body))
	for {
		m := p.want("SIP/2.0 ")
		if statusOf(m.start) >= 200 && m.get("Call-ID") == id {
			return m
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	bubble(t, func(w *world) {
		w.refuse = &call.Cause{Reason: "number-unassigned"}
		for _, c := range []struct {
			start  string
			extra  []string
			status int
			header string // that the answer must have
		}{
			{"OPTIONS sip:10.0.0.1 SIP/2.0", nil, 200, "Allow: " + allowed},
			{"OPTIONS sip:10.0.0.1 SIP/2.0", nil, 200, "Accept: application/sdp"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", nil, 404, ""},
			{"REGISTER sip:10.0.0.1 SIP/2.0", nil, 405, "Allow: " + allowed},
			{"MESSAGE sip:x@10.0.0.1 SIP/2.0", nil, 405, "Allow: " + allowed},
			{"SUBSCRIBE sip:x@10.0.0.1 SIP/2.0", nil, 405, ""},
			{"NOTIFY sip:x@10.0.0.1 SIP/2.0", nil, 405, ""},
			{"REFER sip:x@10.0.0.1 SIP/2.0", nil, 403, ""},
			{"PUBLISH sip:x@10.0.0.1 SIP/2.0", nil, 405, ""},
			{"PRACK sip:x@10.0.0.1 SIP/2.0", nil, 481, ""},
			{"FOO sip:x@10.0.0.1 SIP/2.0", nil, 405, ""},
			{"INVITE sip:x@10.0.0.1 SIP/3.0", nil, 505, ""},
			{"INVITE urn:service:sos SIP/2.0", nil, 416, ""},
			{"OPTIONS tel:+4721000001 SIP/2.0", nil, 416, ""},
			{"INVITE sips:x@10.0.0.1 SIP/2.0", nil, 416, ""},
			{"INVITE http://x/ SIP/2.0", nil, 416, ""},
			{"INVITE sip:x@10.0.0.1?Route=y SIP/2.0", nil, 400, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Max-Forwards: 0"}, 483, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Max-Forwards: -"}, 483, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Require: 100rel"}, 404, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Require: foo, bar"}, 420, "Unsupported: foo, bar"},
			{"OPTIONS sip:x@10.0.0.1 SIP/2.0", []string{"Require: timer"}, 200, "Supported: " + supported},
			{"OPTIONS sip:x@10.0.0.1 SIP/2.0", []string{"Require: timer, foo"}, 420, "Unsupported: foo"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Session-Expires: 89", "Supported: timer"}, 422, "Min-SE: 90"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"x: 89;refresher=uac", "k: timer"}, 422, "Min-SE: 90"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Session-Expires: 89"}, 404, ""}, // written by a proxy
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Session-Expires: soon", "Supported: timer"}, 404, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Supported: 100rel, timer"}, 404, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Content-Type: multipart/mixed", "BODY x"}, 415, "Accept: application/sdp"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"BODY x"}, 415, "Accept: application/sdp"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Content-Type: application/sdp;charset=utf-8", "BODY v=0"}, 404, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Content-Encoding: gzip", "Content-Type: application/sdp", "BODY v=0"}, 415, "Accept-Encoding: identity"},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Contact: -"}, 400, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Contact: *"}, 400, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"Contact: <mailto:a@b>"}, 400, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"CSeq: 1 OPTIONS"}, 400, ""},
			{"INVITE sip:x@10.0.0.1 SIP/2.0", []string{"To: <sip:x@10.0.0.1>;tag=unknown"}, 481, ""},
			{"BYE sip:x@10.0.0.1 SIP/2.0", nil, 481, ""},
			{"BYE sip:x@10.0.0.1 SIP/2.0", []string{"To: <sip:x@10.0.0.1>;tag=unknown"}, 481, ""},
			{"UPDATE sip:x@10.0.0.1 SIP/2.0", nil, 481, ""},
			{"INFO sip:x@10.0.0.1 SIP/2.0", []string{"To: <sip:x@10.0.0.1>;tag=unknown"}, 481, ""},
		} {
			m := w.carrier.ask(c.start, c.extra...)
			if got := statusOf(m.start); got != c.status || c.header != "" && !strings.Contains(m.raw, "\r\n"+c.header+"\r\n") {
				t.Errorf("%s %v: %s, want %d %s", c.start, c.extra, m.start, c.status, c.header)
			}
			if m.tag("To") == "" || m.get("Server") != "" || m.get("User-Agent") != "" {
				t.Errorf("%s:\n%s", c.start, m.raw)
			}
			if strings.HasPrefix(c.start, "INVITE") {
				w.carrier.ack(m)
			}
		}
		w.carrier.quiet(time.Minute)
	})
}

// ack acknowledges a refusal of the INVITE that ask sent.
func (p *peer) ack(m message) {
	p.send("ACK sip:x@10.0.0.1 SIP/2.0\nVia: %s\nMax-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s ACK\n\n",
		m.get("Via"), m.get("From"), m.get("To"), m.get("Call-ID"), strings.Fields(m.get("CSeq"))[0])
}

func TestOptionsWhileDraining(t *testing.T) {
	inWorld(t, Config{}, Deps{Ready: func() bool { return false }}, func(w *world) {
		if m := w.carrier.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 503 || m.get("Retry-After") == "" {
			t.Errorf("%s", m.raw)
		}
	})
}

// RFC 3261 8.2.2.2: the same request by two ways.
func TestMergedRequest(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		i.send("INVITE", i.branch, 1, offer, "Contact: <sip:gw@10.1.0.1>", "Content-Type: application/sdp") // a retransmission
		w.carrier.want("SIP/2.0 100")
		i.send("INVITE", "z9hG4bKotherway", 1, offer, "Contact: <sip:gw@10.1.0.1>", "Content-Type: application/sdp")
		w.carrier.want("SIP/2.0 482")
		if len(w.admits) != 0 {
			t.Error("admitted twice")
		}
		a.leg.Hangup(call.Cause{Status: 486})
		w.carrier.wantAfter("SIP/2.0 486", "SIP/2.0 482")
	})
}

// RFC 3261 16.3 item 4: a request of ours comes back.
func TestLoop(t *testing.T) {
	bubble(t, func(w *world) {
		_, _, inv := w.dialled()
		via := inv.get("Via")
		if m := w.carrier.ask("INVITE sip:x@10.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP "+carrierAddr+";branch=z9hG4bKl;rport\nVia: "+via); statusOf(m.start) != 482 {
			t.Errorf("%s", m.raw)
		}
		// a neighbour that happens to have our private address is no loop
		w.refuse = &call.Cause{Reason: "number-unassigned"}
		if m := w.carrier.ask("INVITE sip:x@10.0.0.1 SIP/2.0", "Via: SIP/2.0/UDP "+carrierAddr+";branch=z9hG4bKm;rport\nVia: SIP/2.0/UDP "+usAddr+";branch=z9hG4bKtheirs"); statusOf(m.start) != 404 {
			t.Errorf("%s", m.raw)
		}
	})
}

// Row 11: the transaction lives until the call decides, however late.
func TestRow11AnswerAfterMinutes(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		time.Sleep(5 * time.Minute) // of virtual time
		i.send("INVITE", i.branch, 1, offer, "Contact: <sip:gw@10.1.0.1>", "Content-Type: application/sdp")
		w.carrier.want("SIP/2.0 100")
		a.leg.Answer(ourSDP)
		w.carrier.want("SIP/2.0 200")
		if len(w.admits) != 0 {
			t.Error("admitted twice")
		}
	})
}

// Row 18 (RFC 3261 18.2.1, RFC 3581): received whenever the Via is not the
// source, rport when asked for, and the answer goes to the source's address.
func TestRow18Received(t *testing.T) {
	bubble(t, func(w *world) {
		all := &peer{w: w, conn: w.wire.listen("10.1.0.1")}
		for _, c := range []struct{ via, want, port string }{
			{"10.1.0.1:5060;branch=z9hG4bK1", "10.1.0.1:5060;branch=z9hG4bK1", ""},
			{"192.168.1.5:5060;branch=z9hG4bK2", "192.168.1.5:5060;branch=z9hG4bK2;received=10.1.0.1", ""},
			{"gw.example.com;branch=z9hG4bK3", "gw.example.com;branch=z9hG4bK3;received=10.1.0.1", ""},
			{"192.168.1.5:9;rport;branch=z9hG4bK4", "192.168.1.5:9;rport=5060;branch=z9hG4bK4;received=10.1.0.1", ""},
			{"192.168.1.5:9999;branch=z9hG4bK5", "192.168.1.5:9999;branch=z9hG4bK5;received=10.1.0.1", "any"},
			{"10.9.9.9:5060;branch=z9hG4bK6;received=10.9.9.9;maddr=10.9.9.9", "10.9.9.9:5060;branch=z9hG4bK6;received=10.1.0.1;maddr=10.9.9.9", ""},
		} {
			to := w.carrier
			if c.port != "" {
				to = all
			}
			w.carrier.send("OPTIONS sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s\nMax-Forwards: 70\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: %s\nCSeq: 1 OPTIONS\n\n", c.via, c.via[:14])
			if m := to.want("SIP/2.0 200"); m.get("Via") != "SIP/2.0/UDP "+c.want {
				t.Errorf("Via %q\nwant %q", m.get("Via"), c.want)
			}
		}
	})
}

// Row 13: nothing that comes stops the socket's reader.
func TestRow13NothingStopsTheSocket(t *testing.T) {
	bubble(t, func(w *world) {
		stranger := w.peer(otherAddr)
		for i := range 300 {
			for _, p := range []*peer{w.carrier, stranger} {
				p.sendRaw(nil)
				p.sendRaw([]byte("\r\n\r\n"))
				p.sendRaw([]byte{0, 0, 0})
				p.sendRaw(bytesOf(i))
				p.sendRaw([]byte("SIP/2.0 200 OK\r\n\r\n"))
				p.sendRaw([]byte("INVITE\r\n\r\n"))
			}
		}
		if m := w.carrier.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 200 {
			t.Errorf("%s", m.raw)
		}
		stranger.quiet(time.Second)
		if s := w.ep.Stats(); s.Panics != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func bytesOf(seed int) []byte {
	b := make([]byte, 64)
	for i := range b {
		seed = seed*1103515245 + 12345
		b[i] = byte(seed >> 16)
	}
	return b
}

// A panic anywhere ends one call, and the process does not notice.
func TestPanicEndsOneCall(t *testing.T) {
	const secret = "+4790000001"
	w := (*world)(nil)
	explode := func(call.Invite, call.Leg) (func(call.Signal), *call.Cause) { panic(secret) }
	inWorld(t, Config{}, Deps{Admit: explode}, func(v *world) {
		w = v
		w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		w.carrier.want("SIP/2.0 500")
		if m := w.carrier.ask("OPTIONS sip:10.0.0.1 SIP/2.0"); statusOf(m.start) != 200 {
			t.Errorf("%s", m.raw)
		}
		if s := w.ep.Stats(); s.Panics != 1 || s.Legs != 0 {
			t.Errorf("%+v", s)
		}
	})
	if log := w.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "leg ended") {
		t.Errorf("log: %s", log)
	}
	bubble(t, func(w *world) { // in the call's own function, during a call of each kind
		_, up := w.answered()
		var got []string
		d := call.Dial{MaxForwards: 69, Body: ourSDP}
		d.Target.URI = "sip:agent@" + calleeAddr
		if _, err := w.ep.Dial(t.Context(), d, func(s call.Signal) {
			got = append(got, fmt.Sprintf("%T", s))
			if _, gone := s.(call.Gone); !gone {
				panic(secret)
			}
		}); err != nil {
			t.Fatal(err)
		}
		inv := w.callee.want("INVITE")
		w.callee.reply(inv, 180, "agent", "")
		w.callee.want("CANCEL")
		synctest.Wait()
		if fmt.Sprint(got) != "[call.Trying call.Gone]" {
			t.Errorf("signals %v", got)
		}
		w.noSignal(up.signals, time.Minute)
	})
}

// No number, name or URI of a message in the log, whatever goes wrong.
func TestLogHoldsNothingOfTheMessages(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite("X-Secret: canary")
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		a.leg.Answer(ourSDP)
		signal[call.NoAck](w, a.signals)
		w.callee.sendRaw([]byte("INVITE sip:canary"))
		w.carrier.sendRaw([]byte("INVITE sip:canary SIP/2.0\r\nFrom canary\r\n\r\n"))
		i.send("CANCEL", i.branch, 1, "")
		_, signals := w.dial("sip:canary@canary.example.com")
		signal[call.Failed](w, signals)
		synctest.Wait()
		log := w.log.String()
		for _, s := range []string{"canary", "4790000001", "4721000001", "Kari", "sip:"} {
			if strings.Contains(log, s) {
				t.Errorf("%q in the log:\n%s", s, log)
			}
		}
	})
}
