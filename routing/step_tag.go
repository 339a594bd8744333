package routing

import (
	"fmt"
	"maps"
	"slices"
)

// maxTags is how many tags a call can have.
const maxTags = 32

type tagStep struct{ tags map[string]string }

func (b *builder) tag(tags map[string]string, path string) node {
	if len(tags) == 0 {
		b.fault("is empty: a tag is an id with a word", "%s", path)
	}
	for _, f := range checkTags(tags) {
		b.fault(f.Msg, "%s%s", path, f.Path)
	}
	return &tagStep{maps.Clone(tags)}
}

// checkTags says what is wrong with tags. They are shown in events and logs as
// they are, so both sides are ids, and none a telephone number.
func checkTags(tags map[string]string) (faults []Fault) {
	if len(tags) > maxTags {
		faults = append(faults, Fault{"", fmt.Sprintf("holds more than %d", maxTags)})
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if msg := checkID(key); msg != "" {
			faults = append(faults, Fault{"", "has a key that " + msg})
			continue
		}
		if msg := checkID(tags[key]); msg != "" {
			faults = append(faults, Fault{"." + key, msg})
		}
	}
	return faults
}

// Tag notes tags that come from outside the flow and returns those that fit; the
// steps that follow see them. The faults' paths are keys.
func (w *Walk) Tag(tags map[string]string) (noted map[string]string, faults []Fault) {
	if faults = checkTags(tags); len(faults) > 0 {
		return nil, faults
	}
	if l, ok := w.label(tags).(Label); ok {
		noted = l.Tags
	}
	return noted, nil
}

func (s *tagStep) run(w *Walk, o Outcome) Instruction {
	if _, began := o.(Began); !began {
		return nil
	}
	return w.label(s.tags)
}

// label notes tags and tells of those that fit; nil: of none.
func (w *Walk) label(tags map[string]string) Instruction {
	all, noted := maps.Clone(w.state.tags), map[string]string{}
	if all == nil {
		all = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if _, there := all[key]; !there && len(all) == maxTags {
			w.look("tag", Missed, fmt.Sprintf("%s: a call has at most %d", key, maxTags))
			continue
		}
		all[key], noted[key] = tags[key], tags[key]
		w.look("tag", Chosen, key+" = "+tags[key])
	}
	if len(noted) == 0 {
		return nil
	}
	w.state.tags = all
	return Label{Step: w.at(), Tags: noted}
}
