//go:build interop

package interop

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestPhonesOverTLS has linphone call baresip, each leg over TLS with a
// certificate of the test's own authority: digits both ways, hold and resume of
// both, and baresip puts the caller through to another baresip, over TLS again.
// Not one word of it is on the wire in the clear.
func TestPhonesOverTLS(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	a := newAuthority(t)
	cert, key := a.issue(t, "node", "IP:"+nodeIP+",DNS:"+nodeIP) // linphone's mbedtls compares with names only
	n := newPhonesNode(t, w, plan{Listen: `, "tls://` + nodeIP + `:5061"`, Secure: fmt.Sprintf("{cert: %q, key: %q}", cert, key),
		Trunks: fmt.Sprintf(`  - {id: office, sources: [%[1]s, %[2]s], targets: [{uri: "sip:%[1]s:5061;transport=tls"}], tls: {ca: %[3]q}, transfer: {allow: true, timeout: PT10S}}`+"\n",
			calleeIP, bossIP, a.cert),
		To: `{number: "+4722000001", trunk: office}`})
	stop := w.watch(t, dir)
	phone := func(user, ip, voice string) *softphone {
		p := newSoftphone(t, w, dir, user, ip, speak(t, dir, user, calleeText, voice, 60))
		p.secure(t, a, "IP:"+ip)
		p.start(t)
		return p
	}
	callee, boss := phone("+4722000001", calleeIP, "en+f3"), phone("201", bossIP, "en+m7")
	caller := newLinphone(t, w, "caller", callerIP, "root_ca="+a.cert+"\nverify_server_certs=1\nverify_server_cn=1\n")
	caller.do(t, "call sip:"+tracking+"@"+nodeIP+":5061;transport=tls")
	caller.established(t)
	caller.do(t, "play "+speak(t, dir, "caller", callerText, "en+m1", 60))
	callee.says(t, "Call established", limit)

	caller.do(t, "4")
	callee.says(t, "received event: '4'", limit)
	callee.do(t, "sndcode 6")
	caller.hears(t, "Receiving tone 6")
	for _, order := range []struct {
		do                    func(*testing.T, string)
		command, event, party string
	}{
		{callee.do, "hold", "call.held", "callee"}, {callee.do, "resume", "call.resumed", "callee"},
		{caller.do, "pause", "call.held", "caller"}, {caller.do, "resume", "call.resumed", "caller"},
	} {
		before := count(n.stories(t), order.event)
		order.do(t, order.command)
		eventually(t, limit, order.event+" of the "+order.party, func() bool { return count(n.stories(t), order.event) == before+1 })
		if s := n.stories(t)[0]; s.last(order.event).Party != order.party {
			t.Errorf("%s of the %s, want the %s", order.event, s.last(order.event).Party, order.party)
		}
		time.Sleep(700 * time.Millisecond) // on hold, or talking again
	}
	callee.do(t, "transfer sip:201@"+bossIP+":5061;transport=tls")
	boss.says(t, "Call established", limit)
	eventually(t, limit, "the end of the referrer's leg", func() bool { return count(n.stories(t), "leg.ended") == 1 })
	time.Sleep(2 * time.Second) // the caller and the boss talk
	caller.do(t, "terminate")
	boss.says(t, "session closed", limit)
	s := n.settled(t, 1)[0]
	s.whole(t)
	if end := s.last("call.ended"); end.Status != "completed" || end.EndedBy != "caller" || end.Transfers != 1 || end.HoldMS < 1000 || end.HoldMS > 5000 ||
		end.Media.Caller.Packets < 200 || end.Media.Callee.Packets < 200 {
		t.Errorf("end %+v", end)
	}
	if in := s.last("call.received"); in.Transport != "tls" {
		t.Errorf("received by %q", in.Transport)
	}
	for _, id := range s.recordings() {
		n.ask(t, "recordings", "verify", id)
	}
	n.stop(t)
	capture := stop()
	if bare := tshark(t, capture, "sip", "_ws.col.Info"); len(bare) > 0 {
		t.Errorf("in the clear: %q", bare)
	}
	for _, ip := range []string{callerIP, calleeIP, bossIP} {
		if k := len(tshark(t, capture, "tls.app_data && ip.addr=="+ip, "frame.number")); k < 4 {
			t.Errorf("%d TLS records with %s", k, ip)
		}
	}
}

// TestDigitsByINFO: what a linphone presses by INFO reaches one by INFO that has
// agreed on no events.
func TestDigitsByINFO(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{})
	stop := w.watch(t, dir)
	callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
	caller := newLinphone(t, w, "caller", callerIP, "use_info=1\nuse_rfc2833=0\n")
	caller.do(t, "call "+n.uri())
	caller.established(t)
	callee.established(t)
	caller.do(t, "9")
	callee.hears(t, "Receiving tone 9")
	time.Sleep(time.Second)
	caller.do(t, "terminate")
	n.settled(t, 1)[0].completed(t)
	n.stop(t)
	got := tshark(t, stop(), "sip.CSeq.method==INFO", "ip.src", "ip.dst", "sip.Method", "sip.Status-Code")
	if want := []string{callerIP + "|" + nodeIP + "|INFO|", nodeIP + "|" + callerIP + "||200",
		nodeIP + "|" + calleeIP + "|INFO|", calleeIP + "|" + nodeIP + "||200"}; !slices.Equal(got, want) {
		t.Errorf("INFO: %q, want %q", got, want)
	}
}
