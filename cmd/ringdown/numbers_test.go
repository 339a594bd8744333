package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringdown/routing"
)

// typed runs a command line and returns what it says.
func typed(t *testing.T, terminal bool, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, stdio{strings.NewReader(""), &o, &e, terminal})
	return code, o.String(), e.String()
}

const numbersConfig = `
node: {id: edge-1}
trunks:
  - {id: carrier-a, sources: [192.0.2.0/24]}
  - {id: out, targets: [{uri: "sip:198.51.100.9"}]}
accounts: [{id: demo}, {id: other}]
flows:
  sales:
    - dial: {targets: [{uri: "sip:agent@127.0.0.1:5090"}, {number: "+4722334455", trunk: out}]}
  forgotten:
    - dial: {targets: [{uri: "sip:agent@127.0.0.1:5090"}]}
pools:
  site: {account: demo, flow: sales, numbers: ["+4721000100-+4721000101"], attribution: {source: web}}
numbers:
  - {number: "+4721000001", account: demo, flow: sales, valid_until: 2026-06-01}
  - {number: "+4721000001", account: other, flow: sales, valid_from: 2026-06-01}
  - {number: "+4721000002", account: demo, flow: sales, trunks: [out]}
  - {number: "+4721000003", state: unassigned}
`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestNumbersList(t *testing.T) {
	config := writeFile(t, "edge.yaml", numbersConfig)
	code, out, errs := typed(t, false, "numbers", "list", "--config", config)
	if code != done || errs != "" || strings.Count(out, "\n") != 7 {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"+4721000100  demo     sales  site  active", "source=web", "+4721000003  -        -      -     unassigned", "2026-06-01T00:00:00Z"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	code, out, _ = typed(t, false, "numbers", "list", "--config", config, "--account", "other", "--json")
	if want := `{"number":"+4721000001","account":"other","flow":"sales","valid_from":"2026-06-01T00:00:00Z"}` + "\n"; code != done || out != want {
		t.Errorf("%d %s", code, out)
	}
	if _, out, _ = typed(t, false, "numbers", "list", "--config", config, "--state", "quarantined"); !strings.Contains(out, "no such number") {
		t.Errorf("%s", out)
	}
}

func TestNumbersCheck(t *testing.T) {
	config := writeFile(t, "edge.yaml", numbersConfig)
	code, out, errs := typed(t, false, "numbers", "check", "--config", config)
	if code != failed || errs != "" {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"+4721000002: nobody can call it", "flow forgotten: unreachable", "1 number unassigned", "6 numbers checked", "2 things to look at"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "flow sales") {
		t.Errorf("%s", out)
	}
	var report numbersReport
	if _, out, _ = typed(t, false, "numbers", "check", "--config", config, "--json"); json.Unmarshal([]byte(out), &report) != nil || report.OK || len(report.Idle) != 1 || report.Numbers != 6 {
		t.Errorf("%s", out)
	}
	code, _, errs = typed(t, false, "numbers", "check", "--config", writeFile(t, "bad.yaml", strings.Replace(numbersConfig, "valid_from: 2026-06-01", "valid_from: 2026-05-31", 1)))
	if code != failed || !strings.Contains(errs, "bad.yaml:16: numbers[1]: is valid while numbers[0] is, which is the same number") {
		t.Errorf("%d %s", code, errs)
	}
}

// Against the table of a file: what does not fit is told with the line of the CSV.
func TestNumbersImportDry(t *testing.T) {
	config := writeFile(t, "edge.yaml", numbersConfig)
	file := writeFile(t, "more.csv", "number,account,flow,attribution.source\n+4721000010,demo,sales,ads\n+4721000011,other,sales,\n")
	code, out, errs := typed(t, false, "numbers", "import", file, "--config", config, "--dry-run")
	if code != done || errs != "" || !strings.HasPrefix(out, "2 numbers would be imported; table ") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	bad := writeFile(t, "bad.csv", "number,account,flow\n+4721000010,demo,sales\n+4721000011,domo,sales\n+4721000010,demo,sales\n+4721000100,demo,sales\n")
	code, out, errs = typed(t, false, "numbers", "import", bad, "--config", config, "--dry-run")
	for _, want := range []string{`bad.csv:3: account: there is no account "domo"; did you mean "demo"?`, "bad.csv:4: number: is the number of put.numbers[0] already"} {
		if code != failed || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%d %s%s", code, out, errs)
		}
	}
}

// directoryWorld is a node that keeps what it is sent.
type directoryWorld struct {
	bodies []string
	dry    []bool
	page   string
}

func (d *directoryWorld) serve(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			t.Error("no token")
		}
		switch r.URL.Path {
		case "/v1/directory":
			fmt.Fprint(w, `{"commit":6,"counts":{"pools":2}}`)
		case "/v1/numbers":
			fmt.Fprint(w, d.page)
		case "/v1/directory/changes":
			body, _ := io.ReadAll(r.Body)
			d.bodies, d.dry = append(d.bodies, string(body)), append(d.dry, r.URL.Query().Get("dry_run") == "true")
			if strings.Contains(string(body), "domo") {
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, `{"error":{"code":"invalid-change","message":"1"},"faults":[{"path":"put.numbers[1].account","message":"there is no account \"domo\""}]}`)
				return
			}
			fmt.Fprint(w, `{"version":"0123456789ab","commit":7}`)
		default:
			t.Errorf("%s", r.URL)
		}
	}))
	t.Cleanup(s.Close)
	t.Setenv(tokenEnv, "secret")
	return s
}

func TestNumbersImport(t *testing.T) {
	world := &directoryWorld{page: `{"numbers":[]}`}
	s := world.serve(t)
	var text strings.Builder
	text.WriteString("number,account,flow\n")
	for i := range importBatch + 5 {
		fmt.Fprintf(&text, "+47210%06d,demo,sales\n", i)
	}
	code, out, errs := typed(t, true, "numbers", "import", writeFile(t, "many.csv", text.String()), "--url", s.URL)
	if code != done || out != "20005 numbers imported; table 0123456789ab\n" || !strings.Contains(errs, "\r20000 of 20005 numbers") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	if !slices.Equal(world.dry, []bool{true, true, false, false}) || world.bodies[3] != world.bodies[1] || world.bodies[1][:96] != `{"put":{"numbers":[{"number":"+47210020000","account":"demo","flow":"sales"},{"number":"+4721002` {
		t.Errorf("%d bodies, %.120s", len(world.bodies), world.bodies[len(world.bodies)-1])
	}
	if _, _, errs = typed(t, false, "numbers", "import", writeFile(t, "again.csv", text.String()), "--url", s.URL); errs != "" {
		t.Errorf("in a pipe: %q", errs)
	}
	world.bodies, world.dry = nil, nil
	late := strings.Replace(text.String(), "20000,demo", "20000,demo,sales\n+4721999999,domo", 1)
	code, _, errs = typed(t, false, "numbers", "import", writeFile(t, "late.csv", late), "--url", s.URL)
	if code != failed || slices.Contains(world.dry, false) || !strings.Contains(errs, `late.csv:20003: account: there is no account "domo"`) || strings.Contains(errs, "are in") {
		t.Errorf("%d %v %.300s", code, world.dry, errs)
	}
	world.bodies = nil
	bad := writeFile(t, "bad.csv", "number,account\n+4721000010,demo\n\n+4721000011,domo\n")
	if code, _, errs = typed(t, false, "numbers", "import", bad, "--url", s.URL); code != failed || !strings.Contains(errs, `bad.csv:4: account: there is no account "domo"`) {
		t.Errorf("%d %s", code, errs)
	}
	world.bodies = nil
	faulty := writeFile(t, "faulty.csv", "number\n+4721000010\n21000011\n")
	if code, _, errs = typed(t, false, "numbers", "import", faulty, "--url", s.URL); code != failed || len(world.bodies) != 0 || !strings.Contains(errs, "faulty.csv:3: number: is not E.164") {
		t.Errorf("%d, %d sent, %s", code, len(world.bodies), errs)
	}
}

// Whoever had a number keeps what was his, to the last key that this program
// does not know, and his time ends.
func TestNumbersAssign(t *testing.T) {
	world := &directoryWorld{page: `{"numbers":[{"number":"+4721000001","account":"demo","flow":"sales","valid_until":"2026-01-01T00:00:00Z"},` +
		`{"number":"+4721000001","account":"other","flow":"sales","valid_from":"2026-01-01T00:00:00Z","limits":{"calls":3}},{"number":"+4721000009"}]}`}
	s := world.serve(t)
	code, out, errs := typed(t, false, "numbers", "assign", "+4721000001", "--account", "third", "--flow", "sales", "--from", "2026-06-01", "--url", s.URL, "--dry-run")
	if code != done || out != "from 2026-06-01T00:00:00Z; table 0123456789ab\n" || errs != "" {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	want := `{"base":6,"put":{"numbers":[{"account":"other","flow":"sales","limits":{"calls":3},"number":"+4721000001","valid_from":"2026-01-01T00:00:00Z","valid_until":"2026-06-01T00:00:00Z"},` +
		`{"number":"+4721000001","account":"third","flow":"sales","valid_from":"2026-06-01T00:00:00Z"}]}}`
	if len(world.bodies) != 1 || world.bodies[0] != want || !world.dry[0] {
		t.Errorf("%v\nwant %s", world.bodies, want)
	}
	code, _, errs = typed(t, false, "numbers", "assign", "+4721000001", "--account", "third", "--flow", "sales", "--from", "2025-06-01", "--url", s.URL)
	if code != failed || !strings.Contains(errs, "the number is account other's from 2026-01-01") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs = typed(t, false, "numbers", "assign", "21000001", "--account", "third", "--url", s.URL); code != misuse || strings.Contains(errs, "21000001") {
		t.Errorf("%d %s", code, errs)
	}
}

// What is put in the place of what ends ends when that would have.
func TestAssignKeepsTheEnd(t *testing.T) {
	raw := `{"number":"+4721000001","valid_until":"2027-01-01T00:00:00Z"}`
	var h numbered
	if err := json.Unmarshal([]byte(raw), &h); err != nil {
		t.Fatal(err)
	}
	h.raw = json.RawMessage(raw)
	var from routing.Instant
	if err := from.UnmarshalText([]byte("2026-06-01")); err != nil {
		t.Fatal(err)
	}
	put, err := assign([]numbered{h}, routing.TrackingNumber{Number: h.Number, ValidFrom: from})
	if err != nil || len(put) != 2 || put[1].(numbered).ValidUntil != h.ValidUntil {
		t.Errorf("%v, %v", put, err)
	}
}

// An import says what CSV can say, and leaves the rest of a number as it was; it
// is made for the table that the rest was read from.
func TestImportKeepsWhatCSVCannotSay(t *testing.T) {
	world := &directoryWorld{page: `{"numbers":[{"number":"+4721000001","account":"other","flow":"sales","attribution":{"source":"ads"},"recording":{"mode":"none"},"limits":{"calls":3}},` +
		`{"number":"+4721000002","account":"other","flow":"sales"},{"number":"+4721000001","account":"demo","valid_from":"2026-01-01T00:00:00Z","language":"de"}]}`}
	s := world.serve(t)
	file := writeFile(t, "known.csv", "number,account,flow\n+4721000001,demo,sales\n+4721000002,demo,sales\n")
	if code, _, errs := typed(t, false, "numbers", "import", file, "--url", s.URL); code != done {
		t.Fatal(errs)
	}
	want := `{"base":6,"put":{"numbers":[{"account":"demo","flow":"sales","limits":{"calls":3},"number":"+4721000001","recording":{"mode":"none"}},` +
		`{"number":"+4721000002","account":"demo","flow":"sales"}]}}`
	if len(world.bodies) != 1 || world.bodies[0] != want {
		t.Errorf("%v\nwant %s", world.bodies, want)
	}
	// The same of a file: the version is that of the table as it would be.
	numbers := strings.Replace(numbersConfig, `{number: "+4721000003", state: unassigned}`, `{number: "+4721000003", account: demo, flow: sales, language: de}`, 1)
	config := writeFile(t, "edge.yaml", numbers)
	row := writeFile(t, "same.csv", "number,account,flow\n+4721000003,demo,sales\n")
	_, was, _ := typed(t, false, "numbers", "check", "--config", config, "--json")
	var report numbersReport
	if err := json.Unmarshal([]byte(was), &report); err != nil {
		t.Fatal(err)
	}
	if _, out, errs := typed(t, false, "numbers", "import", row, "--config", config, "--dry-run"); !strings.HasSuffix(out, "table "+report.Table+"\n") {
		t.Errorf("%s%s, want table %s", out, errs, report.Table)
	}
}

// A node lists what has a line of its own, and says so where there are pools.
func TestNumbersListOfANode(t *testing.T) {
	world := &directoryWorld{page: `{"numbers":[{"number":"+4721000001","account":"demo","flow":"sales"}]}`}
	s := world.serve(t)
	code, out, errs := typed(t, false, "numbers", "list", "--url", s.URL, "--json")
	if code != done || strings.Count(out, "\n") != 1 || errs != "numbers that only a pool lists are not shown, and there are 2 pools; --config FILE alone shows those of a file\n" {
		t.Errorf("%d %s%s", code, out, errs)
	}
}
