package keys

// Provider keeps the epoch roots and never gives one out. A root has a number,
// its epoch. Methods may be called at once from many goroutines. privacy/keys/
// keystest is the suite that every provider passes.
//
// The errors that matter are in words that need no import of this package.
type Provider interface {
	// NewEpoch makes a root with a number above all that exist. It is durable
	// when NewEpoch returns.
	NewEpoch() (epoch uint32, err error)
	// Wrap seals a key under the root of an epoch and binds it to aad. The error
	// wraps fs.ErrNotExist when there is no such root.
	Wrap(epoch uint32, aad, key []byte) (wrapped []byte, err error)
	// Unwrap opens what Wrap sealed. The error wraps fs.ErrNotExist when there
	// is no such root, and seal.ErrBox when root, aad or wrapped is not the one;
	// it names what the operator has to look at.
	Unwrap(epoch uint32, aad, wrapped []byte) (key []byte, err error)
	// DestroyEpoch destroys a root for good: afterwards nothing wrapped under it
	// opens again. A root that is gone already is no error.
	DestroyEpoch(epoch uint32) error
	// Status returns the epochs whose roots exist, in ascending order, and in
	// words where they are.
	Status() (epochs []uint32, where string, err error)
}
