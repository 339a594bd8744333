// Package prompts holds the announcements that the program ships: neutral sentences
// in a few languages, for flows whose account has none of its own, and a tone. What
// each says stands in texts.tsv, from which generate.sh makes the files.
package prompts

import (
	"embed"
	"strings"
)

//go:embed texts.tsv de/*.wav en/*.wav no/*.wav zxx/*.wav
var files embed.FS

// Tone is the prompt without words, under the language "zxx": the one that a message
// is spoken behind.
const Tone = "zxx/beep"

// Prompt is one of those that are shipped.
type Prompt struct {
	Language string // "en", "de", "no"; "zxx" for a tone
	Name     string // "goodbye"
	Text     string // empty for a tone
}

// ID is how it is asked for: language and name, "en/goodbye".
func (p Prompt) ID() string { return p.Language + "/" + p.Name }

// WAV returns the file of one; nil: there is none.
func WAV(id string) []byte {
	b, err := files.ReadFile(id + ".wav")
	if err != nil {
		return nil
	}
	return b
}

// All lists them by name and language, the tone last.
func All() (all []Prompt) {
	table, _ := files.ReadFile("texts.tsv") // it is compiled in
	for line := range strings.Lines(string(table)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			all = append(all, Prompt{Name: f[0], Language: f[1], Text: f[2]})
		}
	}
	language, name, _ := strings.Cut(Tone, "/")
	return append(all, Prompt{Name: name, Language: language})
}
