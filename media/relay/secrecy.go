package relay

import (
	"cmp"
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
	terms    media.SRTP
	identity func() (*secure.Identity, error)
	ring     *keyring // nil: no key of ours was needed yet

	heard  bool // the party has described itself
	said   sdp.Security
	choice sdp.Choice
	active bool // we speak first in DTLS
	ice    agent
	next   agent // for a party that begins its checks anew, until that holds
}

// keyring holds our keys towards a party, by suite; each is made when it is first
// written into a description and stays until another party comes. RFC 4568 7.1.4:
// who keeps his key keeps the count of its packets.
type keyring struct {
	keys    [8]secure.Key
	sealers [8]*secure.Sealer // of those keys that were used
}

// keys returns the ring, made when there is none.
func (c *secrecy) keys() *keyring {
	if c.ring == nil {
		c.ring = &keyring{}
	}
	return c.ring
}

// newSecrecy begins with a party that nothing is agreed with.
func (r *Relay) newSecrecy(terms media.SRTP) *secrecy {
	return &secrecy{terms: terms, identity: r.pool.identity}
}

var (
	errPlain = fmt.Errorf("audio is not encrypted, and the trunk requires it: %w", sdp.ErrUnacceptable)
	errKeys  = fmt.Errorf("keys would cross signalling that others can read: %w", sdp.ErrUnacceptable)
	errNoKey = errors.New("audio insists on SRTP and brings no key that can be used")
	errSetup = errors.New("a=setup is not one that can be followed")
)

// key is our key of a suite.
func (c *secrecy) key(s secure.Suite) secure.Key {
	k := &c.keys().keys[s]
	if k.IsZero() {
		*k = secure.NewKey(s)
	}
	return *k
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
func (c *secrecy) judge(answer bool) sdp.Judge {
	if c == nil || c.terms.Mode == media.SRTPOff {
		return sdp.PlainOnly
	}
	return func(s sdp.Security) (sdp.Choice, error) {
		if c.terms.Mode == media.SRTPRequire && !s.Encrypted() {
			return sdp.Plain(), errPlain
		}
		choice, err := c.pick(s, answer)
		if err != nil && s.Encrypted() {
			return choice, err
		}
		return choice, nil // who brings no key that can be used is plain
	}
}

// pick finds what the keys are made of: a line of the description, or DTLS. In an
// answer it must be what we offered.
func (c *secrecy) pick(s sdp.Security, answer bool) (sdp.Choice, error) {
	choice, why := sdp.Plain(), errNoKey
	if !s.DTLS() && !c.terms.WebRTC && !(answer && c.terms.DTLS) {
		if choice.Crypto, why = c.pickLine(s, answer); why == nil {
			return choice, nil
		}
	}
	if answer && !c.terms.DTLS || len(s.Fingerprints) == 0 {
		return choice, why
	}
	if _, err := secure.ParseFingerprints(s.Fingerprints); err != nil {
		return choice, fmt.Errorf("%w: %w", errNoKey, err)
	}
	if _, err := c.speaksFirst(s, answer); err != nil {
		return choice, err
	}
	choice.DTLS = true
	choice.ICE = c.terms.WebRTC && secure.ValidICE(s.Fragment, s.Password)
	return choice, nil
}

// pickLine finds the first a=crypto that can be used.
func (c *secrecy) pickLine(s sdp.Security, answer bool) (int, error) {
	if !c.terms.Private {
		return -1, errKeys
	}
	suites, why := c.suites(), error(errNoKey)
	for i, text := range s.Crypto {
		line, err := secure.ParseCrypto(text)
		if err == nil {
			err = usable(line, suites, answer)
		}
		line.Key.Wipe()
		if err == nil {
			return i, nil
		}
		why = fmt.Errorf("%w: %w", errNoKey, err)
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
		return c.answer(us, answers)
	}
	return c.offer(us)
}

// offer is what an offer of ours says. What the party agreed to is offered again.
func (c *secrecy) offer(us sdp.Ours) (sdp.Ours, error) {
	switch {
	case !c.terms.Private && !c.terms.DTLS && c.terms.Mode == media.SRTPRequire:
		return us, errKeys
	case !c.terms.Private && !c.terms.DTLS:
		return us, nil
	case c.terms.WebRTC:
		us.Proto = "UDP/TLS/RTP/SAVPF"
	case c.terms.Mode != media.SRTPRequire:
		us.Proto = "RTP/AVP"
	case c.terms.DTLS:
		us.Proto = "UDP/TLS/RTP/SAVP"
	default:
		us.Proto = "RTP/SAVP"
	}
	dtls := c.terms.DTLS
	if c.heard {
		us.Proto, dtls = c.said.Proto, c.choice.DTLS
		if !c.choice.Encrypts() {
			return us, nil
		}
	}
	if dtls {
		return c.describeDTLS(us, "actpass", sdp.Security{Mux: true, Mid: cmp.Or(c.said.Mid, "0"), Bundled: true}, c.terms.WebRTC)
	}
	for i, s := range c.suites() {
		line := secure.Crypto{Tag: uint32(i + 1), Key: c.key(s)}
		us.Lines = append(us.Lines, "crypto:"+line.Line())
	}
	return us, nil
}

// answer is what our answer to an offer of the party's says: the line that the
// judge took, with our key; or who we are in DTLS.
func (c *secrecy) answer(us sdp.Ours, offer *sdp.Description) (sdp.Ours, error) {
	s, choice := offer.Security()
	if choice.DTLS {
		active, err := c.speaksFirst(s, false)
		if err != nil {
			return us, err
		}
		setup := "passive"
		if active {
			setup = "active"
		}
		return c.describeDTLS(us, setup, s, choice.ICE)
	}
	if line, ok := chosen(offer); ok {
		us.Lines = append(us.Lines, "crypto:"+line.Accept(c.key(line.Key.Suite())).Line())
		line.Key.Wipe()
	}
	return us, nil
}

// chosen is the line that the judge took of a description.
func chosen(d *sdp.Description) (secure.Crypto, bool) {
	s, choice := d.Security()
	if choice.Crypto < 0 || choice.Crypto >= len(s.Crypto) {
		return secure.Crypto{}, false
	}
	line, err := secure.ParseCrypto(s.Crypto[choice.Crypto])
	return line, err == nil
}

// wipe overwrites our keys and forgets what was made of them. Stages that seal go on.
func (c *secrecy) wipe() {
	if c == nil || c.ring == nil {
		return
	}
	for _, k := range c.ring.keys {
		k.Wipe()
	}
	c.ring = nil
}

// confide gives a side to a party with secrets of its own. Those of attempts that may
// still answer stay.
func (r *Relay) confide(side media.Side, c *secrecy) {
	l := &r.legs[index(side)]
	waits := false
	for _, a := range l.attempts {
		waits = waits || a.secret == l.secret
	}
	if l.secret != c && !waits {
		l.secret.wipe()
	}
	l.secret = c
}

// wipe overwrites all keys of a relay that is closed. The caller holds r.nego and r.mu.
func (r *Relay) wipe() {
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if o, ok := r.lanes[index(side)].open.(*opening); ok {
			o.opener.Wipe()
		}
		r.legs[index(side)].secret.wipe()
		for _, a := range r.legs[index(side)].attempts {
			a.secret.wipe()
		}
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
		l.secret = r.newSecrecy(src.Terms.SRTP)
	}
	return r.parse(body, src, l.secret.judge(answer))
}
