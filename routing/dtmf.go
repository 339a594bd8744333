package routing

import (
	"fmt"
	"slices"

	"ringdown/media/digits"
)

// DTMF is how keys travel between us and a trunk.
type DTMF struct {
	// Send is how the trunk is told of a key: as an event (RFC 4733), by SIP INFO,
	// or as a tone. auto: as an event when the call has agreed on them, else by
	// INFO when its end knows that, else as a tone.
	Send string `yaml:"send"`
	// Receive lists the ways in which keys from the trunk count; empty: events and
	// INFO. To hear tones each packet has to be decoded, and no voice is ever
	// taken for a key with certainty.
	Receive []string `yaml:"receive"`
}

// Words of DTMF; auto is the default of Send.
const (
	DTMFAuto   = "auto"
	DTMFEvent  = "rfc4733"
	DTMFInfo   = "info"
	DTMFInband = "inband"
)

var (
	dtmfSends    = []string{DTMFAuto, DTMFEvent, DTMFInfo, DTMFInband}
	dtmfReceives = dtmfSends[1:]
)

// StarCodes are short codes that a party may press in a call. Each begins with *
// or #; one that is empty does not exist.
type StarCodes struct {
	By     string `yaml:"by"`               // who may press them: callee (default) | both | off: nobody, also where the account has codes
	Pause  string `yaml:"pause_recording"`  // the recording holds nothing more
	Resume string `yaml:"resume_recording"` // until this is pressed
	Hide   string `yaml:"hide_keys"`        // the keys of the other party reach neither this one nor the recording
	Show   string `yaml:"show_keys"`        // until this is pressed
	HangUp string `yaml:"hang_up"`          // ends the call
	// HiddenAs is what is there in the place of a hidden key: silence (default); tone,
	// one and the same, which says that a key was pressed; drop, no packet for an event.
	HiddenAs string `yaml:"hidden_as"`
}

// Words of StarCodes.
const (
	HiddenAsSilence = "silence"
	HiddenAsTone    = "tone"
	HiddenAsNothing = "drop"

	CodesByCallee = "callee"
	CodesByBoth   = "both"
	CodesOff      = "off"
)

var (
	codesBy  = []string{CodesByCallee, CodesByBoth, CodesOff}
	hiddenAs = []string{HiddenAsSilence, HiddenAsTone, HiddenAsNothing}
)

// Any reports whether there is any code.
func (s StarCodes) Any() bool {
	codes, _ := s.List()
	return len(codes) > 0
}

// List returns the codes there are, and what each is for at the same place.
func (s StarCodes) List() (codes []string, does []Does) {
	for _, c := range []struct {
		keys string
		does Does
	}{{s.Pause, PauseRecording}, {s.Resume, ResumeRecording}, {s.Hide, HideKeys}, {s.Show, ShowKeys}, {s.HangUp, HangUp}} {
		if c.keys != "" {
			codes, does = append(codes, c.keys), append(does, c.does)
		}
	}
	return codes, does
}

// Does is what a code is for.
type Does string

const (
	PauseRecording  Does = "pause-recording"
	ResumeRecording Does = "resume-recording"
	HideKeys        Does = "hide-keys"
	ShowKeys        Does = "show-keys"
	HangUp          Does = "hang-up"
)

// or is what holds for a number: its own codes, those of its account, or none.
func (s StarCodes) or(account StarCodes) StarCodes {
	if !s.Any() && s.By != CodesOff {
		s = account
	}
	if s.By == CodesOff {
		return StarCodes{}
	}
	return s
}

func (b *builder) dtmf(d DTMF, path string) DTMF {
	b.fault(checkWord(d.Send, dtmfSends), "%s.dtmf.send", path)
	for i, way := range d.Receive {
		if way == "" {
			b.fault("is missing", "%s.dtmf.receive[%d]", path, i)
		}
		b.fault(checkWord(way, dtmfReceives), "%s.dtmf.receive[%d]", path, i)
		if slices.Contains(d.Receive[:i], way) {
			b.fault("is in the list already", "%s.dtmf.receive[%d]", path, i)
		}
	}
	d.Receive = slices.Clone(d.Receive)
	return d
}

// warnOfCodes says where a caller may pause a recording without which the call
// would be refused; once for the codes of an account.
func (b *builder) warnOfCodes(s Spec, say func(msg, path string, args ...any)) {
	said := map[string]bool{}
	for i, n := range s.Numbers {
		owner := b.accounts[n.Account]
		if owner == nil || n.StarCodes.By != CodesByBoth && owner.codes.By != CodesByBoth {
			continue // one look-up spared for each of a million
		}
		e164, _ := checkE164(n.Number)
		r, _ := b.table.numbers.at(e164, n.ValidFrom.or(beginless))
		e := b.table.entry(r)
		codes := e.codes.or(e.account.codes)
		if codes.By != CodesByBoth || codes.Pause == "" || !e.mustRecord() {
			continue
		}
		path := fmt.Sprintf("numbers[%d]", i)
		if codes != e.codes {
			path = fmt.Sprintf("accounts[%d]", slices.IndexFunc(s.Accounts, func(a Account) bool { return a.ID == n.Account }))
		}
		if !said[path] {
			said[path] = true
			say("lets the caller pause the recording of a call that on_failure: refuse-call wants recorded or refused", "%s.star_codes.by", path)
		}
	}
}

// mustRecord reports whether a call of the number is refused when it cannot be
// recorded: the first level that says a mode decides, as in a decision.
func (e entry) mustRecord() bool {
	for _, p := range []RecordingPolicy{e.recording, e.flow.recording, e.account.recording} {
		if p.Mode != "" {
			return p.Mode != DoNotRecord && p.OnFailure == RefuseCall
		}
	}
	return false
}

func (b *builder) starCodes(s StarCodes, path string) {
	b.fault(checkWord(s.By, codesBy), "%s.star_codes.by", path)
	codes, _ := s.List()
	if msg := digits.CheckCodes(codes); msg != "" {
		b.fault(msg, "%s.star_codes", path)
	}
	switch {
	case s.By == CodesOff && len(codes) > 0:
		b.fault("is off: codes say nothing beside it", "%s.star_codes.by", path)
	case s.By != CodesOff && s.By != "" && len(codes) == 0:
		b.fault("says who may press codes, and there are none", "%s.star_codes.by", path)
	}
	if s.Pause != "" && s.Resume == "" {
		b.fault("is missing: a recording that is paused has to be resumed", "%s.star_codes.resume_recording", path)
	}
	b.fault(checkWord(s.HiddenAs, hiddenAs), "%s.star_codes.hidden_as", path)
	if s.HiddenAs != "" && s.Hide == "" {
		b.fault("says nothing without hide_keys", "%s.star_codes.hidden_as", path)
	}
	if s.Hide != "" && s.Show == "" {
		b.fault("is missing: keys that are hidden have to be shown again", "%s.star_codes.show_keys", path)
	}
}
