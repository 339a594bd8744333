package media

import "time"

// Speech is what a trunk asks of the codecs of its leg. The zero value lets pass
// what the parties agree on, and converts where they do not.
type Speech struct {
	Codecs     []string      // names of those allowed, in order of preference, in capitals; empty: all
	PacketTime time.Duration // of what is sent to the leg; 0: as it comes
	PassOnly   bool          // nothing is decoded for this leg
}
