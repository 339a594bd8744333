package keys

import (
	"fmt"

	"ringdown/privacy/seal"
)

// NewRecordingKey makes the key of a recording of a subject, and the ref by
// which the recording's file names it: random, of no meaning without this store.
func (s *Store) NewRecordingKey(accountID, subjectID, recordingID string) (key []byte, ref string, err error) {
	if err := checkID("recording", recordingID); err != nil {
		return nil, "", fmt.Errorf("keys: %w", err)
	}
	key, ref, row, err := s.newRecordingKey(accountID, subjectID, recordingID)
	if err == nil {
		err = s.journal.wait(row)
	}
	if err != nil {
		return nil, "", fmt.Errorf("keys: recording %s: %w", recordingID, err)
	}
	return key, ref, nil
}

func (s *Store) newRecordingKey(accountID, subjectID, recordingID string) (key []byte, ref string, row uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return nil, "", 0, err
	}
	wrap, err := s.recordingWrapKey(accountID, subjectID)
	if err != nil {
		return nil, "", 0, err
	}
	key, ref = newKey(), newID("key_")
	rec := recording{account: accountID, subject: subjectID, recording: recordingID}
	if rec.key, err = seal.Box(wrap, s.tree.recordingBinding(ref, rec), key); err != nil {
		return nil, "", 0, err
	}
	if row, err = s.journal.add(rec.asRow(ref)); err != nil {
		return nil, "", 0, err
	}
	s.tree.recordings[ref] = rec
	return key, ref, row, nil
}

// RecordingKey returns the key behind a ref: [ErrErased] when it or its subject
// was erased, [ErrUnknownKey] when there never was one.
func (s *Store) RecordingKey(ref string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := s.recordingKey(ref)
	if err != nil {
		return nil, fmt.Errorf("keys: recording key %.64q: %w", ref, err)
	}
	return key, nil
}

func (s *Store) recordingKey(ref string) ([]byte, error) {
	if s.closed {
		return nil, ErrClosed
	}
	rec, ok := s.tree.recordings[ref]
	if !ok {
		if s.gone.recordings[ref] {
			return nil, ErrErased
		}
		return nil, ErrUnknownKey
	}
	wrap, err := s.recordingWrapKey(rec.account, rec.subject)
	if err != nil {
		return nil, err
	}
	key, err := seal.OpenBox(wrap, s.tree.recordingBinding(ref, rec), rec.key)
	if err != nil {
		return nil, ErrDamaged
	}
	return key, nil
}

// recordingWrapKey returns what wraps the keys of a subject's recordings. mu is held.
func (s *Store) recordingWrapKey(accountID, subjectID string) ([]byte, error) {
	accountKey, subjectKey, err := s.subjectKeys(accountID, subjectID)
	if err != nil {
		return nil, err
	}
	return recordingWrapKey(accountKey, subjectKey)
}

// recordingBinding ties a recording key to ref and recording.
func (t *tree) recordingBinding(ref string, r recording) []byte {
	return t.binding(r.account, r.subject, string(join(ref, r.recording)), kindRecording)
}
