package keys

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// TestUnderFIPS runs the main tests again in a process that allows nothing but
// the approved algorithms.
func TestUnderFIPS(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("this is that process")
	}
	cmd := exec.Command(os.Args[0], "-test.run=Subjects|Fields|RecordingKeys|Secrets|RotateKeeps|Enforced", "-test.v=false")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "KEYS_TEST_FIPS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("under fips140=only: %v\n%s", err, out)
	}
}

// TestEnforced fails where the process above does not do what it is for.
func TestEnforced(t *testing.T) {
	if os.Getenv("KEYS_TEST_FIPS") != "" && !fips140.Enforced() {
		t.Error("fips140=only is not in force")
	}
}
