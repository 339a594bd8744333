package routing

import (
	"maps"
	"slices"
)

// mostTagged is in how many ways the tags of a hook's answer are looked at.
const mostTagged = 256

// replied are the tags that a hook may set, in all the ways that steps can tell
// apart: of each key that they ask for none, or one of the values asked for. Values
// that no hook may set are left out. Too many: nil.
func (m mentions) replied() []map[string]string {
	values := map[string][]string{}
	for _, t := range m.tags {
		if len(checkTags(map[string]string{t[0]: t[1]})) == 0 && !slices.Contains(values[t[0]], t[1]) {
			values[t[0]] = append(values[t[0]], t[1])
		}
	}
	all := []map[string]string{nil}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		slices.Sort(values[key])
		if len(all)*(len(values[key])+1) > mostTagged {
			return nil
		}
		for _, tags := range all {
			for _, value := range values[key] {
				with := map[string]string{key: value}
				maps.Copy(with, tags)
				all = append(all, with)
			}
		}
	}
	return all
}

// replies are what a hook can say: nothing, a refusal, or an answer with each of the
// flows that its step names, with a destination of its own, or with neither; and
// each of these with tags.
func (e *explorer) replies(m moment, i Ask, now When) []happening {
	who := "the hook of " + i.Step
	out := []happening{{Replied{When: now, Err: "timeout"}, who + " does not answer"}, {Replied{When: now, Reply: HookReply{Refuse: true}}, who + " refuses"}}
	s := m.walk.current()
	if s == nil {
		return out
	}
	hook, ok := s.node.(*hookStep)
	if !ok { // one about the reputation: it refuses or does not
		return append(out, happening{Replied{When: now}, who + " has nothing to say"})
	}
	if e.tags == nil && e.cannot == "" {
		e.cannot = who + " can set the tags that steps ask for in too many ways"
	}
	for _, tags := range e.tags {
		said := ""
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			said += " with the tag " + key + " = " + tags[key]
		}
		out = append(out, happening{Replied{When: now, Reply: HookReply{Tags: tags}}, who + " names nobody" + said},
			happening{Replied{When: now, Reply: HookReply{Tags: tags, Targets: []Destination{{URI: "sip:somebody@hook.invalid"}}}}, who + " names a destination" + said})
		for _, f := range hook.flows {
			out = append(out, happening{Replied{When: now, Reply: HookReply{Tags: tags, Flow: f.id}}, who + " says flow " + f.id + said})
		}
	}
	return out
}

// named reports whether a hook has named who is rung: whom, is its owner's.
func (m moment) named() bool {
	s := m.walk.current()
	if s == nil {
		return false
	}
	_, ok := s.node.(*hookStep)
	return ok
}
