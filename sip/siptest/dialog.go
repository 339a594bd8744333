package siptest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Dialog is one call as one phone has it, from the INVITE on.
type Dialog struct {
	p      *Phone
	link   *link
	callID string
	caller bool

	// Under the phone's lock.
	localTag, remoteTag string
	local, remote       string // From and To values of our requests, without tags
	target              string // the peer's Contact
	routes              []string
	seq, inviteSeq      uint32 // our last CSeq; that of the last INVITE in the dialog, whoever sent it
	remoteSeq           uint32
	lastInvite          *Message
	invite              *client // the caller's first INVITE
	responses           []*Message
	acks                map[string]*Message // by CSeq number: ours, to repeat
	options             CallOptions
	cancelling          bool
	mine                []byte // our latest description
	version             int
	theirs              *SDP
	stream              *stream
	times               Times
	onOffer             func(*Message) (int, []byte)

	ringing, answered, acked, ended chan struct{}
	awaited                         chan struct{} // closed by the ACK to our latest 2xx: acked, or a re-INVITE's
	once                            sync.Once
	end                             End
}

// Times are moments of a call; zero: it did not happen.
type Times struct{ Invited, Ringing, Answered, Ended time.Time }

// End is how a dialog ended.
type End struct {
	By     string // local, remote, refused, cancelled, timeout, no-ack, closed, abandoned
	Status int    // of the refusal
	Reason string // Reason header of the BYE, CANCEL or refusal
	Err    error  // why the dialog never came to be; nil after an answered call
}

// Refused is the error of a call that got a final response other than 2xx.
type Refused struct {
	Status int
	Reason string // the reason phrase
}

func (r *Refused) Error() string { return fmt.Sprintf("call refused: %d %s", r.Status, r.Reason) }

// ErrTimeout says that a request got no answer in 64*T1.
var ErrTimeout = errors.New("no answer to our request")

func dialogKey(callID, localTag string) string { return callID + "|" + localTag }

func (p *Phone) newDialog(l *link, callID, tag string) *Dialog {
	d := p.bareDialog(l, callID, tag)
	p.dialogs[dialogKey(callID, tag)] = d
	return d
}

// bareDialog makes a dialog that no request of the peer finds.
func (p *Phone) bareDialog(l *link, callID, tag string) *Dialog {
	d := &Dialog{
		p: p, link: l, callID: callID, localTag: tag, acks: map[string]*Message{},
		ringing: make(chan struct{}), answered: make(chan struct{}),
		acked: make(chan struct{}), ended: make(chan struct{}),
		times: Times{Invited: time.Now()},
	}
	d.awaited = d.acked
	return d
}

// CallID is the dialog's Call-ID.
func (d *Dialog) CallID() string { return d.callID }

// Times returns the moments so far.
func (d *Dialog) Times() Times {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return d.times
}

// Responses returns all responses to the INVITE so far; empty for the called phone.
func (d *Dialog) Responses() []*Message {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return append([]*Message(nil), d.responses...)
}

// Remote is the peer's latest description; nil before there is one.
func (d *Dialog) Remote() *SDP {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return d.theirs
}

// OnOffer sets who answers a re-INVITE or UPDATE with an offer: a status and a
// body (nil: the phone's own). Until then every offer is accepted.
func (d *Dialog) OnOffer(f func(*Message) (status int, sdp []byte)) {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	d.onOffer = f
}

// Ringing waits for a provisional response above 100.
func (d *Dialog) Ringing(ctx context.Context) error { return d.wait(ctx, d.ringing) }

// Answered waits until the call is answered; a [*Refused], [ErrTimeout] or
// [ErrClosed] when it never will be.
func (d *Dialog) Answered(ctx context.Context) error { return d.wait(ctx, d.answered) }

// Acked waits for the ACK to our 200; for the called phone.
func (d *Dialog) Acked(ctx context.Context) error { return d.wait(ctx, d.acked) }

func (d *Dialog) wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	default:
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ended:
		select {
		case <-c:
			return nil
		default:
		}
		if d.end.Err != nil {
			return d.end.Err
		}
		return fmt.Errorf("call ended: %s", d.end.By)
	}
}

// Wait waits for the end.
func (d *Dialog) Wait(ctx context.Context) (End, error) {
	select {
	case <-d.ended:
		return d.end, nil
	case <-ctx.Done():
		return End{}, ctx.Err()
	}
}

// finish ends the dialog for its owner; it stays known for 64*T1, to answer
// repetitions and crossing requests. Called under the lock.
func (d *Dialog) finish(e End) {
	d.once.Do(func() {
		d.end = e
		d.times.Ended = time.Now()
		if d.stream != nil {
			d.stream.stop()
		}
		close(d.ended)
		key := dialogKey(d.callID, d.localTag)
		d.p.forget(func() {
			if d.p.dialogs[key] == d {
				delete(d.p.dialogs, key)
			}
		})
	})
}

// unawait stops repeating 2xx: after a BYE nobody waits for an ACK.
func (d *Dialog) unawait() {
	closeOnce(d.acked)
	closeOnce(d.awaited)
}

func (d *Dialog) isOver() bool {
	select {
	case <-d.ended:
		return true
	default:
		return false
	}
}

// Abandon forgets the call without a word, as a phone does that lost its power.
func (d *Dialog) Abandon() {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if d.invite != nil {
		closeOnce(d.invite.hush)
	}
	d.unawait()
	d.finish(End{By: "abandoned"})
}

// retarget takes the peer's Contact (RFC 3261 12.2.1.2).
func (d *Dialog) retarget(m *Message) {
	all := m.Values("Contact")
	if len(all) != 1 {
		return
	}
	if a, err := parseAddress(all[0]); err == nil {
		d.target = a.uri
	}
}

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
