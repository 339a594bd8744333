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

// What a header can say that nobody expects there; all of it may reach a parser.
var odd = []string{
	"", ";", "<", "<>", "<sip:>", "sip:", "sip:@", "<sip:a@b;tag=>", `"`, `"\`, `"a\"" <sip:x@y>;tag=q`, "*", ",", ",,,", "a@b@c", "tel:", "<tel:+1;phone-context=>",
	"sips:a@b", "0", "-1", "4294967296", "99999999999999999999", "%00", "%", "%zz", "Digest", "Digest realm", `Digest realm="", nonce=""`, "<sip:[::1>", "<sip:[::1]:99999>",
	"<sip:a@b:0>", "<sip:a@127.0.0.1;transport=tls;lr>", "<sip:a@10.0.0.1:5060;transport=ws>", "<sip:a@b?Replaces=%3B>", "<sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=y>",
	";;;===", "\xff\xfe", "é", strings.Repeat("a,", 400), strings.Repeat("<", 500), "1 INVITE", "0 INVITE", "2147483647 INVITE", "4294967295 4294967295 INVITE", "x;to-tag=;from-tag=",
	"SIP/2.0/UDP", "SIP/2.0/UDP ;branch=", "SIP/2.0/UDP [::1]:0;branch=z9hG4bK;rport=1;received=x;maddr=1.2.3.4", "application/sdp;;;", "a.b.c;info=<>;alg=ES256;ppt=shaken", "..;info=<https://x>",
	"Q.850;cause=;cause=99999999999;text=", "SIP;cause=-1", "1800;refresher=", "id;;;user", "90;refresher=uas;refresher=uac",
}

var oddIn = []string{
	"Via", "From", "To", "Contact", "Call-ID", "CSeq", "Max-Forwards", "Route", "Record-Route", "Require", "Supported", "Allow", "Session-Expires", "Min-SE", "RAck", "RSeq",
	"Refer-To", "Refer-Sub", "Replaces", "Reason", "Diversion", "History-Info", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Privacy", "Authorization", "Identity",
	"Content-Type", "Content-Encoding", "Content-Length", "Retry-After", "WWW-Authenticate", "Proxy-Authenticate", "User-to-User", "X-Thing", "P-Called-Party-ID", "Warning",
	"k", "m", "f", "t", "i", "v", "c", "l", "x", "y", "r", "s",
}

// withHeader puts a value into a message: in place of the header it has, or beside.
func withHeader(msg, name, value string, beside bool) []byte {
	lines := strings.Split(msg, "\n")
	for i, l := range lines {
		if l == "" {
			break
		}
		if k, _, ok := strings.Cut(l, ": "); ok && i > 0 && strings.EqualFold(k, name) && !beside {
			lines[i] = name + ": " + value
			return text("%s", strings.Join(lines, "\n"))
		}
	}
	lines = append(lines[:1:1], append([]string{name + ": " + value}, lines[1:]...)...)
	return text("%s", strings.Join(lines, "\n"))
}

func oddTrunk(id string) (routing.Trunk, bool) {
	yes := true
	return routing.Trunk{ID: id, Auth: routing.Auth{Username: "us", Password: routing.NewSecret("env:P", "secret")},
		Headers: routing.Headers{In: []string{"User-to-User", "X-Thing"}, Out: []string{"X-Thing"}}, Identity: routing.Identity{RemotePartyID: &yes}}, id != ""
}

// Whatever stands in a header, nothing panics and nothing stays.
func TestOddHeaders(t *testing.T) {
	for _, name := range oddIn {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{}, Deps{Policy: oddTrunk}, func(w *world) {
				m := &mess{world: w, peer: w.carrier, signals: make(chan call.Signal, 4096)}
				i, a := w.answered()
				m.leg, m.signals = a.leg, a.signals
				for n, value := range odd {
					m.oddCall(n, name, value)
					m.oddRequests(i, n, name, value)
					m.oddResponses(n, name, value)
				}
				m.settled()
			})
		})
	}
}

// oddCall is an INVITE of the carrier's.
func (m *mess) oddCall(n int, name, value string) {
	for _, beside := range []bool{false, true} {
		msg := fmt.Sprintf("INVITE sip:+4721000001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKodd%d%v;rport\nMax-Forwards: 70\nFrom: <sip:+4790000001@10.1.0.1>;tag=o\n"+
			"To: <sip:+4721000001@10.0.0.1>\nCall-ID: odd%d%v\nCSeq: 1 INVITE\nContact: <sip:gw@%s>\nContent-Type: application/sdp\n\n%s", carrierAddr, n, beside, n, beside, carrierAddr, offer)
		m.carrier.sendRaw(withHeader(msg, name, value, beside))
		synctest.Wait()
		for len(m.admits) > 0 {
			c := <-m.admits
			c.leg.Progress(183, ourSDP)
			c.leg.Hangup(call.Cause{Status: 480})
		}
		m.listen()
	}
	time.Sleep(time.Millisecond)
}

// oddRequests are requests of the carrier's inside a call.
func (m *mess) oddRequests(i *invite, n int, name, value string) {
	for _, method := range []string{"INVITE", "UPDATE", "REFER", "PRACK", "INFO", "ACK"} {
		i.cseq++
		msg := fmt.Sprintf("%s sip:10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%d;rport\nMax-Forwards: 70\nFrom: <sip:+4790000001@10.1.0.1>;tag=kari\nTo: <sip:+4721000001@10.0.0.1>;tag=%s\n"+
			"Call-ID: %s\nCSeq: %d %s\nContact: <sip:gw@%s>\nContent-Type: application/sdp\n\n%s", method, carrierAddr, i.cseq, i.toTag, i.callID, i.cseq, method, carrierAddr, offer)
		m.carrier.sendRaw(withHeader(msg, name, value, n%2 == 0))
		m.listen()
		m.leg.Update(m.offers, ourSDP)
		m.leg.Refer(m.refers, 403)
	}
	time.Sleep(time.Millisecond)
}

// oddResponses are answers of a destination, each to a call of its own.
func (m *mess) oddResponses(n int, name, value string) {
	for _, status := range []int{183, 200, 302, 401, 422, 503} {
		d := call.Dial{Call: "call_1", Leg: "b1", From: "+4790000001", MaxForwards: 69, Body: ourSDP}
		d.Target.URI, d.Target.Trunk = "sip:agent@"+calleeAddr, "second"
		d.Target.Redirect.Follow = 1
		var leg call.Leg
		var err error
		leg, err = m.ep.Dial(m.Context(), d, func(s call.Signal) {
			if _, late := s.(call.Answered); late {
				leg.Hangup(call.Cause{Status: 200})
			}
		})
		if err != nil {
			m.Fatal(err)
		}
		inv := m.callee.wantAfter("INVITE", "ACK", "BYE", "PRACK", "SIP/2.0", "CANCEL", "UPDATE")
		msg := fmt.Sprintf("SIP/2.0 %d Odd\nVia: %s\nFrom: %s\nTo: %s;tag=o%d\nCall-ID: %s\nCSeq: %s\nRequire: 100rel\nRSeq: 1\nContact: <sip:agent@%s>\nContent-Type: application/sdp\n\n%s",
			status, inv.get("Via"), inv.get("From"), inv.get("To"), n, inv.get("Call-ID"), inv.get("CSeq"), calleeAddr, offer)
		m.callee.sendRaw(withHeader(msg, name, value, n%2 == 0))
		synctest.Wait()
		leg.Hangup(call.Cause{Status: 480})
		synctest.Wait()
	}
	time.Sleep(time.Millisecond)
}
