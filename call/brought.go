package call

import "ringdown/events"

// Diverted says how often a call had been sent on before it came to us.
type Diverted struct {
	Count  int
	Reason string // why the last time, a word of RFC 5806; empty: it was not
}

func (d Diverted) event() *events.Diverted {
	if d.Count == 0 {
		return nil
	}
	return &events.Diverted{Count: d.Count, Reason: d.Reason}
}

// Header is one that crosses from leg to leg, by the names that trunks list.
type Header struct{ Name, Value string }

// attributes are the headers an INVITE brought, as events show them.
func (in Invite) attributes() map[string]string {
	if len(in.Headers) == 0 {
		return nil
	}
	out := make(map[string]string, len(in.Headers))
	for _, h := range in.Headers {
		out[h.Name] = h.Value
	}
	return out
}

// identify tells an attempt whose call it is; sip shows of it what the trunk may see.
func (c *Call) identify(d *Dial) {
	in, decision := &c.machine.invite, &c.machine.decision
	d.Number, d.Diverted, d.Headers = decision.Number, in.Diverted, in.Headers
	if c.machine.attested.Attest != "" {
		d.Identity = in.Identity
	}
	if in.Party.Private {
		d.Withheld = decision.Caller.Reveal()
		return
	}
	d.From, d.Display = decision.Caller.Reveal(), in.Party.Display
}
