package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDemo makes a short call through the real service, sockets, disk and
// broker included: the wiring has no other judge that needs only Go.
func TestDemo(t *testing.T) {
	var out, errs bytes.Buffer
	d := &demo{dir: t.TempDir(), s: stdio{out: &out, err: &errs}, talk: 1500 * time.Millisecond, start: time.Now()}
	defer d.stop()
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := d.play(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	for _, c := range report.Checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if len(report.Checks) < 9 || !report.OK {
		t.Errorf("%d checks, ok %v", len(report.Checks), report.OK)
	}
	for _, want := range []string{"call.received", "from +47*****45 to +4721000001", "call.ended"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing of %q was printed:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "unreadable") {
		t.Errorf("an event was not understood:\n%s", &out)
	}
	replayDemo(t, d)
	if strings.Contains(out.String(), demoCaller) || errs.Len() > 0 {
		t.Errorf("the caller was shown, or there were warnings:\n%s", &errs)
	}
}

// replayDemo tries the demo's call on the table that decided it, and on drafts.
func replayDemo(t *testing.T, d *demo) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, want string }{
		{"", "", "nothing would change"},
		{"sip:agent@", "sip:another@", "1 would change (destination 1), 1 of them for certain"},
		{"record-from-answer, channels", "record-from-answer, consent: opt-in, channels", "1 would change (consent 1), 1 of them for certain"},
	} {
		draft := filepath.Join(d.dir, "draft.yaml")
		if err := os.WriteFile(draft, []byte(strings.Replace(string(text), test.old, test.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := run([]string{"route", "replay", "--config", draft, "--since", "PT1H"}, stdio{nil, &out, &errs, false})
		if !strings.Contains(out.String(), test.want) || !strings.Contains(out.String(), "1 call on table") || (code == 0) != (test.old == "") {
			t.Errorf("exit %d, want %q:\n%s%s", code, test.want, &out, &errs)
		}
	}
}

// A check that fails fails the demo.
func TestDemoReportFails(t *testing.T) {
	r := demoReport{OK: true}
	r.check("one", true, "fine")
	r.check("two", false, "not fine")
	r.check("three", true, "fine")
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	if r.OK || !strings.Contains(out.String(), "FAIL  two: not fine") {
		t.Errorf("ok %v\n%s", r.OK, &out)
	}
}
