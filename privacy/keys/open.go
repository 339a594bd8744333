package keys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Files in the folder of the store.
const (
	journalName = "journal"
	erasedName  = "erased"
	lockName    = "lock"

	journalMagic = "RDKEYS\x00\x01"
	erasedMagic  = "RDGONE\x00\x01"
)

// Open opens the store in Config.Dir, or makes one where there is none. It
// checks the root key before it changes anything: with [ErrWrongRoot] or
// [ErrDamaged] all is as it was. A torn tail of a write that never was confirmed
// is cut off and told, erasures and a rotation that a crash cut short are
// finished.
func Open(c Config, o Options) (*Store, error) {
	c.Defaults()
	var faults []error
	c.Validate(func(path, msg string) { faults = append(faults, fmt.Errorf("%s: %s", path, msg)) })
	if c.Dir == "" {
		faults = append(faults, errors.New("no folder given"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	o.defaults(c)
	s := &Store{config: c, options: o, provider: o.Provider}
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("keys: %w", err)
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.config.Dir, name) }

func (s *Store) open() error {
	if !s.options.ReadOnly {
		if err := os.MkdirAll(s.config.Dir, 0o700); err != nil {
			return err
		}
		var err error
		if s.lock, err = takeLock(s.path(lockName)); err != nil {
			return err
		}
	}
	graves, err := readJournal(s.path(erasedName), erasedMagic)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	buried := err == nil
	if s.gone, err = loadErased(graves.rows); err != nil {
		return fmt.Errorf("%s: %w", s.path(erasedName), err)
	}
	held, err := readJournal(s.path(journalName), journalMagic)
	if errors.Is(err, fs.ErrNotExist) && !s.options.ReadOnly {
		if err := s.create(); err != nil {
			return err
		}
		return s.openGraves(buried, graves)
	}
	if err != nil {
		return err
	}
	dropped, err := s.check(held)
	if err != nil || s.options.ReadOnly {
		return err
	}
	// From here on files are changed.
	if err := s.openGraves(buried, graves); err != nil {
		return err
	}
	return s.resume(held, dropped)
}

// check builds the tree and makes sure that the root is the right one.
func (s *Store) check(held contents) (dropped int, err error) {
	s.tree, dropped, err = load(held.rows, s.gone)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.path(journalName), err)
	}
	if s.tree.region != s.config.Region {
		return 0, fmt.Errorf("%s: belongs to region %q, this node is in %q", s.path(journalName), s.tree.region, s.config.Region)
	}
	value, err := s.unwrapRoot(s.tree, "", "", kindCheck, s.tree.check)
	clear(value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.path(journalName), err)
	}
	return dropped, nil
}

// resume opens the journal for writing and finishes what a crash left.
func (s *Store) resume(held contents, dropped int) (err error) {
	if s.journal, err = openJournal(s.path(journalName), journalMagic, held.good); err != nil {
		return err
	}
	if s.torn = held.torn; s.torn > 0 {
		s.options.Log.Warn("key journal: an unfinished write was cut off", "bytes", s.torn)
	}
	if s.stale = dropped > 0; s.stale {
		s.options.Log.Warn("key journal: held erased keys, removed again", "rows", dropped)
		if err := s.erase(nil, nil); err != nil { // tried again with the next erasure
			s.options.Log.Error("key journal: cannot be written anew", "err", err)
		}
	}
	epochs, _, err := s.provider.Status()
	if err != nil {
		return err
	}
	if n := len(epochs); n > 0 && epochs[n-1] > s.tree.epoch {
		s.options.Log.Warn("a root key is newer than the key journal: a rotation was cut short, or the journal is an old copy",
			"journal_epoch", s.tree.epoch, "root_epoch", epochs[n-1])
	}
	return s.destroyOthers(func(e uint32) bool { return e < s.tree.epoch })
}

// openGraves opens the list of the erased, or makes an empty one.
func (s *Store) openGraves(exists bool, held contents) (err error) {
	if exists {
		if held.torn > 0 {
			s.options.Log.Warn("key store: an unfinished write to the list of the erased was cut off", "bytes", held.torn)
		}
		s.graves, err = openJournal(s.path(erasedName), erasedMagic, held.good)
		return err
	}
	if len(s.tree.accounts) > 0 {
		s.options.Log.Warn("key store: the list of the erased is missing: an old copy of the journal could bring keys back", "path", s.path(erasedName))
	}
	s.graves, err = createJournal(s.path(erasedName), erasedMagic, func(func(row) bool) {})
	return err
}

// create makes a new store. The journal's temporary file is there before the
// root is, and tells a first start that was cut short from a lost journal.
func (s *Store) create() error {
	path := s.path(journalName)
	epochs, where, err := s.provider.Status()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path + tempSuffix); err != nil && len(epochs) > 0 {
		return fmt.Errorf("%s is missing, but there are root keys in %s: put it back, or move them away to begin anew: %w", path, where, ErrDamaged)
	}
	mark, err := os.OpenFile(path+tempSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(mark.Close(), syncDir(s.config.Dir), syncDir(filepath.Dir(s.config.Dir))); err != nil {
		return err
	}
	epoch, err := s.provider.NewEpoch()
	if err != nil {
		return err
	}
	s.tree = newTree(s.config.Region, epoch, time.Now().UTC())
	value := make([]byte, 16)
	rand.Read(value)
	if s.tree.check, err = s.provider.Wrap(epoch, s.tree.binding("", root, "", kindCheck), value); err != nil {
		return err
	}
	s.journal, err = createJournal(path, journalMagic, s.tree.rows())
	return err
}

// Close lets go of the files; what was handed out is on the disk. Idempotent.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, j := range []*journal{s.journal, s.graves} {
		if j != nil {
			errs = append(errs, j.close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}
