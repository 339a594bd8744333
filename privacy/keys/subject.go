package keys

import (
	"encoding/base64"
	"fmt"

	"ringdown/privacy"
	"ringdown/privacy/seal"
)

// Subject returns the id of a caller at an account: the same for the same
// number, until it is erased, and unlike any other of the same number at another
// account. A withheld number is somebody new each time. The first call for an
// account makes its keys.
func (s *Store) Subject(accountID string, n privacy.Number) (string, error) {
	if err := checkID("account", accountID); err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	id, row, err := s.subject(accountID, n)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if row > 0 {
		if err := s.journal.wait(row); err != nil {
			return "", fmt.Errorf("keys: subject: %w", err)
		}
	}
	return id, nil
}

// subject finds or makes a subject, and returns the row to wait for.
func (s *Store) subject(accountID string, n privacy.Number) (string, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", 0, ErrClosed
	}
	a := s.tree.accounts[accountID]
	if a != nil && !n.IsZero() {
		open, err := s.opened(s.tree, a)
		if err != nil {
			return "", 0, err
		}
		if id, ok := open.subjects[tokenOf(open.index, n.Reveal())]; ok {
			return id, a.subjects[id].row, nil
		}
	}
	if err := s.writable(); err != nil {
		return "", 0, fmt.Errorf("account %s: new subject: %w", accountID, err)
	}
	if a == nil {
		var err error
		if a, err = s.newAccount(accountID); err != nil {
			return "", 0, err
		}
	}
	return s.newSubject(a, n)
}

func (s *Store) newAccount(id string) (*account, error) {
	key, index := newKey(), newKey()
	a := &account{id: id, subjects: map[string]subject{}}
	var err error
	if a.key, err = s.provider.Wrap(s.tree.epoch, s.tree.binding(id, root, id, kindAccount), key); err != nil {
		return nil, fmt.Errorf("account %s: %w", id, err)
	}
	if a.index, err = seal.Box(key, s.tree.binding(id, id, id, kindIndex), index); err != nil {
		return nil, fmt.Errorf("account %s: %w", id, err)
	}
	if _, err := s.journal.add(a.asRow()); err != nil {
		return nil, err
	}
	s.tree.accounts[id] = a
	return a, nil
}

func (s *Store) newSubject(a *account, n privacy.Number) (string, uint64, error) {
	open, err := s.opened(s.tree, a)
	if err != nil {
		return "", 0, err
	}
	id := newID("sub_")
	var sub subject
	if sub.key, err = seal.Box(open.key, s.tree.binding(a.id, a.id, id, kindSubject), newKey()); err != nil {
		return "", 0, err
	}
	tok := tokenOf(open.index, n.Reveal())
	if !n.IsZero() {
		if sub.token, err = seal.Box(open.key, s.tree.binding(a.id, a.id, id, kindToken), tok[:]); err != nil {
			return "", 0, err
		}
	}
	if sub.row, err = s.journal.add(sub.asRow(a.id, id)); err != nil {
		return "", 0, err
	}
	a.subjects[id] = sub
	if !n.IsZero() {
		open.subjects[tok] = id
	}
	return id, sub.row, nil
}

// SealField encrypts something about a subject for an event, in base64. It can
// be opened until the subject is erased, whatever the epoch.
func (s *Store) SealField(accountID, subjectID string, plaintext []byte) (string, error) {
	key, err := s.fieldKey(accountID, subjectID)
	if err != nil {
		return "", fmt.Errorf("keys: seal field: %w", err)
	}
	box, err := seal.Box(key, s.fieldBinding(accountID, subjectID), plaintext)
	if err != nil {
		return "", fmt.Errorf("keys: seal field: %w", err)
	}
	return base64.StdEncoding.EncodeToString(box), nil
}

// OpenField opens what SealField sealed; [ErrErased] and [ErrUnknownKey] as of
// the subject, seal.ErrBox when it is not of this subject.
func (s *Store) OpenField(accountID, subjectID, sealed string) ([]byte, error) {
	box, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, fmt.Errorf("keys: open field: not base64: %w", seal.ErrBox)
	}
	key, err := s.fieldKey(accountID, subjectID)
	if err != nil {
		return nil, fmt.Errorf("keys: open field: %w", err)
	}
	plaintext, err := seal.OpenBox(key, s.fieldBinding(accountID, subjectID), box)
	if err != nil {
		return nil, fmt.Errorf("keys: open field: account %s: subject %s: %w", accountID, subjectID, err)
	}
	return plaintext, nil
}

func (s *Store) fieldKey(accountID, subjectID string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	_, key, err := s.subjectKeys(accountID, subjectID)
	if err != nil {
		return nil, err
	}
	return fieldKey(key)
}

func (s *Store) fieldBinding(accountID, subjectID string) []byte {
	return join("field/v1", s.config.Region, accountID, subjectID)
}
