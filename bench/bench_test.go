//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestCallsWithoutANode lets the caller dial the callee directly: everything but
// the product is exercised, and nothing may be lost.
func TestCallsWithoutANode(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	at, err := freePort("udp")
	if err != nil {
		t.Skip(err)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"calls", "-n", "20", "-rate", "200", "-hold", "1s", "-max-loss", "5",
		"-target", at, "-agent", at, "-pid", strconv.Itoa(os.Getpid()), "-json"}, &out, &errs)
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); code != done || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out.String(), errs.String())
	}
	if r.Answered != 20 || r.Failed != 0 || r.Count != 0 || r.SetupP99 <= 0 {
		t.Errorf("answered %d, failed %d, faults %v, set-up %v", r.Answered, r.Failed, r.Faults, r.SetupP99)
	}
	if s := r.Relay.Sent; s < 1500 || s > 2500 { // 20 calls, 2 sides, 50 a second
		t.Errorf("%d packets in a second", s)
	}
	if r.Relay.Foreign != 0 || r.Process == nil || r.Process.HeldMB <= 0 || r.Recorded != nil {
		t.Errorf("%d foreign; process %+v", r.Relay.Foreign, r.Process)
	}
	out.Reset()
	r.write(&out)
	for _, want := range []string{"answered 20", "us a relayed packet", "recording unknown"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestVerdict(t *testing.T) {
	good := func() report {
		return report{Attempted: 10, Answered: 10, Direct: &mediaReport{}, Relay: &mediaReport{Sent: 100, Heard: 100}}
	}
	cases := []struct {
		name  string
		spoil func(*report)
		want  string
	}{
		{"good", func(*report) {}, ""},
		{"failed calls", func(r *report) { r.Failed = 1 }, "1 of 10 calls were not answered"},
		{"bad ends", func(r *report) { r.Unclean = 2 }, "2 calls did not end"},
		{"silence", func(r *report) { r.Relay.Heard = 0 }, "no packet came through"},
		{"loss", func(r *report) { r.Relay.LossPct = 0.2 }, "0.200 % of the packets were lost"},
		{"doubles", func(r *report) { r.Relay.Doubled = 3 }, "3 packets came twice"},
		{"faults", func(r *report) { r.finish([]error{os.ErrInvalid}, nil, nil) }, "1 faults in SIP"},
		{"oddities", func(r *report) { r.Odd = map[string]int{"x": 4} }, "4 times: x"},
	}
	for _, c := range cases {
		r := good()
		c.spoil(&r)
		err := r.verdict(0.1, true)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	r := good()
	r.Relay.TickP99 = 6000
	r.finish(nil, nil, nil)
	if !r.Noisy {
		t.Error("a late generator is not noisy")
	}
}

func TestCommandLine(t *testing.T) {
	cases := []struct {
		line string
		code int
		want string
	}{
		{"", misuse, "bench calls"},
		{"help", done, ""},
		{"dance", misuse, `no command "dance"`},
		{"calls -h", done, ""},
		{"calls -n 0", misuse, "-n 0"},
		{"calls -n 5001", misuse, "-n 5001"},
		{"calls -rate NaN", misuse, "-rate"},
		{"calls -rate 501", misuse, "-rate"},
		{"calls -hold 1h", misuse, "-hold"},
		{"calls now", misuse, "one word too many"},
		{"calls -target 192.0.2.1:5060", misuse, "not on this machine"},
		{"calls -target example.org:5060", misuse, "not IP:PORT"},
		{"calls -target 127.0.0.1:5060 -agent 0.0.0.0:5090", misuse, "not on this machine"},
		{"kill -calls 501", misuse, "-calls"},
		{"kill -rounds 0", misuse, "-rounds"},
		{"kill -after 5s -until 4s", misuse, "in order"},
		{"kill -rate 0", misuse, "-rate"},
		{"kill -x", misuse, "not defined"},
	}
	for _, c := range cases {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.line), &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%q: exit %d, want %d with %q:\n%s", c.line, code, c.code, c.want, errs.String())
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(.5) != 0 {
		t.Error("empty")
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0: 1000, .5: 501000, .99: 991000, .999: 1000000} {
		if got := h.quantile(q); got > want || got < want-want/50 {
			t.Errorf("quantile %g = %v, want %v", q, got, want)
		}
	}
	h.add(-5)
	if h.max != time.Millisecond || h.count != 1001 {
		t.Errorf("max %v, count %d", h.max, h.count)
	}
	for d := time.Duration(1); d > 0 && d < 1<<61; d += d/7 + 1 {
		if b := bucketOf(d); floorOf(b) > d || floorOf(b+1) <= d {
			t.Fatalf("%d falls in bucket %d, from %d to %d", d, b, floorOf(b), floorOf(b+1))
		}
	}
}

func TestFlowTellsDoubles(t *testing.T) {
	var f flow
	for i, c := range []struct {
		n     uint32
		fresh bool
	}{{10, true}, {10, false}, {12, true}, {11, true}, {11, false}, {12, false}, {76, true}, {12, true}, {13, true}, {13, false}, {500, true}, {76, true}, {500, false}} {
		if got := f.fresh(c.n); got != c.fresh {
			t.Errorf("step %d: number %d fresh = %v", i, c.n, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	const text = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0 7 0"
	if d, err := parseStat(text); err != nil || d != 2810*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "42 (a", "42 (a) S 1 2", strings.Replace(text, "250", "x", 1)} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	if n := field("VmHWM:\t  900 kB\nVmRSS:\t  123 kB\n", "VmRSS"); n != 123 {
		t.Errorf("VmRSS = %d", n)
	}
	if s, err := sampleOf(os.Getpid()); err != nil || s.RSS <= 0 || s.HWM < s.RSS || s.Threads < 1 {
		t.Errorf("own sample %+v, %v", s, err)
	}
	if _, err := sampleOf(1 << 30); err == nil {
		t.Error("a process that is not there")
	}
}

func TestStampsSurviveG711(t *testing.T) {
	for _, c := range []siptest.Codec{siptest.PCMU, siptest.PCMA} {
		said := stamped(4095, 1).Render(200)
		for _, shift := range []int{0, 1, 7, 159, 161} {
			heard := c.Decode(nil, c.Encode(nil, append(make([]int16, shift), said...)))
			all := stamps(heard)
			if len(all) != 200 {
				t.Fatalf("%v shifted by %d: %d stamps", c, shift, len(all))
			}
			for n, s := range all {
				if s.call != 4095 || s.side != 1 || s.frame != n || s.at != shift+n*siptest.FrameSize {
					t.Fatalf("%v shifted by %d: stamp %d is %+v", c, shift, n, s)
				}
			}
		}
	}
}

func TestStampsInNoise(t *testing.T) {
	for seed := range uint64(20) {
		if all := stamps(siptest.Noise(seed).Render(500)); len(all) > 0 {
			t.Errorf("seed %d: %d stamps in noise", seed, len(all))
		}
	}
	said := stamped(1, 0).Render(3)
	for i := 200; i < 204; i++ { // a damaged frame is not there, its neighbours are
		said[i] = -said[i]
	}
	if all := stamps(said); len(all) != 2 || all[0].frame != 0 || all[1].frame != 2 {
		t.Errorf("stamps = %+v", all)
	}
}
