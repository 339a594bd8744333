package digest

import (
	"strings"
	"testing"
)

// The answers of RFC 2617 3.5, RFC 2069 2.4 (as its erratum 749 has it) and RFC
// 7616 3.9.1; those for biloxi.com were computed with openssl.
func TestResponses(t *testing.T) {
	const (
		nonce2617 = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
		nonce7616 = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
		cnonce    = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	)
	bob := Secret{"bob", "zanzibar"}
	sip := func(algorithm string, qop ...string) Challenge {
		return Challenge{Realm: "biloxi.com", Nonce: nonce2617, Algorithm: algorithm, QOP: qop}
	}
	for _, v := range []struct {
		name      string
		challenge Challenge
		secret    Secret
		method    string
		uri       string
		cnonce    string
		nc        uint32
		want      string
	}{
		{"RFC 2617", Challenge{Realm: "testrealm@host.com", Nonce: nonce2617, QOP: []string{"auth", "auth-int"}}, Secret{"Mufasa", "Circle Of Life"}, "GET", "/dir/index.html", "0a4f113b", 1, "6629fae49393a05397450978507c4ef1"},
		{"RFC 2069", Challenge{Realm: "testrealm@host.com", Nonce: nonce2617}, Secret{"Mufasa", "CircleOfLife"}, "GET", "/dir/index.html", "", 1, "1949323746fe6a43ef61f9606e7febea"},
		{"RFC 7616 MD5", Challenge{Realm: "http-auth@example.org", Nonce: nonce7616, Algorithm: "MD5", QOP: []string{"auth"}}, Secret{"Mufasa", "Circle of Life"}, "GET", "/dir/index.html", cnonce, 1, "8ca523f5e9506fed4657c9700eebdbec"},
		{"RFC 7616 SHA-256", Challenge{Realm: "http-auth@example.org", Nonce: nonce7616, Algorithm: "SHA-256", QOP: []string{"auth"}}, Secret{"Mufasa", "Circle of Life"}, "GET", "/dir/index.html", cnonce, 1, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{"MD5", sip("MD5", "auth"), bob, "INVITE", "sip:bob@biloxi.com", "0a4f113b", 1, "89eb0059246c02b2f6ee02c7961d5ea3"},
		{"MD5 in small letters, no qop", sip("md5"), bob, "INVITE", "sip:bob@biloxi.com", "", 1, "bf57e4e0d0bffc0fbaedce64d59add5e"},
		{"MD5-sess", sip("MD5-sess", "auth"), bob, "INVITE", "sip:bob@biloxi.com", "0a4f113b", 10, "c0a5870829c575198432ba651b8a41de"},
		{"SHA-256, no qop", sip("SHA-256"), bob, "INVITE", "sip:bob@biloxi.com", "", 1, "38aad98c50c33abe72c5f88dd17246ffcfa6b1f68852c855719ff0659386c0ca"},
		{"SHA-256-sess", sip("SHA-256-sess", "auth"), bob, "INVITE", "sip:bob@biloxi.com", "0a4f113b", 10, "8a60b78646a6e353ae8f4bfb727dca7b5f00f7f94f9ff2fc2aff7e192999cc04"},
		{"SHA-512-256", sip("SHA-512-256", "auth"), bob, "INVITE", "sip:bob@biloxi.com", "0a4f113b", 1, "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14"},
	} {
		a, ok := v.challenge.Answer(v.secret, v.method, v.uri, v.cnonce, v.nc)
		if !ok || a.Response != v.want {
			t.Errorf("%s: %v %s, want %s", v.name, ok, a.Response, v.want)
		}
		again, err := ParseCredentials(a.String())
		if err != nil || again != a {
			t.Errorf("%s: read back %+v, %v", v.name, again, err)
		}
	}
}

// What cannot be answered is not answered with something weaker.
func TestUnusable(t *testing.T) {
	for name, c := range map[string]Challenge{
		"auth-int only":     {Realm: "a", Nonce: "n", QOP: []string{"auth-int"}},
		"AKA":               {Realm: "a", Nonce: "n", Algorithm: "AKAv1-MD5"},
		"unknown algorithm": {Realm: "a", Nonce: "n", Algorithm: "SHA-1"},
		"no nonce":          {Realm: "a"},
	} {
		if a, ok := c.Answer(Secret{"u", "p"}, "INVITE", "sip:a", "c", 1); ok {
			t.Errorf("%s: answered %s", name, a)
		}
	}
	if Strength("sha-256-SESS") <= Strength("") || Strength("SHA-512-256") <= Strength("SHA-256") || Strength("token") != 0 {
		t.Error("order of the algorithms")
	}
}

func TestParse(t *testing.T) {
	c, err := ParseChallenge(`digest realm="a \"b\\ c", nonce="n,=" , algorithm=SHA-256,qop="auth-int, auth" ,stale=TRUE, domain="sip:x"`)
	if err != nil || c.Realm != `a "b\ c` || c.Nonce != "n,=" || c.Algorithm != "SHA-256" || !c.Stale || strings.Join(c.QOP, "+") != "auth-int+auth" {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := ParseChallenge(`Digest realm="", nonce="n"`); err != nil {
		t.Errorf("an empty realm is one: %v", err)
	}
	// old peers quote what has no quotes and leave out what has
	a, err := ParseCredentials(`Digest username=bob, realm=biloxi.com, nonce=abc, uri=sip:bob@biloxi.com:5060, response="0", qop="auth", nc=0000000a, cnonce=x, algorithm="MD5"`)
	if err != nil || a.URI != "sip:bob@biloxi.com:5060" || a.NC != 10 || a.QOP != "auth" {
		t.Errorf("%+v %v", a, err)
	}
	for _, bad := range []string{
		"", "Basic Zm9v", "Digest", `Digest realm`, `Digest realm="a`, `Digest realm="a" nonce="b"`, `Digest realm="a", nonce="b", realm="c"`,
		`Digest ="a"`, `Digest a b="c"`, "Digest realm=\"a\x00\", nonce=\"b\"", `Digest nonce="b"`, `Digest realm="b"`, `Digest realm=a b, nonce=c`,
		"Digest realm=\"" + strings.Repeat("x", 2000) + `", nonce="b"`, "Digest " + strings.Repeat("a,", 10), "Digest " + strings.Repeat("a1=b,a2=b,", 50),
	} {
		if c, err := ParseChallenge(bad); err == nil {
			t.Errorf("%.40q is read as %+v", bad, c)
		}
	}
	good := `Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth, cnonce="c", nc=`
	for _, nc := range []string{"", "1", "0000000g", "000000001", "-0000001"} {
		if _, err := ParseCredentials(good + nc); err == nil {
			t.Errorf("nc=%q is taken", nc)
		}
	}
	if _, err := ParseCredentials(strings.Replace(good+"00000001", "qop=auth", "qop=auth-int", 1)); err == nil {
		t.Error("auth-int is taken")
	}
}

// What is written can be read and says the same; nothing in a value can end it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`Digest realm="a \"b\\ c", nonce="n,=" , algorithm=SHA-256,qop="auth-int, auth" ,stale=TRUE`,
		`Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", qop=auth, cnonce="c", nc=00000001`,
		`Digest username=u,realm=,nonce=n`, "Digest =", `Digest a="\`, "Basic x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseChallenge(s); err == nil {
			w := c.String()
			again, err := ParseChallenge(w)
			if len(w) <= maxHeader && isToken(c.Algorithm+"x") && (err != nil || again.Realm != c.Realm || again.Nonce != c.Nonce || again.Stale != c.Stale) {
				t.Errorf("%q: %v\n%+v\n%+v", w, err, c, again)
			}
			c.Answer(Secret{"u", "p"}, "INVITE", "sip:a", "c", 1)
		}
		if c, err := ParseCredentials(s); err == nil {
			if strings.ContainsAny(c.String(), "\r\n\x00") {
				t.Errorf("%q", c)
			}
			if v := NewGuard().Check(c, "INVITE", c.Realm, "10.0.0.1", []string{MD5, SHA256}, func(string) (string, bool) { return "p", true }); v != Missing {
				t.Errorf("a nonce that nobody made is %d", v)
			}
		}
	})
}
