package directory

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"

	"ringdown/privacy/seal"
)

// keyring holds what one directory key gives. Everything that leaves this
// process, to the broker and to the disk, is sealed under it.
type keyring struct {
	names  []byte // of the names of pages
	values []byte // of what is in the bucket and on the disk
	marks  []byte // of the marks that pages of an API go on from
}

// MinKey is the shortest directory key, in bytes.
const MinKey = 32

func newKeyring(secret []byte) (*keyring, error) {
	if len(secret) < MinKey {
		return nil, fmt.Errorf("directory: key: %d bytes, want at least %d", len(secret), MinKey)
	}
	k := &keyring{}
	for _, of := range []struct {
		key     *[]byte
		purpose string
	}{{&k.names, "directory-names/v1"}, {&k.values, "directory-values/v1"}, {&k.marks, "directory-marks/v1"}} {
		var err error
		if *of.key, err = hkdf.Key(sha512.New384, secret, nil, of.purpose, seal.KeySize); err != nil {
			return nil, fmt.Errorf("directory: key: %w", err)
		}
	}
	return k, nil
}

// name is what a page is called: a keyed hash of its text, so that equal pages
// have one name and nobody without the key can tell what a name stands for.
func (k *keyring) name(text []byte) string {
	mac := hmac.New(sha256.New, k.names)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil)[:nameSize/2])
}

// format is the first byte of every sealed value.
const format = 1

// What a value that does not open may be.
var (
	errForeign = errors.New("was not written with this directory key, or is damaged")
	errNewer   = errors.New("was written by a newer Ringdown")
)

// seal packs and seals a value for one place.
func (k *keyring) seal(place string, text []byte) ([]byte, error) {
	box, err := seal.Box(k.values, aad(place), deflate(text))
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return append([]byte{format}, box...), nil
}

// open is the way back.
func (k *keyring) open(place string, value []byte) ([]byte, error) {
	switch {
	case len(value) == 0:
		return nil, errForeign
	case value[0] > format && value[0] < ' ': // what somebody typed is no format
		return nil, errNewer
	case value[0] != format:
		return nil, errForeign
	}
	packed, err := seal.OpenBox(k.values, aad(place), value[1:])
	if err != nil {
		return nil, errForeign
	}
	return inflate(packed)
}

// aad binds a value to its place.
func aad(place string) []byte { return append([]byte{format}, "ringdown directory "+place...) }
