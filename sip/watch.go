package sip

import (
	"context"
	"slices"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"ringdown/routing"
)

// watchers is how many OPTIONS of ours may be on their way.
const watchers = 64

// watch asks the targets of a trunk by OPTIONS, again and again, until the
// endpoint is closed or the trunk is not to be watched any more. Rounds are spread by a tenth, so that many nodes do not
// ask together; the first follows within a second.
func (e *Endpoint) watch(trunk string) {
	e.mu.Lock()
	poke := e.watches[trunk]
	e.mu.Unlock()
	var asked []routing.TrunkTarget // in the last round
	var last time.Duration
	var at time.Time
	timer := time.NewTimer(time.Duration(e.deps.Random(1000)) * time.Millisecond)
	defer timer.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-timer.C:
		case <-poke:
		}
		p, ok := e.deps.Policy(trunk)
		every := p.Health.Every()
		if !ok || every == 0 {
			if e.unwatch(trunk) {
				return
			}
			timer.Reset(0)
			continue
		}
		if slices.Equal(p.Targets, asked) && every == last && time.Since(at) < every*9/10 {
			continue // poked, and nothing is new
		}
		asked, last, at = p.Targets, every, time.Now()
		guard(func() { e.ask(trunk, p, every) }, e.panicked)
		timer.Reset(every*9/10 + time.Duration(e.deps.Random(int(every/5/time.Millisecond)+1))*time.Millisecond)
	}
}

// ask sends one round: to each address of each target, as calls would find it.
func (e *Endpoint) ask(trunk string, p routing.Trunk, every time.Duration) {
	for i, t := range p.Targets {
		uri, err := parseTarget(t.URI)
		if err != nil {
			continue // routing has refused such a table
		}
		e.health.watch(gatewayOf(trunk, uri))
		found, err := e.locate(e.ctx, uri, trunk)
		if err != nil && e.ctx.Err() == nil {
			e.log.Warn("sip target not found", "trunk", trunk, "target", i+1, "err", err)
		}
		for _, c := range found {
			select {
			case e.probes <- struct{}{}:
			case <-e.ctx.Done():
				return
			}
			if !e.spawn(func() { // ends with the answer, or when it is overdue
				defer func() { <-e.probes }()
				guard(func() { e.options(c, min(no100, every)) }, e.panicked)
			}) {
				<-e.probes
			}
		}
	}
}

// options asks one address whether it is there. Every answer but a 503 says
// yes, whatever it thinks of the question.
func (e *Endpoint) options(c candidate, wait time.Duration) {
	ctx, cancel := context.WithTimeout(e.ctx, wait)
	defer cancel()
	h, err := e.reach(ctx, e.wayTo(c.network, c.addr, c.uri.Host, c.trunk))
	if err != nil {
		if e.ctx.Err() == nil {
			e.health.missed(c.site, "unreachable")
		}
		return
	}
	h.hold(1)
	defer h.hold(-1)
	e.door.expect(c.addr.Addr())
	defer e.door.forget(c.addr.Addr())
	status := make(chan int, 1)
	tell := func(n int) {
		select {
		case status <- n:
		default:
		}
	}
	tx, err := e.request(e.optionsTo(c, h), h, func(res *gosip.Response) {
		if !res.IsProvisional() {
			tell(res.StatusCode)
		}
	}, func() { tell(0) })
	if err != nil {
		e.health.missed(c.site, "unreachable")
		return
	}
	defer tx.Terminate()
	select {
	case n := <-status:
		switch n {
		case 0:
			e.health.missed(c.site, "no answer to OPTIONS")
		case 503:
			e.health.missed(c.site, "503 to OPTIONS")
		default:
			e.health.alive(c.site)
		}
	case <-ctx.Done():
		if e.ctx.Err() == nil {
			e.health.missed(c.site, "no answer to OPTIONS")
		}
	}
}

func (e *Endpoint) optionsTo(c candidate, h *hop) *gosip.Request {
	req := newRequest(gosip.OPTIONS, c.uri, h, e.branch(), 70)
	host, _ := h.sentBy()
	from := &gosip.FromHeader{Address: gosip.Uri{Scheme: "sip", Host: host}, Params: gosip.HeaderParams{{K: "tag", V: newTag()}}}
	id := gosip.CallIDHeader(newTag() + newTag())
	for _, header := range []gosip.Header{from, &gosip.ToHeader{Address: withoutParams(c.uri)}, &id,
		&gosip.CSeqHeader{SeqNo: 1, MethodName: gosip.OPTIONS}, h.contact(), acceptHeader(), allowHeader()} {
		req.AppendHeader(header)
	}
	setBody(req, nil)
	return req
}

// targets says how each target of the trunks that are watched stands.
func (e *Endpoint) targets() (out []TargetState) {
	for _, trunk := range e.deps.Trunks() {
		p, ok := e.deps.Policy(trunk)
		if !ok {
			continue
		}
		for i, t := range p.Targets {
			uri, err := parseTarget(t.URI)
			if err != nil {
				continue
			}
			up, left := e.health.state(gatewayOf(trunk, uri))
			out = append(out, TargetState{trunk, i + 1, up, left})
		}
	}
	return out
}
