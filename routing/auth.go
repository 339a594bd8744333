package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Auth is digest authentication (RFC 3261 22) in both directions: Username and
// Password are ours, for what the trunk asks of us; Users are the trunk's, for
// what we ask of it. A trunk with Users and without Sources is known by them
// alone, wherever it calls from.
type Auth struct {
	Realm     string `yaml:"realm"`    // the only one our password is for; empty: whatever the trunk's own targets ask for
	Username  string `yaml:"username"` // ours
	Password  Secret `yaml:"password"`
	Users     []User `yaml:"users"`           // theirs; any: calls from the trunk are challenged
	Challenge string `yaml:"challenge_realm"` // the realm we ask for; empty: Realm
	// Algorithms are those we ask for, the strongest first however they are
	// written; empty: SHA-256 and MD5.
	Algorithms []string `yaml:"algorithms"`
}

// User is one name that a trunk may prove itself by.
type User struct {
	Name     string `yaml:"name"`
	Password Secret `yaml:"password"`
}

// Algorithms that can be asked for, the strongest first.
var digestAlgorithms = []string{"SHA-512-256", "SHA-256", "MD5"}

// AskRealm is the realm of our own challenges.
func (a Auth) AskRealm() string { return cmp.Or(a.Challenge, a.Realm) }

// AskAlgorithms are the algorithms of our own challenges, the strongest first.
func (a Auth) AskAlgorithms() []string {
	if len(a.Algorithms) == 0 {
		return digestAlgorithms[1:]
	}
	return slices.DeleteFunc(slices.Clone(digestAlgorithms), func(s string) bool { return !slices.Contains(a.Algorithms, s) })
}

// maxRealm bounds a realm and a user name; together with a nonce they must fit
// one header line.
const maxRealm = 128

func (b *builder) auth(spec Trunk, path string) {
	a := spec.Auth
	path += ".auth"
	for _, f := range []struct{ key, text string }{{"realm", a.Realm}, {"challenge_realm", a.Challenge}, {"username", a.Username}} {
		b.fault(checkText(f.text, maxRealm), "%s.%s", path, f.key)
	}
	switch {
	case a.Username == "" && !a.Password.IsZero():
		b.fault("is missing: whose password is it?", "%s.username", path)
	case a.Username != "" && a.Password.IsZero():
		b.fault("is missing", "%s.password", path)
	}
	unknown := false
	for i, alg := range a.Algorithms {
		unknown = b.fault(checkAlgorithm(alg), "%s.algorithms[%d]", path, i) || unknown
	}
	if len(a.Users) == 0 {
		if a.Challenge != "" || len(a.Algorithms) > 0 {
			b.fault("is missing: challenge_realm and algorithms are for users", "%s.users", path)
		}
		return
	}
	if a.AskRealm() == "" {
		b.fault("is missing: the realm that users are asked for", "%s.realm", path)
	}
	if !unknown {
		b.asks(a, path)
	}
	b.users(spec, path)
}

// asks holds the algorithms of all trunks of one realm together: whoever is
// asked has not said yet which of them he is.
func (b *builder) asks(a Auth, path string) {
	words := strings.Join(a.AskAlgorithms(), ", ")
	first, known := b.algorithms[a.AskRealm()]
	switch {
	case !known:
		b.algorithms[a.AskRealm()] = [2]string{path, words}
	case first[1] != words:
		b.fault("differ from those at "+first[0]+", for the same realm: "+first[1], "%s.algorithms", path)
	}
}

// users checks names; in one realm a name belongs to one trunk.
func (b *builder) users(spec Trunk, path string) {
	for i, u := range spec.Auth.Users {
		at := fmt.Sprintf("%s.users[%d]", path, i)
		switch {
		case u.Name == "":
			b.fault("is missing", "%s.name", at)
		case !b.fault(checkText(u.Name, maxRealm), "%s.name", at):
			key := spec.Auth.AskRealm() + "\n" + u.Name
			if first, dup := b.user[key]; dup {
				b.fault("is at "+first+" already, for the same realm", "%s.name", at)
			} else {
				b.user[key] = at
			}
		}
		if u.Password.IsZero() {
			b.fault("is missing", "%s.password", at)
		}
	}
}

func checkAlgorithm(s string) string {
	if slices.Contains(digestAlgorithms, s) {
		return ""
	}
	return "is not known; allowed: " + strings.Join(digestAlgorithms, ", ")
}

// byDigest reports whether a trunk may prove itself by digest alone.
func byDigest(t Trunk) bool {
	return len(t.Auth.Users) > 0 && len(t.Sources) == 0 && len(t.TLS.Names) == 0
}

// addGuest enters a trunk that may call from anywhere.
func (t *Table) addGuest(spec Trunk) {
	if byDigest(spec) {
		realm := spec.Auth.AskRealm()
		t.guests[realm] = append(t.guests[realm], spec.ID)
	}
}

// TrunksByDigest returns the ids of the trunks that may call from anywhere and
// are known by their users of a realm only, in order; of every realm for "".
func (t *Table) TrunksByDigest(realm string) (ids []string) {
	if realm == "" {
		for _, r := range slices.Sorted(maps.Keys(t.guests)) {
			ids = append(ids, t.guests[r]...)
		}
		return ids
	}
	return t.guests[realm]
}
