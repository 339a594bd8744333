// Package keys keeps the key tree and nothing else does:
//
//	epoch root         in the provider, one per epoch
//	└ account key      one per account and epoch
//	  ├ index key      of the look-up tokens: number -> subject
//	  └ subject key    one per (account, caller)
//	    ├ field key    derived: what events say about the caller
//	    └ recording key  one per recording
//	└ node secrets, the manifest key
//
// All but the root lie in one journal, each wrapped by its parent and bound to
// its place, with nothing beside them but ids. A recording holds an opaque ref
// and no key. So erasing is deleting a row: of a recording, or of a caller with
// all that hangs on him; the journal is then written anew, and a list of what
// was erased keeps an old copy of it from bringing the row back.
//
// What remains in backups dies with the epoch: [Store.Rotate] makes a new root,
// wraps the survivors anew under new account keys and destroys the old root. No
// recording is touched. Every key that wraps another is new in each epoch or
// derived from one that is.
//
// The package decides which key opens what, and since when not. It refuses to
// know audio, events and numbers: of a number it keeps a token that needs the
// account key to be read and the index key to be made.
package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"ringdown/privacy/seal"
)

var (
	// ErrWrongRoot: the provider does not have the root the journal is under.
	ErrWrongRoot = errors.New("wrong or missing root key; put the right one back, nothing was changed")
	// ErrErased: the key was erased; what it opened is gone for good.
	ErrErased = errors.New("erased")
	// ErrUnknownKey: no such key was ever here, or its erasure is forgotten.
	ErrUnknownKey = errors.New("unknown key")
	// ErrDamaged: a file of the store is damaged in a way no crash explains.
	ErrDamaged = errors.New("damaged; restore it from a copy, nothing was changed")
	// ErrLocked: another process has the store open for writing.
	ErrLocked = errors.New("in use by another process")
	// ErrReadOnly: the store was opened to be read.
	ErrReadOnly = errors.New("opened read-only")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("closed")
)

// cacheFor is how long an account key stays in memory in the clear before the
// provider is asked again. The look-up tokens, once opened, stay: they wrap nothing.
const cacheFor = 15 * time.Minute

// Store is the key tree of one node. All methods may be called at once. A key
// they hand out is on the disk before they return, so what is encrypted with it
// can be opened after a power cut; those who ask at the same time share a sync.
type Store struct {
	config   Config
	options  Options
	provider Provider

	mu      sync.Mutex
	tree    *tree
	gone    *erased
	journal *journal // nil when read-only
	graves  *journal // of gone
	lock    *lock
	torn    int64 // bytes cut off at the start
	stale   bool  // the journal file may still hold rows of what was erased
	closed  bool
}

// writable returns why nothing can be written, if so. mu is held.
func (s *Store) writable() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.options.ReadOnly:
		return ErrReadOnly
	}
	return nil
}

// unwrapRoot opens what the epoch root of t wrapped.
func (s *Store) unwrapRoot(t *tree, account, child, kind string, wrapped []byte) ([]byte, error) {
	key, err := s.provider.Unwrap(t.epoch, t.binding(account, root, child, kind), wrapped)
	if err == nil {
		return key, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, seal.ErrBox) {
		return nil, fmt.Errorf("keys of epoch %d: %w: %w", t.epoch, err, ErrWrongRoot)
	}
	return nil, fmt.Errorf("keys of epoch %d: %w", t.epoch, err)
}

// opened returns the keys of an account in the clear. mu is held.
func (s *Store) opened(t *tree, a *account) (*openAccount, error) {
	if a.open != nil && time.Now().Before(a.open.until) {
		return a.open, nil
	}
	key, err := s.unwrapRoot(t, a.id, a.id, kindAccount, a.key)
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", a.id, err)
	}
	if a.open != nil { // the tokens are those of before
		a.open.key, a.open.until = key, time.Now().Add(cacheFor)
		return a.open, nil
	}
	open := &openAccount{until: time.Now().Add(cacheFor), key: key, subjects: map[token]string{}}
	if open.index, err = seal.OpenBox(key, t.binding(a.id, a.id, a.id, kindIndex), a.index); err != nil {
		return nil, fmt.Errorf("account %s: index key: %w", a.id, ErrDamaged)
	}
	for id, sub := range a.subjects {
		if len(sub.token) == 0 {
			continue
		}
		tok, err := seal.OpenBox(key, t.binding(a.id, a.id, id, kindToken), sub.token)
		if err != nil || len(tok) != len(token{}) {
			return nil, fmt.Errorf("account %s: subject %s: token: %w", a.id, id, ErrDamaged)
		}
		open.subjects[token(tok)] = id
	}
	a.open = open
	return open, nil
}

// subjectKeys returns the account's and the subject's key in the clear. mu is held.
func (s *Store) subjectKeys(accountID, id string) (accountKey, subjectKey []byte, err error) {
	a := s.tree.accounts[accountID]
	if a == nil {
		return nil, nil, fmt.Errorf("account %s: %w", accountID, ErrUnknownKey)
	}
	sub, ok := a.subjects[id]
	if !ok {
		why := ErrUnknownKey
		if s.gone.subjects[subjectID{accountID, id}] {
			why = ErrErased
		}
		return nil, nil, fmt.Errorf("account %s: subject %s: %w", accountID, id, why)
	}
	open, err := s.opened(s.tree, a)
	if err != nil {
		return nil, nil, err
	}
	key, err := seal.OpenBox(open.key, s.tree.binding(accountID, accountID, id, kindSubject), sub.key)
	if err != nil {
		return nil, nil, fmt.Errorf("account %s: subject %s: %w", accountID, id, ErrDamaged)
	}
	return open.key, key, nil
}

// checkID refuses what cannot be an id of ours.
func checkID(what, id string) error {
	if id == "" || len(id) > 255 {
		return fmt.Errorf("%s: id of %d bytes, want 1 to 255", what, len(id))
	}
	return nil
}
