package siptest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// way is where our next request in the dialog goes.
func (d *Dialog) way() (*link, error) {
	if d.link.proto == "TCP" {
		return d.link, nil
	}
	uri := d.target
	if len(d.routes) > 0 {
		a, err := parseAddress(d.routes[0])
		if err != nil {
			return nil, err
		}
		uri = a.uri
	}
	to, _, err := hostPort(uri)
	if err != nil {
		return nil, err
	}
	return &link{proto: "UDP", local: d.link.local, peer: to}, nil
}

// newRequest builds a request inside the dialog (RFC 3261 12.2.1.1).
func (d *Dialog) newRequest(method string, seq uint32) *Message {
	m := &Message{Method: method, URI: d.target}
	m.Add("Via", d.p.via(d.link))
	m.Add("Max-Forwards", "70")
	for _, r := range d.routes {
		m.Add("Route", r)
	}
	m.Add("From", d.local+";tag="+d.localTag)
	to := d.remote
	if d.remoteTag != "" {
		to += ";tag=" + d.remoteTag
	}
	m.Add("To", to)
	m.Add("Call-ID", d.callID)
	m.Add("CSeq", strconv.FormatUint(uint64(seq), 10)+" "+method)
	if method == "INVITE" || method == "UPDATE" {
		m.Add("Contact", "<"+d.p.contact(d.link)+">")
	}
	return m
}

func (p *Phone) via(l *link) string {
	return "SIP/2.0/" + l.proto + " " + l.local.String() + ";branch=z9hG4bK" + fresh() + ";rport"
}

// Request sends a request inside the dialog and waits for its final response. A
// description in it becomes ours when the peer accepts it.
func (d *Dialog) Request(ctx context.Context, method string, sdp []byte, fields ...Field) (*Message, error) {
	d.p.mu.Lock()
	if d.isOver() {
		d.p.mu.Unlock()
		return nil, fmt.Errorf("%s: call ended: %s", strings.ToLower(method), d.end.By)
	}
	m, final, err := d.request(method, sdp, fields)
	d.p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-final:
		if r == nil {
			return nil, fmt.Errorf("%s: %w", strings.ToLower(m.Method), ErrTimeout)
		}
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.p.ctx.Done():
		return nil, ErrClosed
	}
}

func (d *Dialog) request(method string, sdp []byte, fields []Field) (*Message, <-chan *Message, error) {
	l, err := d.way()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", strings.ToLower(method), err)
	}
	d.seq++
	m := d.newRequest(method, d.seq)
	m.Fields = append(m.Fields, fields...)
	if len(sdp) > 0 {
		m.body(sdp)
	}
	if method == "INVITE" {
		d.inviteSeq = d.seq
	}
	final := make(chan *Message, 1)
	d.p.ask(l, m, func(r *Message) {
		if r != nil && r.Status < 200 {
			return
		}
		if r != nil && method == "INVITE" {
			d.acknowledge(m, r)
		}
		if r != nil && r.Status/100 == 2 && len(sdp) > 0 {
			d.mine = sdp
			d.hear(r, m)
		}
		select {
		case final <- r:
		default:
		}
	})
	return m, final, nil
}

// Hangup ends the call the way its state asks for: CANCEL before the answer, BYE
// after it. It returns when the peer has confirmed.
func (d *Dialog) Hangup(ctx context.Context) error {
	d.p.mu.Lock()
	over, answered := d.isOver(), !d.times.Answered.IsZero()
	d.p.mu.Unlock()
	switch {
	case over:
		return nil
	case answered:
		return d.bye(ctx, "local")
	}
	d.Cancel()
	_, err := d.Wait(ctx)
	return err
}

// bye sends BYE and waits for its response. A BYE of the peer that crosses it is
// answered as usual.
func (d *Dialog) bye(ctx context.Context, by string) error {
	d.p.mu.Lock()
	if d.isOver() {
		d.p.mu.Unlock()
		return nil
	}
	_, final, err := d.request("BYE", nil, nil)
	d.unawait()
	d.finish(End{By: by})
	d.p.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case r := <-final:
		switch {
		case r == nil:
			return fmt.Errorf("bye: %w", ErrTimeout)
		case r.Status/100 != 2 && r.Status != 481:
			return fmt.Errorf("bye: %w", &Refused{r.Status, r.Reason})
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.p.ctx.Done():
		return ErrClosed
	}
}
