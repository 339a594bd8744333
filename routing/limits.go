package routing

// Limits bounds the calls of one trunk, account or number. 0: no bound.
type Limits struct {
	Calls int `yaml:"calls"` // live at once
	CPS   int `yaml:"cps"`   // new ones a second, with a burst of one second
}

// TrunkLimits bounds what one trunk may ask of the node.
type TrunkLimits struct {
	Limits
	// Messages is how many SIP messages a second are taken from the trunk, all
	// its addresses together; more are dropped before they are read, without an
	// answer, or wait in their connection. 0: half of what the node takes of all (sip.rate.total).
	Messages int `yaml:"messages"`
}

const (
	maxCalls = 100_000
	maxCPS   = 10_000
)

func (b *builder) limits(l Limits, path string) {
	if l.Calls < 0 || l.Calls > maxCalls {
		b.fault("is not 0 to 100000", "%s.limits.calls", path)
	}
	if l.CPS < 0 || l.CPS > maxCPS {
		b.fault("is not 0 to 10000", "%s.limits.cps", path)
	}
}

func (b *builder) trunkLimits(l TrunkLimits, path string) {
	b.limits(l.Limits, path)
	if l.Messages < 0 || l.Messages > 1_000_000 {
		b.fault("is not 0 to 1000000", "%s.limits.messages", path)
	}
}
