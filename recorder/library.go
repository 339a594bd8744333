package recorder

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
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
	names   []string   // of all parts, in order
}

// List returns what the store holds, by account and time.
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
		if err := r.manifests(e); err != nil {
			return nil, err
		}
		out = append(out, *e)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// manifests reads the manifests of an entry's parts. The signature is checked;
// whether the files are theirs is for Verify.
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

// Export writes a finished recording in a format that Deps.Renderers knows,
// while it is decrypted; nothing readable touches a disk. Segments that do not
// open are left out, and make an error after the last byte.
func (r *Recorder) Export(ctx context.Context, id string, w io.Writer, kind string) error {
	render := r.deps.Renderers[kind]
	if render == nil {
		return fmt.Errorf("format %q is not known", kind)
	}
	e, err := r.Show(ctx, id)
	if err != nil {
		return err
	}
	last := e.last()
	if last == nil {
		return fmt.Errorf("recording %s: %w", id, ErrOpen)
	}
	x := &reading{ctx: ctx}
	for _, name := range e.names {
		src, f, err := r.openPart(name)
		if src != nil {
			defer src.Close()
		}
		if err != nil {
			return fmt.Errorf("recording %s: %w", id, err)
		}
		x.parts = append(x.parts, f)
	}
	if err := render(ctx, w, x.open, last.Channels); err != nil {
		return fmt.Errorf("recording %s: %w", id, err)
	}
	if x.damaged > 0 {
		return fmt.Errorf("recording %s: %d segments are damaged and left out: %w", id, x.damaged, seal.ErrSegment)
	}
	return nil
}

// last is the manifest of the last part, which holds the recording's end; nil
// while there is none. An earlier part may be without: a disk broke under it,
// and what it holds can be read all the same.
func (e *Entry) last() *Manifest {
	if len(e.Parts) == 0 {
		return nil
	}
	m := &e.Parts[len(e.Parts)-1]
	if _, n := splitPart(e.names[len(e.names)-1]); n != m.Part {
		return nil
	}
	return m
}

// openPart opens a file with its key.
func (r *Recorder) openPart(name string) (StoreReader, *sealedFile, error) {
	src, err := r.deps.Store.Open(name)
	if err != nil {
		return nil, nil, err
	}
	f, err := parseFile(src, src.Size())
	if err != nil {
		return src, nil, err
	}
	return src, f, f.unlock(r.deps.Keys)
}

// Verify checks a recording against its manifests: the node's signature, the
// preamble, sizes, Merkle root and digest. That needs no key and goes on
// working after the key is gone. deep opens every segment as well and counts
// what is in it. what is an id, or the path of a file with its manifest beside
// it. It returns the manifests that hold.
func (r *Recorder) Verify(ctx context.Context, what string, deep bool) ([]Manifest, error) {
	if strings.ContainsRune(what, filepath.Separator) || filepath.Ext(what) != "" {
		m, err := r.verifyPath(ctx, what, deep)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(what), err)
		}
		return []Manifest{m}, nil
	}
	e, err := r.Show(ctx, what)
	if err != nil {
		return nil, err
	}
	if e.Open {
		return nil, fmt.Errorf("recording %s: %w", what, ErrOpen)
	}
	for i, name := range e.names {
		src, err := r.deps.Store.Open(name)
		if err != nil {
			return nil, err
		}
		err = r.verify(ctx, src, src.Size(), e.Parts[i], what, deep)
		if err := errors.Join(err, src.Close()); err != nil {
			return nil, fmt.Errorf("recording %s: %w", what, err)
		}
	}
	return e.Parts, nil
}

func (r *Recorder) verifyPath(ctx context.Context, file string, deep bool) (Manifest, error) {
	base := strings.TrimSuffix(file, filepath.Ext(file))
	b, err := os.ReadFile(base + ".json")
	if err != nil {
		return Manifest{}, fmt.Errorf("manifest: %w", err)
	}
	m, err := readManifest(b, r.deps.Keys)
	if err != nil {
		return m, err
	}
	src, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return m, err
	}
	return m, r.verify(ctx, src, info.Size(), m, m.Recording, deep)
}

// verify holds a file against its manifest.
func (r *Recorder) verify(ctx context.Context, src io.ReaderAt, size int64, m Manifest, id string, deep bool) error {
	f, err := parseFile(src, size)
	if err != nil {
		return err
	}
	if m.Recording != id || f.preamble.ID != format.FileID(id) || f.preamble.Part != uint64(m.Part) || f.preamble.KeyRef != m.KeyRef {
		return fmt.Errorf("preamble: %w", ErrMismatch)
	}
	if deep {
		if err := f.unlock(r.deps.Keys); err != nil {
			return err
		}
	}
	c, err := f.survey(ctx, f.whole)
	if err != nil {
		return err
	}
	root := c.tree.Root()
	switch {
	case c.damaged > 0:
		return fmt.Errorf("%d of %d segments: %w", c.damaged, f.whole, seal.ErrSegment)
	case !c.final:
		return ErrIncomplete
	case size != m.Size || f.whole != m.Segments:
		return fmt.Errorf("size %d, signed %d: %w", size, m.Size, ErrMismatch)
	case hex.EncodeToString(root[:]) != m.Root:
		return fmt.Errorf("merkle root: %w", ErrMismatch)
	case hex.EncodeToString(c.hash.Sum(nil)) != m.SHA256:
		return fmt.Errorf("digest: %w", ErrMismatch)
	}
	if deep {
		return c.agrees(f, m)
	}
	return nil
}

// agrees holds what was counted in a part against END and the manifest.
func (c *contents) agrees(f *sealedFile, m Manifest) error {
	end := c.sum.end
	if end == nil {
		return fmt.Errorf("no END in the final segment: %w", format.ErrRecord)
	}
	if c.sum.caller != end.Caller || c.sum.callee != end.Callee {
		return fmt.Errorf("packets counted are not those of END: %w", ErrMismatch)
	}
	again := f.manifest(m.Recording, m.Part, c)
	if again.DurationMS != m.DurationMS || again.Call != m.Call || again.Account != m.Account || again.Completion != m.Completion {
		return fmt.Errorf("contents are not those of the manifest: %w", ErrMismatch)
	}
	return nil
}
