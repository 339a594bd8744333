package routing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Describe tells an instruction in a few words, without its step.
func Describe(i Instruction) string {
	switch i := i.(type) {
	case Say:
		return i.words()
	case Gather:
		return i.words()
	case Ring:
		return i.words()
	case Ask:
		return fmt.Sprintf("ask the hook, for up to %s", i.Deadline)
	case Want:
		return wanted[i.Kind]
	case Message:
		return withPrompts(fmt.Sprintf("take a message of up to %s for mailbox %s", i.Most, i.Mailbox), i.Prompts)
	case Control:
		return i.What + " the recording"
	case Label:
		return "tag the call: " + tagWords(i.Tags)
	case Told:
		return "note the consent: " + i.Consent
	case Refuse:
		status := ""
		if i.Status != 0 {
			status = fmt.Sprintf(" with %d", i.Status)
		}
		return withPrompts("refuse the call"+status+": "+string(i.Reason), i.Prompts)
	case Hang:
		return withPrompts("hang up", i.Prompts)
	}
	return "end: nobody took the call"
}

var wanted = map[FactKind]string{
	FactTurn:    "look up whose turn it is",
	FactSticky:  "look up who answered this caller before",
	FactRepeats: "count the calls of this caller",
}

func (i Say) words() string {
	s := withPrompts("", i.Prompts)
	if i.Early {
		s += ", before the answer"
	}
	if i.Barge {
		s += ", until a key"
	}
	return s
}

func (i Gather) words() string {
	s := withPrompts("", i.Prompts)
	if s != "" {
		s += ", "
	}
	s += fmt.Sprintf("wait %s for a key", i.First)
	if len(i.Among) > 0 {
		s += " of " + strings.Join(i.Among, ", ")
	} else if i.Keys > 1 {
		s += fmt.Sprintf(", up to %d of them", i.Keys)
	}
	if i.End != "" {
		s += ", ended by " + i.End
	}
	return s
}

func (i Ring) words() string {
	s := "ring " + plural(len(i.Targets), "target")
	if len(i.Targets) > 1 {
		if i.Together {
			s += " at once"
		} else {
			s += " one after the other"
		}
	}
	if i.Whisper != nil {
		s += ", whisper"
	}
	if i.Screen != nil {
		s += ", to be taken with " + i.Screen.Accept
	}
	if i.Keep {
		s += ", then ask the caller"
	}
	return s
}

func (p Prompt) String() string {
	if p.Shipped != "" {
		return p.Shipped
	}
	return p.File
}

// withPrompts is something done after prompts are played.
func withPrompts(done string, prompts []Prompt) string {
	played := strings.TrimSuffix(promptWords(prompts), ", then ")
	switch {
	case played == "":
		return done
	case done == "":
		return "play " + played
	}
	return "play " + played + ", then " + done
}

// promptWords are prompts in front of what follows them; empty: none.
func promptWords(prompts []Prompt) string {
	var names []string
	for _, p := range prompts {
		names = append(names, p.String())
	}
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ") + ", then "
}

func tagWords(tags map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		words = append(words, key+" = "+tags[key])
	}
	return strings.Join(words, ", ")
}

// StepOf is the path of the step that an instruction is of; empty: of none.
func StepOf(i Instruction) string {
	switch i := i.(type) {
	case Say:
		return i.Step
	case Gather:
		return i.Step
	case Ring:
		return i.Step
	case Ask:
		return i.Step
	case Want:
		return i.Step
	case Message:
		return i.Step
	case Control:
		return i.Step
	case Label:
		return i.Step
	case Told:
		return i.Step
	case Refuse:
		return i.Step
	case Hang:
		return i.Step
	}
	return ""
}
