//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script is a scenario of sipp, put together from the steps of one side. sipp
// judges: what comes and is not in the script, or does not match, is a failure.
type script struct {
	steps []string
	vars  map[string]bool
}

// match is what a header, or the whole message, must look like. With a name the
// first group, or all of it, is kept for later as [$name].
type match struct{ header, pattern, keep string }

func (s *script) add(step string) *script {
	s.steps = append(s.steps, step)
	return s
}

func (s *script) matches(all []match) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<action>")
	for i, m := range all {
		if m.keep == "" {
			m.keep = fmt.Sprintf("m%dx%d", len(s.steps), i)
		}
		if s.vars == nil {
			s.vars = map[string]bool{}
		}
		s.vars[m.keep] = true
		where := `search_in="msg"`
		if m.header != "" {
			where = fmt.Sprintf(`search_in="hdr" header="%s:"`, m.header)
		}
		fmt.Fprintf(&b, `<ereg regexp="%s" %s check_it="true" assign_to="%s"/>`, strings.ReplaceAll(m.pattern, `"`, "&quot;"), where, m.keep)
	}
	b.WriteString("</action>")
	return b.String()
}

// request waits for a request, response for a response, whose To is kept for
// the requests that follow; may: it need not come.
func (s *script) request(method string, all ...match) *script {
	return s.add(fmt.Sprintf(`<recv request="%s" rrs="true">%s</recv>`, method, s.matches(all)))
}

func (s *script) response(status int, all ...match) *script {
	all = append(all, match{"To", ".*", "remote"})
	return s.add(fmt.Sprintf(`<recv response="%d" rrs="true">%s</recv>`, status, s.matches(all)))
}

func (s *script) may(status int) *script {
	return s.add(fmt.Sprintf(`<recv response="%d" optional="true"/>`, status))
}

func (s *script) pause(ms int) *script { return s.add(fmt.Sprintf(`<pause milliseconds="%d"/>`, ms)) }

// play sends an endless tone from now on.
func (s *script) play(file string) *script {
	return s.add(fmt.Sprintf(`<nop><action><exec rtp_stream="%s,-1,8,PCMA/8000"/></action></nop>`, file))
}

func (s *script) say(retrans bool, text string) *script {
	again := ""
	if retrans {
		again = ` retrans="500"`
	}
	return s.add(fmt.Sprintf("<send%s><![CDATA[\n%s\n]]></send>", again, text))
}

const scriptSDP = `v=0
o=sipp %d 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
`

// body ends a message, with a description when there is one.
func body(lines []string, sdp bool) string {
	head := strings.Join(lines, "\n")
	if !sdp {
		return head + "\nContent-Length: 0\n"
	}
	return head + "\nContent-Type: application/sdp\nContent-Length: [len]\n\n" + fmt.Sprintf(scriptSDP, 1)
}

// asks is a request of a caller: the INVITE, or one inside its dialog.
func (s *script) asks(method string, seq int, sdp bool, more ...string) *script {
	uri, to := "[next_url]", "To:[$remote]"
	if method == "INVITE" || method == "ACK!" { // ACK!: of a refusal; reINVITE: in the dialog
		uri = "sip:" + tracking + "@[remote_ip]:[remote_port]"
	}
	via := "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport"
	switch method {
	case "INVITE":
		to = "To: <" + uri + ">"
	case "reINVITE":
		method = "INVITE"
	case "ACK!":
		method, via, to = "ACK", "[last_Via:]", "[last_To:]"
	}
	lines := append([]string{
		method + " " + uri + " SIP/2.0", via,
		"From: <sip:+4799912345@[local_ip]:[local_port]>;tag=[pid]a[call_number]", to, "Call-ID: [call_id]",
		fmt.Sprintf("CSeq: %d %s", seq, method), "Contact: <sip:carrier@[local_ip]:[local_port]>", "Max-Forwards: 70",
	}, more...)
	return s.say(method != "ACK", body(lines, sdp))
}

// answers replies to the last request, which was no INVITE.
func (s *script) answers(status int, sdp bool, more ...string) *script {
	lines := append([]string{
		fmt.Sprintf("SIP/2.0 %d OK", status), "[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]",
		"Contact: <sip:peer@[local_ip]:[local_port]>",
	}, more...)
	return s.say(false, body(lines, sdp))
}

// invited waits for an INVITE and keeps what its responses need.
func (s *script) invited(all ...match) *script {
	for _, h := range []string{"Via", "From", "To", "CSeq"} {
		all = append(all, match{h, ".*", strings.ToLower(h)})
	}
	return s.request("INVITE", all...)
}

// tells is a response to that INVITE.
func (s *script) tells(status int, tag string, sdp bool, more ...string) *script {
	lines := append([]string{
		fmt.Sprintf("SIP/2.0 %d Told", status), "Via:[$via]", "From:[$from]", "To:[$to];tag=[pid]" + tag, "Call-ID: [call_id]", "CSeq:[$cseq]",
		"Contact: <sip:agent@[local_ip]:[local_port]>",
	}, more...)
	return s.say(status >= 200, body(lines, sdp))
}

// turns is a request of the one who was invited.
func (s *script) turns(method, tag string, seq int, sdp bool, more ...string) *script {
	lines := append([]string{
		method + " [next_url] SIP/2.0", "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport",
		"From:[$to];tag=[pid]" + tag, "To:[$from]", "Call-ID: [call_id]", fmt.Sprintf("CSeq: %d %s", seq, method),
		"Contact: <sip:agent@[local_ip]:[local_port]>", "Max-Forwards: 70",
	}, more...)
	return s.say(method != "ACK", body(lines, sdp))
}

// write makes the scenario's file.
func (s *script) write(t *testing.T, dir, name string) {
	t.Helper()
	var names []string
	for v := range s.vars {
		names = append(names, v)
	}
	text := `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="` + name + "\">\n" + strings.Join(s.steps, "\n") + "\n"
	if len(names) > 0 {
		text += `<Reference variables="` + strings.Join(names, ",") + "\"/>\n"
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"</scenario>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// errorsOf is what sipp wrote about a failure.
func errorsOf(dir string) string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "*_errors.log"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		all.Write(b)
	}
	return all.String()
}
