package keys

import "time"

// Status is what can be told of the store without telling a key.
type Status struct {
	Provider   string    `json:"provider"`
	Roots      string    `json:"roots"` // where the provider keeps them
	Region     string    `json:"region"`
	Epoch      uint32    `json:"epoch"`
	Since      time.Time `json:"since"`  // when the epoch began
	Epochs     []uint32  `json:"epochs"` // whose roots exist
	Accounts   int       `json:"accounts"`
	Subjects   int       `json:"subjects"`
	Recordings int       `json:"recordings"`
	Erased     int       `json:"erased"` // recordings
	Bytes      int64     `json:"bytes"`  // of the journal
	Torn       int64     `json:"torn"`   // bytes of an unfinished write cut off at the start
	ReadOnly   bool      `json:"read_only"`
	Fault      string    `json:"fault,omitempty"` // why the provider does not answer
}

// Status counts.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Provider: s.config.Provider, Region: s.tree.region, Epoch: s.tree.epoch, Since: s.tree.created,
		Accounts: len(s.tree.accounts), Recordings: len(s.tree.recordings), Erased: len(s.gone.recordings),
		Torn: s.torn, ReadOnly: s.options.ReadOnly,
	}
	for _, a := range s.tree.accounts {
		st.Subjects += len(a.subjects)
	}
	if s.journal != nil {
		st.Bytes = s.journal.length()
	}
	var err error
	if st.Epochs, st.Roots, err = s.provider.Status(); err != nil {
		st.Fault = err.Error()
	}
	return st
}
