//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Those who attack: one that belongs to no trunk, one inside a trunk that is
// known by its address, one inside a trunk that is asked for a password.
const (
	strangerIP = "10.77.0.66"
	insiderIP  = "10.77.0.67"
	clientIP   = "10.77.0.68"
)

// attack starts programs one after the other on a host of the wire. None may take
// longer than five seconds.
func attack(t *testing.T, w *wire, ip, dir string, lines ...string) *program {
	t.Helper()
	script := "cd " + dir + "\n"
	for _, line := range lines {
		script += fmt.Sprintf("echo '== %s'\ntimeout 5 %s </dev/null 2>&1\necho \"== exit $?\"\n", line, line)
	}
	return launchWithin(t, w.host(t, ip), dir, "sh", "-c", script)
}

// dictionary writes what is guessed: names that exist, each often, between as many
// that do not; for sipvicious and for sipp.
func dictionary(t *testing.T, dir string) (known []string) {
	t.Helper()
	known = []string{"100", tracking}
	var lines strings.Builder
	for i := range 25 {
		fmt.Fprintf(&lines, "%s\n%d\n%s\n+472100%04d\n", known[0], 200+i, known[1], 100+i)
	}
	for name, text := range map[string]string{
		"names": lines.String(), "words": "zero\nzanzibar\nsecret\n",
		"names.csv": "SEQUENTIAL\n" + strings.ReplaceAll(lines.String(), "\n", ";\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return known
}

// knocking asks for each name in three ways, and wants the same answers for all.
func knocking() *script {
	s := new(script)
	for seq, method := range []string{"REGISTER", "OPTIONS", "INVITE"} {
		text := func(method, to string) string {
			return body([]string{method + " sip:[field0]@[remote_ip]:[remote_port] SIP/2.0", "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]",
				"From: <sip:[field0]@[remote_ip]>;tag=k[call_number]", to, "Call-ID: [call_id]", fmt.Sprintf("CSeq: %d %s", seq+1, method),
				"Contact: <sip:[field0]@[local_ip]:[local_port]>", "Max-Forwards: 70"}, false)
		}
		s.say(true, text(method, "To: <sip:[field0]@[remote_ip]>"))
		if method == "INVITE" {
			s.may(100).response(401).say(false, strings.Replace(text("ACK", "[last_To:]"), "[branch]", "[branch-2]", 1))
		} else {
			s.response(map[string]int{"REGISTER": 405, "OPTIONS": 200}[method])
		}
	}
	return s
}

// TestAttackers has sipvicious and sipsak look for numbers, names and passwords
// while sipp talks with sipp beside them. The stranger hears nothing and is
// banned; whoever is inside a trunk learns nothing of who exists, neither by the
// answers nor by how long they take; no call is the worse for it.
func TestAttackers(t *testing.T) {
	t.Setenv("RINGDOWN_TEST_PASSWORD", "zanzibar")
	dir := sippDir(t)
	w := newWire(t)
	n := newPhonesNode(t, w, plan{Trunks: `  - {id: inside, sources: [` + insiderIP + `], number_format: {country: NO}}
  - {id: pbx, sources: [` + clientIP + `], number_format: {country: NO}, auth: {realm: pbx.example, users: [{name: "100", password: env:RINGDOWN_TEST_PASSWORD}]}}
`})
	known := dictionary(t, dir)
	knocking().write(t, dir, "knocks.xml")
	stop := w.watch(t, t.TempDir())
	const calls = 8
	ends := map[string]*program{}
	for ip, args := range map[string][]string{
		callerIP: {"-sf", "carrier.xml", "-m", strconv.Itoa(calls), "-l", "2", "-r", "1", n.SIP},
		calleeIP: {"-sf", "destination.xml", "-m", strconv.Itoa(calls)},
	} {
		args = append([]string{"-i", ip, "-mi", ip, "-p", "5060", "-mp", "30000", "-nostdin", "-trace_err"}, args...)
		ends[ip] = launchWithin(t, w.host(t, ip), dir, "sipp", args...)
	}
	guesses := []string{
		"svmap -m OPTIONS NODE", "svmap -m REGISTER NODE", "svwar --force -m REGISTER -d names NODE", "svwar --force -m OPTIONS -d names NODE",
		"sipsak -s sip:100@NODE", "sipsak -U -s sip:100@NODE", "sipsak -F -e 300 -s sip:100@NODE", "sipsak -R -t 20 -s sip:100@NODE",
		"svcrack -u 100 -d words NODE",
	}
	rings := []string{"svwar --force -m INVITE -d names NODE", "svmap -m INVITE NODE"}
	at := func(lists ...[]string) []string {
		return strings.Split(strings.ReplaceAll(strings.Join(slices.Concat(lists...), "\n"), "NODE", nodeIP), "\n")
	}
	knocks := "sipp -sf knocks.xml -inf names.csv -i " + clientIP + " -p 5090 -m 100 -r 40 -nostdin -trace_err NODE"
	stranger := attack(t, w, strangerIP, dir, at(guesses, rings)...)
	insider := attack(t, w, insiderIP, dir, at(guesses)...)
	client := attack(t, w, clientIP, dir, at([]string{knocks}, guesses, rings)...)
	for _, p := range []*program{stranger, insider, client, ends[callerIP], ends[calleeIP]} {
		if code := p.code(t, 2*time.Minute); code != 0 {
			t.Errorf("%s: exit %d; it said\n%s%s", p.name, code, p.out.tail(), errorsOf(dir))
		}
	}
	if bans := n.told(t, "sip.source.banned"); len(bans) != 1 {
		t.Errorf("%d bans were told, want the stranger's", len(bans))
	}
	var f figures
	completed := 0
	for _, s := range n.ended(t, calls) {
		if s.whole(t); s.last("call.ended").Status == "completed" {
			f.measure(t, n, s, filepath.Join(dir, "out.wav"))
			completed++
		}
	}
	if completed != calls {
		t.Errorf("%d calls were completed, want %d", completed, calls)
	}
	n.stop(t)
	capture := stop()
	silent(t, stranger, capture)
	found(t, insider)
	found(t, client)
	lookAtAnswers(t, capture, known)
	if !strings.Contains(section(client, "sipp "), "exit 0") {
		t.Errorf("sipp as knocker: %s%s", section(client, "sipp "), errorsOf(dir))
	}
	t.Logf("beside them: %d calls, %d to %d packets a side, own tone in at least %.4f of the frames", completed, f.packets.least, f.packets.most, f.own.least)
}

// ended waits until as many calls as that have been completed and no call is open.
func (n *node) ended(t *testing.T, completed int) (all []*story) {
	t.Helper()
	eventually(t, 20*time.Second, "the end of all calls", func() bool {
		all = n.stories(t)
		done := 0
		for _, s := range all {
			if !s.over() {
				return false
			}
			done += s.count("recording.completed")
		}
		return done >= completed
	})
	return all
}

// section is what an attack printed for its first command with a beginning, and
// how that ended.
func section(p *program, begins string) string {
	_, after, _ := strings.Cut(p.out.String(), "== "+begins)
	text, code, _ := strings.Cut(after, "== exit ")
	code, _, _ = strings.Cut(code, "\n")
	return text + "exit " + code
}

// silent wants that a stranger was sent not one packet and found nothing.
func silent(t *testing.T, p *program, capture string) {
	t.Helper()
	if heard := tshark(t, capture, "ip && ip.dst=="+strangerIP, "_ws.col.Info"); len(heard) > 0 {
		t.Errorf("the stranger heard %q", heard)
	}
	sent := len(tshark(t, capture, "udp.dstport==5060 && ip.src=="+strangerIP, "frame.number"))
	t.Logf("tshark: none of %d packets of the stranger was answered", sent)
	if sent < 310 {
		t.Errorf("the stranger sent %d packets only", sent)
	}
	out := p.out.String()
	if k := strings.Count(out, "found nothing"); k < 6 || strings.Contains(out, "SIP Device") || strings.Contains(out, "SIP/2.0 2") {
		t.Errorf("the stranger found something:\n%s", out)
	}
}

// found wants that sipvicious sees a device, without a word of what it is, that
// sipsak's ping is answered, and that neither name nor password was found.
func found(t *testing.T, p *program) {
	t.Helper()
	if out := section(p, "svmap -m OPTIONS"); !strings.Contains(out, "SIP Device") || strings.Contains(strings.ToLower(out), "ringdown") {
		t.Errorf("svmap: %s", out)
	}
	if out := section(p, "sipsak -s"); !strings.Contains(out, "exit 0") {
		t.Errorf("sipsak: %s", out)
	}
	if out := section(p, "svwar --force -m OPTIONS"); !strings.Contains(out, "found nothing") {
		t.Errorf("svwar: %s", out)
	}
	for _, word := range []string{"| Authentication |", "| Password |", "zanzibar"} {
		if strings.Contains(p.out.String(), word) {
			t.Errorf("something was found: %q in\n%s", word, p.out.String())
		}
	}
}

// lookAtAnswers holds what was answered to names that exist against what was
// answered to others: the same status, and no later or sooner.
func lookAtAnswers(t *testing.T, capture string, known []string) {
	t.Helper()
	type group struct {
		status map[string]bool
		took   []float64
	}
	groups := map[string]*group{}
	asked := map[string]float64{}
	for _, line := range tshark(t, capture, "sip && ip.addr=="+clientIP+" && udp.port==5090", "frame.time_epoch", "sip.Call-ID", "sip.CSeq", "sip.Status-Code", "sip.to.user") {
		f := strings.Split(line, "|")
		at, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		key := f[1] + " " + f[2]
		begun, open := asked[key]
		switch {
		case f[3] == "" && !open:
			asked[key] = at
		case open && f[3] >= "200":
			delete(asked, key)
			_, method, _ := strings.Cut(f[2], " ")
			name := fmt.Sprintf("%s %v", method, slices.Contains(known, f[4]))
			if groups[name] == nil {
				groups[name] = &group{status: map[string]bool{}}
			}
			groups[name].status[f[3]] = true
			groups[name].took = append(groups[name].took, (at-begun)*1000)
		}
	}
	for _, method := range []string{"REGISTER", "OPTIONS", "INVITE"} {
		yes, no := groups[method+" true"], groups[method+" false"]
		if yes == nil || no == nil || len(yes.took) < 45 || len(no.took) < 45 {
			t.Fatalf("%s: too few answers: %+v, %+v", method, yes, no)
		}
		slices.Sort(yes.took)
		slices.Sort(no.took)
		a, b := yes.took[len(yes.took)/2], no.took[len(no.took)/2]
		t.Logf("%s: %q after %.3f ms for names that exist, %q after %.3f ms for others (medians)", method, sorted(yes.status), a, sorted(no.status), b)
		if !slices.Equal(sorted(yes.status), sorted(no.status)) || len(yes.status) != 1 {
			t.Errorf("%s: %q for names that exist, %q for others", method, sorted(yes.status), sorted(no.status))
		}
		if max(a, b) > 1.5*min(a, b) && max(a, b)-min(a, b) > 0.3 {
			t.Errorf("%s: the time tells who exists: %.3f ms and %.3f ms", method, a, b)
		}
	}
}
