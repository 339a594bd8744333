package recorder

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ringdown/privacy/seal"
	"ringdown/recorder/format"
)

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
