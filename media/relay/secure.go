package relay

import (
	"errors"
	"time"

	"ringdown/media"
	"ringdown/media/secure"
)

// opening is the stage that takes the sender's encryption off. Nothing learns
// from a packet before it has proved to be the sender's.
type opening struct {
	of     *secrecy
	side   *side
	opener *secure.Opener
	rates  guests
}

// pass opens an RTP packet. Who may not be the sender at all costs no decryption,
// and who is not yet known to be costs few of them.
func (o *opening) pass(p *packet) media.Drop {
	s := &o.side.source
	if !o.side.ready || !s.may(p.src, p.at) {
		return media.DropSource
	}
	if p.src != s.locked && !s.ice && !o.rates.take(p.src, p.at) {
		return media.DropRate
	}
	out, err := o.opener.RTP(p.buf, p.at)
	if err != nil {
		return dropOf(err)
	}
	p.buf = out
	return forward
}

// sealing is the stage that puts the receiver's encryption on.
type sealing struct {
	of     *secrecy
	sealer *secure.Sealer
}

func (s *sealing) pass(p *packet) media.Drop {
	out, err := s.sealer.RTP(p.buf)
	if err != nil {
		return dropOf(err)
	}
	p.buf = out
	return forward
}

// shut is the stage of a leg whose keys could not be used: rather nothing than
// anything in the clear.
type shut struct{}

func (shut) pass(*packet) media.Drop { return media.DropAuth }

// dropOf is the reason to count for what secure does not open or seal.
func dropOf(err error) media.Drop {
	switch {
	case errors.Is(err, secure.ErrMalformed):
		return media.DropMalformed
	case errors.Is(err, secure.ErrReplay):
		return media.DropReplay
	}
	return media.DropAuth
}

// encrypt gives the lanes from and to a side the keys that its party and we have
// agreed on; none, when they are to be plain. The caller holds r.nego and r.mu.
func (r *Relay) encrypt(of media.Side) {
	l, in, out := &r.legs[index(of)], &r.lanes[index(of)], &r.lanes[index(of.Other())]
	c := l.secret
	if c == nil || l.desc == nil {
		r.forsake(of)
		in.open, out.seal = nil, nil
		return
	}
	said, choice := l.desc.Security()
	if choice.DTLS {
		r.encryptByDTLS(of, said, choice)
		return
	}
	r.forsake(of)
	c.heard, c.said, c.choice = true, said, choice
	line, ok := chosen(l.desc)
	if !ok {
		in.open, out.seal = nil, nil
		return
	}
	defer line.Key.Wipe()
	sealer, err := c.sealer(line.Key.Suite())
	if err == nil {
		out.seal = &sealing{c, sealer}
		err = r.rekey(of, c, line.Key)
	}
	if err != nil {
		in.open, out.seal = shut{}, shut{}
	}
}

// rekey gives a lane the sender's key. A party that goes on keeps its count of
// packets, and for a moment its former key.
func (r *Relay) rekey(of media.Side, c *secrecy, k secure.Key) error {
	in := &r.lanes[index(of)]
	if o, ok := in.open.(*opening); ok && o.of == c {
		return o.opener.Rekey(k, r.clock(time.Now()))
	}
	opener, err := secure.NewOpener(k)
	in.open = &opening{of: c, side: &r.sides[index(of)], opener: opener}
	return err
}

// sealer is the one of our key of a suite. There is one as long as the key lives:
// a second would use its packet indices again.
func (c *secrecy) sealer(s secure.Suite) (*secure.Sealer, error) {
	sealers := &c.keys().sealers
	if sealers[s] != nil {
		return sealers[s], nil
	}
	sealer, err := secure.NewSealer(c.key(s))
	if err == nil {
		sealers[s] = sealer
	}
	return sealer, err
}

// openRTCP takes a side's encryption off an RTCP packet. The caller holds r.mu.
func (r *Relay) openRTCP(from media.Side, src endpoint, pkt []byte, at int64) ([]byte, media.Drop) {
	switch stage := r.lanes[index(from)].open.(type) {
	case nil:
		return pkt, forward
	case *opening:
		if !stage.side.ready || src.ip != stage.side.source.host() && src != stage.side.rtcp {
			return nil, media.DropSource
		}
		if s := stage.side; src != s.rtcpSeen && src != s.rtcp && src != s.source.locked && !stage.rates.take(src, at) {
			return nil, media.DropRate
		}
		out, err := stage.opener.RTCP(pkt, at)
		if err != nil {
			return nil, dropOf(err)
		}
		return out, forward
	}
	return nil, media.DropAuth
}

// sealRTCP puts a side's encryption on an RTCP packet to it, which needs
// [secure.Overhead] bytes of room behind. The caller holds r.mu.
func (r *Relay) sealRTCP(to media.Side, pkt []byte) ([]byte, media.Drop) {
	switch stage := r.lanes[index(to.Other())].seal.(type) {
	case nil:
		return pkt, forward
	case *sealing:
		out, err := stage.sealer.RTCP(pkt)
		if err != nil {
			return nil, dropOf(err)
		}
		return out, forward
	}
	return nil, media.DropAuth
}
