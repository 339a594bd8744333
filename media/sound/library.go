package sound

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"ringdown/media/prompts"
)

// MostKept is how many bytes of samples a [Library] keeps, about: half an hour of
// 16 kHz in each of forty announcements. What was asked for longest ago goes first.
const MostKept = 256 << 20

// Library reads the files of a configuration, and the prompts that come with the
// program, and keeps them for all calls: a file that was read is read again only when
// it has changed, and sounds with equal content are one, under whatever names, with
// what was made of it for codecs and rates. The zero value is ready; safe for
// concurrent use.
type Library struct {
	Tones

	mu    sync.Mutex
	files map[string]*shelf
	asked int64 // how often, for the order
	kept  int64 // bytes of samples, counted for each file
	most  int64 // 0: MostKept
}

// shelf is a file as it was when it was read.
type shelf struct {
	size  int64
	mtime time.Time
	sound *Sound
	asked int64
}

var errNoPrompt = errors.New("no such prompt comes with the program")

// Prompt returns one of the sounds that come with the program, by language and name.
func (l *Library) Prompt(id string) (*Sound, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := "prompt:" + id // no path: those of a configuration are made absolute or begin with a folder
	if known := l.files[name]; known != nil {
		return l.ask(known), nil
	}
	b := prompts.WAV(id)
	if b == nil {
		return nil, errNoPrompt
	}
	s, err := ReadWAV(b)
	if err != nil {
		return nil, err
	}
	return l.put(name, shelf{sound: s}), nil
}

// ask notes that a sound is in use.
func (l *Library) ask(k *shelf) *Sound {
	l.asked++
	k.asked = l.asked
	return k.sound
}

// put keeps a sound, under the content it shares with others, and makes room for it.
func (l *Library) put(name string, k shelf) *Sound {
	if l.files == nil {
		l.files = map[string]*shelf{}
	}
	for _, other := range l.files {
		if other.sound.hash == k.sound.hash {
			k.sound = other.sound
			break
		}
	}
	l.drop(name)
	l.files[name] = &k
	l.kept += k.bytes()
	for most := cmp.Or(l.most, MostKept); l.kept > most && len(l.files) > 1; {
		oldest := ""
		for other, o := range l.files {
			if other != name && (oldest == "" || o.asked < l.files[oldest].asked) {
				oldest = other
			}
		}
		l.drop(oldest)
	}
	return l.ask(&k)
}

func (l *Library) drop(name string) {
	if k := l.files[name]; k != nil {
		l.kept -= k.bytes()
		delete(l.files, name)
	}
}

func (k *shelf) bytes() int64 { return 2 * int64(len(k.sound.samples)) }

var errFolder = errors.New("is a directory, not a WAV file")

// File returns the sound in a WAV file. When a file that was read before can no
// longer be read, the error comes with the sound as it was.
func (l *Library) File(path string) (*Sound, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.files[path]
	if known == nil {
		known = &shelf{}
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() == known.size && info.ModTime().Equal(known.mtime) && known.sound != nil {
		return l.ask(known), nil
	}
	s, err := readFile(path)
	switch {
	case err != nil:
		return known.sound, err
	case info == nil: // it came just now: to be read again the next time
		return s, nil
	}
	return l.put(path, shelf{size: info.Size(), mtime: info.ModTime(), sound: s}), nil
}

func readFile(path string) (*Sound, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errFolder
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	switch {
	case err != nil:
		return nil, plainError(err)
	case len(b) > MaxBytes:
		return nil, fmt.Errorf("is larger than %d MiB", MaxBytes>>20)
	}
	return ReadWAV(b)
}

// plainError leaves the path out, which whoever asked for the file adds.
func plainError(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
