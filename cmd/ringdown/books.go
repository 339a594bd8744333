package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringdown/api"
	"ringdown/configs"
	"ringdown/events"
	"ringdown/privacy/keys"
	"ringdown/privacy/seal"
	"ringdown/recorder"
	"ringdown/recorder/format"
	"ringdown/recorder/render"
	"ringdown/recorder/store"
)

// renderers are the formats a recording can be exported in.
var renderers = map[string]recorder.Renderer{"wav": render.WAV}

// recordingsDir is where the store of the configuration lies.
func recordingsDir(c *configs.Config) string { return filepath.Join(c.Node.DataDir, "recordings") }

// bookshelf shows the recorder's files as the HTTP face and the commands want them.
type bookshelf struct{ r *recorder.Recorder }

var _ api.Recordings = bookshelf{}

// openShelf reads recordings without a node, or beside one: nothing is written.
// leave gives everything back.
func openShelf(c *configs.Config) (b bookshelf, leave func(), err error) {
	k, err := keys.Open(c.Keys, keys.Options{ReadOnly: true})
	if err != nil {
		return b, nil, err
	}
	d, err := store.OpenDirToRead(recordingsDir(c))
	if err != nil {
		k.Close()
		return b, nil, err
	}
	leave = func() { d.Close(); k.Close() }
	b.r, err = recorder.New(c.Recordings, recorder.Deps{Keys: k, Store: d, Renderers: renderers,
		Node: c.Node.ID, Region: c.Node.Region})
	if err != nil {
		leave()
	}
	return b, leave, err
}

// List leaves out recordings that are still open.
func (b bookshelf) List(ctx context.Context, f api.RecordingFilter, emit func(api.Recording) error) error {
	entries, err := b.r.List(ctx, recorder.Filter{Account: f.Account, Since: f.Since})
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(x, y recorder.Entry) int { return strings.Compare(x.ID, y.ID) })
	for _, e := range entries {
		if e.ID <= f.After || e.Fault == nil && (e.Open || len(e.Parts) == 0) {
			continue
		}
		r := damaged(e)
		if e.Fault == nil {
			r = summed(e)
		}
		if r.StartedAt.Before(f.Since) {
			continue
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}

// damaged is all that is sure of a recording whose manifests do not verify:
// what its name says.
func damaged(e recorder.Entry) api.Recording {
	at, _ := events.IDTime(e.ID)
	return api.Recording{ID: e.ID, Account: e.Account, StartedAt: at.UTC(), Result: "damaged", Completion: "unknown"}
}

// summed adds a recording's parts up.
func summed(e recorder.Entry) api.Recording {
	last := e.Parts[len(e.Parts)-1]
	out := api.Recording{ID: e.ID, Call: last.Call, Account: e.Account, StartedAt: time.Time(last.StartedAt), DurationMS: last.DurationMS,
		Result: "ok", Completion: last.Completion}
	var kept, lost uint64
	for _, p := range e.Parts {
		out.Bytes += p.Size
		if p.Result != "ok" {
			out.Result = p.Result
		}
		kept += p.Caller.Packets + p.Callee.Packets
		lost += p.Caller.Dropped + p.Callee.Dropped
	}
	if out.Completeness = 1; kept+lost > 0 {
		out.Completeness = float64(kept) / float64(kept+lost)
	}
	return out
}

// Manifest returns the manifests of all parts of a recording, in order.
func (b bookshelf) Manifest(ctx context.Context, id string) ([]byte, error) {
	e, err := b.r.Show(ctx, id)
	if err != nil {
		return nil, shelfError(err)
	}
	if e.Open || len(e.Parts) == 0 {
		return nil, fmt.Errorf("recording %s: %w", id, api.ErrNotFinal)
	}
	return json.MarshalIndent(e.Parts, "", "  ")
}

func (b bookshelf) ExportWAV(ctx context.Context, id string, w io.Writer) error {
	return shelfError(b.r.Export(ctx, id, w, "wav"))
}

// Verify checks the signature and the file first, which needs no key, then every segment.
func (b bookshelf) Verify(ctx context.Context, id string) (api.Verification, error) {
	v := api.Verification{ID: id, OK: true}
	for _, c := range []struct {
		name string
		deep bool
	}{{"signature, size, hash tree", false}, {"every segment opens and agrees", true}} {
		_, err := b.r.Verify(ctx, id, c.deep)
		check := api.Check{Name: c.name, OK: err == nil}
		if err != nil {
			if mapped := shelfError(err); errors.Is(mapped, api.ErrNotFound) || errors.Is(mapped, api.ErrNotFinal) || ctx.Err() != nil {
				return v, mapped
			}
			check.Reason, v.OK = err.Error(), false
		}
		v.Checks = append(v.Checks, check)
	}
	return v, nil
}

// shelfError says in the face's words what became of a recording.
func shelfError(err error) error {
	var codec *render.CodecError
	for _, m := range []struct{ from, to error }{
		{fs.ErrNotExist, api.ErrNotFound}, {recorder.ErrOpen, api.ErrNotFinal}, {render.ErrUnfinished, api.ErrNotFinal},
		{keys.ErrErased, api.ErrErased}, {seal.ErrSegment, api.ErrDamaged}, {seal.ErrHeader, api.ErrDamaged},
		{seal.ErrTruncated, api.ErrDamaged}, {format.ErrRecord, api.ErrDamaged}, {format.ErrMagic, api.ErrDamaged},
		{format.ErrPreamble, api.ErrDamaged}, {recorder.ErrMismatch, api.ErrDamaged}, {recorder.ErrManifest, api.ErrDamaged},
	} {
		if errors.Is(err, m.from) {
			return fmt.Errorf("%w: %w", m.to, err)
		}
	}
	if errors.As(err, &codec) {
		return fmt.Errorf("%w: %w", api.ErrUndecodable, err)
	}
	return err
}
