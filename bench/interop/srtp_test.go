//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// encrypt makes a softphone encrypt its media: "srtp" when the other one can,
// "srtp-mand" always, "dtls_srtp" by DTLS. Empty: not at all.
func (p *softphone) encrypt(t *testing.T, how string) {
	t.Helper()
	if how == "" {
		return
	}
	for name, change := range map[string][2]string{
		"config":   {"module aufile.so\n", "module aufile.so\nmodule srtp.so\nmodule dtls_srtp.so\n"},
		"accounts": {";regint=0", ";mediaenc=" + how + ";regint=0"},
	} {
		file := filepath.Join(p.dir, name)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(b), change[0], change[1], 1)
		if how == "dtls_srtp" {
			text = strings.Replace(text, "rtcp_mux no", "rtcp_mux yes", 1)
		}
		if text == string(b) {
			t.Fatalf("%s: there is no %q", file, change[0])
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// secured is a call of two phones of which each encrypts in its own way.
type secured struct {
	caller, callee string // how: see encrypt
	in, out        string // srtp of the two trunks
	suites         [2]string
}

const (
	require = "{mode: require, insecure_signalling: true}"
	byDTLS  = "{mode: require, keys: dtls}"
	effort  = "{mode: offer, insecure_signalling: true}"
)

// TestPhonesEncrypt has baresip call baresip, with SDES and DTLS-SRTP on one leg
// or both and mixed with plain RTP. What each says is heard by the other and is in
// the recording, no key that one leg was told is on the other, and on a leg that
// is encrypted nothing is heard by who listens on the wire.
func TestPhonesEncrypt(t *testing.T) {
	for name, c := range map[string]secured{
		"SDES to plain":        {caller: "srtp-mand", in: require},
		"plain to SDES":        {callee: "srtp-mand", out: require},
		"SDES to SDES":         {"srtp-mand", "srtp-mand", require, require, [2]string{"AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"}},
		"best effort":          {caller: "srtp", callee: "srtp", in: effort, out: effort},
		"best effort to plain": {caller: "srtp", in: effort, out: effort},
		"DTLS to plain":        {caller: "dtls_srtp", in: byDTLS},
		"plain to DTLS":        {callee: "dtls_srtp", out: byDTLS},
		"DTLS to SDES":         {caller: "dtls_srtp", callee: "srtp-mand", in: byDTLS, out: require},
	} {
		t.Run(name, func(t *testing.T) { c.talk(t) })
	}
}

// trunk words srtp of a trunk, with its suites.
func (c secured) trunk(which int) string {
	mode := []string{c.in, c.out}[which]
	if mode == "" {
		mode = "{mode: off}"
	}
	if s := c.suites[which]; s != "" {
		mode = strings.Replace(mode, "}", ", suites: ["+s+"]}", 1)
	}
	return "srtp: " + mode
}

func (c secured) talk(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Carrier: c.trunk(0),
		Trunks: fmt.Sprintf("  - {id: office, sources: [%[1]s], targets: [{uri: \"sip:%[1]s:5060;transport=udp\"}], %[2]s}\n", calleeIP, c.trunk(1)),
		To:     fmt.Sprintf(`{uri: "sip:agent@%s:5060", trunk: office}`, calleeIP)})
	stop := w.watch(t, dir)
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 0))
	callee.encrypt(t, c.callee)
	callee.start(t)
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 3))
	caller.encrypt(t, c.caller)
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	callee.says(t, "menu: audio error", 30*time.Second) // it has said all, and hangs up
	caller.says(t, "session closed", 10*time.Second)
	s := n.settled(t, 1)[0]
	s.completed(t)
	channels := n.export(t, s, filepath.Join(dir, "call.wav"))
	end := s.last("call.ended")
	for _, side := range []struct {
		name string
		got  int64
	}{{"caller", int64(end.Media.Caller.Packets)}, {"callee", int64(end.Media.Callee.Packets)}} {
		if side.got < 200 {
			t.Errorf("%d packets of the %s", side.got, side.name)
		}
	}
	n.stop(t)
	compare(t, s, channels, readWAV(t, caller.Says)[0], readWAV(t, callee.Says)[0])
	capture := stop()
	keysStayOnTheirLeg(t, capture, callerIP, calleeIP, c.caller, c.callee)
	for _, leg := range []struct{ ip, how string }{{callerIP, c.caller}, {calleeIP, c.callee}} {
		eavesdrop(t, capture, leg.ip, leg.how == "", readWAV(t, caller.Says)[0], readWAV(t, callee.Says)[0])
	}
}

var inlineKey = regexp.MustCompile(`inline:([A-Za-z0-9+/=]+)`)

// keysStayOnTheirLeg looks for keys in all SIP of each leg.
func keysStayOnTheirLeg(t *testing.T, capture, one, two, ofOne, ofTwo string) {
	t.Helper()
	told := map[string][]string{}
	for _, ip := range []string{one, two} {
		for _, attributes := range tshark(t, capture, "sdp && ip.addr=="+ip, "sdp.media_attr") { // over UDP or, when long, TCP
			for _, m := range inlineKey.FindAllStringSubmatch(attributes, -1) {
				told[ip] = append(told[ip], m[1])
			}
		}
	}
	for _, leg := range []struct{ ip, how string }{{one, ofOne}, {two, ofTwo}} {
		if n := len(told[leg.ip]); (n > 0) != strings.HasPrefix(leg.how, "srtp") && leg.how != "" {
			t.Errorf("%d keys in the signalling with %s, which encrypts by %q", n, leg.ip, leg.how)
		}
	}
	for _, key := range told[one] {
		if slices.Contains(told[two], key) {
			t.Error("a key of one leg is on the other")
		}
	}
	t.Logf("tshark: %d keys on one leg, %d on the other, none on both", len(told[one]), len(told[two]))
}

// eavesdrop plays what is on the wire with a host as if it were plain G.711 and
// compares it with what was said.
func eavesdrop(t *testing.T, capture, ip string, plain bool, said ...[]int16) {
	t.Helper()
	var sound []int16
	for _, payload := range tshark(t, capture, "udp.dstport>=20000 && udp.dstport<=20999 && ip.src=="+ip, "udp.payload") {
		if pkt := []byte(unhex(t, payload)); len(pkt) >= 172 && pkt[0] == 0x80 && pkt[1]&0x7f == 8 {
			sound = siptest.PCMA.Decode(sound, pkt[12:172])
		}
	}
	if len(sound) < rate {
		t.Errorf("%d ms on the wire from %s", ms(sound), ip)
		return
	}
	best := 0.0
	for _, s := range said {
		best = max(best, siptest.Match(sound, s).Correlation)
	}
	t.Logf("on the wire from %s: %d ms, %.3f like what was said", ip, ms(sound), best)
	if plain && best < 0.9 || !plain && best > 0.3 {
		t.Errorf("on the wire from %s the sound is %.3f like what was said, plain %v", ip, best, plain)
	}
}

// TestEncryptedOverTLS has what is meant for use: signalling over TLS and SRTP
// required on both legs, with no leave for keys in the clear. Who calls over UDP
// gets 488, and check refuses a target that would be reached so.
func TestEncryptedOverTLS(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	a := newAuthority(t)
	cert, key := a.issue(t, "node", "IP:"+nodeIP+",DNS:"+nodeIP)
	n := newPhonesNode(t, w, plan{Listen: `, "tls://` + nodeIP + `:5061"`, Secure: fmt.Sprintf("{cert: %q, key: %q}", cert, key),
		Carrier: "srtp: {mode: require}",
		Trunks:  fmt.Sprintf("  - {id: office, sources: [%[1]s], targets: [{uri: \"sip:%[1]s:5061;transport=tls\"}], tls: {ca: %[2]q}, srtp: {mode: require}}\n", calleeIP, a.cert),
		To:      `{number: "+4722000001", trunk: office}`})
	stop := w.watch(t, dir)
	phone := func(user, ip, voice, text string, pause int) *softphone {
		p := newSoftphone(t, w, dir, user, ip, speak(t, dir, user, text, voice, pause))
		p.secure(t, a, "IP:"+ip)
		p.encrypt(t, "srtp-mand")
		return p
	}
	callee := phone("+4722000001", calleeIP, "en+f3", calleeText, 0)
	callee.start(t)
	caller := phone("caller", callerIP, "en+m1", callerText, 3)
	caller.start(t, "-e", "d sip:"+tracking+"@"+nodeIP+":5061;transport=tls")
	caller.says(t, "Call established", 10*time.Second)
	callee.says(t, "menu: audio error", 30*time.Second)
	caller.says(t, "session closed", 10*time.Second)
	s := n.settled(t, 1)[0]
	s.completed(t)
	channels := n.export(t, s, filepath.Join(dir, "call.wav"))
	compare(t, s, channels, readWAV(t, caller.Says)[0], readWAV(t, callee.Says)[0])

	capture := stop()
	if bare := tshark(t, capture, "sdp", "frame.number"); len(bare) > 0 {
		t.Errorf("%d descriptions in the clear", len(bare))
	}
	for _, ip := range []string{callerIP, calleeIP} {
		eavesdrop(t, capture, ip, false, readWAV(t, caller.Says)[0], readWAV(t, callee.Says)[0])
	}

	caller.do(t, "quit")
	caller.code(t, 10*time.Second)
	open := newSoftphone(t, w, dir, "open", callerIP, speak(t, dir, "open", callerText, "en+m1", 0))
	open.encrypt(t, "srtp-mand")
	open.start(t, "-e", "d "+n.uri())
	open.says(t, "488", 10*time.Second)
	if s := n.settled(t, 2)[1]; s.last("call.ended").Status == "completed" {
		t.Error("a call whose keys have crossed UDP was connected")
	}
	n.stop(t)
	n.wrong(t, ":5061;transport=tls\"", ":5060\"", "does not promise TLS, and srtp.mode is require")
}

// TestLinphoneEncrypts has linphone call baresip and be called by it, SDES and DTLS.
func TestLinphoneEncrypts(t *testing.T) {
	for name, c := range map[string]struct{ linphone, baresip, in, out string }{
		"SDES to SDES":  {"srtp", "srtp-mand", require, require},
		"SDES to plain": {"srtp", "", require, ""},
		"DTLS to DTLS":  {"dtls", "dtls_srtp", byDTLS, byDTLS},
		"DTLS to plain": {"dtls", "", byDTLS, ""},
	} {
		for _, calls := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, linphone calls %v", name, calls), func(t *testing.T) {
				first, second := secured{in: c.in, out: c.out}, callerIP
				if !calls {
					first, second = secured{in: c.out, out: c.in}, calleeIP
				}
				other := map[string]string{callerIP: calleeIP, calleeIP: callerIP}[second]
				dir := t.TempDir()
				w := newWire(t)
				n := newPhonesNode(t, w, plan{Carrier: first.trunk(0),
					Trunks: fmt.Sprintf("  - {id: office, sources: [%[1]s], targets: [{uri: \"sip:%[1]s:5060;transport=udp\"}], %[2]s}\n", calleeIP, first.trunk(1)),
					To:     fmt.Sprintf(`{uri: "sip:agent@%s:5060", trunk: office}`, calleeIP)})
				stop := w.watch(t, dir)
				user := map[bool]string{true: "caller", false: "agent"}
				flags := map[bool][]string{false: {"-a"}}
				lin := newLinphone(t, w, user[calls], second, "media_encryption="+c.linphone+"\n", flags[calls]...)
				bare := newSoftphone(t, w, dir, user[!calls], other, speak(t, dir, "baresip", calleeText, "en+f3", 20))
				bare.encrypt(t, c.baresip)
				if calls {
					bare.start(t)
					lin.do(t, "call "+n.uri())
				} else {
					bare.start(t, "-e", "d "+n.uri())
				}
				lin.established(t)
				bare.says(t, "Call established", limit)
				lin.do(t, "play "+speak(t, dir, "linphone", callerText, "en+m1", 20))
				time.Sleep(8 * time.Second) // they talk
				lin.do(t, "terminate")
				s := n.settled(t, 1)[0]
				channels := n.export(t, s, filepath.Join(dir, "call.wav"))
				n.stop(t)
				capture := stop()
				said := map[bool][]int16{true: readWAV(t, filepath.Join(dir, "linphone.wav"))[0], false: readWAV(t, bare.Says)[0]}
				for side, who := range []bool{calls, !calls} {
					m := siptest.Match(channels[side], said[who])
					t.Logf("channel %d: %.3f like what was said (%d ms shared)", side+1, m.Correlation, ms(make([]int16, m.Shared)))
					if m.Correlation < 0.9 || m.Shared < 2*rate {
						t.Errorf("channel %d is not what was said", side+1)
					}
				}
				keysStayOnTheirLeg(t, capture, second, other, c.linphone, c.baresip)
				eavesdrop(t, capture, other, c.baresip == "", said[true], said[false])
			})
		}
	}
}
