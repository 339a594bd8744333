package media

// SRTPMode says how much a trunk wants the media of its legs encrypted.
type SRTPMode uint8

const (
	SRTPOff     SRTPMode = iota // plain RTP only
	SRTPOffer                   // encrypted when the other one can, else plain
	SRTPRequire                 // encrypted, or no call
)

func (m SRTPMode) String() string {
	return [...]string{"off", "offer", "require", "unknown"}[min(m, SRTPRequire+1)]
}

// SRTP is what a trunk asks of the encryption of its media (RFC 3711).
type SRTP struct {
	Mode SRTPMode
	// DTLS makes the keys of our offers in the media path (RFC 5764) instead of
	// writing them into the description (RFC 4568). What is offered to us may be
	// either.
	DTLS bool
	// WebRTC speaks as browsers do: DTLS, ICE as a lite agent, RTCP on the port of
	// RTP. Mode is SRTPRequire then, and DTLS true.
	WebRTC bool
	// Suites that are offered and accepted in SDES, by their names in RFC 4568, the
	// preferred first; empty: the usual ones.
	Suites []string
	// Private says that nobody on the way can read the descriptions of the leg, or
	// that the trunk does not mind: only then a key may be written into one.
	Private bool
}
