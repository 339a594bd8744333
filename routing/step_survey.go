package routing

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Survey asks a caller for a score when the callee of the dial step before it has
// hung up first. The answer is a tag of the call.
type Survey struct {
	Played
	Name    string   `yaml:"name" json:",omitempty"`    // of the tag; score (default)
	From    *int     `yaml:"from" json:",omitempty"`    // lowest score; 1 (default)
	To      int      `yaml:"to" json:",omitempty"`      // highest; 5 (default)
	Tries   int      `yaml:"tries" json:",omitempty"`   // how often he is asked; 1 (default)
	Timeout Duration `yaml:"timeout" json:",omitempty"` // from the end of the prompts to the first key; PT5S (default)
	Thanks  string   `yaml:"thanks" json:",omitempty"`  // prompt after an answer; default: none
}

const mostScore = 99

type surveyStep struct {
	gather      Gather // without prompts
	ids, thanks []string
	name        string
	tries       int
}

func (b *builder) survey(spec Survey, path string, behind node) node {
	if d, ok := behind.(*dialStep); ok {
		d.survey = true
	} else {
		b.fault("belongs directly behind a dial: it asks a caller whose talk is over", "%s", path)
	}
	s := &surveyStep{ids: b.played(spec.Played, "rate", path), name: "score", tries: 1}
	if spec.Name != "" {
		b.fault(checkID(spec.Name), "%s.name", path)
		s.name = spec.Name
	}
	if spec.Tries != 0 {
		if s.tries = spec.Tries; s.tries < 1 || s.tries > maxTries {
			b.fault(fmt.Sprintf("is not 1 to %d", maxTries), "%s.tries", path)
		}
	}
	if spec.Thanks != "" {
		b.refer("prompt", spec.Thanks, path+".thanks", b.hasPrompt, b.promptIDs)
		s.thanks = []string{spec.Thanks}
	}
	s.gather.Next = betweenKeys
	s.gather.First = b.lasting(spec.Timeout, 5*time.Second, time.Second, time.Minute, path+".timeout")
	low, high := 1, 5
	if spec.From != nil {
		low = *spec.From
	}
	if spec.To != 0 {
		high = spec.To
	}
	if low < 0 || high > mostScore || low >= high {
		b.fault(fmt.Sprintf("is not above from, or not within 0 to %d", mostScore), "%s.to", path)
		return s
	}
	if (low != 1 || high != 5) && len(spec.ids()) == 0 {
		b.fault("is missing: the usual one asks for 1 to 5", "%s.prompt", path)
	}
	for n := low; n <= high; n++ {
		s.gather.Among = append(s.gather.Among, strconv.Itoa(n))
	}
	s.gather.Keys = len(strconv.Itoa(high))
	return s
}

func (s *surveyStep) run(w *Walk, o Outcome) Instruction {
	switch o := o.(type) {
	case Began:
		if !w.state.talked {
			w.result("")
			return nil
		}
		return s.ask(w)
	case Gathered:
		if slices.Contains(s.gather.Among, o.Keys) {
			w.result("answered")
			if said := w.label(map[string]string{s.name: o.Keys}); said != nil {
				return said
			}
			break
		}
		w.result("nothing")
		if w.local.tries++; w.local.tries < s.tries {
			return s.ask(w)
		}
		return Hang{Step: w.at()}
	}
	return Hang{Step: w.at(), Prompts: w.prompts(s.thanks)}
}

func (s *surveyStep) ask(w *Walk) Instruction {
	g := s.gather
	g.Step, g.Prompts = w.at(), w.prompts(s.ids)
	return g
}
