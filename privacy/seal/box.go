package seal

import "fmt"

// BoxOverhead is by how much a box is longer than what is in it: nonce and tag.
const BoxOverhead = nonceSize + tagSize

// Box seals one small value and binds it to aad, which is not part of the box
// and has to be given again to open it. At most 2^32 boxes under one key.
func Box(key, aad, plaintext []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, fmt.Errorf("box: %w", err)
	}
	return gcm.Seal(make([]byte, 0, len(plaintext)+BoxOverhead), nil, plaintext, aad), nil
}

// OpenBox returns what is in a box, or an error that wraps [ErrBox].
func OpenBox(key, aad, box []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, fmt.Errorf("box: %w", err)
	}
	if len(box) < BoxOverhead {
		return nil, fmt.Errorf("%d bytes: %w", len(box), ErrBox)
	}
	plaintext, err := gcm.Open(make([]byte, 0, len(box)-BoxOverhead), nil, box, aad)
	if err != nil {
		return nil, ErrBox
	}
	return plaintext, nil
}
