//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSoakFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-calls 0":                             "-calls 0",
		"-life 1ms":                            "-life 1ms",
		"-duration 1s":                         "-duration 1s",
		"-calls 5000 -duration 24h -life 1s":   "more than are counted",
		"-engine best":                         `-engine "best"`,
		"more":                                 "one word too many",
		"-calls 1000 -duration 10m -life 30s":  "",
		"-calls 10 -engine kernel -record=no":  "invalid boolean",
		"-calls 10 -engine kernel -record=0":   "",
		"-calls 1000 -duration 60m -life 120s": "",
	} {
		var o soakOptions
		err := o.parse(strings.Fields(args), io.Discard)
		if want == "" && err != nil || want != "" && (!errors.Is(err, errUsage) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestSoakVerdict(t *testing.T) {
	good := func() soakReport {
		r := soakReport{Media: mediaReport{Sent: 1000, Heard: 1000}}
		for i := range 40 {
			r.Looks = append(r.Looks, soakLook{AtS: float64(i), AnonMB: 100 + float64(i%3), Handles: 4000 + i%50, Sent: uint64(i) * 100, CPUS: float64(i)})
		}
		return r
	}
	for want, spoil := range map[string]func(*soakReport){
		"":                       func(*soakReport) {},
		"nothing was sent":       func(r *soakReport) { r.Media = mediaReport{} },
		"1 of 1000 packets lost": func(r *soakReport) { r.Media.Heard-- },
		"2 packets doubled":      func(r *soakReport) { r.Media.Doubled = 2 },
		"the relay dropped 3":    func(r *soakReport) { r.Relay.Drops = 3 },
		"4 came after":           func(r *soakReport) { r.Relay.Late = 4 },
		"5 panics":               func(r *soakReport) { r.Relay.Panics = 5 },
		"recordings lost 6":      func(r *soakReport) { r.Relay.Lost = 6 },
		"7 relays left":          func(r *soakReport) { r.Relay.Relays = 7 },
		"memory grew from 101.0": func(r *soakReport) {
			for i := range r.Looks[30:] {
				r.Looks[30+i].AnonMB += 10
			}
		},
		"handles grew from 40": func(r *soakReport) {
			for i := range r.Looks[20:] {
				r.Looks[20+i].Handles += 30 * i
			}
		},
	} {
		r := good()
		spoil(&r)
		if err := r.verdict(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	r := good()
	var out bytes.Buffer
	r.write(&out)
	for _, want := range []string{"1000 packets, 0 lost", "memory     by quarters 100.9 101.0", "CPU        10000.00 us a packet"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
