package secure

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// Key is a master key with its salt. It belongs to one direction of one leg; what
// prints it prints its suite. A copy shares the bytes: [Key.Wipe] ends them all.
type Key struct {
	suite Suite
	bytes []byte // key, then salt
	mki   []byte // what the sender puts behind each packet to name the key; nil: nothing
}

// NewKey makes a random key.
func NewKey(s Suite) Key {
	k := Key{suite: s, bytes: make([]byte, s.size())}
	rand.Read(k.bytes) // never fails (crypto/rand)
	return k
}

// keyOf takes a copy of key and salt.
func keyOf(s Suite, key, salt []byte) Key {
	return Key{suite: s, bytes: append(append(make([]byte, 0, s.size()), key...), salt...)}
}

// Suite returns what the key is for.
func (k Key) Suite() Suite { return k.suite }

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return len(k.bytes) == 0 }

// Equal reports whether two keys are the same, in constant time.
func (k Key) Equal(o Key) bool {
	return k.suite == o.suite && subtle.ConstantTimeCompare(k.bytes, o.bytes) == 1 && string(k.mki) == string(o.mki)
}

// Wipe overwrites the key. Contexts made of it go on: they hold keys derived
// from it, which Go gives us no way to overwrite.
func (k Key) Wipe() { clear(k.bytes) }

func (k Key) clone() Key {
	return Key{k.suite, append([]byte(nil), k.bytes...), append([]byte(nil), k.mki...)}
}

func (k Key) master() []byte { return k.bytes[:table[k.suite].key] }
func (k Key) salt() []byte   { return k.bytes[table[k.suite].key:] }

// Format hides the key from every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key for %s", k.suite) }

// LogValue hides the key from slog.
func (k Key) LogValue() slog.Value { return slog.StringValue("key for " + k.suite.String()) }

// MarshalText hides the key from encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte("key for " + k.suite.String()), nil }
