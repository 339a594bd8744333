package recorder

import (
	"context"
	"fmt"
	"io"

	"ringdown/privacy/seal"
)

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
	if err := f.named(name); err != nil {
		return src, nil, err
	}
	return src, f, f.unlock(r.deps.Keys)
}
