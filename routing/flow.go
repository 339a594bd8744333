package routing

import (
	"reflect"
	"slices"
)

// Flow is the list of steps a call walks. A step that branches holds flows of its
// own; one of them that ends without ending the call goes on behind that step.
type Flow []Step

// Step is exactly one of its fields.
type Step struct {
	// Recording says how calls are recorded: as the first step of a flow from the
	// beginning, anywhere else from then on.
	Recording *RecordingPolicy `yaml:"recording"`
	// Dial rings destinations. When none answers, the steps behind it go on.
	Dial *Dial `yaml:"dial"`

	Schedule *Schedule `yaml:"schedule" json:",omitempty"` // goes on by the time
	Geo      *Geo      `yaml:"geo" json:",omitempty"`      // goes on by where the caller is from
	Match    *Match    `yaml:"match" json:",omitempty"`    // goes on by what the call is like

	Greeting  *Greeting         `yaml:"greeting" json:",omitempty"`  // plays to the caller
	Menu      *Menu             `yaml:"menu" json:",omitempty"`      // lets the caller choose by a key
	Hook      *Hook             `yaml:"hook" json:",omitempty"`      // asks the owner what to do
	Whisper   *Whisper          `yaml:"whisper" json:",omitempty"`   // arms the dial steps behind it
	Screen    *Screen           `yaml:"screen" json:",omitempty"`    // likewise
	Survey    *Survey           `yaml:"survey" json:",omitempty"`    // behind a dial: asks a caller whose talk is over
	Voicemail *Voicemail        `yaml:"voicemail" json:",omitempty"` // takes a message and ends the call
	Redirect  *Redirected       `yaml:"redirect" json:",omitempty"`  // goes on with another flow
	Tag       map[string]string `yaml:"tag" json:",omitempty"`       // marks the call
	Consent   *string           `yaml:"consent" json:",omitempty"`   // notes the caller's choice: opt-in | opt-out
	Record    *string           `yaml:"record" json:",omitempty"`    // start | stop | pause | resume
	Reject    *Rejected         `yaml:"reject" json:",omitempty"`    // refuses the call
	Hangup    *Hangup           `yaml:"hangup" json:",omitempty"`    // ends the call well
}

// stepKinds are the keys of a Step, in the order of its fields.
var stepKinds = func() (kinds []string) {
	for f := range reflect.TypeFor[Step]().Fields() {
		kinds = append(kinds, f.Tag.Get("yaml"))
	}
	return kinds
}()

// kind is the one key that a step has; empty: it has none, or several.
func (s Step) kind() (kind string) {
	v := reflect.ValueOf(s)
	for i, key := range stepKinds {
		if v.Field(i).IsNil() {
			continue
		}
		if kind != "" {
			return ""
		}
		kind = key
	}
	return kind
}

// block is a compiled list of steps.
type block struct {
	steps []stage
}

// stage is a step in its place.
type stage struct {
	node
	path string // in the Spec, with the kind: "flows.sales[0].dial"
	kind string // its key
}

// last is the step that an added one would stand behind; nil: none.
func (b *block) last() node {
	if len(b.steps) == 0 {
		return nil
	}
	return b.steps[len(b.steps)-1].node
}

// terminal is a node that never goes on behind itself.
type terminal interface{ ends() }

// branching is a node that enters blocks.
type branching interface {
	node
	// ways are the blocks that it may enter; on: it may go on behind itself
	// without any of them.
	ways() (ways []way, on bool)
}

// way is a block of a branching step.
type way struct {
	name  string // its path in the Spec behind that of the step: "options.1"
	block *block
}

// chosen is a branching node whose way the caller chooses.
type chosen interface{ chooses() }

// each calls f for each step of a block and of all blocks in it.
func (b *block) each(f func(stage)) {
	for _, s := range b.steps {
		f(s)
		if n, ok := s.node.(branching); ok {
			ways, _ := n.ways()
			for _, w := range ways {
				w.block.each(f)
			}
		}
	}
}

// has reports whether a step somewhere in the block is one of the kinds.
func (b *block) has(kinds ...string) (found bool) {
	b.each(func(s stage) { found = found || slices.Contains(kinds, s.kind) })
	return found
}
