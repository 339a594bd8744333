//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linphone is a linphonec without a head on a host of a wire: it plays files
// instead of a sound card, and takes its orders line by line.
type linphone struct {
	*program
	ip     string
	orders *os.File
}

const linphoneConfig = `[sip]
sip_port=5060
sip_tcp_port=-1
sip_tls_port=-1
guess_hostname=1
contact=sip:%[1]s@%[2]s
%[3]s[rtp]
audio_rtp_port=40000
[sound]
playback_dev_id=
[video]
enabled=0
capture=0
display=0
[misc]
uuid=6b2d2d6e-0000-1000-8000-000000000001
`

// newLinphone starts one; more are lines of the [sip] of its configuration.
func newLinphone(t *testing.T, w *wire, user, ip, more string, flags ...string) *linphone {
	t.Helper()
	p := &linphone{ip: ip}
	dir := t.TempDir()
	host := w.host(t, ip)
	if w.six {
		w.do(t, host, "ip", "address", "add", "fd77::"+ip[strings.LastIndexByte(ip, '.')+1:]+"/64", "dev", "eth0", "nodad")
		w.do(t, host, "ip", "route", "add", "default", "via", nodeIPv6)
	}
	w.do(t, host, "ip", "route", "add", "default", "via", nodeIP) // it asks for the way to the world to learn its address
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	config, orders := filepath.Join(dir, "rc"), filepath.Join(dir, "orders")
	if err := os.WriteFile(config, fmt.Appendf(nil, linphoneConfig, user, ip, more), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "mkfifo", orders)
	var err error
	if p.orders, err = os.OpenFile(orders, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.orders.Close() })
	line := append([]string{"-c", `HOME="$PWD" exec "$@" <orders`, "sh", "linphonec", "-c", config, "-d", "3", "-l", filepath.Join(dir, "log")}, flags...)
	p.program = launchWithin(t, host, dir, "sh", line...)
	p.do(t, "soundcard use files")
	p.hears(t, "Using wav files")
	return p
}

// do gives it a line.
func (p *linphone) do(t *testing.T, order string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.orders, order); err != nil {
		t.Fatal(err)
	}
}

// hears waits until it says that something came.
func (p *linphone) hears(t *testing.T, text string) { t.Helper(); p.says(t, text, 10*time.Second) }

// newPhonesNode is a node on a wire for phones on hosts of their own.
func newPhonesNode(t *testing.T, w *wire, p plan) *node {
	t.Helper()
	p.Host, p.Sources, p.SIP, p.HTTP, p.NATS = nodeIP, callerIP, nodeIP+":5060", "127.0.0.1:8080", "127.0.0.1:4222"
	if p.Agent == "" {
		p.Agent = calleeIP + ":5060"
	}
	n := newNode(t, p)
	n.inside = within(w.hub, "--net")
	n.unseen(t)
	n.start(t)
	return n
}

// unseen keeps the kernel engine off the ports of the bridge that a witness listens
// at on this very host: it would turn packets around before the bridge has them.
func (n *node) unseen(t *testing.T) {
	t.Helper()
	n.rewrite(t, "ports: 20000-20999}", "ports: 20000-20999, engine: portable}")
}

// watch captures everything on the wire until stop is called.
func (w *wire) watch(t *testing.T, dir string) (stop func() (capture string)) {
	t.Helper()
	capture := filepath.Join(dir, "wire.pcap")
	witness := launchWithin(t, w.hub, dir, "dumpcap", "-q", "-i", "br0", "-P", "-w", capture)
	witness.says(t, "File: ", 20*time.Second)
	return func() string {
		time.Sleep(time.Second) // dumpcap writes twice a second
		witness.signal(t, syscall.SIGINT)
		witness.code(t, 10*time.Second)
		keepArtifact(t, capture)
		return capture
	}
}

// established waits for the sound of a call.
func (p *linphone) established(t *testing.T) { t.Helper(); p.hears(t, "Media streams established") }

// TestLinphoneTalks has linphone call linphone as it comes out of the box: Opus,
// STUN probes, RTCP XR; both hold and resume, a digit goes through, and the caller
// asks for a session timer and keeps it.
func TestLinphoneTalks(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Carrier: "session: {expires: PT30M, min: PT10S}"})
	stop := w.watch(t, dir)
	callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
	caller := newLinphone(t, w, "caller", callerIP, "session_expires_enabled=1\nsession_expires_value=20\nsession_expires_min_value=20\n")
	caller.do(t, "call "+n.uri())
	caller.established(t)
	callee.established(t)
	caller.do(t, "play "+speak(t, dir, "caller", callerText, "en+m1", 60))
	callee.do(t, "play "+speak(t, dir, "agent", calleeText, "en+f3", 60))
	for _, who := range []struct {
		party string
		phone *linphone
	}{{"callee", callee}, {"caller", caller}} {
		for _, order := range []struct{ command, event string }{{"pause", "call.held"}, {"resume", "call.resumed"}} {
			before := count(n.stories(t), order.event)
			who.phone.do(t, order.command)
			eventually(t, limit, order.event+" of the "+who.party, func() bool { return count(n.stories(t), order.event) == before+1 })
			time.Sleep(time.Second) // on hold, or talking again
		}
		if s := n.stories(t)[0]; s.last("call.resumed").Party != who.party {
			t.Errorf("resumed by the %s, want the %s", s.last("call.resumed").Party, who.party)
		}
	}
	caller.do(t, "5")
	callee.hears(t, "Receiving tone 5")
	callee.do(t, "7")
	caller.hears(t, "Receiving tone 7")
	time.Sleep(12 * time.Second) // half of the interval, and a little more
	caller.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	if end := s.last("call.ended"); end.HoldMS < 1500 || end.HoldMS > 6000 || end.EndedBy != "caller" || end.Media.Caller.Packets < 500 || end.Media.Callee.Packets < 500 {
		t.Errorf("end %+v", end)
	}
	n.ask(t, "recordings", "verify", s.recording())
	n.stop(t)
	refreshed := tshark(t, stop(), "sip.Session-Expires && ip.addr=="+callerIP, "sip.Status-Code", "sip.CSeq.method", "sip.Session-Expires")
	if k := len(refreshed); k < 2 || refreshed[0] != "|INVITE|20" || refreshed[k-2] != "|UPDATE|20;refresher=uac" || refreshed[k-1] != "200|UPDATE|20;refresher=uac" {
		t.Errorf("session timer: %q", refreshed)
	}
}

// TestLinphoneTransfers has a linphone give its caller to another one: blind, by
// a REFER to its address, and attended, by the call it has with it.
func TestLinphoneTransfers(t *testing.T) {
	for _, way := range []string{"blind", "attended"} {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			w := newWire(t)
			n := newPhonesNode(t, w, plan{Trunks: fmt.Sprintf(pbxTrunk, calleeIP, bossIP, calleeIP+":5060"), To: `{number: "+4722000001", trunk: pbx}`})
			callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
			boss := newLinphone(t, w, "201", bossIP, "", "-a")
			caller := newLinphone(t, w, "caller", callerIP, "")
			stop := w.watch(t, dir)
			caller.do(t, "call "+n.uri())
			callee.established(t)
			caller.do(t, "play "+speak(t, dir, "caller", callerText, "en+m1", 60))
			callee.do(t, "play "+speak(t, dir, "agent", calleeText, "en+f3", 60))
			time.Sleep(2 * time.Second) // they talk
			if way == "blind" {
				callee.do(t, "transfer sip:201@"+bossIP)
			} else {
				callee.do(t, "pause")
				eventually(t, limit, "the hold", func() bool { return count(n.stories(t), "call.held") == 1 })
				callee.do(t, "call sip:201@"+bossIP)
				boss.established(t)
				time.Sleep(time.Second)
				callee.do(t, "transfer 1 --to-call 2")
			}
			eventually(t, limit, "the end of the referrer's leg", func() bool {
				return count(n.stories(t), "call.transferred") == 1 && count(n.stories(t), "leg.ended") == 1
			})
			boss.do(t, "play "+speak(t, dir, "201", calleeText, "en+m7", 60))
			time.Sleep(3 * time.Second) // the caller and the boss talk
			boss.do(t, "terminate")
			s := n.settled(t, 1)[0]
			s.whole(t)
			end := s.last("call.ended")
			if end.Status != "completed" || end.EndedBy != "callee" || end.Transfers != 1 || end.HoldMS > 2000 || (end.HoldMS > 500) != (way == "attended") {
				t.Errorf("end %+v", end)
			}
			if end.Media.Caller.Packets < 200 || end.Media.Callee.Packets < 200 {
				t.Errorf("%d packets of the caller, %d of both callees", end.Media.Caller.Packets, end.Media.Callee.Packets)
			}
			for _, id := range s.recordings() {
				n.ask(t, "recordings", "verify", id)
			}
			caller.hears(t, "ended")
			n.stop(t)
			capture := stop()
			for from, to := range map[string]string{bossIP: nodeIP, nodeIP: bossIP} {
				if k := len(tshark(t, capture, "rtp && ip.src=="+from+" && ip.dst=="+to, "frame.number")); k < 100 {
					t.Errorf("%d RTP packets from %s to %s", k, from, to)
				}
			}
			if direct := tshark(t, capture, "ip.addr=="+callerIP+" && !ip.addr=="+nodeIP, "frame.number"); len(direct) > 0 {
				t.Errorf("%d packets between the caller and a phone directly", len(direct))
			}
			told := tshark(t, capture, "sip.Method==NOTIFY && ip.dst=="+calleeIP, "sipfrag.line") // 180 too, when the 100 is answered before it comes
			referred := tshark(t, capture, "sip.Method==INVITE && ip.src=="+nodeIP+" && ip.dst=="+bossIP, "sip.Replaces")
			if k := len(told); k < 2 || !strings.HasPrefix(told[0], "SIP/2.0 100") || !strings.HasPrefix(told[k-1], "SIP/2.0 200") {
				t.Errorf("NOTIFYs %q", told)
			}
			if len(referred) != 1 || (referred[0] != "") != (way == "attended") {
				t.Errorf("INVITEs with Replaces %q", referred)
			}
		})
	}
}

// recordings are the ids of a call's recordings.
func (s *story) recordings() (all []string) {
	for _, e := range s.events {
		if e.Type == "recording.started" {
			all = append(all, e.Data.Recording)
		}
	}
	return all
}

const nodeIPv6 = "fd77::1"

// TestLinphoneOnIPv6: a linphone with both families calls over IPv4 and offers
// IPv6 for its sound. A node with an IPv6 address for media takes it, to a
// destination on IPv4; one without says what is wrong.
func TestLinphoneOnIPv6(t *testing.T) {
	for media, address := range map[string]string{"with media.address6": nodeIPv6, "without": ""} {
		t.Run(media, func(t *testing.T) {
			dir := t.TempDir()
			w := newWire(t)
			w.do(t, w.hub, "ip", "address", "add", nodeIPv6+"/64", "dev", "br0", "nodad")
			n := newPhonesNode(t, w, plan{Media6: address})
			callee := newLinphone(t, w, "agent", calleeIP, "", "-a")
			w.six = true
			caller := newLinphone(t, w, "caller", callerIP, "")
			stop := w.watch(t, dir)
			caller.do(t, "call "+n.uri())
			if address == "" {
				caller.hears(t, "error")
				s := n.settled(t, 1)[0]
				s.whole(t)
				refused := tshark(t, stop(), "sip.Status-Code >= 400 && ip.dst=="+callerIP, "sip.Status-Code", "sip.Warning")
				if len(refused) != 1 || !strings.HasPrefix(refused[0], "488|301 ") || s.last("call.ended").Status != "failed" {
					t.Errorf("refused with %q, told as %+v", refused, s.last("call.ended"))
				}
				n.stop(t)
				return
			}
			callee.established(t)
			caller.established(t)
			caller.do(t, "play "+speak(t, dir, "caller", callerText, "en+m1", 60))
			callee.do(t, "play "+speak(t, dir, "agent", calleeText, "en+f3", 60))
			caller.do(t, "3")
			callee.hears(t, "Receiving tone 3")
			time.Sleep(3 * time.Second) // they talk
			callee.do(t, "terminate")
			s := n.settled(t, 1)[0]
			s.completed(t)
			if end := s.last("call.ended"); end.EndedBy != "callee" || end.Media.Caller.Packets < 140 || end.Media.Callee.Packets < 140 {
				t.Errorf("end %+v", end)
			}
			n.stop(t)
			capture := stop()
			for filter, want := range map[string]string{"sip.Method==INVITE && ip.src==" + callerIP: "fd77::2", "sdp && ip.dst==" + callerIP: nodeIPv6, "sdp && ip.dst==" + calleeIP: nodeIP} {
				for _, got := range tshark(t, capture, filter, "sdp.connection_info.address") {
					if got != want {
						t.Errorf("%s: c= is %s, want %s", filter, got, want)
					}
				}
			}
		})
	}
}
