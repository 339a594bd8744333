package routing

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func withAuth(a Auth) Spec { return Spec{Trunks: []Trunk{{ID: "one", Auth: a}}} }

func secret(reference string) Secret { return NewSecret(reference, "hunter2") }

// A secret shows itself nowhere; its reference is what a version knows.
func TestSecretIsNotShown(t *testing.T) {
	trunk := Trunk{ID: "one", Auth: Auth{Username: "me", Password: secret("env:A"), Users: []User{{Name: "bob", Password: secret("env:B")}}}}
	asJSON, err := json.Marshal(trunk)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "trunk", trunk, "auth", trunk.Auth, "password", trunk.Auth.Password)
	}
	for _, text := range []string{string(asJSON), log.String(), fmt.Sprintf("%v %+v %#v", trunk, trunk, trunk), fmt.Sprint(&trunk.Auth, trunk.Auth.Password)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "env:A") {
			t.Errorf("%s", text)
		}
	}
	var s Secret
	if err := s.UnmarshalText([]byte("hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") || !s.IsZero() {
		t.Errorf("%v %v", s, err)
	}
	if trunk.Auth.Password.Reveal() != "hunter2" {
		t.Error("and who needs it cannot have it")
	}
}

func TestVersionKnowsWhichSecret(t *testing.T) {
	version := func(ref, value string) string {
		table, faults := NewTable(withAuth(Auth{Username: "me", Password: NewSecret(ref, value)}))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		return table.Version()
	}
	if version("env:A", "x") != version("env:A", "y") {
		t.Error("the version depends on the secret itself")
	}
	if version("env:A", "x") == version("env:B", "x") {
		t.Error("another reference, the same version")
	}
}

func TestAskAlgorithms(t *testing.T) {
	for _, c := range []struct{ have, want []string }{
		{nil, []string{"SHA-256", "MD5"}},
		{[]string{"MD5", "SHA-512-256"}, []string{"SHA-512-256", "MD5"}},
		{[]string{"SHA-256"}, []string{"SHA-256"}},
	} {
		if got := (Auth{Algorithms: c.have}).AskAlgorithms(); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v", c.have, got)
		}
	}
	if (Auth{Realm: "a"}).AskRealm() != "a" || (Auth{Realm: "a", Challenge: "b"}).AskRealm() != "b" {
		t.Error("realm")
	}
}

func TestTrunksByDigest(t *testing.T) {
	users := func(name string) []User { return []User{{Name: name, Password: secret("env:A")}} }
	table, faults := NewTable(Spec{Trunks: []Trunk{
		{ID: "pbx", Auth: Auth{Realm: "a", Users: users("bob")}},
		{ID: "other", Auth: Auth{Realm: "b", Users: users("bob")}},
		{ID: "second", Auth: Auth{Realm: "x", Challenge: "a", Users: users("eve")}},
		{ID: "both", Sources: []string{"192.0.2.1"}, Auth: Auth{Realm: "a", Users: users("carrier")}},
		{ID: "plain", Sources: []string{"192.0.2.2"}},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for realm, want := range map[string]string{"a": "pbx second", "b": "other", "": "pbx second other", "x": ""} {
		if got := strings.Join(table.TrunksByDigest(realm), " "); got != want {
			t.Errorf("%q: %s, want %s", realm, got, want)
		}
	}
}

// Trunks of one realm are asked together, so they are asked for the same.
func TestAlgorithmsOfARealm(t *testing.T) {
	users := func(name string) []User { return []User{{Name: name, Password: secret("env:A")}} }
	_, faults := NewTable(Spec{Trunks: []Trunk{
		{ID: "a", Auth: Auth{Realm: "r", Users: users("a"), Algorithms: []string{"MD5", "SHA-256"}}},
		{ID: "b", Auth: Auth{Realm: "r", Users: users("b")}},
		{ID: "c", Auth: Auth{Realm: "x", Users: users("c"), Algorithms: []string{"MD5"}}},
		{ID: "d", Auth: Auth{Realm: "x", Challenge: "r", Users: users("d"), Algorithms: []string{"MD5"}}},
	}})
	if len(faults) != 1 || faults[0].Path != "trunks[3].auth.algorithms" || faults[0].Msg != "differ from those at trunks[0].auth, for the same realm: SHA-256, MD5" {
		t.Errorf("%+v", faults)
	}
}

func TestRegisterAsks(t *testing.T) {
	if (Register{}).Asked() != time.Hour || (Register{Expires: Seconds(90)}).Asked() != 90*time.Second {
		t.Error("what is asked for")
	}
}
