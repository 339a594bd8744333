// Package filekeys keeps epoch roots as files in one folder: for a single node
// or development, where no key service is at hand. One file per epoch, mode
// 0600, read anew at each use, so that nothing but the file decides.
//
// Destroying a root overwrites and unlinks its file. On disks that copy on write
// or level their wear the old block may live on; where that matters, keep the
// folder on an encrypted or memory-backed file system.
package filekeys

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"ringdown/privacy/seal"
)

// Ring is a folder of root keys. It has no state of its own and is safe for
// concurrent use, also by several processes.
type Ring struct{ dir string }

// Open returns the ring in dir, which need not exist until the first root is made.
func Open(dir string) *Ring { return &Ring{dir} }

const (
	namePrefix = "epoch-"
	nameSuffix = ".key"
	heading    = "ringdown root key v1"
)

func (r *Ring) path(epoch uint32) string {
	return filepath.Join(r.dir, namePrefix+strconv.FormatUint(uint64(epoch), 10)+nameSuffix)
}

// Wrap seals key under the root of epoch.
func (r *Ring) Wrap(epoch uint32, aad, key []byte) ([]byte, error) {
	root, err := r.load(epoch)
	if err != nil {
		return nil, err
	}
	defer clear(root)
	return seal.Box(root, aad, key)
}

// Unwrap opens what Wrap sealed. The error wraps fs.ErrNotExist when there is
// no such root and [seal.ErrBox] when it is not the one.
func (r *Ring) Unwrap(epoch uint32, aad, wrapped []byte) ([]byte, error) {
	root, err := r.load(epoch)
	if err != nil {
		return nil, err
	}
	defer clear(root)
	key, err := seal.OpenBox(root, aad, wrapped)
	if err != nil {
		return nil, fmt.Errorf("root key %s: %w", r.path(epoch), err)
	}
	return key, nil
}

// load reads a root. Whose file others may read is refused, as ssh does.
func (r *Ring) load(epoch uint32) ([]byte, error) {
	path := r.path(epoch)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("root key %s: mode %#o lets others in, want 0600", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	defer clear(text)
	digits, ok := bytes.CutPrefix(text, []byte(heading+"\n"))
	digits, end := bytes.CutSuffix(digits, []byte("\n"))
	root := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(root, digits); err != nil || !ok || !end || len(root) != seal.KeySize {
		return nil, fmt.Errorf("root key %s: damaged: %w", path, seal.ErrBox)
	}
	return root, nil
}

// NewEpoch makes a root with a number above all that are there. It is on the
// disk when NewEpoch returns.
func (r *Ring) NewEpoch() (uint32, error) {
	epochs, _, err := r.Status()
	if err != nil {
		return 0, err
	}
	epoch := uint32(1)
	if len(epochs) > 0 {
		epoch = epochs[len(epochs)-1] + 1
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return 0, fmt.Errorf("root key: %w", err)
	}
	root := make([]byte, seal.KeySize)
	rand.Read(root)
	defer clear(root)
	text := fmt.Appendf(nil, "%s\n%x\n", heading, root)
	defer clear(text)
	// O_EXCL: two processes never share a number, and a root is never overwritten.
	if err := write(r.path(epoch), os.O_CREATE|os.O_EXCL, text); err != nil {
		return 0, fmt.Errorf("root key: %w", err)
	}
	return epoch, syncDirs(r.dir, filepath.Dir(r.dir))
}

// DestroyEpoch overwrites and removes a root. One that is gone already is no error.
func (r *Ring) DestroyEpoch(epoch uint32) error {
	path := r.path(epoch)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	noise := make([]byte, info.Size())
	rand.Read(noise)
	if err := write(path, 0, noise); err != nil {
		return fmt.Errorf("root key: overwrite: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("root key: %w", err)
	}
	return syncDirs(r.dir)
}

// Status returns the numbers of the roots that are there, in ascending order,
// and the folder. A folder that is not there holds none.
func (r *Ring) Status() (epochs []uint32, where string, err error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, r.dir, fmt.Errorf("root keys: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), namePrefix)
		name, end := strings.CutSuffix(name, nameSuffix)
		if n, err := strconv.ParseUint(name, 10, 32); ok && end && err == nil {
			epochs = append(epochs, uint32(n))
		}
	}
	slices.Sort(epochs)
	return epochs, r.dir, nil
}

func write(path string, flags int, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDirs(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("root keys: %w", err)
		}
	}
	return nil
}
