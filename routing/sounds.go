package routing

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// SoundPolicy is what an account, or one of its numbers, has its callers hear of
// us. What a number says goes before what its account says, key by key.
type SoundPolicy struct {
	Folder      string `yaml:"folder"`        // where the files named below are; of an account only
	MusicOnHold string `yaml:"music_on_hold"` // a WAV file for who is on hold | off (default): what the holder sends
	Ringback    string `yaml:"ringback"`      // pass (default): what the destination sends | a country, such as de | a WAV file
	Beep        Beep   `yaml:"beep"`          // while the call is recorded
}

// Beep is the tone that says that a call is recorded.
type Beep struct {
	Every Duration `yaml:"every"` // from one to the next; zero: none
	To    string   `yaml:"to"`    // both (default) | caller | callee | off: no beep, also where the account has one
}

// Sounds is what is played in a call.
type Sounds struct {
	MusicOnHold string // path of a file; empty: none
	Ringback    Ringback
	Beep        Beeps
}

// Ringback is what a caller hears while it rings: one of these, or neither.
type Ringback struct {
	Country string // whose tone
	File    string
}

// IsZero reports whether he hears what the destination sends.
func (r Ringback) IsZero() bool { return r == Ringback{} }

// Beeps is a Beep, decided.
type Beeps struct {
	Every time.Duration // 0: none
	To    string        // "caller", "callee", or empty: both
}

// Words of SoundPolicy.
const (
	RingbackPass = "pass"
	MusicOff     = "off"

	BeepBoth   = "both"
	BeepCaller = "caller"
	BeepCallee = "callee"
	BeepOff    = "off"
)

var beepTos = []string{BeepBoth, BeepCaller, BeepCallee, BeepOff}

// Bounds of Beep.Every: shorter is a nuisance, longer tells nobody anything.
const (
	shortestBeep = 5 * time.Second
	longestBeep  = 2 * time.Minute
)

// in is a policy's files under a folder.
func (p SoundPolicy) in(folder string) SoundPolicy {
	if p.MusicOnHold != MusicOff {
		p.MusicOnHold = under(folder, p.MusicOnHold)
	}
	if isWAV(p.Ringback) {
		p.Ringback = under(folder, p.Ringback)
	}
	return p
}

// under is a file under a folder, unless its path says where it is.
func under(folder, file string) string {
	if file == "" || folder == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(folder, file)
}

// Files lists the files that a policy names, by their keys, as they are found
// with the folder of its account.
func (p SoundPolicy) Files(folder string) map[string]string {
	p = p.in(folder)
	files := map[string]string{}
	if isWAV(p.MusicOnHold) { // else it is said that it is none
		files["music_on_hold"] = p.MusicOnHold
	}
	if isWAV(p.Ringback) {
		files["ringback"] = p.Ringback
	}
	return files
}

// Country is the country whose ringback tone a policy names; empty when it names none.
func (p SoundPolicy) Country() string {
	if p.Ringback == "" || p.Ringback == RingbackPass || isWAV(p.Ringback) {
		return ""
	}
	return p.Ringback
}

func isWAV(s string) bool { return strings.EqualFold(filepath.Ext(s), ".wav") }

// sounds decides for a call to a number.
func sounds(account, number SoundPolicy) Sounds {
	a, n := account.in(account.Folder), number.in(account.Folder)
	s := Sounds{MusicOnHold: cmp.Or(n.MusicOnHold, a.MusicOnHold)}
	if s.MusicOnHold == MusicOff {
		s.MusicOnHold = ""
	}
	ring := a
	if n.Ringback != "" {
		ring = n
	}
	s.Ringback.Country = ring.Country()
	if isWAV(ring.Ringback) {
		s.Ringback.File = ring.Ringback
	}
	b := a.Beep
	if n.Beep != (Beep{}) {
		b = n.Beep
	}
	if b.To == BeepOff {
		return s
	}
	s.Beep.Every, _ = b.Every.Exact()
	if b.To != BeepBoth {
		s.Beep.To = b.To
	}
	return s
}

// soundPolicy reports what is wrong with a policy; which tones there are, and
// what is in the files, is not known here.
func (b *builder) soundPolicy(p SoundPolicy, path string, account bool) {
	if p.Folder != "" && !account {
		b.fault("belongs to the account", "%s.sound.folder", path)
	}
	if p.MusicOnHold != "" && p.MusicOnHold != MusicOff && !isWAV(p.MusicOnHold) {
		b.fault("is neither off nor the name of a file that ends in .wav", "%s.sound.music_on_hold", path)
	}
	if c := p.Country(); c != "" && (len(c) != 2 || strings.Trim(c, "abcdefghijklmnopqrstuvwxyz") != "") {
		b.fault("is neither pass nor a country, such as de, nor the name of a file that ends in .wav", "%s.sound.ringback", path)
	}
	b.fault(checkWord(p.Beep.To, beepTos), "%s.sound.beep.to", path)
	if p.Beep.To == BeepOff {
		if !p.Beep.Every.IsZero() {
			b.fault("says nothing while to is off", "%s.sound.beep.every", path)
		}
		return
	}
	if p.Beep.Every.IsZero() {
		if p.Beep.To != "" {
			b.fault("says nothing without every", "%s.sound.beep.to", path)
		}
		return
	}
	if every, exact := p.Beep.Every.Exact(); !exact || every < shortestBeep || every > longestBeep {
		b.fault(fmt.Sprintf("is not %s to %s", Duration{clock: shortestBeep}, Duration{clock: longestBeep}), "%s.sound.beep.every", path)
	}
}
