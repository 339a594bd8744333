package sound_test

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/media/prompts"
	"ringdown/media/sound"
)

// Each prompt has a text and a file, and each file a prompt; it is as loud as the
// others, begins at once, and is as long as its text takes.
func TestPrompts(t *testing.T) {
	named := map[string]bool{}
	languages := map[string]map[string]bool{}
	for _, p := range prompts.All() {
		t.Run(p.ID(), func(t *testing.T) {
			if named[p.ID()] {
				t.Error("is there twice")
			}
			named[p.ID()] = true
			if languages[p.Name] == nil {
				languages[p.Name] = map[string]bool{}
			}
			languages[p.Name][p.Language] = true
			s, err := sound.ReadWAV(prompts.WAV(p.ID()))
			if err != nil {
				t.Fatal(err)
			}
			if p.ID() != prompts.Tone && strings.TrimSpace(p.Text) == "" {
				t.Error("has no text")
			}
			least, most := 250*time.Millisecond, 600*time.Millisecond+time.Duration(len(p.Text))*110*time.Millisecond
			if s.Rate() != 16000 || s.Length() < least || s.Length() > most {
				t.Errorf("lasts %v at %d Hz, its text %d letters", s.Length(), s.Rate(), len(p.Text))
			}
			peak, loud := 0.0, -1
			for i, v := range s.At(16000) {
				peak = max(peak, math.Abs(float64(v)))
				if loud < 0 && math.Abs(float64(v)) > 600 {
					loud = i
				}
			}
			if db := 20 * math.Log10(peak/32768); db < -13 || db > -3 {
				t.Errorf("its peak is %.1f dB", db)
			}
			if loud < 0 || loud > 16000/5 {
				t.Errorf("it is silent for %d samples", loud)
			}
		})
	}
	for name, in := range languages {
		if !(in["en"] && in["de"] && in["no"]) && !in["zxx"] {
			t.Errorf("%s is in %v only", name, in)
		}
	}
	size := int64(0)
	filepath.WalkDir(filepath.Join("..", "prompts"), func(path string, e fs.DirEntry, err error) error {
		if id, ok := strings.CutSuffix(filepath.ToSlash(path), ".wav"); ok {
			id = strings.TrimPrefix(id, "../prompts/")
			info, err := os.Stat(path)
			if err != nil || !named[id] {
				t.Errorf("%s belongs to no prompt: %v", path, err)
				return nil
			}
			size += info.Size()
		}
		return err
	})
	if size == 0 || size > 2<<20 {
		t.Errorf("they are %d bytes", size)
	}
	if prompts.WAV("en/nothing") != nil || prompts.WAV("../prompts") != nil {
		t.Error("a prompt that is not there is found")
	}
}
