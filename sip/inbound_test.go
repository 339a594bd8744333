package sip

import (
	"strings"
	"testing"
	"time"

	"ringdown/call"
)

func TestAnsweredCallAndByeOfCaller(t *testing.T) {
	bubble(t, func(w *world) {
		i := w.carrier.invite("P-Asserted-Identity: \"Kari N\" <sip:+4790000002@10.1.0.1>", "X-Secret: canary")
		trying := w.carrier.want("SIP/2.0 100")
		a := w.admitted()
		if a.Trunk != "carrier" || a.To != "+4721000001" || a.MaxForwards != 69 || a.Transport != "udp" || a.SIPCallID != i.callID ||
			a.Source.String() != carrierAddr || a.Party != (call.Party{User: "+4790000002", Display: "Kari N"}) || !strings.HasPrefix(string(a.Body), "v=0\r\n") {
			t.Errorf("invite %+v", a.Invite)
		}
		a.leg.Progress(180, nil)
		ringing := w.carrier.want("SIP/2.0 180")
		a.leg.Progress(183, ourSDP)
		if early := w.carrier.want("SIP/2.0 183"); early.body != string(ourSDP) {
			t.Errorf("early media %q", early.body)
		}
		a.leg.Answer(ourSDP)
		ok := w.carrier.want("SIP/2.0 200")
		for _, m := range []message{trying, ringing, ok} {
			if m.tag("To") == "" || m.tag("To") != ok.tag("To") || m.from != usAddr {
				t.Errorf("To %q of %q, the 200's is %q", m.get("To"), m.start, ok.get("To"))
			}
		}
		if ok.get("Contact") != "<sip:10.0.0.1:5060>" || ok.get("Allow") != allowed || ok.get("Content-Type") != sdpType || ok.body != string(ourSDP) || ok.get("X-Secret") != "" {
			t.Errorf("200:\n%s", ok.raw)
		}
		i.toTag = ok.tag("To")
		i.send("ACK", i.branch+"ack", 1, "")
		signal[call.Acked](w, a.signals)
		w.carrier.quiet(40 * time.Second)
		i.request("BYE", "", `Reason: SIP;cause=200, Q.850;cause=31;text="x"`)
		w.carrier.want("SIP/2.0 200")
		if bye := signal[call.Bye](w, a.signals); bye.Cause.Q850 != 31 || !bye.Cause.Remote || bye.Cause.Status != 200 {
			t.Errorf("cause %+v", bye.Cause)
		}
		signal[call.Gone](w, a.signals)
		w.noSignal(a.signals, time.Minute)
	})
}
