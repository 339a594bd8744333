//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A fault is put into the PBX's side of a call, and what is said of it must be that.
type fault struct {
	name    string
	edits   []string // of its scenario: what stands there, what is to
	kind    string   // of event; empty: nothing is said
	verdict string
	source  string
}

const plays = `rtp_stream="callee.alaw,-1,8,PCMA/8000"`

var faults = []fault{
	{"none", nil, "", "", ""},
	{"never sends", []string{`<nop><action><exec ` + plays + `/></action></nop>`, ``}, "media.one-way", "never-sent", ""},
	{"sends from another port than it says", []string{"m=audio [rtpstream_audio_port]", "m=audio 39000"}, "", "", ""}, // strict learns a port once
	{"sends from another host than it says", []string{"c=IN IP4 [media_ip]", "c=IN IP4 %s.9"}, "media.one-way", "wrong-source", "loopback"},
	{"says a private address", []string{"c=IN IP4 [media_ip]", "c=IN IP4 10.66.77.88"}, "media.one-way", "private-address", "loopback"},
	{"sends what nobody agreed on", []string{plays, `rtp_stream="callee.alaw,-1,18,G729/8000"`}, "media.one-way", "payload-type", ""},
	{"sends silence", []string{plays, `rtp_stream="silence.alaw,-1,8,PCMA/8000"`}, "media.silence", "muted", ""},
}

// TestVerdictIsTheFault: the verdict on each fault, within ten seconds of the answer.
func TestVerdictIsTheFault(t *testing.T) {
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			net := fmt.Sprintf("127.0.%d", 200+i)
			carrier, pbx := net+".2", net+".3"
			n := newNode(t, plan{Host: net + ".1", Sources: carrier, Agent: freePort(t, pbx)})
			n.start(t)
			dir := sippDir(t)
			reword(t, filepath.Join(dir, "carrier.xml"), `pause milliseconds="8000"`, `pause milliseconds="12000"`)
			for i := 0; i+1 < len(f.edits); i += 2 {
				to := f.edits[i+1]
				if strings.Contains(to, "%s") {
					to = fmt.Sprintf(to, net)
				}
				reword(t, filepath.Join(dir, "destination.xml"), f.edits[i], to)
			}
			silence := bytes.Repeat([]byte{0xd5}, rate)
			if err := os.WriteFile(filepath.Join(dir, "silence.alaw"), silence, 0o600); err != nil {
				t.Fatal(err)
			}
			sipp(t, dir, "destination.xml", pbx, n.Agent, "-t", "u1", "-aa")
			uac := sipp(t, dir, "carrier.xml", carrier, freePort(t, carrier), "-t", "u1", "-m", "1", n.SIP)
			if code := uac.code(t, time.Minute); code != 0 {
				t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
			}
			s := n.settled(t, 1)[0]
			n.judged(t, s, f)
			n.stop(t)
		})
	}
}

// judged wants of a call what a fault makes of it, and `why` to say it in words.
func (n *node) judged(t *testing.T, s *story, f fault) {
	t.Helper()
	var said []event
	var bridged time.Time
	for _, e := range s.events {
		switch e.Type {
		case "call.bridged":
			bridged = e.Time
		case "media.one-way", "media.silence":
			said = append(said, e)
		}
	}
	if f.kind == "" {
		if len(said) > 0 {
			t.Errorf("said %s %+v, and nothing is wrong", said[0].Type, said[0].Data)
		}
		return
	}
	if len(said) != 1 {
		t.Fatalf("%d of media.one-way and media.silence, want one: %+v", len(said), said)
	}
	e := said[0]
	if e.Type != f.kind || e.Data.Verdict != f.verdict || e.Data.Source != f.source || e.Data.Side != "callee" {
		t.Errorf("%s %s of the %s from %q, want %s %s from %q", e.Type, e.Data.Verdict, e.Data.Side, e.Data.Source, f.kind, f.verdict, f.source)
	}
	if late := e.Time.Sub(bridged); late > 10*time.Second {
		t.Errorf("said %v after the answer", late)
	}
	if why := n.ask(t, "why", s.id); !strings.Contains(why, "the callee was not heard: ") {
		t.Errorf("why does not say so:\n%s", why)
	}
	t.Logf("%s: %s after %v", f.name, f.verdict, e.Time.Sub(bridged).Round(time.Millisecond))
}

// reword replaces what stands once in a file.
func reword(t *testing.T, file, from, to string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(b), from) != 1 {
		t.Fatalf("%s holds %q %d times", filepath.Base(file), from, strings.Count(string(b), from))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWatchdogEndsTheCallOfTheDead: both programs are killed while they talk. The
// call ends by the limit of the carrier's trunk and is billed until the last packet.
func TestWatchdogEndsTheCallOfTheDead(t *testing.T) {
	const host = "127.0.208"
	carrier, pbx := host+".2", host+".3"
	n := newNode(t, plan{Host: host + ".1", Sources: carrier, Agent: freePort(t, pbx), Carrier: "watchdog: {steady: PT8S}"})
	n.start(t)
	dir := sippDir(t)
	reword(t, filepath.Join(dir, "carrier.xml"), `pause milliseconds="8000"`, `pause milliseconds="60000"`)
	uas := sipp(t, dir, "destination.xml", pbx, n.Agent, "-t", "u1", "-aa")
	uac := sipp(t, dir, "carrier.xml", carrier, freePort(t, carrier), "-t", "u1", "-m", "1", n.SIP)
	eventually(t, 20*time.Second, "a call", func() bool { return n.live(t) == 1 })
	time.Sleep(4 * time.Second) // they talk
	uac.kill()
	uas.kill()
	killed := time.Now()
	eventually(t, 20*time.Second, "the end of the call", func() bool { return n.live(t) == 0 })
	took := time.Since(killed)
	s := n.settled(t, 1)[0]
	end, barked := s.last("call.ended"), s.last("media.timeout")
	if end.EndedBy != "media-timeout" || end.Status != "completed" || barked.Limit != "steady" || barked.Side != "caller" {
		t.Errorf("ended %s by %s, timeout %+v", end.Status, end.EndedBy, barked)
	}
	if took < 7*time.Second || took > 12*time.Second {
		t.Errorf("it took %v", took)
	}
	if off := end.BilledUntil.Sub(killed); off < -time.Second || off > time.Second || end.BillableMS > end.DurationMS-7000 {
		t.Errorf("billed until %v after the kill, %d ms", off, end.BillableMS)
	}
	if why := n.ask(t, "why", s.id); !strings.Contains(why, "nothing came from the caller for ") {
		t.Errorf("why does not say so:\n%s", why)
	}
	n.calm(t)
	n.kill() // it waits for the answers of the dead for half a minute
	t.Logf("ended %v after both were killed, %d ms billed", took.Round(time.Millisecond), end.BillableMS)
}

// TestOurRTCPOnTheWire: what we report is well-formed to tshark, names nobody,
// and says of the streams what tshark counts in them.
func TestOurRTCPOnTheWire(t *testing.T) {
	const host = "127.0.209"
	carrier, pbx := host+".2", host+".3"
	n := newNode(t, plan{Host: host + ".1", Sources: carrier, Agent: freePort(t, pbx)})
	n.start(t)
	dir := sippDir(t)
	reword(t, filepath.Join(dir, "carrier.xml"), `pause milliseconds="8000"`, `pause milliseconds="16000"`)
	capture := filepath.Join(dir, "rtcp.pcap")
	witness := launch(t, dir, "dumpcap", "-q", "-i", "lo", "-P", "-w", capture, "-f", "udp and host "+host+".1")
	time.Sleep(time.Second)
	sipp(t, dir, "destination.xml", pbx, n.Agent, "-t", "u1", "-aa")
	uac := sipp(t, dir, "carrier.xml", carrier, freePort(t, carrier), "-t", "u1", "-m", "1", n.SIP)
	if code := uac.code(t, time.Minute); code != 0 {
		t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
	}
	s := n.settled(t, 1)[0]
	time.Sleep(time.Second)
	witness.kill()
	ours := "rtcp && ip.src==" + host + ".1"
	if bad := tshark(t, capture, ours+" && (_ws.malformed || rtcp.length_check.bad)", "frame.number"); len(bad) > 0 {
		t.Errorf("tshark finds %d malformed", len(bad))
	}
	reports := 0
	for _, line := range tshark(t, capture, ours+" && rtcp.pt==200", "rtcp.sender.packetcount", "rtcp.ssrc.cum_nr", "rtcp.ssrc.fraction", "rtcp.sdes.text", "rtcp.pt") {
		f := strings.Split(line, "|")
		if len(f) != 5 || strings.ContainsAny(f[3], "@.") || len(f[3]) != 16 || f[1] != "0" || f[2] != "0" {
			t.Errorf("report %q", line)
		}
		reports++
	}
	byes := len(tshark(t, capture, ours+" && rtcp.pt==203", "frame.number"))
	if reports < 4 || byes != 2 {
		t.Errorf("%d sender reports, %d goodbyes", reports, byes)
	}
	var final []event
	for _, e := range s.events {
		if e.Type == "media.quality" && e.Data.State == "final" {
			final = append(final, e)
		}
	}
	streams := rtpStreams(t, capture, host+".1")
	for _, e := range final {
		from := map[string]string{"caller": carrier, "callee": pbx}[e.Data.Side]
		seen, ok := streams[from]
		if !ok || e.Data.Expected < seen.packets-2 || e.Data.Expected > seen.packets+2 || e.Data.Lost != seen.lost {
			t.Errorf("the %s: %d expected, %d lost; tshark: %+v", e.Data.Side, e.Data.Expected, e.Data.Lost, seen)
		}
		if off := e.Data.JitterMS - seen.jitter; off < -3 || off > 3 {
			t.Errorf("the %s: jitter %.2f ms, tshark at most %.2f", e.Data.Side, e.Data.JitterMS, seen.jitter)
		}
		t.Logf("the %s: %d expected, %d lost, jitter %.2f ms, MOS %.2f; tshark: %+v", e.Data.Side, e.Data.Expected, e.Data.Lost, e.Data.JitterMS, e.Data.MOSLQ, seen)
	}
	if len(final) != 2 {
		t.Errorf("%d of media.quality at the end", len(final))
	}
	n.stop(t)
}

type seenStream struct {
	packets, lost int
	jitter        float64 // ms, the mean
}

// rtpStreams asks tshark for the streams that come to a host, by who sends.
func rtpStreams(t *testing.T, capture, to string) map[string]seenStream {
	t.Helper()
	out := must(t, "tshark", "-r", capture, "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams")
	all := map[string]seenStream{}
	for line := range strings.Lines(out) {
		f := strings.Fields(strings.TrimRight(line, " X\n")) // X: of what tshark wants a look at
		// start, end, source, port, destination, port, SSRC, payload, packets, lost, (percent), deltas, jitters
		if len(f) < 17 || f[4] != to {
			continue
		}
		packets, err1 := strconv.Atoi(f[8])
		lost, err2 := strconv.Atoi(f[9])
		jitter, err3 := strconv.ParseFloat(f[len(f)-2], 64) // least, mean, most
		if err1 != nil || err2 != nil || err3 != nil {
			t.Logf("tshark says %q", line)
			continue
		}
		all[f[2]] = seenStream{packets, lost, jitter}
	}
	if len(all) == 0 {
		t.Logf("tshark says\n%s", out)
	}
	return all
}
