//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestMediaFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-calls 100,0":            `"0" is not between`,
		"-calls 1,99999":          `"99999" is not between`,
		"-runs 0":                 "-runs 0",
		"-flood -1":               "-flood -1",
		"-window 1ms":             "-window 1ms",
		"-with c,asterisk":        `"asterisk" is none of`,
		"-mode plain,loud":        `"loud" is neither`,
		"-mode plain more":        `"more" is one word too many`,
		"-calls 10 -mode plain":   "",
		"-with portable -runs 11": "",
	} {
		var o mediaOptions
		err := o.parse(strings.Fields(args), io.Discard)
		switch {
		case want == "" && err != nil, want != "" && (!errors.Is(err, errUsage) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// turnOf is a run with the figures that the table is made of.
func turnOf(relay string, run int, machine, p99 float64) turn {
	return turn{Relay: relay, Calls: 100, Run: run, Machine: machine, mediaReport: mediaReport{Sent: 1000, Heard: 1000, P99: p99}}
}

// Each run is held against the direct one of its own round: a slow minute that
// doubles both does not show.
func TestMediaTable(t *testing.T) {
	turns := []turn{
		turnOf("direct", 0, 5, 10), turnOf("c", 0, 9, 30), turnOf("portable", 0, 10, 40),
		turnOf("direct", 1, 25, 90), turnOf("c", 1, 29, 110), turnOf("portable", 1, 29.5, 130),
		turnOf("direct", 2, 5, 10), turnOf("c", 2, 9, 30), turnOf("portable", 2, 9, 20),
	}
	var out bytes.Buffer
	writeTable(&out, turns)
	for _, want := range []string{
		"| 100 | c | no | **4.00** (4.00 to 4.00) | 1.00 |",
		"| 100 | portable | no | **4.50** (4.00 to 5.00) | 1.12 | 0.00 | 0 of 3000 | 0 / 30 / 0 us |",
		"| 100 | direct | | (is 5.00) |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if err := verdict(turns, 0); err != nil {
		t.Error(err)
	}
	turns[2].Flood, turns[2].Refused = 100, 90
	if err := verdict(turns, 0); err != nil {
		t.Error(err)
	}
	turns[2].Refused = 5
	if err := verdict(turns, 0); err == nil {
		t.Error("a flood that nobody counted passed")
	}
	turns[2].Flood, turns[2].Refused = 0, 1
	if err := verdict(turns, 0); err == nil {
		t.Error("a packet dropped without a stranger passed")
	}
	turns[2].Refused = 0
	turns[2].LossPct = 0.01
	if err := verdict(turns, 0); err == nil || !strings.Contains(err.Error(), "run 0 with 100 calls") {
		t.Errorf("a lost packet: %v", err)
	}
}

func TestMedian(t *testing.T) {
	for want, list := range map[float64][]float64{0: nil, 3: {3}, 2: {1, 3}, 5: {9, 5, 1}} {
		if got := median(list); got != want {
			t.Errorf("median of %v is %v", list, got)
		}
	}
}

// A run of two calls with no relay between: everything said is heard, and counted.
func TestTurnDirect(t *testing.T) {
	e := entry{"direct", false, direct{}}
	got, err := e.run(context.Background(), t.TempDir(), 2, &mediaOptions{window: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent < 150 || got.Heard != got.Sent || got.Doubled+got.Foreign != 0 || got.Machine <= 0 || got.Process != 0 {
		t.Errorf("%+v", got)
	}
}

func TestBencode(t *testing.T) {
	if got := string(bencode(map[string]string{"command": "ping"})); got != "d7:command4:pinge" {
		t.Errorf("%s", got)
	}
}

// The answer of the ng protocol that says where to send.
func TestRTPEngineAnswer(t *testing.T) {
	answer := []byte("d6:result2:ok3:sdp60:v=0\r\nm=audio 10042 RTP/AVP 0\r\na=rtcp:10043\r\ne")
	if m := audioPort.FindSubmatch(answer); m == nil || string(m[1]) != "10042" {
		t.Errorf("%q", m)
	}
	if d := sdpOf(netip.MustParseAddrPort("127.0.0.1:4000")); !strings.Contains(d, "m=audio 4000 RTP/AVP 0\r\n") {
		t.Errorf("%s", d)
	}
}
