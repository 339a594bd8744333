package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Keys is what a caller presses: 0 to 9, * and #.
type Keys string

// Valid reports whether it is keys, and how few or many are fit to choose by.
func (k Keys) Valid() bool { return len(k) >= 1 && len(k) <= maxKeys && isKeys(string(k)) }

func isKeys(s string) bool { return strings.Trim(s, "0123456789*#") == "" }

const (
	maxKeys     = 16
	maxOptions  = 64
	betweenKeys = 3 * time.Second
	maxTries    = 10
)

// Menu lets the caller choose by keys. Where he chooses nothing, and there is no
// default, the steps behind it go on.
type Menu struct {
	Played
	Timeout Duration      `yaml:"timeout" json:",omitempty"` // from the end of the prompts to the first key; PT5S (default)
	Tries   int           `yaml:"tries" json:",omitempty"`   // how often he is asked; 3 (default)
	Invalid string        `yaml:"invalid" json:",omitempty"` // prompt after a choice that there is not; the program's own (default)
	Barge   *bool         `yaml:"barge" json:",omitempty"`   // a key ends the prompts; true (default)
	Digits  int           `yaml:"digits" json:",omitempty"`  // with end: how many keys at most; default: those of the longest option
	End     string        `yaml:"end" json:",omitempty"`     // a key that ends each entry; default: an entry ends when it can mean one option only
	Options map[Keys]Flow `yaml:"options" json:",omitempty"`
	Default Flow          `yaml:"default" json:",omitempty"` // when he has not chosen
}

type menuStep struct {
	gather  Gather // without prompts
	ids     []string
	invalid []string
	tries   int
	options map[string]*block
	words   []string // of the options, in order
	none    *block   // nil: goes on behind it
}

func (b *builder) menu(spec Menu, path string) node {
	s := &menuStep{ids: b.needs(spec.Played, path), tries: 3, options: map[string]*block{}, invalid: []string{"invalid"}}
	s.gather = Gather{
		Keep: spec.Barge != nil && !*spec.Barge, End: spec.End, Next: betweenKeys,
		First: b.lasting(spec.Timeout, 5*time.Second, time.Second, time.Minute, path+".timeout"),
	}
	if spec.Invalid != "" {
		b.refer("prompt", spec.Invalid, path+".invalid", b.hasPrompt, b.promptIDs)
		s.invalid = []string{spec.Invalid}
	}
	if spec.Tries != 0 {
		if s.tries = spec.Tries; s.tries < 1 || s.tries > maxTries {
			b.fault(fmt.Sprintf("is not 1 to %d", maxTries), "%s.tries", path)
		}
	}
	if spec.End != "" && (len(spec.End) != 1 || !isKeys(spec.End)) {
		b.fault("is not one of the keys 0 to 9, * and #", "%s.end", path)
	}
	b.menuOptions(s, spec, path)
	if spec.Default != nil {
		s.none = b.block(spec.Default, path+".default")
	}
	return s
}

// menuOptions checks what can be chosen, and that it can be keyed.
func (b *builder) menuOptions(s *menuStep, spec Menu, path string) {
	if n := len(spec.Options); n == 0 || n > maxOptions {
		b.fault(fmt.Sprintf("holds %d; a menu has 1 to %d options", n, maxOptions), "%s.options", path)
	}
	longest := 0
	for _, keys := range slices.Sorted(maps.Keys(spec.Options)) {
		at := path + ".options"
		if !keys.Valid() {
			b.fault(fmt.Sprintf("has a key that is not 1 to %d of 0 to 9, * and #", maxKeys), "%s", at)
			continue
		}
		at += "." + string(keys)
		if spec.End != "" && strings.Contains(string(keys), spec.End) {
			b.fault("can never be chosen: its keys hold the one that ends an entry", "%s", at)
		}
		if spec.Digits > 0 && len(keys) > spec.Digits {
			b.fault(fmt.Sprintf("can never be chosen: it has %d keys, digits is %d", len(keys), spec.Digits), "%s", at)
		}
		longest = max(longest, len(keys))
		s.words = append(s.words, string(keys))
		b.options++
		s.options[string(keys)] = b.block(spec.Options[keys], at)
		b.options--
	}
	s.gather.Keys = max(longest, spec.Digits, 1)
	switch {
	case spec.Digits < 0 || spec.Digits > maxKeys:
		b.fault(fmt.Sprintf("is not 1 to %d", maxKeys), "%s.digits", path)
	case spec.Digits > longest && spec.End == "" && longest > 0:
		b.fault(fmt.Sprintf("is more than the %d of the longest option; a longer entry needs an end", longest), "%s.digits", path)
	}
	if spec.End == "" {
		s.gather.Among = s.words // else nobody is to learn by trying where an entry goes wrong
	}
}

func (s *menuStep) chooses() {}

func (s *menuStep) ways() (all []way, on bool) {
	for _, keys := range s.words {
		all = append(all, way{"options." + keys, s.options[keys]})
	}
	if s.none == nil {
		return all, true
	}
	return append(all, way{"default", s.none}), false
}

func (s *menuStep) run(w *Walk, o Outcome) Instruction {
	pressed, ok := o.(Gathered)
	if !ok {
		return s.ask(w, s.ids)
	}
	if b := s.options[pressed.Keys]; b != nil {
		w.result("chosen")
		w.here.Choice = pressed.Keys
		w.look("menu", Chosen, "option "+pressed.Keys)
		w.enter(b)
		return nil
	}
	if pressed.Keys == "" {
		w.look("menu", Missed, "nothing was pressed")
	} else {
		w.look("menu", Missed, "what was pressed is no option")
	}
	if w.local.tries++; w.local.tries < s.tries {
		if pressed.Keys == "" {
			return s.ask(w, s.ids)
		}
		return s.ask(w, s.invalid, s.ids)
	}
	if s.none == nil {
		w.result("nothing")
		return nil
	}
	w.result("default")
	w.enter(s.none)
	return nil
}

func (s *menuStep) ask(w *Walk, ids ...[]string) Instruction {
	g := s.gather
	g.Step, g.Prompts = w.at(), w.prompts(slices.Concat(ids...))
	return g
}
