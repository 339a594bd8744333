package outbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is one flat folder of files: what the outbox asks of an operating
// system, small enough that a test can be one that breaks.
type disk interface {
	list() ([]string, error)
	create(name string) (file, error) // for appending; it must not exist
	open(name string) (io.ReadCloser, error)
	size(name string) (int64, error)
	truncate(name string, size int64) error // durable when it returns
	remove(name string) error
	rename(from, to string) error        // durable when it returns
	replace(name string, b []byte) error // whole or not at all, durable when it returns
	reserve(size int64) error            // keep that many bytes of the volume, no more, no less
	close() error
}

// file is a segment being written.
type file interface {
	io.Writer
	Sync() error // the bytes and the name; after an error nothing is known of them
	Truncate(size int64) error
	Close() error
}

const reserveName = "reserve"

// folder is the real disk.
type folder struct {
	dir  string
	lock *os.File
}

// openFolder makes dir if need be and takes it for this process alone.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if err := flock(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("outbox: %s: in use by another process: %w", dir, err)
	}
	return &folder{dir, lock}, nil
}

func (d *folder) path(name string) string { return filepath.Join(d.dir, name) }

func (d *folder) list() ([]string, error) {
	all, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names, nil
}

func (d *folder) create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &segmentFile{File: f, dir: d}, nil
}

func (d *folder) open(name string) (io.ReadCloser, error) { return os.Open(d.path(name)) }

func (d *folder) size(name string) (int64, error) {
	i, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (d *folder) truncate(name string, size int64) error {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

func (d *folder) remove(name string) error { return os.Remove(d.path(name)) }

func (d *folder) rename(from, to string) error {
	if err := os.Rename(d.path(from), d.path(to)); err != nil {
		return err
	}
	return d.sync()
}

func (d *folder) replace(name string, b []byte) error {
	tmp := d.path(name + ".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(tmp)
		return err
	}
	return d.rename(name+".tmp", name)
}

// reserve holds space with a file of real blocks, so that giving it back makes
// room whoever filled the volume.
func (d *folder) reserve(size int64) error {
	have, err := d.size(reserveName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && have == size {
		return nil
	}
	f, err := os.OpenFile(d.path(reserveName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if have > size {
		return f.Truncate(size)
	}
	if err := allocate(f, have, size-have); err != nil {
		return errors.Join(err, f.Truncate(have)) // all or nothing: leave what is free to others
	}
	return nil
}

func (d *folder) close() error { return d.lock.Close() }

// sync makes the names in the folder durable.
func (d *folder) sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// segmentFile syncs its name once, with its first bytes.
type segmentFile struct {
	*os.File
	dir   *folder
	named bool
}

func (f *segmentFile) Sync() error {
	if err := datasync(f.File); err != nil {
		return err
	}
	if f.named {
		return nil
	}
	if err := f.dir.sync(); err != nil {
		return err
	}
	f.named = true
	return nil
}

// allocateZeros writes size zeros at off: the way where there is no other.
func allocateZeros(f *os.File, off, size int64) error {
	zeros := make([]byte, 64<<10)
	for size > 0 {
		n, err := f.WriteAt(zeros[:min(size, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, size = off+int64(n), size-int64(n)
	}
	return f.Sync()
}
