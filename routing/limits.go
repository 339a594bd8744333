package routing

// TrunkLimits bounds what one trunk may ask of the node.
type TrunkLimits struct {
	// Messages is how many SIP messages a second are taken from the trunk, all
	// its addresses together; more are dropped before they are read, without an
	// answer. 0: half of what the node takes of all (sip.rate.total).
	Messages int `yaml:"messages"`
}

func (b *builder) limits(l TrunkLimits, path string) {
	if l.Messages < 0 || l.Messages > 1_000_000 {
		b.fault("is not 0 to 1000000", "%s.limits.messages", path)
	}
}
