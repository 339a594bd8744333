package routing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Registrar lets the users of a trunk's Auth register their phones with us
// (RFC 3261 10.3), so that a destination can name one of them. It is off while
// Contacts is 0.
type Registrar struct {
	Contacts int      `yaml:"contacts"` // phones of one user at a time
	Expires  Duration `yaml:"expires"`  // longest that a registration lasts unless renewed; zero: ten minutes
}

const (
	mostPhones   = 16
	defaultPhone = 10 * time.Minute
	leastPhone   = time.Minute
	mostPhone    = 24 * time.Hour
)

// Longest is how long a registration lasts at the most.
func (r Registrar) Longest() time.Duration {
	if d, ok := r.Expires.Exact(); ok && d > 0 {
		return d
	}
	return defaultPhone
}

func (b *builder) registrar(spec Trunk, path string) {
	r := spec.Registrar
	path += ".registrar"
	if r.Contacts < 0 || r.Contacts > mostPhones {
		b.fault(fmt.Sprintf("is not 0 to %d", mostPhones), "%s.contacts", path)
	}
	if d := r.Longest(); !r.Expires.IsZero() && (d < leastPhone || d > mostPhone) {
		b.fault(fmt.Sprintf("is not %s to %s", leastPhone, mostPhone), "%s.expires", path)
	}
	switch {
	case r.Contacts == 0 && !r.Expires.IsZero():
		b.fault("is missing: how many phones a user may register", "%s.contacts", path)
	case r.Contacts > 0 && len(spec.Auth.Users) == 0:
		b.fault("has nobody to register: auth.users is empty", "%s", path)
	}
}

// registered is a user of a trunk, wherever he has registered.
func (b *builder) registered(spec Destination, ring time.Duration, path string) []target {
	b.refer("trunk", spec.Trunk, path+".trunk", b.hasTrunk, b.trunkIDs)
	if spec.MediaRule != "" || len(spec.MediaSources) > 0 {
		b.fault("has media rules; those of its trunk hold", "%s", path)
	}
	if spec.Redirect.Follow != 0 || len(spec.Redirect.Hosts) > 0 {
		b.fault("is the trunk's to say", "%s.redirect", path)
	}
	t := b.table.trunks[spec.Trunk]
	if t == nil {
		return nil
	}
	switch {
	case t.spec.Registrar.Contacts == 0:
		b.fault(fmt.Sprintf("nobody can register with trunk %q: it has no registrar.contacts", t.id), "%s.user", path)
	case !slices.ContainsFunc(t.spec.Auth.Users, func(u User) bool { return u.Name == spec.User }):
		b.fault(fmt.Sprintf("is not a user of trunk %q (auth.users)", t.id), "%s.user", path)
	}
	return []target{{
		Target{
			User: spec.User, URI: "sip:" + strings.ReplaceAll(spec.User, "@", "%40") + "@" + t.spec.Auth.AskRealm(),
			Trunk: t.id, Timeout: ring, Media: t.media.clone(), Redirect: t.redirect,
		},
		fmt.Sprintf("the phones that a user of trunk %s has registered, ring %s%s", t.id, ring, t.redirect.words()),
	}}
}
