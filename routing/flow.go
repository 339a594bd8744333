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

	Schedule *Schedule `yaml:"schedule" json:",omitempty"` // goes on by the time
	Geo      *Geo      `yaml:"geo" json:",omitempty"`      // goes on by where the caller is from
	Match    *Match    `yaml:"match" json:",omitempty"`    // goes on by what the call is like
}

// stepKinds are the keys of a Step.
var stepKinds = []string{"dial", "geo", "match", "recording", "schedule"}

// kinds is how many of its fields a step has.
func (s Step) kinds() (n int) {
	for _, there := range []bool{s.Recording != nil, s.Dial != nil, s.Schedule != nil, s.Geo != nil, s.Match != nil} {
		if there {
			n++
		}
	}
	return n
}

// branches are the flows inside a step.
func (s Step) branches() (all []Flow) {
	if s.Schedule != nil {
		all = append(all, s.Schedule.Open, s.Schedule.Closed, s.Schedule.Holiday)
	}
	if s.Geo != nil {
		all = append(all, s.Geo.Default)
		for _, c := range s.Geo.Cases {
			all = append(all, c.Steps)
		}
	}
	if s.Match != nil {
		all = append(all, s.Match.Default)
		for _, c := range s.Match.Cases {
			all = append(all, c.Steps)
		}
	}
	return all
}
