//go:build interop

package interop

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zaf/g711"

	"ringdown/sip/siptest"
)

// TestSoundsAreHeard has a linphone put a baresip on hold and take it back in a
// recorded call: the baresip hears the music of the account while it is held, and
// the beep of the recording at its distance before, during and behind it; the
// recording has neither. On the wire media and signalling carry their classes.
func TestSoundsAreHeard(t *testing.T) {
	dir := t.TempDir()
	w := newWire(t)
	music := speak(t, dir, "music", "All our lines are taken. Please hold the line, somebody will be with you in a moment. Do not hang up.", "en+f2", 0)
	n := newPhonesNode(t, w, plan{Sound: fmt.Sprintf("{folder: %q, music_on_hold: music.wav, beep: {every: PT5S}}", dir)})
	stop := w.watch(t, dir)
	heard := filepath.Join(dir, "heard")
	if err := os.Mkdir(heard, 0o700); err != nil {
		t.Fatal(err)
	}
	callee := newSoftphoneOf(t, w, dir, "g711", "pcma", softphone{User: "agent", IP: calleeIP, Says: speak(t, dir, "agent", calleeText, "en+f3", 30), Heard: heard, Rate: rate})
	callee.start(t)
	caller := newLinphone(t, w, "caller", callerIP, "")
	caller.do(t, "call "+n.uri())
	caller.established(t)
	time.Sleep(4 * time.Second)
	for _, order := range []struct {
		command, event string
		stay           time.Duration
	}{{"pause", "call.held", 8 * time.Second}, {"resume", "call.resumed", 6 * time.Second}} {
		caller.do(t, order.command)
		eventually(t, limit, order.event, func() bool { return count(n.stories(t), order.event) == 1 })
		time.Sleep(order.stay)
	}
	caller.do(t, "terminate")
	s := n.settled(t, 1)[0]
	s.completed(t)
	wav := filepath.Join(dir, "call.wav")
	channels := n.export(t, s, wav)
	why := n.ask(t, "why", s.id)
	n.stop(t)
	capture := stop()

	ear := dumped(t, dir, heard)
	like := siptest.Match(ear, readWAV(t, music)[0])
	t.Logf("music: %.4f (%d ms shared)", like.Correlation, ms(make([]int16, like.Shared)))
	if like.Correlation < 0.7 || like.Shared < 4*rate {
		t.Errorf("the one on hold did not hear the music")
	}
	if to := beepsTo(t, capture, callerIP); len(to) < 2 { // who holds hears it when he is back
		t.Errorf("beeps to the caller at %v ms", to)
	}
	to := beepsTo(t, capture, calleeIP)
	t.Logf("beeps to the callee at %v ms", to)
	if len(to) < 3 {
		t.Errorf("%d beeps to the callee", len(to))
	}
	for i := 1; i < len(to); i++ {
		if off := (to[i]-to[i-1]+2500)%5000 - 2500; off < -150 || off > 150 { // one may be hidden by the music
			t.Errorf("beeps to the callee %d ms apart", to[i]-to[i-1])
		}
	}
	for i, channel := range channels {
		if in := beepsIn(channel); len(in) > 0 {
			t.Errorf("channel %d of the recording has beeps at %v ms", i+1, in)
		}
	}
	if in := siptest.Match(channels[0], readWAV(t, music)[0]); in.Correlation > 0.4 {
		t.Errorf("the recording is %.2f like the music", in.Correlation)
	}
	for _, want := range []string{"music on hold to the callee", "the beep of a recording to the callee", "the beep of a recording to the caller"} {
		if !strings.Contains(why, want) {
			t.Errorf("why does not say %q:\n%s", want, why)
		}
	}
	for what, filter := range map[string]string{"media": "udp.srcport >= 20000 && udp.srcport <= 20999 && ip.dsfield.dscp != 46", "signalling": "sip && ip.dsfield.dscp != 24"} {
		if wrong := tshark(t, capture, "ip.src=="+nodeIP+" && "+filter, "frame.number"); len(wrong) > 0 {
			t.Errorf("%d packets of %s without their class", len(wrong), what)
		}
	}
	if k := len(tshark(t, capture, "ip.src=="+nodeIP+" && ip.dsfield.dscp == 46", "frame.number")); k < 500 {
		t.Errorf("%d packets are marked EF", k)
	}
}

// beepsIn says where tones of 1400 Hz begin in a piece of sound, in ms.
func beepsIn(sound []int16) (at []int64) {
	var loud []float64
	for i := 0; i+frame <= len(sound); i += frame {
		loud = append(loud, amplitude(sound[i:i+frame], 1400))
	}
	for _, k := range beeps(loud) {
		at = append(at, int64(k)*20)
	}
	return at
}

// beepsTo says when they begin in what the node sends to a phone, in ms of the capture.
func beepsTo(t *testing.T, capture, phone string) (at []int64) {
	t.Helper()
	var loud []float64
	var when []int64
	for _, line := range tshark(t, capture, "rtp && ip.src=="+nodeIP+" && ip.dst=="+phone, "frame.time_relative", "rtp.p_type", "rtp.payload") {
		f := strings.Split(line, "|")
		seconds, err := strconv.ParseFloat(f[0], 64)
		if err != nil || len(f) != 3 || f[1] != "0" && f[1] != "8" {
			continue
		}
		decode := g711.DecodeAlawFrame
		if f[1] == "0" {
			decode = g711.DecodeUlawFrame
		}
		var piece []int16
		for _, b := range []byte(unhex(t, f[2])) {
			piece = append(piece, decode(b))
		}
		if len(piece) >= frame {
			loud, when = append(loud, amplitude(piece[:frame], 1400)), append(when, int64(seconds*1000))
		}
	}
	for _, k := range beeps(loud) {
		at = append(at, when[k])
	}
	return at
}

// beeps finds the first of seven frames running in which 1400 Hz is about as loud
// as the beep is (2,870), whatever else is heard. Speech holds no frequency that
// steadily.
func beeps(loud []float64) (first []int) {
	run := 0
	for i, l := range loud {
		if l < 2200 || l > 3600 {
			run = 0
		} else if run++; run == 7 {
			first = append(first, i-6)
		}
	}
	return first
}

// amplitude is that of a frequency in a piece.
func amplitude(piece []int16, hz float64) float64 {
	var re, im float64
	for i, s := range piece {
		angle := 2 * math.Pi * hz * float64(i) / rate
		re, im = re+float64(s)*math.Cos(angle), im+float64(s)*math.Sin(angle)
	}
	return 2 * math.Hypot(re, im) / float64(len(piece))
}
