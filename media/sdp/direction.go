package sdp

// Direction is what a party does with its media, seen from that party.
type Direction uint8

// The four directions of RFC 8866 6.7 as two bits.
const (
	Inactive Direction = 0
	SendOnly Direction = 1
	RecvOnly Direction = 2
	SendRecv           = SendOnly | RecvOnly
)

// Sends reports whether the party sends.
func (d Direction) Sends() bool { return d&SendOnly != 0 }

// Receives reports whether the party wants to receive.
func (d Direction) Receives() bool { return d&RecvOnly != 0 }

// Reverse returns the same direction seen from the other party: all that an
// answer to an offer of d may say (RFC 3264 6.1).
func (d Direction) Reverse() Direction {
	return d>>1&SendOnly | d<<1&RecvOnly
}

// String returns the name of the attribute.
func (d Direction) String() string {
	return [...]string{"inactive", "sendonly", "recvonly", "sendrecv"}[d&SendRecv]
}

func directionOf(attribute string) (Direction, bool) {
	for d := Inactive; d <= SendRecv; d++ {
		if attribute == d.String() {
			return d, true
		}
	}
	return 0, false
}
