package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringdown/api"
)

func runRecordingsExport(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings export", s)
	out := o.String("out", "", "write the audio to this `FILE`; - is standard output")
	format := o.String("format", "wav", "`FORMAT` of the audio; wav is the only one")
	force := o.Bool("force", false, "replace the file when it is there already")
	shelf := o.shelf()
	return o.run(args, []string{"ID"}, func(named []string) error {
		switch {
		case !api.IsRecordingID(named[0]):
			return errRecordingID
		case *out == "":
			return usagef("--out FILE is missing")
		case *format != "wav":
			return usagef("--format %q is not wav", *format)
		}
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		if *out == "-" {
			return books.ExportWAV(ctx, named[0], s.out)
		}
		p := &progress{s: s, verb: "decoded"}
		err = writeNew(*out, *force, func(w io.Writer) error {
			return books.ExportWAV(ctx, named[0], io.MultiWriter(w, p))
		})
		p.end()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s: %s of audio, not encrypted any more\n", *out, size(p.n))
		return err
	})
}

// writeNew writes a file that is there whole or not at all, and readable by its
// owner only. Without force it does not replace another.
func writeNew(name string, force bool, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(name); err == nil && !force {
		return fmt.Errorf("%s is there already; --force replaces it", name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".ringdown-export-*")
	if err != nil {
		return fmt.Errorf("%s: %w", name, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 64<<10)
	if err := write(b); err != nil {
		return err
	}
	if err := errors.Join(b.Flush(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}

// bare is the error without the name of a file nobody asked for.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// progress counts bytes and, on a terminal, shows the count a few times a second.
type progress struct {
	s     stdio
	verb  string
	n     int64
	shown time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	p.n += int64(len(b))
	if p.s.terminal && time.Since(p.shown) > 250*time.Millisecond {
		p.shown = time.Now()
		fmt.Fprintf(p.s.err, "\r%s %s ", p.verb, size(p.n))
	}
	return len(b), nil
}

// end clears the line.
func (p *progress) end() {
	if !p.shown.IsZero() {
		fmt.Fprint(p.s.err, "\r\x1b[K")
	}
}
