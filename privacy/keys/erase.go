package keys

import (
	"fmt"
	"slices"
)

type subjectID struct{ account, subject string }

// erased is what was erased and must not come back. It names random ids of
// which nothing else exists any more.
type erased struct {
	recordings map[string]bool // by ref
	subjects   map[subjectID]bool
}

func loadErased(rows []row) (*erased, error) {
	e := &erased{recordings: map[string]bool{}, subjects: map[subjectID]bool{}}
	for _, r := range rows {
		switch r.kind {
		case rowErasedRecording:
			e.recordings[r.text(0)] = true
		case rowErasedSubject:
			e.subjects[subjectID{r.text(0), r.text(1)}] = true
		default:
			return nil, fmt.Errorf("kind %d has no place here: %w", r.kind, ErrDamaged)
		}
	}
	return e, nil
}

// EraseRecording destroys the key of one recording. When it returns nil, the
// key is in no file of the store; copies elsewhere die with the epoch. A ref
// that is erased already is no error, an unknown one is [ErrUnknownKey].
func (s *Store) EraseRecording(ref string) error { return s.EraseRecordings([]string{ref}) }

// EraseRecordings is [Store.EraseRecording] for many at the price of one. An
// unknown ref among them erases none.
func (s *Store) EraseRecordings(refs []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return fmt.Errorf("keys: erase recording: %w", err)
	}
	var gone []string
	for _, ref := range refs {
		_, here := s.tree.recordings[ref]
		if !here && !s.gone.recordings[ref] {
			return fmt.Errorf("keys: erase recording key %.64q: %w", ref, ErrUnknownKey)
		}
		if here {
			gone = append(gone, ref)
		}
	}
	if err := s.erase(gone, nil); err != nil {
		return fmt.Errorf("keys: erase recording: %w", err)
	}
	return nil
}

// EraseSubject destroys the key of a caller at an account, with it everything
// sealed about him in events, the keys of all his recordings and the token by
// which his number would be recognised: he is somebody new the next time.
func (s *Store) EraseSubject(accountID, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return fmt.Errorf("keys: erase subject: %w", err)
	}
	who := subjectID{accountID, id}
	a := s.tree.accounts[accountID]
	_, here := subject{}, false
	if a != nil {
		_, here = a.subjects[id]
	}
	if !here && !s.gone.subjects[who] {
		return fmt.Errorf("keys: erase subject: account %.64q: subject %.64q: %w", accountID, id, ErrUnknownKey)
	}
	var refs []string
	for ref, r := range s.tree.recordings {
		if r.account == accountID && r.subject == id {
			refs = append(refs, ref)
		}
	}
	var subjects []subjectID
	if here {
		subjects = []subjectID{who}
	}
	if err := s.erase(refs, subjects); err != nil {
		return fmt.Errorf("keys: erase subject: %w", err)
	}
	return nil
}

// erase destroys keys: first the list of the erased is durable, so that from
// then on nothing brings them back, then they are gone from memory, then from
// the file. mu is held.
func (s *Store) erase(refs []string, subjects []subjectID) error {
	if len(refs)+len(subjects) > 0 {
		if err := s.bury(refs, subjects); err != nil {
			return err
		}
		s.stale = true
	}
	if !s.stale {
		return nil
	}
	if _, err := s.journal.rewrite(s.tree.rows()); err != nil {
		return fmt.Errorf("erased, but rows are still in %s until it can be written anew: %w", s.journal.path, err)
	}
	s.stale = false
	return nil
}

func (s *Store) bury(refs []string, subjects []subjectID) error {
	var rows []row
	for _, who := range subjects {
		rows = append(rows, newRow(rowErasedSubject, []byte(who.account), []byte(who.subject)))
	}
	for _, ref := range refs {
		rows = append(rows, newRow(rowErasedRecording, []byte(ref)))
	}
	for some := range slices.Chunk(rows, 10_000) {
		row, err := s.graves.add(some...)
		if err == nil {
			err = s.graves.wait(row)
		}
		if err != nil {
			return err
		}
	}
	for _, who := range subjects {
		s.gone.subjects[who] = true
		a := s.tree.accounts[who.account]
		delete(a.subjects, who.subject)
		a.forget(who.subject)
	}
	for _, ref := range refs {
		s.gone.recordings[ref] = true
		delete(s.tree.recordings, ref)
	}
	return nil
}

// forget drops the token of a subject from memory.
func (a *account) forget(id string) {
	if a.open == nil {
		return
	}
	for tok, of := range a.open.subjects {
		if of == id {
			delete(a.open.subjects, tok)
		}
	}
}
