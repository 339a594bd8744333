package call

import (
	"ringdown/media"
	"ringdown/routing"
)

// source is what the relay asks of a leg's media: where it may come from, and the
// terms of its trunk. private says that nobody can read the leg's signalling.
func source(m routing.Media, private bool) media.Source {
	s := media.Source{Rule: media.Strict, Allow: m.Sources}
	if m.Latch {
		s.Rule = media.Latch
	}
	s.Terms.Speech = media.Speech(m.Speech)
	s.Terms.Address, s.Terms.DSCP = m.Address, m.DSCP
	s.Terms.SRTP = media.SRTP{
		Mode:    map[string]media.SRTPMode{routing.SRTPOffer: media.SRTPOffer, routing.SRTPRequire: media.SRTPRequire}[m.SRTP.Mode],
		DTLS:    m.SRTP.Keys == routing.KeysDTLS,
		Suites:  m.SRTP.Suites,
		Private: private || m.SRTP.InsecureSignalling,
	}
	s.Terms.Digits = digitTerms(m.DTMF)
	if m.WebRTC {
		s.Terms.SRTP = media.SRTP{Mode: media.SRTPRequire, DTLS: true, WebRTC: true, Private: private}
	}
	s.Terms.Watchdog = media.Watchdog{Initial: m.Silence.Initial, Steady: m.Silence.Steady, Held: m.Silence.Held}
	return s
}

// digitTerms are those of a trunk.
func digitTerms(d routing.DTMF) (t media.DigitTerms) {
	ways := map[string]media.Way{routing.DTMFEvent: media.ByEvent, routing.DTMFInfo: media.ByInfo, routing.DTMFInband: media.BySound}
	t.Say = ways[d.Send]
	for _, w := range d.Receive {
		t.Hear |= ways[w]
	}
	return t
}

// callers is what the relay asks of the media of whoever called.
func (c *Call) callers() media.Source {
	return source(c.machine.decision.MediaSources, private(c.machine.invite.Transport))
}

// private reports whether nobody on the way to the next hop can read what is said
// over a transport.
func private(transport string) bool { return transport == "tls" || transport == "wss" }

// sourceOf is what the relay asks of the media of a leg that comes in by a transfer.
func (c *Call) sourceOf(leg LegID) media.Source {
	o := c.machine.leg(leg).origin
	return source(o.media, private(o.transport))
}

// plainly leaves the encryption out, for an offer that is never made but in its
// stead when there is no other: a trunk that requires it takes no answer to that.
func plainly(s media.Source) media.Source {
	s.Terms.SRTP = media.SRTP{}
	return s
}
