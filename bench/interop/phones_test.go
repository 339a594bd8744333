//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"ringdown/sip/siptest"
)

const (
	nodeIP   = "10.77.0.1"
	callerIP = "10.77.0.2"
	calleeIP = "10.77.0.3"
)

const (
	callerText = "Good morning. I saw your advert in the newspaper, and I would like to know the price of a new roof for my old house by the lake."
	calleeText = "Thank you for calling. Our office is open from nine to five on every day of the week. Please tell me where you live."
)

// TestPhonesTalk has baresip call baresip through Ringdown, each on a host of
// its own, each with something to say, and tshark listen on the wire.
func TestPhonesTalk(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	n := newNode(t, plan{Host: nodeIP, Sources: callerIP, Agent: calleeIP + ":5060",
		SIP: nodeIP + ":5060", HTTP: "127.0.0.1:8080", NATS: "127.0.0.1:4222"})
	n.inside = within(w.hub, "--net")
	n.unseen(t)
	n.start(t)

	capture := filepath.Join(dir, "wire.pcap")
	witness := launchWithin(t, w.hub, dir, "dumpcap", "-q", "-i", "br0", "-P", "-w", capture, "-f", "udp")
	witness.says(t, "File: ", 20*time.Second)
	spoken := map[string][]int16{}
	callee := newSoftphone(t, w, dir, "agent", calleeIP, speak(t, dir, "agent", calleeText, "en+f3", 0))
	spoken["callee"] = readWAV(t, callee.Says)[0]
	callee.start(t)
	caller := newSoftphone(t, w, dir, "caller", callerIP, speak(t, dir, "caller", callerText, "en+m1", 3))
	spoken["caller"] = readWAV(t, caller.Says)[0]
	caller.start(t, "-e", "d "+n.uri())
	caller.says(t, "Call established", 10*time.Second)
	callee.says(t, "menu: audio error", 30*time.Second) // it has said all, before the caller has: it hangs up
	caller.says(t, "session closed", 10*time.Second)

	all := n.settled(t, 1)
	eventually(t, 20*time.Second, "both goodbyes and their answers in the capture", func() bool {
		b, err := os.ReadFile(capture)
		return err == nil && bytes.Count(b, []byte(" BYE\r\n")) >= 4
	})
	witness.signal(t, syscall.SIGINT)
	witness.code(t, 10*time.Second)
	keepArtifact(t, capture)
	s := all[0]
	s.completed(t)
	wav := filepath.Join(dir, "call.wav")
	channels := n.export(t, s, wav)
	n.stop(t)
	compare(t, s, channels, spoken["caller"], spoken["callee"])
	picture(t, dir, wav)
	lookAtWire(t, capture)
}

// compare holds each channel against what its side said, and against the other's.
func compare(t *testing.T, s *story, channels [][]int16, caller, callee []int16) {
	t.Helper()
	if len(channels) != 2 {
		t.Fatalf("%s: %d channels", s.id, len(channels))
	}
	length, talked := ms(channels[0]), s.last("call.ended").TalkMS
	if off := length - talked; off < -60 || off > 60 {
		t.Errorf("recording has %d ms, talked %d ms", length, talked)
	}
	said := [][]int16{caller, callee}
	for side, name := range []string{"caller", "callee"} {
		own, other := siptest.Match(channels[side], said[side]), siptest.Match(channels[side], said[1-side])
		t.Logf("channel %d: %.4f like what the %s said (%d ms shared, from %d ms on), %.4f like the other",
			side+1, own.Correlation, name, ms(make([]int16, own.Shared)), own.Delay*1000/rate, other.Correlation)
		if own.Correlation <= 0.95 || own.Shared < 5*rate {
			t.Errorf("channel %d is not what the %s said", side+1, name)
		}
		if other.Correlation >= 0.3 {
			t.Errorf("channel %d holds the other's voice", side+1)
		}
	}
	t.Logf("recording has %d ms, talked %d ms", length, talked)
}

// picture draws the recording, so that a person can look.
func picture(t *testing.T, dir, wav string) {
	t.Helper()
	png := filepath.Join(dir, "call.png")
	must(t, "sox", wav, "-n", "spectrogram", "-t", "caller above, callee below", "-o", png)
	info, err := os.Stat(png)
	if err != nil || info.Size() == 0 {
		t.Fatalf("no picture: %v", err)
	}
	for _, file := range []string{png, wav, filepath.Join(filepath.Dir(wav), "caller.wav"), filepath.Join(filepath.Dir(wav), "agent.wav")} {
		keepArtifact(t, file)
	}
	t.Logf("spectrogram: %s (%d bytes)", png, info.Size())
}

// lookAtWire holds the capture against what is promised of topology.
func lookAtWire(t *testing.T, capture string) {
	t.Helper()
	for _, bad := range tshark(t, capture, "_ws.malformed", "frame.number", "_ws.col.Protocol", "_ws.col.Info") {
		t.Errorf("malformed packet: %s", bad)
	}
	between := "(ip.src==" + callerIP + " && ip.dst==" + calleeIP + ") || (ip.src==" + calleeIP + " && ip.dst==" + callerIP + ")"
	if direct := tshark(t, capture, between, "frame.number"); len(direct) > 0 {
		t.Errorf("%d packets between the phones directly", len(direct))
	}
	for _, way := range []string{"ip.src==" + callerIP, "ip.dst==" + callerIP, "ip.src==" + calleeIP, "ip.dst==" + calleeIP} {
		k := len(tshark(t, capture, "rtp && "+way, "frame.number"))
		t.Logf("tshark: %d RTP packets with %s", k, way)
		if k < 100 {
			t.Errorf("only %d RTP packets with %s", k, way)
		}
	}
	for _, phone := range []struct{ here, there, name string }{
		{callerIP, calleeIP, "caller"}, {calleeIP, callerIP, "agent"},
	} {
		bodies := tshark(t, capture, "sdp && ip.dst=="+phone.here, "sdp.connection_info.address", "sdp.owner.address")
		if len(bodies) == 0 {
			t.Errorf("no description went to the %s", phone.name)
		}
		for _, line := range bodies {
			for a := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == '|' || r == ',' }) {
				if a != nodeIP {
					t.Errorf("the description to the %s names %s", phone.name, a)
				}
			}
		}
	}
	hiding(t, capture, callerIP, calleeIP)
	hiding(t, capture, calleeIP, callerIP)
}

// hiding wants nothing of one leg's Contact, Via, User-Agent or tags on the other.
func hiding(t *testing.T, capture, from, to string) {
	t.Helper()
	secrets := map[string]bool{from: true, "baresip": true}
	for _, line := range tshark(t, capture, "sip && ip.src=="+from,
		"sip.Call-ID", "sip.from.tag", "sip.to.tag", "sip.Via.branch", "sip.User-Agent", "sip.contact.uri", "sdp.owner.sessionid") {
		for word := range strings.SplitSeq(line, "|") {
			if len(word) > 3 {
				secrets[word] = true
			}
		}
	}
	messages := tshark(t, capture, "sip && ip.src=="+nodeIP+" && ip.dst=="+to, "udp.payload")
	if len(messages) < 3 || len(secrets) < 7 {
		t.Fatalf("messages to %s %q, words to look for %q", to, messages, sorted(secrets))
	}
	for _, payload := range messages {
		text := unhex(t, payload)
		for _, word := range sorted(secrets) {
			if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
				first, _, _ := strings.Cut(text, "\r\n")
				t.Errorf("%q of the leg of %s is on the other, in %q", word, from, first)
			}
		}
	}
	t.Logf("tshark: none of %q in %d messages to %s", sorted(secrets), len(messages), to)
}

// speak makes a file of what a voice says, with seconds of silence after it.
func speak(t *testing.T, dir, name, text, voice string, pause int) string {
	t.Helper()
	raw, file := filepath.Join(dir, name+"-22k.wav"), filepath.Join(dir, name+".wav")
	must(t, "espeak-ng", "-v", voice, "-s", "160", "-w", raw, text)
	must(t, "sox", raw, "-r", "8000", "-c", "1", "-b", "16", file, "vol", "0.7", "pad", "0", strconv.Itoa(pause))
	return file
}

// softphone is a baresip without a head: it plays a file and answers at once.
type softphone struct {
	*program
	User, IP, Says, dir string
	Module, Heard       string // of its codec; a folder for what it hears, empty: nowhere
	Rate                int    // of what it says and hears
	host                *program
}

const softphoneConfig = `poll_method epoll
sip_listen {{.IP}}:5060
call_local_timeout 60
call_max_calls 2
audio_source aufile,{{.Says}}
audio_player none,none
audio_alert none,none
ausrc_srate {{.Rate}}
auplay_srate {{.Rate}}
ausrc_channels 1
auplay_channels 1
rtp_ports 40000-40100
rtcp_mux no
jitter_buffer_delay 5-10
net_interface eth0
module_path /usr/lib/baresip/modules
module {{.Module}}.so
module aufile.so
{{with .Heard}}module sndfile.so
snd_path {{.}}
{{end}}module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {{.IP}}:4444
`

func newSoftphone(t *testing.T, w *wire, dir, user, ip, says string) *softphone {
	t.Helper()
	return newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: user, IP: ip, Says: says, Rate: rate})
}

// newSoftphoneOf is one that speaks a codec by a module of baresip.
func newSoftphoneOf(t *testing.T, w *wire, dir, module, codec string, p softphone) *softphone {
	t.Helper()
	p.Module, p.dir, p.host = module, filepath.Join(dir, "baresip-"+p.User), w.host(t, p.IP)
	return p.write(t, codec)
}

func (p *softphone) write(t *testing.T, codec string) *softphone {
	t.Helper()
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	if err := template.Must(template.New("").Parse(softphoneConfig)).Execute(&config, p); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"config": config.String(), "contacts": "",
		"accounts": "<sip:" + p.User + "@" + p.IP + ">;regint=0;answermode=auto;audio_codecs=" + codec + "\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *softphone) start(t *testing.T, more ...string) {
	t.Helper()
	p.program = launchWithin(t, p.host, p.dir, "baresip", append([]string{"-f", p.dir}, more...)...)
	p.says(t, "baresip is ready", 10*time.Second)
}

// do gives it a command of its menu, by the control module.
func (p *softphone) do(t *testing.T, command string) {
	t.Helper()
	order := `{"command":"` + command + `"}`
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/4444 && printf '%%s' '%d:%s,' >&3 && timeout 5 head -c 20 <&3`, p.IP, len(order), order)
	line := append(within(p.host, "--net"), "bash", "-c", script)
	must(t, line[0], line[1:]...)
}

// launchWithin starts a program on a host of the wire.
func launchWithin(t *testing.T, host *program, dir, name string, args ...string) *program {
	t.Helper()
	line := append(append(within(host, "--net"), name), args...)
	return launch(t, dir, line[0], line[1:]...)
}
