package configs

import (
	"fmt"
	"maps"
	"slices"

	"ringdown/media/sound"
	"ringdown/routing"
)

// checkSounds reads what accounts and numbers have played: routing, which owns
// the keys, reads no files and knows no tone.
func (c *Config) checkSounds(report func(path, msg string)) {
	var library sound.Library
	folders := map[string]string{}
	c.checkPrompts(&library, report)
	check := func(path string, p routing.SoundPolicy, folder string) {
		files := p.Files(folder)
		for _, key := range slices.Sorted(maps.Keys(files)) {
			if _, err := library.File(files[key]); err != nil {
				report(path+".sound."+key, fmt.Sprintf("%s: %s", files[key], err))
			}
		}
		if country := p.Country(); len(country) == 2 && library.Ringback(country) == nil {
			report(path+".sound.ringback", fmt.Sprintf("the tone of %q is not known; those of %v are", country, sound.Countries()))
		}
	}
	for i, a := range c.Accounts {
		folders[a.ID] = a.Sound.Folder
		check(fmt.Sprintf("accounts[%d]", i), a.Sound, a.Sound.Folder)
	}
	for i, n := range c.Numbers {
		check(fmt.Sprintf("numbers[%d]", i), n.Sound, folders[n.Account])
	}
}

// checkPrompts reads the files of prompts, those of the accounts too.
func (c *Config) checkPrompts(library *sound.Library, report func(path, msg string)) {
	check := func(path string, p routing.Prompts, folder string) {
		files := p.Files(folder)
		for _, key := range slices.Sorted(maps.Keys(files)) {
			if _, err := library.File(files[key]); err != nil {
				report(path+"."+key, fmt.Sprintf("%s: %s", files[key], err))
			}
		}
	}
	check("prompts", c.Spec.Prompts, "")
	for i, a := range c.Accounts {
		check(fmt.Sprintf("accounts[%d].prompts", i), a.Prompts, a.Sound.Folder)
	}
}
