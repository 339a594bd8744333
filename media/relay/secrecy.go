package relay

import (
	"errors"
	"fmt"
	"slices"

	"ringdown/media"
	"ringdown/media/sdp"
	"ringdown/media/secure"
)

// This file negotiates the encryption of a leg. Each leg has its own: what one
// party says about keys never reaches the other, whose description is written
// from the plain part of this one's.

// secrecy is what a leg agreed on with its party. Guarded by Relay.nego.
type secrecy struct {
	terms media.SRTP
	// ring holds our keys towards the party, by suite; each is made when it is
	// first written into a description and stays until another party comes.
	// RFC 4568 7.1.4: who keeps his key keeps the count of its packets.
	ring    [8]secure.Key
	sealers [8]*secure.Sealer // of those keys that were used

	heard  bool // the party has described itself
	said   sdp.Security
	choice int
}

func newSecrecy(terms media.SRTP) *secrecy { return &secrecy{terms: terms} }

var (
	errPlain = fmt.Errorf("audio is not encrypted, and the trunk requires it: %w", sdp.ErrUnacceptable)
	errKeys  = fmt.Errorf("keys would cross signalling that others can read: %w", sdp.ErrUnacceptable)
	errNoKey = errors.New("audio insists on SRTP and brings no key that can be used")
)

// key is our key of a suite.
func (c *secrecy) key(s secure.Suite) secure.Key {
	if c.ring[s].IsZero() {
		c.ring[s] = secure.NewKey(s)
	}
	return c.ring[s]
}

// suites are those that the trunk takes, the preferred first.
func (c *secrecy) suites() (all []secure.Suite) {
	for _, name := range c.terms.Suites {
		if s, ok := secure.SuiteOf(name); ok {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		all = secure.Usual()
	}
	return all
}

// judge takes the security of an offer of the party's, or of its answer to ours.
// Its choice is the number of an a=crypto line; -1: plain.
func (c *secrecy) judge(answer bool) sdp.Judge {
	if c == nil || c.terms.Mode == media.SRTPOff {
		return sdp.PlainOnly
	}
	return func(s sdp.Security) (int, error) {
		choice, err := -1, error(nil)
		if c.terms.Private {
			choice, err = c.pick(s, answer)
		} else if s.Encrypted() {
			return -1, errKeys
		}
		switch {
		case c.terms.Mode == media.SRTPRequire && !s.Encrypted():
			return -1, errPlain
		case choice < 0 && s.Encrypted():
			return -1, fmt.Errorf("%w: %w", errNoKey, err)
		}
		return choice, nil
	}
}

// pick finds the first line that can be used. In an answer it must be one that we
// offered.
func (c *secrecy) pick(s sdp.Security, answer bool) (int, error) {
	suites, why := c.suites(), errors.New("no a=crypto")
	for i, text := range s.Crypto {
		line, err := secure.ParseCrypto(text)
		if err == nil {
			err = usable(line, suites, answer)
		}
		line.Key.Wipe()
		if err == nil {
			return i, nil
		}
		why = err
	}
	return -1, why
}

// usable checks a line that can be read: its suite must be one of ours and, in an
// answer, that of the line of ours with its tag.
func usable(line secure.Crypto, suites []secure.Suite, answer bool) error {
	at := slices.Index(suites, line.Key.Suite())
	switch {
	case at < 0:
		return errors.New("suite is not one that the trunk takes")
	case answer && line.Tag != uint32(at+1):
		return errors.New("tag is not the one offered")
	}
	return nil
}

// write adds to a description of ours what it says about encryption: in answer to
// one of the party's, or as an offer (nil).
func (c *secrecy) write(us sdp.Ours, answers *sdp.Description) (sdp.Ours, error) {
	if c == nil || c.terms.Mode == media.SRTPOff {
		return us, nil
	}
	if answers != nil {
		us.Lines = append(us.Lines, c.answer(answers)...)
		return us, nil
	}
	proto, lines, err := c.offer()
	us.Proto, us.Lines = proto, append(us.Lines, lines...)
	return us, err
}

// offer is what an offer of ours says. What the party agreed to is offered again.
func (c *secrecy) offer() (proto string, lines []string, err error) {
	switch {
	case !c.terms.Private && c.terms.Mode == media.SRTPRequire:
		return "", nil, errKeys
	case !c.terms.Private:
		return "", nil, nil
	case c.terms.Mode == media.SRTPRequire:
		proto = "RTP/SAVP"
	default:
		proto = "RTP/AVP"
	}
	if c.heard {
		if proto = c.said.Proto; c.choice < 0 {
			return proto, nil, nil
		}
	}
	for i, s := range c.suites() {
		line := secure.Crypto{Tag: uint32(i + 1), Key: c.key(s)}
		lines = append(lines, "crypto:"+line.Line())
	}
	return proto, lines, nil
}

// answer is what our answer to an offer of the party's says: the line that the
// judge took, with our key.
func (c *secrecy) answer(offer *sdp.Description) (lines []string) {
	if line, ok := chosen(offer); ok {
		lines = []string{"crypto:" + line.Accept(c.key(line.Key.Suite())).Line()}
		line.Key.Wipe()
	}
	return lines
}

// chosen is the line that the judge took of a description.
func chosen(d *sdp.Description) (secure.Crypto, bool) {
	s, choice := d.Security()
	if choice < 0 || choice >= len(s.Crypto) {
		return secure.Crypto{}, false
	}
	line, err := secure.ParseCrypto(s.Crypto[choice])
	return line, err == nil
}

// wipe overwrites our keys.
func (c *secrecy) wipe() {
	for _, k := range c.ring {
		k.Wipe()
	}
}

// toldElsewhere takes up what the party was told in another call: where a key of
// ours was written, one may be written again.
func (c *secrecy) toldElsewhere(ours *sdp.Description) {
	c.terms.Private = c.terms.Private || ours.Keyed()
}

// hear reads a description of a party's: an answer to an offer of ours, or an
// offer. The caller holds r.nego.
func (r *Relay) hear(from media.Side, body []byte, src media.Source, answer bool) (*sdp.Description, error) {
	l := &r.legs[index(from)]
	if l.secret == nil {
		l.secret = newSecrecy(src.Terms.SRTP)
	}
	return r.parse(body, src, l.secret.judge(answer))
}
