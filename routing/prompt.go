package routing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Prompt is something to be played: a File or what is Shipped.
type Prompt struct {
	File     string // path of a WAV file
	Shipped  string // language and name of one that comes with the program: "en/goodbye"
	ID       string // that steps name it by
	Language string // that it is spoken in
}

// IsZero reports whether there is nothing to be played.
func (p Prompt) IsZero() bool { return p.File == "" && p.Shipped == "" }

// shippedPrompt is one that comes with the program.
func shippedPrompt(id, language string) Prompt {
	return Prompt{Shipped: language + "/" + id, ID: id, Language: language}
}

// Prompts are what is spoken, by their ids: WAV files by language.
type Prompts map[string]map[string]string

// Played is what a step has played: one prompt, or several one after the other.
type Played struct {
	Prompt  string   `yaml:"prompt" json:",omitempty"` // id
	Prompts []string `yaml:"prompts" json:",omitempty"`
}

func (p Played) ids() []string {
	if p.Prompt != "" {
		return []string{p.Prompt}
	}
	return p.Prompts
}

// mostPrompts is how many prompts a step plays one after the other.
const mostPrompts = 16

// DefaultLanguage is what is spoken where nobody says otherwise.
const DefaultLanguage = "en"

// checkLanguage says what is wrong with a language; empty is none.
func checkLanguage(s string) string {
	if s == "" || len(s) == 2 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" {
		return ""
	}
	return `is not a language of two letters, such as "en"`
}

// addPrompts checks the prompts of the table.
func (b *builder) addPrompts(all Prompts) {
	b.prompts(all, "", "prompts")
	b.table.prompts = all.in("")
}

// prompts checks prompts; of an account they stand in for common ones.
func (b *builder) prompts(all Prompts, account, path string) {
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if msg := checkID(id); msg != "" {
			b.fault("has a key that "+msg, "%s", path)
			continue
		}
		if account != "" && !b.hasPrompt(id) {
			b.fault(fmt.Sprintf("there is no prompt %q to stand in for%s", id, suggest(id, b.promptIDs())), "%s.%s", path, id)
		}
		if len(all[id]) == 0 {
			b.fault("is empty: a prompt has a file for each language", "%s.%s", path, id)
		}
		for _, language := range slices.Sorted(maps.Keys(all[id])) {
			if msg := checkLanguage(language); msg != "" || language == "" {
				b.fault("has a key that "+cmp.Or(msg, "is empty"), "%s.%s", path, id)
				continue
			}
			if !isWAV(all[id][language]) {
				b.fault("is not the name of a file that ends in .wav", "%s.%s.%s", path, id, language)
			}
		}
	}
}

// Files lists the files of prompts by their keys, "welcome.en", as they are found
// with a folder.
func (p Prompts) Files(folder string) map[string]string {
	files := map[string]string{}
	for id, languages := range p.in(folder) {
		for language, file := range languages {
			if isWAV(file) { // else it is said that it is none
				files[id+"."+language] = file
			}
		}
	}
	return files
}

// in is prompts with their files under a folder.
func (p Prompts) in(folder string) Prompts {
	out := make(Prompts, len(p))
	for id, languages := range p {
		out[id] = make(map[string]string, len(languages))
		for language, file := range languages {
			out[id][language] = under(folder, file)
		}
	}
	return out
}

func (b *builder) hasPrompt(id string) bool {
	return has(b.table.prompts, id) || has(shipped, id)
}

func (b *builder) promptIDs() []string {
	ids := slices.Collect(maps.Keys(b.table.prompts))
	return append(ids, slices.Collect(maps.Keys(shipped))...)
}

// played checks what a step has played and returns its prompts' ids. otherwise is
// played where the step names none; empty: it plays nothing then.
func (b *builder) played(p Played, otherwise, path string) []string {
	if p.Prompt != "" && len(p.Prompts) > 0 {
		b.fault("says the same as prompts: give one", "%s.prompt", path)
	}
	if len(p.Prompts) > mostPrompts {
		b.fault(fmt.Sprintf("holds more than %d", mostPrompts), "%s.prompts", path)
	}
	for i, id := range p.ids() {
		at := path + ".prompt"
		if p.Prompt == "" {
			at = fmt.Sprintf("%s.prompts[%d]", path, i)
		}
		b.refer("prompt", id, at, b.hasPrompt, b.promptIDs)
	}
	if ids := p.ids(); len(ids) > 0 || otherwise == "" {
		return ids
	}
	return []string{otherwise}
}

// needs is played for a step that is nothing without a prompt.
func (b *builder) needs(p Played, path string) []string {
	if len(p.ids()) == 0 {
		b.fault("is missing: the id of a prompt", "%s.prompt", path)
	}
	return b.played(p, "", path)
}

// prompts finds the files of prompts in the language of the call.
func (w *Walk) prompts(ids []string) []Prompt {
	var out []Prompt
	for _, id := range ids {
		if p := w.prompt(id); !p.IsZero() {
			out = append(out, p)
		}
	}
	return out
}

// Prompt finds what an id names, in the language of the call; zero: nothing.
func (w *Walk) Prompt(id string) Prompt { return w.prompt(id) }

// prompt is the account's before the table's before the program's, in the
// number's language before the account's before [DefaultLanguage]; else in any.
func (w *Walk) prompt(id string) Prompt {
	own, common := w.facts.entry.account.prompts[id], w.table.prompts[id]
	for _, language := range [...]string{w.facts.entry.language, w.facts.entry.account.language, DefaultLanguage} {
		switch {
		case language == "":
		case own[language] != "":
			return Prompt{File: own[language], ID: id, Language: language}
		case common[language] != "":
			return Prompt{File: common[language], ID: id, Language: language}
		case slices.Contains(shipped[id], language):
			return shippedPrompt(id, language)
		}
	}
	for _, languages := range [...]map[string]string{own, common} {
		for _, language := range slices.Sorted(maps.Keys(languages)) {
			return Prompt{File: languages[language], ID: id, Language: language}
		}
	}
	for _, language := range shipped[id] {
		return shippedPrompt(id, language)
	}
	return Prompt{}
}
