package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ringdown/privacy/seal"
)

// disk keeps the last good table, as it was in the bucket: a file for each page,
// which is never changed, and one that names the commit, which is renamed into
// its place when all pages are there. Everything is sealed. One goroutine uses it.
type disk struct {
	dir  string
	ring *keyring
	// fault breaks off where a test wants a crash; nil outside tests.
	fault func(step string) error
}

// kept is what the disk has.
type kept struct {
	snapshot
	seq    uint64
	bucket string
}

// label is the file that names the commit.
type label struct {
	Seq    uint64 `json:"seq"`
	Bucket string `json:"bucket"`
	Head   []byte `json:"head"` // as in the bucket
}

const (
	labelFile  = "head"
	pageFolder = "pages"
	fresh      = ".new" // behind the name of what is not there yet
)

func openDisk(dir string, ring *keyring) (*disk, error) {
	if err := os.MkdirAll(filepath.Join(dir, pageFolder), 0o700); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return &disk{dir: dir, ring: ring}, nil
}

func (d *disk) pagePath(name string) string { return filepath.Join(d.dir, pageFolder, name) }

// load reads the table; nil when there never was one.
func (d *disk) load() (*kept, error) {
	sealed, err := os.ReadFile(filepath.Join(d.dir, labelFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := seal.OpenBox(d.ring.values, aad(labelFile), sealed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labelFile, errForeign)
	}
	var l label
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", labelFile, errHead)
	}
	k := &kept{seq: l.Seq, bucket: l.Bucket}
	k.value = l.Head
	if k.head, err = d.ring.readHead(l.Head); err != nil {
		return nil, fmt.Errorf("%s: %w", labelFile, err)
	}
	for i, name := range k.head.Pages {
		if name == "" {
			continue
		}
		value, err := os.ReadFile(d.pagePath(name))
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", i, err)
		}
		k.pages[i] = page{name, value}
	}
	return k, nil
}

// readHead opens a head.
func (k *keyring) readHead(value []byte) (*head, error) {
	text, err := k.open(headPlace, value)
	if err != nil {
		return nil, err
	}
	return decodeHead(text)
}

func (d *disk) step(name string) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(name)
}

// save writes what is new of a state. A crash at any moment leaves the table of
// before or this one.
func (d *disk) save(s *state) error {
	have, err := d.have()
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	written := false
	for _, p := range s.pages {
		if p.name == "" || keep[p.name] {
			continue
		}
		keep[p.name] = true
		if have[p.name] {
			continue
		}
		if err := errors.Join(d.step("page"), d.write(d.pagePath(p.name), p.value)); err != nil {
			return err
		}
		written = true
	}
	if written {
		if err := errors.Join(d.step("pages"), syncPath(filepath.Join(d.dir, pageFolder))); err != nil {
			return err
		}
	}
	text, err := json.Marshal(label{s.seq, s.bucket, s.value})
	if err != nil {
		return err
	}
	sealed, err := seal.Box(d.ring.values, aad(labelFile), text)
	if err != nil {
		return err
	}
	err = errors.Join(d.step("head"), d.write(filepath.Join(d.dir, labelFile), sealed), d.step("renamed"), syncPath(d.dir))
	if err != nil {
		return err
	}
	for name := range have {
		if !keep[name] {
			if err := errors.Join(d.step("sweep"), os.Remove(d.pagePath(name))); err != nil {
				return err
			}
		}
	}
	return nil
}

// have lists the files of pages, those that a crash left half written too.
func (d *disk) have() (map[string]bool, error) {
	files, err := os.ReadDir(filepath.Join(d.dir, pageFolder))
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool, len(files))
	for _, f := range files {
		have[f.Name()] = true
	}
	return have, nil
}

// write puts a file there whole: nothing, or all of it.
func (d *disk) write(path string, data []byte) error {
	f, err := os.OpenFile(path+fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+fresh, path)
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
