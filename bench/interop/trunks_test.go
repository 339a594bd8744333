//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const trunkAccounts = `accounts:
  - {id: demo, agency: demo-agency, recording: {mode: do-not-record}, retention: P1M}
numbers:
  - {number: "+4721000001", account: demo, flow: sales}
flows:
  sales:
    - dial: {timeout: PT20S, targets: [TARGET]}
`

// trunkStreet is a street whose passwords are in the environment.
func trunkStreet(t *testing.T, host, trunks, target string) *street {
	t.Helper()
	t.Setenv("RINGDOWN_TEST_PASSWORD", "zanzibar")
	return newStreet(t, host, "trunks:\n"+trunks+strings.Replace(trunkAccounts, "TARGET", target, 1))
}

// fill writes a file of testdata with words replaced.
func fill(t *testing.T, dir, name string, words ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.NewReplacer(words...).Replace(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestKamailioRegistrar has us register with Kamailio, which asks for a
// password, then a call of a sipp through the binding, out again through the
// same Kamailio, which asks for it once more, to another sipp.
func TestKamailioRegistrar(t *testing.T) {
	for algorithm, host := range map[string]string{"SHA-256": "127.0.60", "MD5": "127.0.61"} {
		t.Run(algorithm, func(t *testing.T) {
			registrar := host + ".6"
			s := trunkStreet(t, host, `  - id: provider
    targets: [{uri: "sip:`+registrar+`"}]
    auth: {realm: provider.example, username: "4721000001", password: env:RINGDOWN_TEST_PASSWORD}
    register: {registrar: "sip:`+registrar+`", user: "+4721000001", expires: PT1M}
`, `{number: "+4791234567", trunk: provider}`)
			file := fill(t, s.dir, "registrar.cfg", "HOST", registrar, "NEXT", s.pbx, "ALGORITHM", algorithm)
			k := launch(t, s.dir, "kamailio", "-f", filepath.Join(s.dir, file), "-m", "64", "-M", "8", "-Y", s.dir)
			k.says(t, "SAVED 4721000001 expires=60", 30*time.Second)
			eventually(t, 5*time.Second, "the registration", func() bool {
				_, text := s.get(t, "/metrics")
				return strings.Contains(text, `ringdown_sip_registrations{trunk="provider",state="registered"} 1`)
			})
			dir := sippDir(t)
			answers := fill(t, dir, "destination.xml", "[last_Via:]\n", "[last_Via:]\n[last_Record-Route:]\n")
			uas := sipp(t, dir, answers, strings.Split(s.pbx, ":")[0], s.pbx, "-t", "u1", "-aa")
			routed := fill(t, dir, "carrier.xml", "[last_To:]\n", "[routes]\n[last_To:]\n")
			uac := sipp(t, dir, routed, host+".5", freePort(t, host+".5"), "-t", "u1", "-m", "3", "-l", "3", "-r", "3", registrar+":5060")
			if code := uac.code(t, time.Minute); code != 0 {
				t.Errorf("sipp: exit %d; it said\n%s\nkamailio said\n%s", code, uac.out.tail(), k.out.tail())
			}
			for _, st := range s.settled(t, 3) {
				st.whole(t)
				if end := st.last("call.ended"); end.Status != "completed" || end.TalkMS < 7500 {
					t.Errorf("%s: %+v", st.id, end)
				}
			}
			if asked := strings.Count(k.out.String(), "ASKED REGISTER"); asked != 1 {
				t.Errorf("the registrar asked %d times", asked)
			}
			if asked := strings.Count(k.out.String(), "ASKED INVITE"); asked < 1 || asked > 3 {
				t.Errorf("the proxy asked %d times for 3 calls", asked)
			}
			uas.kill()
			s.stop(t)
			k.says(t, "SAVED 4721000001 expires=0", 5*time.Second)
		})
	}
}

// TestPasswordOfCaller has sipp call from an address that no trunk has, with a
// password that is right and one that is not. It reads the first challenge only
// and knows MD5, like old PBXs: algorithms is for them.
func TestPasswordOfCaller(t *testing.T) {
	s := trunkStreet(t, "127.0.62", `  - id: pbx
    auth: {realm: pbx.example, algorithms: [MD5], users: [{name: bob, password: env:RINGDOWN_TEST_PASSWORD}]}
`, `{uri: "sip:agent@PBX"}`)
	dir := sippDir(t)
	sipp(t, dir, "destination.xml", "127.0.62.3", s.pbx, "-t", "u1", "-aa")
	for password, want := range map[string]string{"zanzibar": "200", "guessed": "401"} {
		file := fill(t, dir, "proves.xml", "PASSWORD", password, "FINAL", want)
		uac := sipp(t, dir, file, "127.0.62.9", freePort(t, "127.0.62.9"), "-m", "1", s.SIP)
		if password != "zanzibar" { // after the 401 it has nothing to say goodbye to
			eventually(t, 10*time.Second, "the refusal", func() bool { return s.dropped(t, "auth-failed") == 1 })
			uac.kill()
			continue
		}
		if code := uac.code(t, 30*time.Second); code != 0 {
			t.Errorf("sipp with %s: exit %d; it said\n%s", want, code, uac.out.tail())
		}
	}
	for _, st := range s.settled(t, 1) {
		if st.whole(t); st.last("call.ended").Status != "completed" {
			t.Errorf("%s: %+v", st.id, st.last("call.ended"))
		}
	}
	s.stop(t)
}

// dropped is a counter of messages that were not handled.
func (n *node) dropped(t *testing.T, reason string) int {
	t.Helper()
	_, text := n.get(t, "/metrics")
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, `ringdown_sip_dropped_total{reason="`+reason+`"} `); ok {
			k := 0
			for _, c := range strings.TrimSpace(v) {
				k = 10*k + int(c-'0')
			}
			return k
		}
	}
	return 0
}

// TestPasswordOfOurs has a sipp as destination ask us, as a server and as a
// proxy, and check what we answer, in the INVITE and in the BYE.
func TestPasswordOfOurs(t *testing.T) {
	for _, c := range []struct{ host, status, header, algorithm string }{
		{"127.0.63", "401", "WWW-Authenticate", "MD5"}, // all that sipp can check
	} {
		t.Run(c.status+" "+c.algorithm, func(t *testing.T) {
			s := trunkStreet(t, c.host, `  - {id: carrier, sources: [CARRIER]}
  - id: pbx
    targets: [{uri: "sip:PBX"}]
    auth: {realm: pbx, username: ringdown, password: env:RINGDOWN_TEST_PASSWORD}
`, `{number: "+4791234567", trunk: pbx}`)
			dir := sippDir(t)
			file := fill(t, dir, "verifies.xml", "STATUS", c.status, "HEADER", c.header, "ALGORITHM", c.algorithm)
			uas := sipp(t, dir, file, c.host+".3", s.pbx, "-m", "1")
			uac := sipp(t, dir, "carrier.xml", c.host+".2", freePort(t, c.host+".2"), "-m", "1", s.SIP)
			if code := uac.code(t, 30*time.Second); code != 0 {
				t.Errorf("sipp as carrier: exit %d; it said\n%s", code, uac.out.tail())
			}
			if code := uas.code(t, 30*time.Second); code != 0 {
				t.Errorf("sipp as destination: exit %d; it said\n%s", code, uas.out.tail())
			}
			for _, st := range s.settled(t, 1) {
				if end := st.last("call.ended"); end.Status != "completed" || end.TalkMS < 7500 {
					t.Errorf("%s: %+v", st.id, end)
				}
			}
			s.stop(t)
		})
	}
}

// TestSipvicious lets the attacker's own tools loose on a node on which somebody
// may call from anywhere by password. They find nothing and give up; the one
// that comes back a dozen times is banned.
func TestSipvicious(t *testing.T) {
	s := trunkStreet(t, "127.0.66", `  - id: pbx
    auth: {realm: pbx.example, users: [{name: bob, password: env:RINGDOWN_TEST_PASSWORD}]}
`, `{uri: "sip:agent@PBX"}`)
	host, port, _ := strings.Cut(s.SIP, ":")
	attacks := [][]string{
		{"127.0.66.72", "svwar", "-m", "INVITE", "-e", "100-160"},
		{"127.0.66.73", "svwar", "-m", "REGISTER", "-e", "100-160", "--force"},
		{"127.0.66.74", "svcrack", "-u", "bob", "-r", "1000-1100"},
	}
	for range 12 {
		attacks = append(attacks, []string{"127.0.66.71", "svmap"})
	}
	var tools []*program
	for i, a := range attacks {
		args := append(a[2:len(a):len(a)], "-b", a[0], "-P", strconv.Itoa(5070+i), "-t", "0.01", "-p", port, host)
		tools = append(tools, launch(t, t.TempDir(), a[1], args...))
	}
	for i, p := range tools {
		select {
		case <-p.exited:
		case <-time.After(15 * time.Second): // one asks for ever
			p.kill()
		}
		said := p.out.String()
		if p.name != "svcrack" && !strings.Contains(said, "found nothing") || strings.Contains(said, s.SIP) || strings.Contains(said, "| ") {
			t.Errorf("%v: %s", attacks[i], p.out.tail())
		}
	}
	bans := s.told(t, "sip.source.banned")
	if len(bans) != 1 || bans[0].Data.Source != "127.0.66.71/32" || bans[0].Data.Reason != "scan" || bans[0].Account != "_sys" || bans[0].Seq != 1 {
		t.Errorf("banned: %+v", bans)
	}
	if k := s.metric(t, "ringdown_sip_banned"); k != 1 {
		t.Errorf("%v addresses are banned", k)
	}
	if _, text := s.get(t, "/metrics"); strings.Contains(text, "ringdown_sip_responses_total") {
		t.Error("something was answered")
	}
	s.stop(t)
}
