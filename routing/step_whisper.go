package routing

import "time"

// Whisper is played to whoever answers a dial step behind it, before he is
// connected.
type Whisper struct {
	Played
	Off bool `yaml:"off" json:",omitempty"` // no more from here on
}

// Screen has whoever answers a dial step behind it press a key to take the call,
// so that no answering machine does.
type Screen struct {
	Played
	Accept string   `yaml:"accept" json:",omitempty"` // the key; "1" (default). Any other declines
	Within Duration `yaml:"within" json:",omitempty"` // from the end of the prompt; PT10S (default)
	Off    bool     `yaml:"off" json:",omitempty"`    // no more from here on
}

type whisperStep struct{ ids []string }

type screenStep struct {
	ids    []string
	accept string
	within time.Duration
}

// offStep ends what steps before it armed.
type offStep struct{ screen bool }

func (b *builder) whisper(spec Whisper, path string) node {
	if spec.Off {
		if len(spec.ids()) > 0 {
			b.fault("says nothing while off is true", "%s.prompt", path)
		}
		return &offStep{}
	}
	return &whisperStep{b.needs(spec.Played, path)}
}

func (b *builder) screen(spec Screen, path string) node {
	if spec.Off {
		if len(spec.ids()) > 0 || spec.Accept != "" || !spec.Within.IsZero() {
			b.fault("stands alone", "%s.off", path)
		}
		return &offStep{screen: true}
	}
	s := &screenStep{ids: b.played(spec.Played, "press-1", path), accept: "1"}
	if spec.Accept != "" {
		if len(spec.Accept) != 1 || !isKeys(spec.Accept) {
			b.fault("is not one of the keys 0 to 9, * and #", "%s.accept", path)
		}
		s.accept = spec.Accept
	}
	if s.accept != "1" && len(spec.ids()) == 0 {
		b.fault("is missing: the usual one speaks of key 1", "%s.prompt", path)
	}
	s.within = b.lasting(spec.Within, 10*time.Second, time.Second, time.Minute, path+".within")
	return s
}

func (s *whisperStep) run(w *Walk, _ Outcome) Instruction {
	w.state.whisper = s
	w.result("armed")
	return nil
}

func (s *screenStep) run(w *Walk, _ Outcome) Instruction {
	w.state.screen = s
	w.result("armed")
	return nil
}

func (s *offStep) run(w *Walk, _ Outcome) Instruction {
	if s.screen {
		w.state.screen = nil
	} else {
		w.state.whisper = nil
	}
	w.result("off")
	return nil
}

// whispered is what is armed, in the language of the call; nil: nothing.
func (w *Walk) whispered() *Whispered {
	if w.state.whisper == nil {
		return nil
	}
	return &Whispered{Prompts: w.prompts(w.state.whisper.ids)}
}

func (w *Walk) screened() *Screened {
	s := w.state.screen
	if s == nil {
		return nil
	}
	return &Screened{Prompts: w.prompts(s.ids), Accept: s.accept, Within: s.within}
}
