package relay

import "time"

// below has the pool use a fast path, whose copies listen is to deliver. It is
// for a pool that has no relays yet.
func (p *Pool) below(path fastPath, listen func(deliver func(tag uint64, at time.Time, pkt []byte))) {
	o := newOffloader(path, p.engine.log)
	listen(o.deliver)
	p.offload, p.beat.round = o, o.collect
}
