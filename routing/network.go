package routing

import "ringdown/media/dscp"

// network reads what a trunk says of the network its media takes: which of our
// media addresses (whether there is one of that name is not known here), and the
// class that its packets are marked with.
func (b *builder) network(t Trunk, m *Media, path string) {
	class, err := dscp.Parse(t.DSCP)
	if err != nil {
		b.fault(err.Error(), "%s.dscp", path)
	}
	if t.MediaAddress != "" {
		b.fault(checkID(t.MediaAddress), "%s.media_address", path)
	}
	m.DSCP, m.Address = class, t.MediaAddress
}
