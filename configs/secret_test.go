package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const secret = "c2VjcmV0IGJlaGF2aW91cg"
	t.Setenv("RINGDOWN_TEST_SET", secret)
	t.Setenv("RINGDOWN_TEST_EMPTY", "")
	good, open, empty := file("good", secret+"\r\n", 0o640), file("open", secret, 0o604), file("empty", "\n", 0o600)
	huge := file("huge", strings.Repeat("x", maxSecret+1), 0o600)
	for ref, want := range map[string]string{
		"env:RINGDOWN_TEST_SET":   "",
		"file:" + good:            "",
		"env:RINGDOWN_TEST_EMPTY": "environment variable RINGDOWN_TEST_EMPTY is empty",
		"env:RINGDOWN_TEST_UNSET": "environment variable RINGDOWN_TEST_UNSET is not set",
		"env:":                    "is not env:NAME with the name of an environment variable",
		"env:A=B":                 "is not env:NAME with the name of an environment variable",
		"file:":                   "is not file:PATH with the path of a file",
		"file:" + open:            open + " can be read or written by everybody (mode 0604); make it 0600",
		"file:" + empty:           empty + " is empty",
		"file:" + huge:            huge + " is larger than 64 KiB",
		"file:" + dir:             dir + " is not a file",
		"file:" + dir + "/none":   "cannot be read: open " + dir + "/none: no such file or directory",
		secret:                    "must be a reference to the secret, file:PATH or env:NAME, not the secret itself",
		"":                        "must be a reference to the secret, file:PATH or env:NAME, not the secret itself",
	} {
		got, msg := resolve(ref)
		if msg != want || (msg == "") != (got == secret) {
			t.Errorf("%s: got %q, want %q", ref, msg, want)
		}
		if strings.Contains(msg, secret) {
			t.Errorf("%s: the secret is in the message", ref)
		}
	}
}

func TestSecretsTakeTheirPlace(t *testing.T) {
	t.Setenv("RINGDOWN_HTTP_TOKEN", strings.Repeat("h", 40))
	c, err := Load("testdata/secret.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Token != strings.Repeat("h", 40) {
		t.Errorf("the token is %d characters", len(c.HTTP.Token))
	}
}

// A secret that is too short is the room's fault to find, after it was read.
func TestSecretIsChecked(t *testing.T) {
	t.Setenv("RINGDOWN_HTTP_TOKEN", "hunter2")
	_, err := Load("testdata/secret.good.yaml")
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Path != "http.token" || faults[0].Line != 4 || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// Each path that is a secret is a text in Config.
func TestSecretPathsAreThere(t *testing.T) {
	for _, path := range secretPaths {
		section, key, _ := strings.Cut(path, ".")
		if _, faults := read("f", []byte(section+": {"+key+": not-a-reference}\nnode: {id: a}\n")); len(faults) != 1 || faults[0].Path != path || strings.Contains(faults.Error(), "not-a-reference") {
			t.Errorf("%s: %v", path, faults)
		}
	}
}
