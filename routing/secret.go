package routing

import (
	"encoding/json"
	"errors"
	"strings"
)

// Secret is a value of the configuration that nobody may see. It is written as
// a reference, file:PATH or env:NAME; whoever reads the file puts the value
// behind it (configs). Printed, logged or encoded it is its reference, which is
// also what a table's version knows of it.
type Secret struct{ reference, value string }

// NewSecret makes a secret that was read from where reference says.
func NewSecret(reference, value string) Secret { return Secret{reference, value} }

var errSecret = errors.New("must be a reference to the secret, file:PATH or env:NAME, not the secret itself")

// UnmarshalText takes the reference. What is none may be the secret itself, so
// it is neither kept nor repeated.
func (s *Secret) UnmarshalText(text []byte) error {
	ref := string(text)
	if !strings.HasPrefix(ref, "file:") && !strings.HasPrefix(ref, "env:") {
		return errSecret
	}
	s.reference, s.value = ref, ""
	return nil
}

// Fill puts the value behind the reference.
func (s *Secret) Fill(value string) { s.value = value }

// Reveal returns the value. It is for arithmetic, not for text.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether nothing was given.
func (s Secret) IsZero() bool { return s == Secret{} }

// String, GoString and MarshalJSON show the reference.
func (s Secret) String() string               { return s.reference }
func (s Secret) GoString() string             { return "routing.Secret(" + s.reference + ")" }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.reference) }
