//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"testing"
)

// authority is a certificate authority of the test's own, made with openssl.
type authority struct{ dir, cert, key string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	dir := t.TempDir()
	a := authority{dir, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")}
	must(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=test authority", "-keyout", a.key, "-out", a.cert)
	return a
}

// issue makes a certificate for the names of a subjectAltName, for both roles
// as private authorities do, and its key.
func (a authority) issue(t *testing.T, name, san string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	must(t, "openssl", "req", "-x509", "-CA", a.cert, "-CAkey", a.key, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN="+name, "-addext", "subjectAltName="+san, "-addext", "extendedKeyUsage=serverAuth,clientAuth",
		"-addext", "basicConstraints=CA:FALSE", "-keyout", key, "-out", cert)
	return cert, key
}

// replace puts other files in the place of these, as renewal tools do.
func replace(t *testing.T, files map[string]string) {
	t.Helper()
	for old, other := range files {
		b, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(old+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(old+".new", old); err != nil {
			t.Fatal(err)
		}
	}
}

// both is a file with a certificate and its key, as baresip wants them.
func both(t *testing.T, cert, key string) string {
	t.Helper()
	file := cert + ".both"
	var all []byte
	for _, part := range []string{cert, key} {
		b, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
