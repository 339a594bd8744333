package main

import (
	"bytes"
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
	if strings.Contains(out.String(), demoCaller) || errs.Len() > 0 {
		t.Errorf("the caller was shown, or there were warnings:\n%s", &errs)
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
