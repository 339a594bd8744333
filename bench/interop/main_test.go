//go:build interop

// Package interop shows Ringdown to programs that others wrote: sipp as carrier
// and PBX, baresip and linphone as phones, Kamailio as a carrier's edge, tshark
// as the witness on the wire, sipsak and sipvicious as strangers; and to a
// machine that fails: taken ports, full and read-only disks, wrong keys.
//
// It needs Linux, root (for namespaces of its own) and the Debian programs that
// .ci/run installs, and fails when one is missing. Every test starts its own
// `ringdown serve`, ends only what it started, and talks on 127.0.0.0/8 or in
// network namespaces that it makes.
//
// Of Ringdown it imports what tests are made of (the phones of sip/siptest), and
// media/codec, whose bytes are held against other implementations': everything
// else is seen from outside, through the binary.
package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ringdown is the program that all tests run, built once by TestMain.
var ringdown string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringdown-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	ringdown = filepath.Join(dir, "ringdown")
	if out, err := exec.Command("go", "build", "-o", ringdown, "ringdown/cmd/ringdown").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "interop: build: %v: %s\n", err, out)
		return 1
	}
	return m.Run()
}
