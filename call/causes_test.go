package call

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// reasons are all values of reject_reason.
var reasons = []string{"no-trunk-match", "acl-denied", "auth-failed", "number-unassigned", "number-suspended", "number-ported-out", "number-quarantined", "blocked-caller",
	"anonymous-refused", "attestation-too-low", "repeat-rate", "reputation", "challenge-failed", "fraud-guard", "concurrency-limit", "cps-limit", "overload", "recording-impossible", "no-route", "policy-error",
	"rejected", "rejected-by-hook", "closed", "unavailable"}

// Each reason for a refusal has a code and cause of its own, which agree with
// each other, and stands in the papers of the events.
func TestEachRefusalIsItsOwn(t *testing.T) {
	paper, err := os.ReadFile("../events/SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[2]int]string{}
	for _, r := range reasons {
		c := Refused(r, "")
		if r == "no-trunk-match" {
			if c != (Cause{Reason: r, Text: r}) {
				t.Errorf("a stranger would be told %+v", c)
			}
			continue
		}
		if c.Reason != r || c.Text != r || c.Remote || c.Status < 400 || c.Status > 699 || q850Codes[c.Q850].text == "" {
			t.Errorf("%s: %+v", r, c)
		}
		if other, dup := seen[[2]int{c.Status, c.Q850}]; dup {
			t.Errorf("%s and %s are both %d with Q.850 %d", r, other, c.Status, c.Q850)
		}
		seen[[2]int{c.Status, c.Q850}] = r
		if (c.Status == 503) != (c.Retry > 0) {
			t.Errorf("%s: %d with Retry-After %d", r, c.Status, c.Retry)
		}
		if !strings.Contains(string(paper), r) {
			t.Errorf("SCHEMA.md does not tell of %s", r)
		}
	}
	if len(refusals) != len(reasons) {
		t.Errorf("%d reasons, %d in the table", len(reasons), len(refusals))
	}
	if c := Refused("something-new", "words"); c.Status != 500 || c.Reason != "something-new" || c.Text != "words" {
		t.Errorf("an unknown reason: %+v", c)
	}
}

// Every reason that routing or this package gives is in the table.
func TestEveryReasonGivenIsKnown(t *testing.T) {
	for file, want := range map[string]int{"../routing/decision.go": 6, "causes.go": 8} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^\t\w+ +(?:Reason )?= "([a-z-]+)"$`).FindAllStringSubmatch(string(text), -1)
		if len(found) < want {
			t.Errorf("%s: %d reasons found", file, len(found))
		}
		for _, f := range found {
			if _, ok := refusals[f[1]]; !ok {
				t.Errorf("%s: %s is not in the table", file, f[1])
			}
		}
	}
}

// RFC 3398 8.2.6.1, as the RFC lists it; 21 for 433 and later codes is ours.
func TestStatusToQ850(t *testing.T) {
	for status, want := range map[int]int{
		400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127, 415: 79, 416: 127,
		420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 500: 41, 501: 79, 502: 38, 503: 41,
		504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1,
		// unknown ones count as x00
		299: 16, 399: 23, 499: 41, 599: 41, 699: 17,
		// no end of a call
		0: 31, 100: 31, 183: 31, 700: 31, -1: 31,
	} {
		if got := Q850(status); got != want {
			t.Errorf("%d: Q.850 %d, want %d", status, got, want)
		}
	}
	for status, c := range sipCodes {
		if c.phrase == "" || Phrase(status) != c.phrase {
			t.Errorf("%d has no words", status)
		}
		if status >= 200 && (c.q850 == 0 || q850Codes[c.q850].text == "") {
			t.Errorf("%d: Q.850 %d is not in the table", status, c.q850)
		}
	}
}

// RFC 3398 7.2.4.1.
func TestQ850ToStatus(t *testing.T) {
	for q850, want := range map[int]int{
		1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502, 28: 484, 29: 501, 31: 480,
		34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488, 79: 501, 87: 403, 88: 503, 102: 504,
		111: 500, 127: 500,
		// unknown ones count as the last of their class
		5: 480, 30: 480, 46: 503, 62: 503, 77: 501, 90: 500, 99: 500, 110: 500, 126: 500,
		0: 480, -1: 480, 128: 480,
	} {
		if got := SIPStatus(q850); got != want {
			t.Errorf("Q.850 %d: %d, want %d", q850, got, want)
		}
	}
	for q850, c := range q850Codes {
		if c.text == "" || sipCodes[c.status].phrase == "" {
			t.Errorf("Q.850 %d: %+v", q850, c)
		}
	}
}

// A gateway that says 503 or 480 for everything means the cause beside it.
func TestTruer(t *testing.T) {
	for _, c := range []struct {
		in   Cause
		want int
	}{
		{Cause{Status: 503, Q850: 17, Remote: true}, 486},
		{Cause{Status: 500, Q850: 1, Remote: true}, 404},
		{Cause{Status: 480, Q850: 19, Remote: true}, 480},
		{Cause{Status: 503, Q850: 41, Remote: true}, 503},
		{Cause{Status: 503, Q850: 34, Remote: true}, 503},
		{Cause{Status: 486, Q850: 21, Remote: true}, 486},
		{Cause{Status: 503, Q850: 17}, 503},
		{Cause{Status: 503, Remote: true}, 503},
	} {
		if got := truer(c.in); got.Status != c.want {
			t.Errorf("%+v is %d, want %d", c.in, got.Status, c.want)
		}
	}
}
