//go:build interop

package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPhonesTalkOverTLS has baresip call baresip, both over TLS: the caller is a
// trunk by his certificate and by nothing else, the other one is believed by
// his. Our own certificate is replaced while they talk, and openssl looks at it.
func TestPhonesTalkOverTLS(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	a := newAuthority(t)
	cert, key := a.issue(t, "node", "IP:"+nodeIP+",DNS:sip.example.com")
	n := newNode(t, plan{Host: nodeIP, Sources: nodeIP, Agent: calleeIP + ":5060",
		SIP: nodeIP + ":5060", HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222",
		Listen: `, "tls://` + nodeIP + `:5061"`,
		Secure: fmt.Sprintf("{cert: %q, key: %q, client_ca: %q}", cert, key, a.cert),
		Trunks: `  - {id: mobile, tls: {names: [caller.example.com]}, number_format: {country: NO}}` + "\n" +
			fmt.Sprintf(`  - {id: office, targets: [{uri: "sip:%s:5061;transport=tls"}], tls: {ca: %q}}`, calleeIP, a.cert) + "\n",
		To: `{number: "+4722000001", trunk: office}`})
	n.inside = within(w.hub, "--net")
	n.start(t)

	capture := filepath.Join(dir, "wire.pcap")
	witness := launchWithin(t, w.hub, dir, "dumpcap", "-q", "-i", "br0", "-P", "-w", capture)
	witness.says(t, "File: ", 20*time.Second)
	callee := newSoftphone(t, w, dir, "+4722000001", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 0))
	callee.secure(t, a, "IP:"+calleeIP)
	callee.start(t)
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 3))
	caller.secure(t, a, "DNS:caller.example.com")
	caller.start(t, "-e", "d sip:"+tracking+"@"+nodeIP+":5061;transport=tls")
	caller.says(t, "Call established", 10*time.Second)

	shown := func() string {
		_, out, _ := run(t, 10*time.Second, "sh", "-c", strings.Join(within(w.hub, "--net"), " ")+
			" timeout 5 openssl s_client -connect "+nodeIP+":5061 -CAfile "+a.cert+" </dev/null 2>&1 | grep -m1 subject=")
		return strings.TrimSpace(out)
	}
	if s := shown(); s != "subject=CN = node" {
		t.Errorf("openssl sees %q", s)
	}
	newCert, newKey := a.issue(t, "renewed", "IP:"+nodeIP+",DNS:sip.example.com")
	replace(t, map[string]string{cert: newCert, key: newKey})
	eventually(t, 10*time.Second, "the new certificate", func() bool { return shown() == "subject=CN = renewed" })

	callee.says(t, "menu: audio error", 30*time.Second) // it has said all: it hangs up
	caller.says(t, "session closed", 10*time.Second)
	all := n.settled(t, 1)
	witness.signal(t, syscall.SIGINT)
	witness.code(t, 10*time.Second)
	keepArtifact(t, capture)
	s := all[0]
	s.completed(t)
	if in := s.last("call.received"); in.Trunk != "mobile" || in.Transport != "tls" {
		t.Errorf("received through trunk %q by %q", in.Trunk, in.Transport)
	}
	if end := s.last("call.ended"); end.TalkMS < 5000 || end.Media.Caller.Packets < 200 || end.Media.Callee.Packets < 200 {
		t.Errorf("talked %d ms, %d and %d packets", end.TalkMS, end.Media.Caller.Packets, end.Media.Callee.Packets)
	}
	n.stop(t)
	for _, phone := range []string{callerIP, calleeIP} {
		if k := len(tshark(t, capture, "tls.app_data && ip.addr=="+phone, "frame.number")); k < 4 {
			t.Errorf("%d TLS records with %s", k, phone)
		}
	}
	if bare := tshark(t, capture, "sip", "frame.number", "_ws.col.Info"); len(bare) > 0 {
		t.Errorf("in the clear: %q", bare)
	}
}

// secure makes a softphone speak TLS and nothing else, with a certificate of its own.
func (p *softphone) secure(t *testing.T, a authority, san string) {
	t.Helper()
	cert, key := a.issue(t, "phone-"+p.IP, san)
	config := filepath.Join(p.dir, "config")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, "sip_certificate "+both(t, cert, key)+"\nsip_cafile "+a.cert+"\nsip_verify_server yes\n"...)
	account := "<sip:" + p.User + "@" + p.IP + ";transport=tls>;regint=0;answermode=auto;audio_codecs=pcma\n"
	for file, text := range map[string]string{config: string(b), filepath.Join(p.dir, "accounts"): account} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLSRefuses has openssl try what must not work.
func TestTLSRefuses(t *testing.T) {
	const host = "127.0.140"
	a, foreign := newAuthority(t), newAuthority(t)
	cert, key := a.issue(t, "node", "DNS:sip.example.com")
	known, knownKey := a.issue(t, "known", "DNS:pbx.example.com")
	other, otherKey := a.issue(t, "other", "DNS:other.example.com")
	forged, forgedKey := foreign.issue(t, "forged", "DNS:pbx.example.com")
	tlsAt := freePort(t, host+".1")
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: freePort(t, host+".3"),
		Listen: `, "tls://` + tlsAt + `"`,
		Secure: fmt.Sprintf("{cert: %q, key: %q, client_ca: %q}", cert, key, a.cert),
		Trunks: `  - {id: mobile, tls: {names: [pbx.example.com]}}` + "\n"})
	n.start(t)
	options := strings.ReplaceAll("OPTIONS sip:"+tlsAt+" SIP/2.0\nVia: SIP/2.0/TLS "+host+".9;branch=z9hG4bKtls;rport\nMax-Forwards: 70\nFrom: <sip:a@"+host+".9>;tag=1\nTo: <sip:"+tlsAt+">\nCall-ID: tls\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n", "\n", "\r\n")
	file := filepath.Join(t.TempDir(), "options")
	if err := os.WriteFile(file, []byte(options), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, from string
		flags      []string
		heard      bool
	}{
		{"a trunk's address without a certificate", ".2", nil, true},
		{"a stranger with the trunk's certificate", ".9", []string{"-cert", known, "-key", knownKey}, true},
		{"the same by TLS 1.2", ".9", []string{"-cert", known, "-key", knownKey, "-tls1_2"}, true},
		{"a stranger without", ".9", nil, false},
		{"a stranger with somebody else's", ".9", []string{"-cert", other, "-key", otherKey}, false},
		{"a stranger with a forged one", ".9", []string{"-cert", forged, "-key", forgedKey}, false},
		{"a trunk's address with a forged one", ".2", []string{"-cert", forged, "-key", forgedKey}, false},
		{"TLS 1.1", ".2", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, false},
		{"TLS 1.0", ".2", []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, false},
		{"CBC", ".2", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, false},
		{"no forward secrecy", ".2", []string{"-tls1_2", "-cipher", "AES128-GCM-SHA256"}, false},
	} {
		line := append([]string{"timeout", "5", "openssl", "s_client", "-quiet", "-no_ign_eof", "-bind", host + c.from + ":0", "-connect", tlsAt, "-CAfile", a.cert, "-verify_return_error"}, c.flags...)
		_, out, errs := run(t, 20*time.Second, "sh", "-c", "(cat "+file+"; sleep 1) | "+strings.Join(line, " "))
		if heard := strings.HasPrefix(out, "SIP/2.0 200 "); heard != c.heard || !c.heard && out != "" {
			t.Errorf("%s: %q, want an answer: %v; openssl said %s", c.name, out, c.heard, errs)
		}
	}
	n.stalls(t, tlsAt, host)
	n.stop(t)
}

// stalls holds many unfinished handshakes against one that has to work.
func (n *node) stalls(t *testing.T, tlsAt, host string) {
	t.Helper()
	var held []net.Conn
	for i := range 200 {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("%s.%d", host, 20+i%200))}}
		c, err := from.Dial("tcp", tlsAt)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte{22, 3, 1, 1, 0}) // the beginning of a ClientHello
		held = append(held, c)
	}
	start := time.Now()
	code, _, errs := run(t, 10*time.Second, "sh", "-c", "sleep 0.1 | timeout 5 openssl s_client -bind "+host+".2:0 -connect "+tlsAt)
	if took := time.Since(start); code != 0 || took > time.Second {
		t.Errorf("beside 200 stalled handshakes: exit %d after %v: %s", code, took, errs)
	}
	for i, c := range held {
		c.SetReadDeadline(start.Add(7 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("stalled handshake %d is still open after 7 s: %v", i, err)
			break
		}
	}
}

// TestLargeRequestByTCP: our INVITE is too large for UDP. A PBX with TCP gets it
// by TCP and the call stays where its Contact says; one without gets it by UDP.
// tshark judges what was on the wire.
func TestLargeRequestByTCP(t *testing.T) {
	for net, transport := range map[int]string{141: "t1", 142: "u1"} {
		t.Run("sipp as PBX with -t "+transport, func(t *testing.T) {
			host := fmt.Sprintf("127.0.%d", net)
			agent := freePort(t, host+".3")
			n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: agent})
			n.start(t)
			dir := sippDir(t)
			capture := filepath.Join(dir, "wire.pcap")
			witness := launch(t, dir, "dumpcap", "-q", "-i", "lo", "-P", "-w", capture, "-f", "host "+host+".3 and port "+portOf(agent))
			witness.says(t, "File: ", 20*time.Second)
			uas := sipp(t, dir, "destination.xml", host+".3", agent, "-t", transport, "-m", "1")
			uac := sipp(t, dir, "carrier_large.xml", host+".2", freePort(t, host+".2"), "-t", "t1", "-m", "1", n.SIP)
			for name, p := range map[string]*program{"carrier": uac, "PBX": uas} {
				if code := p.code(t, 20*time.Second); code != 0 {
					t.Errorf("sipp as %s: exit %d; it said\n%s", name, code, p.out.tail())
				}
			}
			n.settled(t, 1)[0].completed(t)
			n.stop(t)
			witness.signal(t, syscall.SIGINT)
			witness.code(t, 10*time.Second)
			keepArtifact(t, capture)
			decode := []string{"sip.Method", "sip.Via.transport", "tcp.len", "udp.length"}
			seen := map[string]string{}
			for _, line := range tsharkOn(t, capture, agent, "sip.Method && ip.src=="+host+".1", decode...) {
				f := strings.Split(line, "|")
				seen[f[0]] += f[1] + " "
			}
			want := map[string]string{"t1": "TCP ", "u1": "UDP "}[transport]
			for _, method := range []string{"INVITE", "ACK"} {
				if seen[method] != want {
					t.Errorf("%s by %q, want %q: %v", method, seen[method], want, seen)
				}
			}
			if refused := tsharkOn(t, capture, agent, "tcp.flags.reset==1", "frame.number"); transport == "u1" && len(refused) != 1 {
				t.Errorf("%d connections were refused before UDP", len(refused))
			}
		})
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// tsharkOn is tshark where SIP is on the port of an address.
func tsharkOn(t *testing.T, capture, address, filter string, fields ...string) []string {
	t.Helper()
	args := []string{"-r", capture, "-Y", filter, "-T", "fields", "-E", "separator=|", "-d", "udp.port==" + portOf(address) + ",sip", "-d", "tcp.port==" + portOf(address) + ",sip"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	return strings.Fields(strings.TrimSpace(must(t, "tshark", args...)))
}

// TestIPv6CallsIPv4 has a carrier on IPv6 call a PBX on IPv4, by UDP and by TCP.
func TestIPv6CallsIPv4(t *testing.T) {
	for i, transport := range []string{"u1", "t1"} {
		t.Run("sipp as carrier with -t "+transport, func(t *testing.T) {
			host := fmt.Sprintf("127.0.%d", 143+i)
			agent := freePort(t, host+".3")
			six := net.JoinHostPort("::1", portOf(freePort(t, host+".1")))
			n := newNode(t, plan{Host: host + ".1", Sources: `"::1"`, Agent: agent, Media6: "::1",
				Listen: fmt.Sprintf(`, "udp://%s", "tcp://%s"`, six, six)})
			n.start(t)
			dir := sippDir(t)
			uas := sipp(t, dir, "destination.xml", host+".3", agent, "-t", "u1", "-m", "1")
			uac := sipp(t, dir, "carrier.xml", "::1", freePort(t, host+".2"), "-t", transport, "-m", "1", six)
			for name, p := range map[string]*program{"carrier": uac, "PBX": uas} {
				if code := p.code(t, 20*time.Second); code != 0 {
					t.Errorf("sipp as %s: exit %d; it said\n%s", name, code, p.out.tail())
				}
			}
			s := n.settled(t, 1)[0]
			s.completed(t)
			if end := s.last("call.ended"); end.Media.Caller.Packets < 380 || end.Media.Callee.Packets < 380 {
				t.Errorf("%d packets of the caller, %d of the PBX", end.Media.Caller.Packets, end.Media.Callee.Packets)
			}
			var f figures
			f.listen(t, n, s, filepath.Join(dir, "out.wav"), s.last("call.ended").TalkMS)
			n.stop(t)
		})
	}
}
