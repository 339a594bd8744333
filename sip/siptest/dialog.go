package siptest

import (
	"context"
	"errors"
	"fmt"
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
	play                Source // instead of the phone's
	stream              *stream
	times               Times
	onOffer             func(*Message) (int, []byte)
	notices             []Notice

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
