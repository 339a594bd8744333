package keys

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Secret returns the node's 32-byte secret of a name ("outbox", "nats"), which
// is made at the first call and stays the same over all epochs.
func (s *Store) Secret(name string) ([]byte, error) {
	if err := checkID("secret", name); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	secret, row, err := s.secret(name)
	if err == nil && row > 0 {
		err = s.journal.wait(row)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: secret %q: %w", name, err)
	}
	return secret, nil
}

func (s *Store) secret(name string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, ErrClosed
	}
	if wrapped, ok := s.tree.secrets[name]; ok {
		secret, err := s.unwrapRoot(s.tree, "", name, kindSecret, wrapped)
		return secret, s.lastRow(), err
	}
	if s.options.ReadOnly {
		return nil, 0, ErrUnknownKey
	}
	secret := newKey()
	row, err := s.addUnderRoot(s.tree.secrets, rowSecret, name, kindSecret, secret)
	return secret, row, err
}

// lastRow is what to wait for where it is not known when a row was added.
func (s *Store) lastRow() uint64 {
	if s.journal == nil {
		return 0
	}
	return s.journal.last()
}

// addUnderRoot wraps a key by the epoch root and stores it by name. mu is held.
func (s *Store) addUnderRoot(into map[string][]byte, k kind, name, kind string, key []byte) (uint64, error) {
	wrapped, err := s.provider.Wrap(s.tree.epoch, s.tree.binding("", root, name, kind), key)
	if err != nil {
		return 0, err
	}
	row, err := s.journal.add(newRow(k, []byte(name), wrapped))
	if err != nil {
		return 0, err
	}
	into[name] = wrapped
	return row, nil
}

// Signer returns the node's key for manifests, which is made at the first call,
// and its id: what [Store.PublicKey] finds it by.
func (s *Store) Signer() (key ed25519.PrivateKey, keyID string, err error) {
	key, keyID, row, err := s.signer()
	if err == nil && row > 0 {
		err = s.journal.wait(row)
	}
	if err != nil {
		return nil, "", fmt.Errorf("keys: signer: %w", err)
	}
	return key, keyID, nil
}

func (s *Store) signer() (ed25519.PrivateKey, string, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, "", 0, ErrClosed
	}
	if ids := slices.Sorted(maps.Keys(s.tree.signers)); len(ids) > 0 {
		key, err := s.openSigner(ids[0])
		return key, ids[0], s.lastRow(), err
	}
	if s.options.ReadOnly {
		return nil, "", 0, ErrUnknownKey
	}
	key := ed25519.NewKeyFromSeed(newKey())
	id := signerID(key)
	row, err := s.addUnderRoot(s.tree.signers, rowSigner, id, kindSigner, key.Seed())
	return key, id, row, err
}

// PublicKey returns the public half of a manifest key. It comes out of the
// wrapped key itself, so whoever can write the journal cannot put his own there.
func (s *Store) PublicKey(keyID string) (ed25519.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("keys: public key: %w", ErrClosed)
	}
	if _, ok := s.tree.signers[keyID]; !ok {
		return nil, fmt.Errorf("keys: public key %.64q: %w", keyID, ErrUnknownKey)
	}
	key, err := s.openSigner(keyID)
	if err != nil {
		return nil, fmt.Errorf("keys: public key: %w", err)
	}
	return key.Public().(ed25519.PublicKey), nil
}

func (s *Store) openSigner(id string) (ed25519.PrivateKey, error) {
	seed, err := s.unwrapRoot(s.tree, "", id, kindSigner, s.tree.signers[id])
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("key %s: %w", id, ErrDamaged)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// signerID names a key by its public half.
func signerID(key ed25519.PrivateKey) string {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return "sig_" + hex.EncodeToString(sum[:8])
}
