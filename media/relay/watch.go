package relay

import (
	"time"

	"ringdown/media"
	"ringdown/media/quality"
	"ringdown/media/sdp"
)

// liveEvery is over how long live figures are taken.
const liveEvery = 10 * time.Second

// Watch begins to judge how parties are heard, of both sides or of those that are
// named: they have been answered, or have answered. Before that a party may be as
// silent as it likes, so a caller whom we have answered by ourselves is named alone,
// and the callee when he is put through. Idempotent.
func (r *Relay) Watch(sides ...media.Side) {
	if len(sides) == 0 {
		sides = []media.Side{media.Caller, media.Callee}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, side := range sides {
		if since := &r.watched[index(side)]; *since == 0 {
			*since = max(1, r.clock(time.Now()))
		}
	}
	r.replan()
}

// Spare counts the silence of a party whose time was up from a moment at which it
// was heard of elsewhere. When its time is up since then too, that is said in its turn.
func (r *Relay) Spare(side media.Side, heard time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expired = false
	r.ears[index(side)].watch.Heard(r.clock(heard))
}

// curious reports whether a party's packets have to be seen by us, although they
// could pass below: after the answer, until a sound was heard of it; for ten
// seconds, or longer when it was said that it is silent. Copies for a tap show as
// much.
func (r *Relay) curious(side media.Side) bool {
	e := &r.ears[index(side)]
	since := r.watched[index(side)]
	if since == 0 || r.copies(side) != nil || !e.meter.Undecided() {
		return false
	}
	return e.told == media.Silent || r.clock(time.Now())-max(since, e.since) < int64(liveEvery)
}

// observe is what a relay does each second for its figures, its RTCP and its
// watchdog. The caller holds r.mu.
func (r *Relay) observe(now time.Time) {
	at := r.clock(now)
	r.report(at)
	var seen [2]quality.Sight
	for i, side := range []media.Side{media.Caller, media.Callee} {
		if r.judged(side) {
			seen[i] = r.sight(side, at)
		}
	}
	for _, side := range []media.Side{media.Caller, media.Callee} {
		if !r.judged(side) {
			continue
		}
		r.find(side, seen, now)
		r.live(side, at, now)
	}
	for i, side := range []media.Side{media.Caller, media.Callee} {
		e := &r.ears[i]
		if !r.judged(side) || r.expired {
			continue
		}
		if x, ok := e.watch.See(seen[i], seen[1-i], e.limits); ok {
			r.expired = true
			r.notice(media.Notice{Kind: media.Expired, Side: side, At: now, Limit: x.Limit, Since: r.time(x.Since)})
		}
	}
}

// judged reports whether it matters how a party is heard.
func (r *Relay) judged(side media.Side) bool {
	return r.sides[index(side)].ready && r.watched[index(side)] != 0
}

// sight is what can be seen of a party now. One that holds may send, its music or
// nothing at all: it is no more listened for than the one it holds.
func (r *Relay) sight(side media.Side, at int64) quality.Sight {
	me, peer, e := &r.sides[index(side)], &r.sides[index(side.Other())], &r.ears[index(side)]
	lone := r.isAlone(side) // then it may speak to us
	s := quality.Sight{
		Now: at, Judged: max(r.watched[index(side)], e.since),
		MaySend: me.direction == sdp.SendRecv && !me.muted && !me.fax && (lone || peer.direction.Receives() && !peer.muted),
		Sends:   e.session.Sends, Strays: e.strays,
		Own: media.OriginOf(me.source.exact.addr()),
	}
	s.Ours = media.OriginOf(r.pool.place(spot{r.homes[index(side)], familyOf(me.source.exact.addr())}).advertise)
	if last, ok := e.session.LastAt(); ok {
		s.LastRTCP = last
	}
	e.meter.Look(&s)
	if s.Packets > 0 || me.fax { // of this party, not of the one before; a fax is no sound, and a sign of life
		s.LastRTP = r.flows[index(side)].last.Load()
	}
	return s
}

// find says what has changed in how a party is heard.
func (r *Relay) find(side media.Side, seen [2]quality.Sight, now time.Time) {
	e, peer := &r.ears[index(side)], &r.ears[index(side.Other())]
	f, ok := e.judge.See(seen[index(side)])
	if !ok {
		return
	}
	n := media.Notice{Kind: media.OneWay, Side: side, At: now, Since: r.time(f.Since),
		Unheard: &media.Unheard{Verdict: f.Verdict, Origin: f.Origin, Over: f.Over}}
	if f.Over {
		n.Kind, e.told = e.told, 0
	} else {
		if f.Verdict == media.Muted || r.isAlone(side) || peer.judge.Unheard(seen[index(side.Other())]) {
			n.Kind = media.Silent
		}
		e.told = n.Kind
	}
	r.notice(n)
}

// live says how a party is heard when that has become better or worse.
func (r *Relay) live(side media.Side, at int64, now time.Time) {
	e := &r.ears[index(side)]
	since := max(e.markAt, r.watched[index(side)], e.since)
	if at-since < int64(liveEvery) {
		return
	}
	h := r.figures(side, e.mark)
	e.mark, e.markAt = e.meter.Mark(), at
	if !h.Rated || h.Class == e.class {
		return
	}
	good := e.class == "" && (h.Class == string(quality.Best) || h.Class == string(quality.High))
	if e.class = h.Class; good { // as everybody expects
		return
	}
	r.notice(media.Notice{Kind: media.Quality, Side: side, At: now, Since: r.time(since), Heard: &h})
}

// time is a moment of the relay's clock.
func (r *Relay) time(at int64) time.Time { return r.start.Add(time.Duration(at)) }

// expect takes what a party and the terms of its trunk say. The caller holds r.mu
// and r.nego.
func (r *Relay) expect(side media.Side, terms media.Terms) {
	r.ears[index(side)].limits = terms.Watchdog
	for i, formats := range r.told {
		if formats != nil {
			r.ears[i].meter.Formats(formats)
		}
	}
}
