package sip

import gosip "github.com/emiago/sipgo/sip"

// owe keeps the ACK to a 2xx that holds an offer until our answer is there: the
// INVITE had none, because the trunk says delayed_offer (RFC 3261 13.2.1). The
// 2xx is repeated meanwhile; that is what it does until it is acknowledged.
func (o *outbound) owe(a *attempt, tag string) {
	o.owed = func(answer []byte) {
		a.acks[tag] = o.ep.acknowledge(&o.dlg, a.req, answer)
		o.described(answer, nil)
	}
	a.acks[tag] = nil
}

// pay sends the ACK that is owed, if one is: with our answer, or, when the leg
// ends, without, so that the 2xx is repeated no more.
func (l *leg) pay(answer []byte) {
	if send := l.owed; send != nil {
		l.owed = nil
		send(answer)
	}
}

// early is the description in a provisional response, when it can be the answer
// to our offer: to an INVITE without one it is only a foretaste of theirs.
func (a *attempt) early(res *gosip.Response) []byte {
	if len(a.req.Body()) == 0 {
		return nil
	}
	return description(res)
}
