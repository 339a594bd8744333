package sip

import (
	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
	"ringdown/media"
	"ringdown/media/digits"
)

// telling is how keys reach a peer by INFO (RFC 6086 calls this legacy usage: no
// package, no negotiation). One INFO is on its way at a time, so that keys arrive
// in the order in which they were pressed.
type telling struct {
	wait  []media.Press
	out   bool
	plain bool // the peer takes application/dtmf, and not application/dtmf-relay
	deaf  bool // it takes neither
}

// maxKeys is how many keys may wait for a peer that is slow to answer.
const maxKeys = 64

// info is an INFO of the peer: a key, or something that has no effect here.
func (l *leg) info(in *incoming) {
	status := 200
	if body := in.Body(); len(body) > 0 {
		kind := in.ContentType()
		press, err := media.Press{}, error(nil)
		switch known := kind != nil && digits.Spoken(kind.Value()); {
		case !known:
			l.ep.count.drop("info")
		default:
			if press, err = digits.ReadInfo(body); err != nil {
				l.ep.count.drop("info")
				status = 400
				break
			}
			l.tell(call.Keyed{At: call.Now(), Press: press})
		}
	}
	in.reply(status, nil, allowHeader())
}

// Press tells the peer of a key.
func (l *leg) Press(p media.Press) {
	l.do(func() {
		if l.state == ending || l.state == over || l.hung {
			return
		}
		if l.state == early { // where he may not be asked yet whether he takes any
			l.tell(call.Untold{At: call.Now(), Press: p})
			return
		}
		if l.keys == nil {
			l.keys = &telling{deaf: l.session.noInfo}
		}
		switch k := l.keys; {
		case k.deaf, len(k.wait) >= maxKeys, len(digits.WriteInfo(p, digits.RelayType)) == 0:
			l.tell(call.Untold{At: call.Now(), Press: p})
		default:
			k.wait = append(k.wait, p)
			l.nextKey()
		}
	})
}

// nextKey sends the first key that waits, when none is on its way.
func (l *leg) nextKey() {
	k := l.keys
	if k.out || len(k.wait) == 0 || l.state != confirmed {
		return
	}
	kind := digits.RelayType
	if k.plain {
		kind = digits.PlainType
	}
	req, h := l.dlg.request(l.ep.ctx, l.ep, gosip.INFO, 0)
	req.AppendHeader(h.contact())
	req.AppendHeader(gosip.NewHeader("Content-Type", kind))
	req.SetBody(digits.WriteInfo(k.wait[0], kind))
	k.out = true
	final := false
	err := l.ask(req, h, func(res *gosip.Response) {
		if !res.IsProvisional() && !final {
			final = true
			l.heard()
			l.keyTold(res.StatusCode)
		}
	}, func() {
		if !final {
			final = true
			l.keyTold(408)
		}
	})
	if err != nil {
		l.keyTold(503)
	}
}

// keyTold takes the answer to an INFO. A peer that refuses the one body is tried
// with the other, once; one that takes neither is told in another way, of this key
// and of all that follow.
func (l *leg) keyTold(status int) {
	k := l.keys
	k.out = false
	switch {
	case status == 415 && !k.plain:
		k.plain = true
	case status == 405 || status == 415 || status == 501:
		k.deaf = true
		for _, p := range k.wait {
			l.tell(call.Untold{At: call.Now(), Press: p})
		}
		k.wait = nil
	default:
		if status >= 300 {
			l.ep.count.drop("info-out")
		}
		k.wait = k.wait[1:]
	}
	l.nextKey()
}
