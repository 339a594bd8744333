package keys

import (
	"errors"
	"fmt"
	"time"

	"ringdown/privacy/seal"
)

// Rotate begins a new epoch: a new root, new account keys, everything that
// survives wrapped anew, the old root destroyed. With it dies whatever is left
// of erased keys in copies of the journal. Recordings are not touched and stay
// readable; a crash at any moment leaves the old epoch or the new one. now is
// when the epoch begins. Other calls wait while it works, about 2 µs a key.
func (s *Store) Rotate(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.rotate(now); err != nil {
		return fmt.Errorf("keys: rotate: %w", err)
	}
	return nil
}

func (s *Store) rotate(now time.Time) error {
	if err := s.writable(); err != nil {
		return err
	}
	epoch, err := s.provider.NewEpoch()
	if err != nil {
		return err
	}
	old := s.tree
	if epoch <= old.epoch {
		return fmt.Errorf("the provider made epoch %d after %d", epoch, old.epoch)
	}
	next, err := s.rewrap(epoch, now)
	if err != nil {
		return errors.Join(err, s.provider.DestroyEpoch(epoch))
	}
	replaced, err := s.journal.rewrite(next.rows())
	if err != nil && !replaced {
		return errors.Join(err, s.provider.DestroyEpoch(epoch))
	}
	s.tree, s.stale = next, false
	if err != nil {
		// Which journal a power cut leaves is not known: both roots stay. The
		// next start or rotation destroys the older.
		return err
	}
	for _, a := range old.accounts {
		if a.open != nil {
			clear(a.open.key)
		}
	}
	s.options.Log.Info("key epoch rotated", "epoch", epoch, "accounts", len(next.accounts), "recordings", len(next.recordings))
	return s.destroyOthers(func(e uint32) bool { return e != epoch })
}

// destroyOthers destroys the roots of the given epochs that are there.
func (s *Store) destroyOthers(doomed func(epoch uint32) bool) error {
	epochs, _, err := s.provider.Status()
	if err != nil {
		return err
	}
	for _, e := range epochs {
		if !doomed(e) {
			continue
		}
		if err := s.provider.DestroyEpoch(e); err != nil {
			return fmt.Errorf("epoch %d is not destroyed: %w", e, err)
		}
		s.options.Log.Info("key epoch destroyed", "epoch", e)
	}
	return nil
}

// rewrap makes the tree of the next epoch from the present one, which stays as
// it is.
func (s *Store) rewrap(epoch uint32, now time.Time) (*tree, error) {
	old := s.tree
	next := newTree(old.region, epoch, now.UTC())
	var err error
	if next.check, err = s.rewrapRoot(next, "", kindCheck, old.check); err != nil {
		return nil, err
	}
	for name, wrapped := range old.secrets {
		if next.secrets[name], err = s.rewrapRoot(next, name, kindSecret, wrapped); err != nil {
			return nil, fmt.Errorf("secret %q: %w", name, err)
		}
	}
	for id, wrapped := range old.signers {
		if next.signers[id], err = s.rewrapRoot(next, id, kindSigner, wrapped); err != nil {
			return nil, fmt.Errorf("signer %s: %w", id, err)
		}
	}
	wraps := map[subjectID][2][]byte{} // of the recordings: old, new
	for id, a := range old.accounts {
		if next.accounts[id], err = s.rewrapAccount(next, a, wraps); err != nil {
			return nil, fmt.Errorf("account %s: %w", id, err)
		}
	}
	for ref, rec := range old.recordings {
		wrap, ok := wraps[subjectID{rec.account, rec.subject}]
		if !ok {
			return nil, fmt.Errorf("recording key %s: its subject is missing: %w", ref, ErrDamaged)
		}
		moved := rec
		moved.key, err = rebox(wrap[0], old.recordingBinding(ref, rec), rec.key, wrap[1], next.recordingBinding(ref, rec))
		if err != nil {
			return nil, fmt.Errorf("recording key %s: %w", ref, err)
		}
		next.recordings[ref] = moved
	}
	return next, nil
}

// rewrapRoot moves what the old root wraps to the root of next.
func (s *Store) rewrapRoot(next *tree, name, kind string, wrapped []byte) ([]byte, error) {
	key, err := s.unwrapRoot(s.tree, "", name, kind, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return s.provider.Wrap(next.epoch, next.binding("", root, name, kind), key)
}

// rewrapAccount gives an account a new key and wraps its subjects by it. wraps
// takes the keys that wrap the recordings of each, before and after.
func (s *Store) rewrapAccount(next *tree, a *account, wraps map[subjectID][2][]byte) (*account, error) {
	old := s.tree
	open, err := s.opened(old, a)
	if err != nil {
		return nil, err
	}
	key := newKey()
	moved := &account{id: a.id, subjects: make(map[string]subject, len(a.subjects))}
	if moved.key, err = s.provider.Wrap(next.epoch, next.binding(a.id, root, a.id, kindAccount), key); err != nil {
		return nil, err
	}
	moved.open = &openAccount{until: time.Now().Add(cacheFor), key: key, index: open.index, subjects: open.subjects}
	move := func(child, kind string, wrapped []byte) ([]byte, error) {
		return rebox(open.key, old.binding(a.id, a.id, child, kind), wrapped, key, next.binding(a.id, a.id, child, kind))
	}
	if moved.index, err = move(a.id, kindIndex, a.index); err != nil {
		return nil, err
	}
	for id, sub := range a.subjects {
		there := subject{row: sub.row}
		if there.key, err = move(id, kindSubject, sub.key); err != nil {
			return nil, fmt.Errorf("subject %s: %w", id, err)
		}
		if len(sub.token) > 0 {
			if there.token, err = move(id, kindToken, sub.token); err != nil {
				return nil, fmt.Errorf("subject %s: %w", id, err)
			}
		}
		moved.subjects[id] = there
		subjectKey, err := seal.OpenBox(key, next.binding(a.id, a.id, id, kindSubject), there.key)
		if err != nil {
			return nil, err
		}
		before, err := recordingWrapKey(open.key, subjectKey)
		if err != nil {
			return nil, err
		}
		after, err := recordingWrapKey(key, subjectKey)
		if err != nil {
			return nil, err
		}
		wraps[subjectID{a.id, id}] = [2][]byte{before, after}
	}
	return moved, nil
}

// rebox moves a key from one box to another.
func rebox(oldKey, oldBinding, box, newKey, newBinding []byte) ([]byte, error) {
	key, err := seal.OpenBox(oldKey, oldBinding, box)
	if err != nil {
		return nil, ErrDamaged
	}
	defer clear(key)
	return seal.Box(newKey, newBinding, key)
}
