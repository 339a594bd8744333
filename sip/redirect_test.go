package sip

import (
	"strings"
	"testing"
	"time"

	"ringdown/call"
)

func TestContactsOfARedirection(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		contacts []string
		want     string
	}{
		{"one", 302, []string{"<sip:201@10.2.0.9:5070;transport=tcp>"}, "sip:201@10.2.0.9:5070;transport=tcp"},
		{"by q, as they came where it is equal", 300, []string{"<sip:low@10.2.0.9>;q=0.1", "<sip:first@10.2.0.9>", "<sip:second@10.2.0.9>;q=1.0", "<sip:mid@10.2.0.9>;q=0.5"},
			"sip:first@10.2.0.9 sip:second@10.2.0.9 sip:mid@10.2.0.9 sip:low@10.2.0.9"},
		{"in one header", 302, []string{"<sip:a@10.2.0.9>;q=0.2, <sip:b@10.2.0.9>;q=0.9"}, "sip:b@10.2.0.9 sip:a@10.2.0.9"},
		{"strange q", 301, []string{"<sip:a@10.2.0.9>;q=0.2", "<sip:b@10.2.0.9>;q=7", "<sip:c@10.2.0.9>;q=NaN"}, "sip:b@10.2.0.9 sip:c@10.2.0.9 sip:a@10.2.0.9"},
		{"nothing but where", 302, []string{`"Kari" <sip:201@10.2.0.9;user=phone;maddr=10.9.9.9;lr?Route=%3Csip:evil%3E>;expires=60`}, "sip:201@10.2.0.9"},
		{"no user", 302, []string{"<sip:10.2.0.9>"}, "sip:10.2.0.9"},
		{"other schemes", 302, []string{"<tel:+4721000001>", "<sips:a@10.2.0.9>", "<https://10.2.0.9/>", "<sip:a@10.2.0.9>"}, "sip:a@10.2.0.9"},
		{"a transport we do not have", 302, []string{"<sip:a@10.2.0.9;transport=ws>"}, ""},
		{"a password", 302, []string{"<sip:a:b@10.2.0.9>"}, "sip:a@10.2.0.9"},
		{"none", 302, nil, ""},
		{"a proxy is another thing", 305, []string{"<sip:201@10.2.0.9>"}, ""},
		{"and so is another service", 380, []string{"<sip:201@10.2.0.9>"}, ""},
		{"a refusal's contact is none", 486, []string{"<sip:201@10.2.0.9>"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				_, signals, inv := w.dialled()
				var headers []string
				for _, h := range c.contacts {
					headers = append(headers, "Contact: "+h)
				}
				w.callee.reply(inv, c.status, "agent", "", headers...)
				w.callee.want("ACK")
				f := signal[call.Failed](w, signals)
				got := ""
				if f.Cause.Redirect != nil {
					got = strings.Join(f.Cause.Redirect.To, " ")
				}
				if got != c.want || f.Cause.Status != c.status {
					t.Errorf("%q with %d, want %q", got, f.Cause.Status, c.want)
				}
				signal[call.Gone](w, signals)
				time.Sleep(time.Second)
				if strings.Contains(w.log.String(), "201@") {
					t.Errorf("logged:\n%s", w.log)
				}
			})
		})
	}
}

func TestManyContacts(t *testing.T) {
	bubble(t, func(w *world) {
		_, signals, inv := w.dialled()
		var headers []string
		for range 40 {
			headers = append(headers, "Contact: <sip:a@10.2.0.9>")
		}
		w.callee.reply(inv, 302, "agent", "", headers...)
		w.callee.want("ACK")
		if f := signal[call.Failed](w, signals); len(f.Cause.Redirect.To) != maxContacts {
			t.Errorf("%d contacts", len(f.Cause.Redirect.To))
		}
	})
}

// A caller is told where to go only when the call says that he may be.
func TestRedirectionPassed(t *testing.T) {
	moved := &call.Redirected{To: []string{"sip:201@10.2.0.9:5070", "sip:x@bad host", "sip:202@pbx.example;transport=tcp"}}
	for _, c := range []struct {
		cause  call.Cause
		status string
		want   string
	}{
		{call.Cause{Status: 302, Remote: true, Redirect: moved, Pass: true}, "302", "<sip:201@10.2.0.9:5070> <sip:202@pbx.example;transport=tcp>"},
		{call.Cause{Status: 302, Remote: true, Redirect: moved}, "480", ""},
		{call.Cause{Status: 302, Remote: true, Pass: true}, "480", ""},
		{call.Cause{Status: 305, Remote: true, Redirect: moved, Pass: true}, "480", ""},
		{call.Cause{Status: 486, Remote: true, Redirect: moved, Pass: true}, "486", ""},
	} {
		bubble(t, func(w *world) {
			w.carrier.invite()
			w.carrier.want("SIP/2.0 100")
			w.admitted().leg.Hangup(c.cause)
			m := w.carrier.want("SIP/2.0 " + c.status)
			if got := strings.Join(m.all("Contact"), " "); got != c.want {
				t.Errorf("%+v: %q", c.cause, got)
			}
		})
	}
}
