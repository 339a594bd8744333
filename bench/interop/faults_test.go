//go:build interop

package interop

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// TestFaultsOfTheMachine takes away what a node stands on. It must say in one
// clear line what is wrong, end with 1, and lose nothing that it had.
func TestFaultsOfTheMachine(t *testing.T) {
	t.Run("taken ports", takenPorts)
	t.Run("read-only data directory", readOnly)
	t.Run("full disk", fullDisk)
	t.Run("wrong root key", wrongRootKey)
	t.Run("broken configuration", brokenConfig)
}

// dies runs a node that cannot start: exit code 1, one last line that holds
// every word, nothing but that line about it.
func (n *node) dies(t *testing.T, words ...string) {
	t.Helper()
	n.serve(t)
	if code := n.code(t, 20*time.Second); code != 1 {
		t.Errorf("serve: exit %d, want 1", code)
	}
	n.calm(t)
	lines := strings.Split(strings.TrimSpace(n.out.String()), "\n")
	last := lines[len(lines)-1]
	t.Logf("it says: %s", last)
	if !strings.HasPrefix(last, "ringdown serve: ") || strings.Contains(n.out.String(), "msg=ready") || len(lines) > 1 {
		t.Errorf("not one clear line:\n%s", n.out.String())
	}
	for _, w := range words {
		if !strings.Contains(last, w) {
			t.Errorf("%q does not name %q", last, w)
		}
	}
}

func takenPorts(t *testing.T) {
	n := newNode(t, plan{Host: "127.0.22.1", Sources: "127.0.22.2", Agent: "127.0.22.3:5060"})
	for _, taken := range []struct{ network, address, key string }{
		{"udp", n.SIP, "sip"}, {"tcp", n.SIP, "sip"}, {"tcp", n.HTTP, "http.listen"}, {"tcp", n.NATS, "nats"},
	} {
		t.Run(taken.network+" for "+taken.key, func(t *testing.T) {
			var close func() error
			if taken.network == "udp" {
				close = listenUDP(t, taken.address).Close
			} else {
				l, err := net.Listen("tcp4", taken.address)
				if err != nil {
					t.Fatal(err)
				}
				close = l.Close
			}
			n.dies(t, taken.key, taken.address, "in use")
			close()
		})
	}
	n.start(t) // and when they are free again, all is well
	n.stop(t)
}

// readOnly mounts the data directory without the right to write: chmod would be
// no obstacle for root.
func readOnly(t *testing.T) {
	n := newNode(t, plan{Host: "127.0.23.1", Sources: "127.0.23.2", Agent: freePort(t, "127.0.23.3")})
	n.start(t)
	p := newPair(t, n, "127.0.23.2", siptest.PCMA, siptest.Noise(1))
	c := p.call(t, siptest.CallOptions{})
	c.hear(t, 50)
	c.hangup(t)
	n.settled(t, 1)
	n.stop(t)
	before := treeHash(t, n.Dir)

	h := holdNamespace(t, "--mount", "mount --bind "+n.Dir+" "+n.Dir, "mount -o remount,bind,ro "+n.Dir)
	if code, _, _ := run(t, limit, "nsenter", append(within(h, "--mount")[1:], "touch", filepath.Join(n.Dir, "x"))...); code == 0 {
		t.Fatal("the mount can be written: the test shows nothing")
	}
	n.inside = within(h, "--mount")
	n.dies(t, "node.data_dir", "read-only file system")
	if after := treeHash(t, n.Dir); after != before {
		t.Error("the data directory has changed")
	}
	n.inside = nil
	for _, s := range n.afterwards(t, 1) {
		s.completed(t)
	}

	empty := newVolume(t, "size=1m")
	must(t, "nsenter", append(within(empty.holder, "--mount")[1:], "mount", "-o", "remount,ro", empty.dir)...)
	fresh := newNode(t, plan{Host: "127.0.23.1", Sources: "127.0.23.2", Agent: n.Agent, Dir: filepath.Join(empty.dir, "data")})
	fresh.inside = within(empty.holder, "--mount")
	fresh.dies(t, "node.data_dir", "read-only file system")
}

// wrongRootKey gives a node the root key of another one.
func wrongRootKey(t *testing.T) {
	other := newNode(t, plan{Host: "127.0.24.4", Sources: "127.0.24.5", Agent: "127.0.24.6:5060"})
	other.start(t)
	other.stop(t)
	n := newNode(t, plan{Host: "127.0.24.1", Sources: "127.0.24.2", Agent: freePort(t, "127.0.24.3")})
	n.start(t)
	p := newPair(t, n, "127.0.24.2", siptest.PCMA, siptest.Noise(1))
	c := p.call(t, siptest.CallOptions{})
	c.hear(t, 50)
	c.hangup(t)
	n.settled(t, 1)
	n.stop(t)

	key := rootKey(t, n)
	right := swap(t, key, rootKey(t, other))
	before := treeHash(t, n.Dir)
	n.dies(t, key)
	if after := treeHash(t, n.Dir); after != before {
		t.Error("the data directory has changed under a wrong key")
	}
	code, _, errs := run(t, limit, ringdown, "recordings", "list", "--config", n.config)
	if code != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("recordings list with a wrong key: exit %d, %q", code, errs)
	}
	if after := treeHash(t, n.Dir); after != before {
		t.Error("the data directory has changed under a command with a wrong key")
	}
	if err := os.WriteFile(key, right, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range n.afterwards(t, 1) {
		s.completed(t)
	}
}

// rootKey is the file of a node's root key.
func rootKey(t *testing.T, n *node) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(n.Dir, "keys", "root", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("root keys of the node: %q, %v", files, err)
	}
	return files[0]
}

// swap puts another file's bytes into file and returns what it held.
func swap(t *testing.T, file, other string) (held []byte) {
	t.Helper()
	held, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return held
}

// treeHash is one hash of all names, modes and bytes below a directory.
func treeHash(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %v\n", path, info.Mode())
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%x\n", sha256.Sum256(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// brokenConfig shows check and serve every broken file of room configs: check
// must tell each fault that the file announces, with file and line, serve must
// tell in one line that there are some.
func brokenConfig(t *testing.T) {
	folder, err := filepath.Abs("../../configs/testdata")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.bad.yaml"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d broken files: %v", len(files), err)
	}
	t.Chdir(filepath.Dir(folder)) // the sounds that the files name lie beside them
	faults := 0
	for _, file := range append(files, filepath.Join(folder, "not-there.yaml")) {
		wanted := announced(t, file)
		faults += len(wanted)
		code, out, errs := run(t, limit, ringdown, "check", "--config", file)
		said := out + errs
		if code != 1 {
			t.Errorf("check %s: exit %d", filepath.Base(file), code)
		}
		for _, w := range wanted {
			if !strings.Contains(said, file+":"+w+"\n") {
				t.Errorf("check %s: does not say %q; it says\n%s", filepath.Base(file), w, said)
			}
		}
		code, out, errs = run(t, limit, ringdown, "serve", "--config", file)
		if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, filepath.Base(file)) {
			t.Errorf("serve %s: exit %d, %q %q", filepath.Base(file), code, out, errs)
		}
	}
	t.Logf("%d broken files with %d faults: each told with file and line", len(files), faults)
}

// announced are the faults that a broken file says it has, as LINE: path: words.
func announced(t *testing.T, file string) (all []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		return nil // the one that is not there
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if w, ok := strings.CutPrefix(lines.Text(), "# want: "); ok {
			all = append(all, w)
		}
	}
	if len(all) == 0 {
		t.Errorf("%s announces nothing", file)
	}
	return all
}
