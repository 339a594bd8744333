package sip

import (
	"strings"
	"testing"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

func TestReasonWritten(t *testing.T) {
	for _, c := range []struct {
		cause             call.Cause
		response, request string
	}{
		{call.Cause{Status: 200, Q850: 16}, `Q.850;cause=16`, `Q.850;cause=16`},
		{call.Cause{Status: 200, Q850: 26}, `Q.850;cause=26`, `SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26`},
		{call.Cause{Status: 486}, `Q.850;cause=17`, `Q.850;cause=17, SIP;cause=486;text="Busy Here"`},
		{call.Cause{Status: 480, Q850: 3}, `Q.850;cause=3`, `Q.850;cause=3, SIP;cause=480;text="Temporarily Unavailable"`},
		{call.Cause{Q850: 19}, `Q.850;cause=19`, `Q.850;cause=19`},
		{call.Cause{}, "", ""},
	} {
		for request, want := range map[bool]string{false: c.response, true: c.request} {
			got := ""
			if h := reasonHeader(c.cause, request); h != nil {
				got = h.Value()
			}
			if got != want {
				t.Errorf("%+v, in a request %v: %q, want %q", c.cause, request, got, want)
			}
		}
	}
}

func TestReasonRead(t *testing.T) {
	elsewhere := call.Cause{Status: 200, Q850: 26, Text: "answered elsewhere", Remote: true}
	told := func(status, q850 int) call.Cause {
		return call.Cause{Status: status, Q850: q850, Text: phrase(status), Remote: true}
	}
	for header, want := range map[string]struct{ bye, cancel, busy call.Cause }{
		"":                                       {told(200, 16), call.Cause{}, told(486, 17)},
		`q.850 ; cause = 21 ;text="a,b;cause=3"`: {told(200, 21), told(487, 21), told(486, 21)},
		`SIP;cause=200;text="Call completed elsewhere"`: {elsewhere, elsewhere, told(486, 17)},
		`SIP;cause=200`:                                    {told(200, 16), elsewhere, told(486, 17)},
		`SIP;cause=480;text="x", Q.850;cause=19`:           {told(480, 19), told(487, 19), told(486, 19)},
		`Q.850;cause=19;text="No, answer" , SIP;cause=408`: {told(408, 19), told(487, 19), told(486, 19)},
		`SIP;cause=503`:                                    {told(503, 41), call.Cause{}, told(486, 17)},
		`Q.850;cause=128`:                                  {told(200, 16), call.Cause{}, told(486, 17)},
		`Q.850;cause=-1, Q.850;cause=x, Q.850, ;;=, SIP;cause=99999`: {told(200, 16), call.Cause{}, told(486, 17)},
		`preemption;cause=1`: {told(200, 16), call.Cause{}, told(486, 17)},
		`SIP;cause=199;text="elsewhere", SIP;cause=700;text="elsewhere"`: {told(200, 16), call.Cause{}, told(486, 17)},
	} {
		req := gosip.NewRequest(gosip.BYE, gosip.Uri{Scheme: "sip", Host: "h"})
		res := gosip.NewResponse(486, "x")
		if header != "" {
			req.AppendHeader(gosip.NewHeader("Reason", header))
			res.AppendHeader(gosip.NewHeader("Reason", header))
		}
		if got := causeOfBye(req); got != want.bye {
			t.Errorf("BYE, %s: %+v, want %+v", header, got, want.bye)
		}
		if got := causeOfCancel(req); got != want.cancel {
			t.Errorf("CANCEL, %s: %+v, want %+v", header, got, want.cancel)
		}
		if got := causeOf(res); got != want.busy {
			t.Errorf("486, %s: %+v, want %+v", header, got, want.busy)
		}
	}
}

// A CANCEL that says the call was answered elsewhere is told so to the call, and
// one of ours says it to the callee.
func TestElsewhereCrosses(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite()
		w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		i.send("CANCEL", i.branch, 1, "", `Reason: SIP;cause=200;text="Call completed elsewhere"`)
		w.carrier.want("SIP/2.0 200")
		w.carrier.want("SIP/2.0 487")
		i.send("ACK", i.branch, 1, "")
		if c := signal[call.Cancelled](w, a.signals); !c.Cause.Elsewhere() || !c.Cause.Remote {
			t.Errorf("%+v", c.Cause)
		}
		signal[call.Gone](w, a.signals)

		leg, signals, inv := w.dialled()
		w.callee.reply(inv, 180, "agent", "")
		signal[call.Ringing](w, signals)
		leg.Hangup(call.Cause{Status: 200, Q850: 26})
		cancel := w.callee.want("CANCEL")
		if got := cancel.get("Reason"); got != `SIP;cause=200;text="Call completed elsewhere", Q.850;cause=26` {
			t.Errorf("Reason: %s", got)
		}
		w.callee.reply(cancel, 200, "agent", "")
		w.callee.reply(inv, 487, "agent", "")
		w.callee.want("ACK")
		signal[call.Failed](w, signals)
		signal[call.Gone](w, signals)
	})
}

func FuzzReason(f *testing.F) {
	for _, s := range []string{`Q.850;cause=16`, `SIP;cause=200;text="Call completed elsewhere"`, `a,b;c="`, `;;;cause=`, "\"\\\"", `SIP ; cause = 486`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		req := gosip.NewRequest(gosip.BYE, gosip.Uri{Scheme: "sip", Host: "h"})
		req.AppendHeader(gosip.NewHeader("Reason", s))
		for _, c := range []call.Cause{causeOfBye(req), causeOfCancel(req)} {
			if c.Status < 0 || c.Status > 699 || c.Q850 < 0 || c.Q850 > 127 || c.Status == 0 != (c == call.Cause{}) {
				t.Fatalf("%q: %+v", s, c)
			}
			if c.Text != "" && len(s) > 20 && strings.Contains(c.Text, s) {
				t.Fatalf("%q: the peer's words are in %q", s, c.Text)
			}
			if h := reasonHeader(c, true); h != nil && strings.ContainsFunc(h.Value(), isControl) {
				t.Fatalf("%q: %q", s, h.Value())
			}
		}
	})
}
