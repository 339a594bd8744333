package sip

import (
	gosip "github.com/emiago/sipgo/sip"

	"ringdown/call"
)

// replacing finds the dialog that an INVITE wants to take over (RFC 3891 3).
// status is the refusal when it names none that it may; a nil leg without one
// means that the INVITE has no such wish.
func (e *Endpoint) replacing(in *incoming) (named *leg, rep replacement, status int) {
	values := in.GetHeaders("replaces")
	switch {
	case len(values) == 0:
		return nil, rep, 0
	case len(values) > 1:
		return nil, rep, 400
	}
	rep, ok := parseReplaces(values[0].Value())
	if !ok {
		return nil, rep, 400
	}
	if named = e.named(rep, in.trunk); named == nil {
		return nil, rep, 481
	}
	return named, rep, 0
}

// startInstead hands the INVITE to the call of the dialog that it replaces.
// What becomes of the newcomer waits in a line until that call takes him.
func (b *inbound) startInstead(named *leg, rep replacement) {
	b.in.reply(100, nil)
	line := call.NewLine()
	b.signal = line.Send
	named.do(func() {
		status := 0
		switch {
		case named.signal == nil || named.state == ending || named.state == over:
			status = 603
		case named.state == early:
			status = 481
		case rep.earlyOnly:
			status = 486
		case !named.mayAsk():
			status = 403
		}
		if status != 0 {
			b.Hangup(localCause(status))
			return
		}
		named.tell(call.Replaced{At: call.Now(), Leg: b, Line: line, Trunk: b.in.trunk, Source: b.in.src,
			Transport: b.in.from.network, Body: description(b.in.Request)})
	})
}

// replacesHeaders ask a target to give a dialog up for our INVITE.
func replacesHeaders(value string) []gosip.Header {
	if value == "" {
		return nil
	}
	return []gosip.Header{gosip.NewHeader("Replaces", value), gosip.NewHeader("Require", replacesTag)}
}
