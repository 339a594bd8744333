// Package store keeps recordings as files. It owns how a file becomes durable:
// made exclusively, appended to, synced, renamed when it is whole, with every
// directory entry on the disk before anyone is told. What comes later (an
// object store) stands in a folder of its own below and passes storetest.
//
// It knows nothing of what the bytes mean and imports nothing of ours; recorder
// declares the interface it fulfils.
//
// A recording's name is its path below the root without an ending:
// "demo/2026/01/31/rec_01J…". On the disk that is NAME.part while it is
// written, NAME.ctr when it is whole, and NAME.json for its manifest.
package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Endings of the files of a recording.
const (
	Part     = ".part"
	Whole    = ".ctr"
	Manifest = ".json"
)

// File is an open recording that grows. Write appends and is for one goroutine;
// Sync may be called at the same time from another. It is an alias of a
// literal, so that who uses it need not import this package.
type File = interface {
	io.Writer
	io.Closer
	// Sync returns when all that Write took is on the disk. After an error
	// nothing that a later Sync says is to be trusted.
	Sync() error
}

// Reader reads a recording at any place.
type Reader = interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Dir is a directory of the local file system. All methods are safe for use
// from many goroutines, as long as no two write the same name.
type Dir struct{ root *os.Root }

// OpenDir makes the directory when it is missing and makes sure that files can
// be made in it. Nothing outside of it is ever touched, whatever a name says.
func OpenDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("recordings directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("recordings directory: %w", err)
	}
	if err := probe(root); err != nil {
		root.Close()
		return nil, fmt.Errorf("recordings directory: %w", err)
	}
	return &Dir{root: root}, nil
}

// OpenDirToRead opens a directory that is there already and changes nothing in
// it: for reading beside a running node, or from a disk that cannot be written.
// The writing methods of the result fail or not as the disk allows.
func OpenDirToRead(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("recordings directory: %w", err)
	}
	return &Dir{root: root}, nil
}

// probe finds out now, and not with the first call, that nothing can be written.
func probe(root *os.Root) error {
	const name = ".writable"
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), root.Remove(name))
}

// Close frees the directory; open files stay open.
func (d *Dir) Close() error { return d.root.Close() }

// Create makes NAME.part, which must not exist, and neither may NAME.ctr. The
// entry is durable when it returns; the bytes are after Sync.
func (d *Dir) Create(name string) (File, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	if _, err := d.root.Lstat(name + Whole); err == nil {
		return nil, fmt.Errorf("%s: %w", name+Whole, fs.ErrExist)
	}
	if err := d.makeDir(path.Dir(name)); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name+Part, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := d.syncDir(path.Dir(name)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file{f}, nil
}

// Resume opens NAME.part to go on with it, cut to size first.
func (d *Dir) Resume(name string, size int64) (File, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name+Part, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file{f}, nil
}

// Finish renames NAME.part to NAME.ctr, durably. The file has been synced and
// closed before. It never replaces a NAME.ctr.
func (d *Dir) Finish(name string) error {
	if err := check(name); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name + Whole); err == nil {
		return fmt.Errorf("%s: %w", name+Whole, fs.ErrExist)
	}
	if err := d.root.Rename(name+Part, name+Whole); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

// Open reads NAME.ctr, or NAME.part as far as it goes.
func (d *Dir) Open(name string) (Reader, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name + Whole)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = d.root.Open(name + Part)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return reader{f, info.Size()}, nil
}

// Remove takes NAME.part away: what was begun and holds nothing.
func (d *Dir) Remove(name string) error {
	if err := check(name); err != nil {
		return err
	}
	if err := d.root.Remove(name + Part); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

// PutManifest writes NAME.json so that it is there whole, and durable, or not
// at all. It replaces an earlier one.
func (d *Dir) PutManifest(name string, b []byte) error {
	if err := check(name); err != nil {
		return err
	}
	tmp := name + Manifest + ".tmp"
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.root.Remove(tmp))
	}
	if err := d.root.Rename(tmp, name+Manifest); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}

// Manifest returns what PutManifest wrote; fs.ErrNotExist when nothing was.
func (d *Dir) Manifest(name string) ([]byte, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	return d.root.ReadFile(name + Manifest)
}

// Walk visits every file of every recording below a folder ("" for all) in the
// order of their names: the name and the ending. A folder that does not exist
// holds nothing. An error of visit ends the walk, fs.SkipAll without one.
func (d *Dir) Walk(folder string, visit func(name, ending string) error) error {
	if folder == "" {
		folder = "."
	}
	if !fs.ValidPath(folder) {
		return fmt.Errorf("folder %q: not a path below the recordings", folder)
	}
	return fs.WalkDir(d.root.FS(), folder, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		switch ending := path.Ext(p); ending {
		case Part, Whole, Manifest:
			return visit(strings.TrimSuffix(p, ending), ending)
		}
		return nil
	})
}

// Folders lists the folders directly below a folder ("" for the root), sorted.
// A folder that does not exist has none.
func (d *Dir) Folders(folder string) ([]string, error) {
	if folder == "" {
		folder = "."
	}
	entries, err := fs.ReadDir(d.root.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// check refuses names that are not plain paths of our own making.
func check(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("recording name %q: not a path below the recordings", name)
	}
	return nil
}

// makeDir makes a folder and its parents, each durable before the next.
func (d *Dir) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	if info, err := d.root.Lstat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := d.makeDir(path.Dir(dir)); err != nil {
		return err
	}
	if err := d.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return d.syncDir(path.Dir(dir))
}

func (d *Dir) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type file struct{ *os.File }

// Sync writes the bytes and the size out; the times of the file may wait.
func (f file) Sync() error { return datasync(f.File) }

type reader struct {
	*os.File
	size int64
}

func (r reader) Size() int64 { return r.size }
