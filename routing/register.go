package routing

import (
	"fmt"
	"time"
)

// Register is a registration of ours at the trunk's registrar (RFC 3261 10),
// with the username and password of its Auth. Calls that come through the
// binding are the trunk's, wherever the registrar stands.
type Register struct {
	Registrar string   `yaml:"registrar"` // sip:host[:port][;transport=…]; empty: no registration
	User      string   `yaml:"user"`      // whom to register; empty: auth.username
	Contact   string   `yaml:"contact"`   // user part of our Contact; empty: one that is ours and says nothing
	Expires   Duration `yaml:"expires"`   // asked for; zero: an hour
}

// What a registration may last.
const (
	defaultBinding = time.Hour
	minBinding     = time.Minute
	maxBinding     = 7 * 24 * time.Hour
)

// Asked is how long a binding is asked for.
func (r Register) Asked() time.Duration {
	if d, ok := r.Expires.Exact(); ok && d > 0 {
		return d
	}
	return defaultBinding
}

func (b *builder) register(spec Trunk, path string) {
	r := spec.Register
	path += ".register"
	if r.Registrar == "" {
		if r != (Register{}) {
			b.fault("is missing: where to register", "%s.registrar", path)
		}
		return
	}
	u, msg := parseURI(r.Registrar)
	if msg == "" && u.user != "" {
		msg = "has a user part; it stands in user"
	}
	b.fault(msg, "%s.registrar", path)
	for _, f := range []struct{ key, text string }{{"user", r.User}, {"contact", r.Contact}} {
		if f.text != "" {
			b.fault(checkUser(f.text), "%s.%s", path, f.key)
		}
	}
	if r.User == "" && spec.Auth.Username == "" {
		b.fault("is missing, and there is no auth.username to register", "%s.user", path)
	}
	if d := r.Asked(); !r.Expires.IsZero() && (d < minBinding || d > maxBinding) {
		b.fault(fmt.Sprintf("is not %s to %s", minBinding, maxBinding), "%s.expires", path)
	}
}
