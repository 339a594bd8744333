package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// ErrOpen says that a recording is not finished: its call is live, or the node
// has not been started since it died.
var ErrOpen = errors.New("recording is not finished")

// Filter says which recordings to list.
type Filter struct {
	Account string    // empty: all
	Since   time.Time // begun on this day (UTC) or later
}

// Entry is a recording in the store.
type Entry struct {
	ID      string
	Account string
	Open    bool       // a part of it has no manifest yet
	Parts   []Manifest // those that have, in order
	Fault   error      // of List: its manifests cannot be trusted, and Parts are those before the first such
	names   []string   // of all parts, in order
}

// List returns what the store holds, by account and time. A recording whose
// manifests do not verify is among it, with its Fault: one file that somebody
// touched must not hide all the others.
func (r *Recorder) List(ctx context.Context, f Filter) ([]Entry, error) {
	accounts := []string{f.Account}
	if f.Account == "" {
		var err error
		if accounts, err = r.deps.Store.Folders(""); err != nil {
			return nil, err
		}
	}
	var out []Entry
	for _, account := range accounts {
		days, err := r.days(account, 3, f.Since.UTC().Format("2006/01/02"))
		if err != nil {
			return nil, err
		}
		for _, day := range days {
			entries, err := r.folder(ctx, path.Join(account, day))
			if err != nil {
				return nil, err
			}
			out = append(out, entries...)
		}
	}
	return out, nil
}

// days lists the folders yyyy/mm/dd of an account that are not before since.
func (r *Recorder) days(folder string, depth int, since string) ([]string, error) {
	names, err := r.deps.Store.Folders(folder)
	if err != nil || depth == 0 {
		return nil, err
	}
	var out []string
	for _, n := range names {
		if n < since[:min(len(n), len(since))] {
			continue
		}
		rest := "" // below a later year every month counts
		if strings.HasPrefix(since, n+"/") {
			rest = since[len(n)+1:]
		}
		if depth == 1 {
			out = append(out, n)
			continue
		}
		below, err := r.days(path.Join(folder, n), depth-1, rest)
		if err != nil {
			return nil, err
		}
		for _, b := range below {
			out = append(out, n+"/"+b)
		}
	}
	return out, nil
}

// folder reads the recordings of one account and day.
func (r *Recorder) folder(ctx context.Context, folder string) ([]Entry, error) {
	account, _, _ := strings.Cut(folder, "/")
	found := map[string]*Entry{}
	err := r.deps.Store.Walk(folder, func(name, ending string) error {
		recording, _ := splitPart(name)
		if ending == ".json" {
			return ctx.Err()
		}
		e := found[recording]
		if e == nil {
			e = &Entry{ID: path.Base(recording), Account: account}
			found[recording] = e
		}
		e.names = append(e.names, name)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, e := range found {
		e.Fault = r.manifests(e)
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// manifests reads the manifests of an entry's parts. The signature is checked,
// and that they were signed for this place: a manifest of another recording is
// as good a one. Whether the files are theirs is for Verify.
func (r *Recorder) manifests(e *Entry) error {
	slices.SortFunc(e.names, func(a, b string) int {
		_, x := splitPart(a)
		_, y := splitPart(b)
		return x - y
	})
	for _, name := range e.names {
		b, err := r.deps.Store.Manifest(name)
		if errors.Is(err, fs.ErrNotExist) {
			e.Open = true
			continue
		}
		if err != nil {
			return err
		}
		m, err := readManifest(b, r.deps.Keys)
		if err != nil {
			return fmt.Errorf("recording %s: %w", e.ID, err)
		}
		if _, number := splitPart(name); m.Recording != e.ID || m.Account != e.Account || m.Part != number {
			return fmt.Errorf("recording %s: manifest is of another recording or part: %w", e.ID, ErrMismatch)
		}
		e.Parts = append(e.Parts, m)
	}
	return nil
}

// Show returns one recording; fs.ErrNotExist when there is none of that id.
func (r *Recorder) Show(ctx context.Context, id string) (Entry, error) {
	day, err := dayOf(id)
	if err != nil {
		return Entry{}, err
	}
	accounts, err := r.deps.Store.Folders("")
	if err != nil {
		return Entry{}, err
	}
	for _, account := range accounts {
		entries, err := r.entry(account, day, id)
		if err != nil || len(entries.names) > 0 {
			return entries, err
		}
	}
	return Entry{}, fmt.Errorf("recording %s: %w", id, fs.ErrNotExist)
}

// entry looks for a recording among those of one account and day.
func (r *Recorder) entry(account, day, id string) (Entry, error) {
	e := Entry{ID: id, Account: account}
	recording := path.Join(account, day, id)
	err := r.deps.Store.Walk(path.Join(account, day), func(name, ending string) error {
		if base, _ := splitPart(name); base == recording && ending != ".json" {
			e.names = append(e.names, name)
		}
		return nil
	})
	if err != nil || len(e.names) == 0 {
		return e, err
	}
	return e, r.manifests(&e)
}

// dayOf reads from an id where its recording is kept: the ULID's time.
func dayOf(id string) (string, error) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	ulid, ok := strings.CutPrefix(id, "rec_")
	if !ok || len(ulid) != 26 {
		return "", fmt.Errorf("%q is not the id of a recording", id)
	}
	ms := int64(0)
	for i := range ulid {
		digit := strings.IndexByte(alphabet, ulid[i])
		if digit < 0 {
			return "", fmt.Errorf("%q is not the id of a recording", id)
		}
		if i < 10 {
			ms = ms<<5 | int64(digit)
		}
	}
	return time.UnixMilli(ms).UTC().Format("2006/01/02"), nil
}
