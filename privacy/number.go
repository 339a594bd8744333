// Package privacy is the ground floor: types that keep personal data masked
// until it is asked for by name, and the pure decisions about it. Sealing lives
// in privacy/seal, keys in privacy/keys; deleting a file is done by whoever
// wrote it.
package privacy

// Number is a telephone number in E.164 that masks itself wherever it is
// printed, logged or encoded. The zero value is a withheld number.
type Number struct{ e164 string }

// E164 wraps a number already normalised to "+" and digits.
func E164(s string) Number { return Number{s} }

// Reveal returns the number in the clear. Every call of it is a place to look at
// in a review.
func (n Number) Reveal() string { return n.e164 }

// IsZero reports whether the number is withheld.
func (n Number) IsZero() bool { return n.e164 == "" }
