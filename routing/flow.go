package routing

// Flow is the list of steps a call walks. A step that branches holds flows of its
// own; one of them that ends without ending the call goes on behind that step.
type Flow []Step

// Step is exactly one of its fields.
type Step struct {
	// Recording says how calls of this flow are recorded.
	Recording *RecordingPolicy `yaml:"recording"`
	// Dial rings destinations. When none answers, the steps behind it go on.
	Dial *Dial `yaml:"dial"`
}

// stepKinds are the keys of a Step.
var stepKinds = []string{"dial", "recording"}

// kinds is how many of its fields a step has.
func (s Step) kinds() (n int) {
	for _, there := range []bool{s.Recording != nil, s.Dial != nil} {
		if there {
			n++
		}
	}
	return n
}
