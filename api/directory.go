package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// Directory is the routing table as others see and change it.
type Directory interface {
	// Status does not wait.
	Status() DirectoryStatus
	// Change puts a change into effect, whole or not at all. Its errors are
	// [ChangeFaults], those of the body included, or wrap the sentinels below.
	Change(ctx context.Context, c DirectoryChange) (ChangeResult, error)
	// Restore writes the table in use back into a bucket that has lost it.
	Restore(ctx context.Context) (ChangeResult, error)
	// Numbers returns one page; [ErrMark] when After is none of its marks.
	Numbers(f NumberFilter) (NumberPage, error)
	// History lists the commits that are still known, the newest first.
	History(ctx context.Context) ([]DirectoryCommit, error)
	// Export writes the table as one JSON document that is also a configuration.
	Export(w io.Writer) error
}

// What a directory may say; each has its own answer in HTTP.
var (
	ErrConflict     = errors.New("the table has changed meanwhile")                     // 409
	ErrTableInFile  = errors.New("the table of this node is in its configuration file") // 409
	ErrWhole        = errors.New("the bucket has not lost its table")                   // 409
	ErrNoChangesNow = errors.New("no change can be taken now")                          // 503
	ErrInDoubt      = errors.New("not known whether the change takes effect")           // 503
	ErrMark         = errors.New("not the mark of a page before")                       // 400
)

// ChangeFaults is everything that is wrong with a change: 422.
type ChangeFaults []ChangeFault

// ChangeFault is one thing wrong. The message repeats no number and no secret.
type ChangeFault struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

func (f ChangeFaults) Error() string { return fmt.Sprintf("the change has %d faults", len(f)) }

// DirectoryStatus is where the table comes from and which it is.
type DirectoryStatus struct {
	Source  string           `json:"source"` // file | disk | nats
	Version string           `json:"version"`
	Commit  uint64           `json:"commit"` // 0: none yet, or the table is in the file
	At      *time.Time       `json:"at,omitempty"`
	Node    string           `json:"node,omitempty"`
	By      string           `json:"by,omitempty"`
	Counts  map[string]int   `json:"counts"`
	Saved   uint64           `json:"saved,omitempty"` // commit on the disk of this node
	Fault   *DirectoryFault  `json:"fault,omitempty"` // why the newest commit is not in use
	Since   DirectoryCounter `json:"since_start"`
}

// DirectoryFault is why the newest commit is not in use.
type DirectoryFault struct {
	Kind    string    `json:"kind"` // broker | empty | head | pages | table
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// DirectoryCounter counts since the start.
type DirectoryCounter struct {
	Applied   uint64 `json:"applied"`
	Committed uint64 `json:"committed"` // of those, by this node
	Conflicts uint64 `json:"conflicts"`
	Refused   uint64 `json:"refused"`
}

// DirectoryChange is the body of a change, not read yet.
type DirectoryChange struct {
	Body []byte
	YAML bool
	Dry  bool
}

// ChangeResult is what became of a change.
type ChangeResult struct {
	Commit   uint64         `json:"commit"`
	Previous uint64         `json:"previous_commit"`
	Version  string         `json:"version"`
	Before   string         `json:"previous_version"`
	Dry      bool           `json:"dry_run"`
	Added    map[string]int `json:"added"`
	Changed  map[string]int `json:"changed"`
	Removed  map[string]int `json:"removed"`
}

// DirectoryCommit is one line of the history.
type DirectoryCommit struct {
	Commit  uint64         `json:"commit"`
	At      time.Time      `json:"at"`
	Node    string         `json:"node"`
	By      string         `json:"by,omitempty"`
	Note    string         `json:"note,omitempty"`
	Version string         `json:"version"`
	Added   map[string]int `json:"added"`
	Changed map[string]int `json:"changed"`
	Removed map[string]int `json:"removed"`
}

// NumberFilter takes tracking numbers; an empty field takes all.
type NumberFilter struct {
	Account, Flow, State string
	After                string
	Limit                int
}

// NumberPage is a page of numbers, each as the configuration writes it.
type NumberPage struct {
	Numbers []json.RawMessage `json:"numbers"`
	Next    string            `json:"next,omitempty"` // give it as after for the next page; none: this was the last
}

// maxChange bounds the body of one change; about 150,000 numbers.
const maxChange = 16 << 20

func (s *Server) directory(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, s.deps.Directory.Status())
	return nil
}

func (s *Server) changeDirectory(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	c := DirectoryChange{Dry: q.flag("dry_run")}
	if err := q.done(); err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil, kind != "application/json" && kind != "application/yaml":
		return &fault{http.StatusUnsupportedMediaType, "unsupported-media-type", "a change is application/json or application/yaml"}
	case kind == "application/yaml":
		c.YAML = true
	}
	if err := patient(w); err != nil {
		return err
	}
	if c.Body, err = io.ReadAll(r.Body); err != nil {
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
			return &fault{http.StatusRequestEntityTooLarge, "too-large", "a change is at most 16 MiB: make several, each valid by itself"}
		}
		return bad("the body was cut short")
	}
	result, err := s.deps.Directory.Change(r.Context(), c)
	return s.changed(w, result, err)
}

func (s *Server) restoreDirectory(w http.ResponseWriter, r *http.Request) error {
	result, err := s.deps.Directory.Restore(r.Context())
	return s.changed(w, result, err)
}

// changed answers with what became of a change.
func (s *Server) changed(w http.ResponseWriter, result ChangeResult, err error) error {
	var faults ChangeFaults
	if errors.As(err, &faults) {
		body := struct {
			faultBody
			Faults ChangeFaults `json:"faults"`
		}{Faults: faults}
		body.Error.Code, body.Error.Message = "invalid-change", faults.Error()
		writeJSON(w, http.StatusUnprocessableEntity, body)
		return nil
	}
	if err != nil {
		return err
	}
	if !result.Dry && result.Commit != result.Previous {
		s.log.Info("routing table changed by api", "commit", result.Commit, "version", result.Version)
	}
	for _, m := range []*map[string]int{&result.Added, &result.Changed, &result.Removed} {
		if *m == nil {
			*m = map[string]int{}
		}
	}
	writeJSON(w, http.StatusOK, result)
	return nil
}

func (s *Server) directoryHistory(w http.ResponseWriter, r *http.Request) error {
	all, err := s.deps.Directory.History(r.Context())
	if err != nil {
		return err
	}
	list := struct {
		Commits []DirectoryCommit `json:"commits"`
	}{append([]DirectoryCommit{}, all...)}
	for i := range list.Commits {
		c := &list.Commits[i]
		for _, m := range []*map[string]int{&c.Added, &c.Changed, &c.Removed} {
			if *m == nil {
				*m = map[string]int{}
			}
		}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (s *Server) exportDirectory(w http.ResponseWriter, r *http.Request) error {
	out, err := newStream(w, "application/json")
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		return out.begin()
	}
	buffer := bufio.NewWriterSize(out, audioBuffer)
	if err = s.deps.Directory.Export(buffer); err == nil {
		err = buffer.Flush()
	}
	s.log.Info("routing table exported by api", "whole", err == nil)
	return err
}

func (s *Server) numbers(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	f := NumberFilter{Account: q.account(), Flow: q.id("flow"), State: q.id("state"), After: q.get("after"), Limit: q.count("limit", pageUsual, pageMost)}
	if err := q.done(); err != nil {
		return err
	}
	page, err := s.deps.Directory.Numbers(f)
	if err != nil {
		return err
	}
	if page.Numbers == nil {
		page.Numbers = []json.RawMessage{}
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
