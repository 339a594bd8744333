//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// between makes a load whose caller speaks to its callee directly, through
// nobody; a node is left out, everything else of the generator is exercised.
func between(t *testing.T, n int, hold time.Duration) *load {
	t.Helper()
	var ends [2]*socket
	for i := range ends {
		s, err := openSocket()
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(s.close)
		ends[i] = s
	}
	l := newLoad(ends[0], ends[1], ends[1].local, "+4721000001", n, hold, 10)
	l.ends[1].node = rawAddress(ends[0].local)
	return l
}

func TestLoadSetsUpAndEndsCalls(t *testing.T) {
	l := between(t, 200, 20*time.Millisecond)
	l.run(t.Context(), 1000)
	if !l.sum.clean() || l.sum.Answered != 200 || l.sum.Ended != 200 {
		t.Errorf("%v", &l.sum)
	}
	if p := l.setup.quantile(.5); p <= 0 || p > time.Second {
		t.Errorf("set-up %v", p)
	}
}

// TestLoadSeesWhatIsNotClean tells the generator what a node may do wrong.
func TestLoadSeesWhatIsNotClean(t *testing.T) {
	const at = time.Hour
	placed := func(t *testing.T) *load {
		l := between(t, 3, time.Hour)
		l.placed, l.sum.Placed = 3, 3
		for i := range l.near {
			l.near[i] = nearCall{since: at, sent: at}
		}
		return l
	}
	ok := func(method string) []byte {
		return []byte("SIP/2.0 200 OK\r\nTo: <sip:x@y>;tag=z\r\nContact: <sip:y>\r\nCall-ID: c1@load\r\nCSeq: 1 " + method + "\r\n\r\n")
	}
	invite := []byte("INVITE sip:a SIP/2.0\r\nVia: v\r\nTo: <sip:a>\r\nCall-ID: n\r\nCSeq: 1 INVITE\r\n\r\n")
	cases := []struct {
		name string
		do   func(l *load)
		want string
	}{
		{"refused", func(l *load) {
			l.callerHears([]byte("SIP/2.0 503 Busy\r\nTo: <sip:x>;tag=z\r\nCall-ID: c1@load\r\nCSeq: 1 INVITE\r\n\r\n"), at)
		}, "1 refused with 503"},
		{"silent", func(l *load) { l.overdue(at + giveUpAfter + 1) }, "3 not answered"},
		{"slow", func(l *load) { l.overdue(at + resendAfter + 1) }, "resent 3,"},
		{"BYE not answered", func(l *load) {
			l.near[1].stage = leaving
			l.overdue(at + giveUpAfter + 1)
		}, "1 BYE not answered"},
		{"200 twice", func(l *load) { l.callerHears(ok("INVITE"), at); l.callerHears(ok("INVITE"), at) }, "repeated by the node 1"},
		{"INVITE twice", func(l *load) { l.calleeHears(invite, at); l.calleeHears(invite, at) }, "repeated by the node 1"},
		{"no ACK", func(l *load) {
			l.near = append(l.near[:0], make([]nearCall, 3)...)
			l.placed = 0
			l.calleeHears(invite, at)
			l.overdue(at + resendAfter + 1)
		}, "resent 1,"},
		{"left hanging", func(l *load) {
			l.placed = 0
			l.calleeHears(invite, at)
			l.overdue(at + l.hold + 2*giveUpAfter + 1)
		}, "1 callee left hanging"},
		{"not ours", func(l *load) { l.callerHears([]byte("what"), at); l.calleeHears(ok("BYE"), at) }, "stray 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := placed(t)
			c.do(l)
			if l.sum.clean() || !strings.Contains(l.sum.String(), c.want) {
				t.Errorf("%v, want %q", &l.sum, c.want)
			}
		})
	}
}

func TestSetupUsage(t *testing.T) {
	for _, args := range [][]string{{"-rate", "0"}, {"-rate", "1,x"}, {"-rate", "6000"}, {"-seconds", "0"}, {"-rate", "5000", "-seconds", "1000"},
		{"-hold", "1h"}, {"-callers", "0"}, {"-rest", "-1s"}, {"more"}, {"-nonsense"}} {
		var o setupOptions
		var errs bytes.Buffer
		if err := o.parse(args, &errs); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestSetupCost does the sums of a report.
func TestSetupCost(t *testing.T) {
	r := setupReport{Rate: 10}
	r.Placed = 400
	at := time.Unix(0, 0)
	r.cost([]sample{
		{At: at, Anon: 10 * mb}, {At: at.Add(40 * time.Second), CPU: 200 * time.Millisecond, Anon: 20 * mb},
		{CPU: 220 * time.Millisecond}, {CPU: 240 * time.Millisecond, Anon: 11 * mb, HWM: 21 * mb},
	})
	if r.PerCallMS != 0.6 || r.LoadedMS != 0.5 || r.Cores != 0.005 || r.PerCallKB != 32 || r.LeftKB != 2.56 || r.PeakMB != 21 {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	r.write(&out)
	if !strings.Contains(out.String(), "0.60 ms a call in all") || !strings.Contains(out.String(), "NOT CLEAN") {
		t.Error(out.String())
	}
}

func TestLoadStopsWhenAsked(t *testing.T) {
	l := between(t, 1000, time.Hour)
	l.ends[0].node = rawAddress(netip.MustParseAddrPort("127.0.0.1:9"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	l.run(ctx, 100)
	if l.sum.clean() || l.sum.Placed == 0 || l.sum.Placed > 100 {
		t.Errorf("%v", &l.sum)
	}
}
