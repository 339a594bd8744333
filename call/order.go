package call

import (
	"context"
	"errors"

	"ringdown/media"
	"ringdown/routing"
)

// Order is what somebody outside wants of a live call. The set is closed.
type Order interface{ isOrder() }

type (
	// TransferTo puts somebody else in a party's place. The two go on talking until
	// he answers.
	TransferTo struct {
		Side media.Side // whose place it is
		To   routing.Destination
	}
	// ConnectTo puts a party of another call in a party's place; that call ends.
	ConnectTo struct {
		Side  media.Side // whose place it is
		Call  ID
		Party media.Side // who comes
	}
	// PlayTo plays a sound to a party, instead of what the other says or under it: one
	// at a time.
	PlayTo struct {
		Side        media.Side
		Prompt      string // id, found in the language of the call
		Under, Loop bool
	}
	// StopPlaying ends what orders have begun to play.
	StopPlaying struct{}
	// PutOnHold keeps the parties from hearing each other and plays music on hold to
	// one of them, until it is taken back.
	PutOnHold struct {
		Side media.Side // who hears the music
		On   bool
	}
	// MuteParty keeps the other party and the recording from hearing one.
	MuteParty struct {
		Side media.Side
		On   bool
	}
	// SwitchRecording records the call from now on, where the caller's consent allows
	// it, or no longer.
	SwitchRecording struct{ On bool }
	// TagWith notes something about the call.
	TagWith struct{ Tags map[string]string }
	// PauseRecording pauses the recording until it is resumed: no limit of time ends
	// the pause.
	PauseRecording struct{ On bool }
)

func (TransferTo) isOrder()      {}
func (ConnectTo) isOrder()       {}
func (PlayTo) isOrder()          {}
func (StopPlaying) isOrder()     {}
func (PutOnHold) isOrder()       {}
func (MuteParty) isOrder()       {}
func (PauseRecording) isOrder()  {}
func (SwitchRecording) isOrder() {}
func (TagWith) isOrder()         {}

// ErrNotLive says that there is no such live call.
var ErrNotLive = errors.New("no such live call")

// NotNow says why an order cannot be carried out as things stand.
type NotNow struct{ Why string }

func (e NotNow) Error() string { return e.Why }

// Invalid says why an order can never be carried out, without repeating it.
type Invalid struct{ Why string }

func (e Invalid) Error() string { return e.Why }

// Ordered is an order. Reply is called from the call's goroutine, and must not wait:
// nil says that the order is carried out or under way. What it says first counts: a
// call that breaks answers what it may have answered already.
type Ordered struct {
	At
	Order Order
	By    Ender
	Reply func(error)
}

// Control gives a live call an order and waits until it is under way or refused:
// the error is [ErrNotLive], a [NotNow] or [Invalid], or the context's. What becomes of it is
// told by events.
func (b *Switchboard) Control(ctx context.Context, id ID, o Order, by Ender) error {
	b.mu.Lock()
	c := b.calls[id]
	b.mu.Unlock()
	if c == nil {
		return ErrNotLive
	}
	replied := make(chan error, 1)
	reply := func(err error) {
		select {
		case replied <- err:
		default:
		}
	}
	if !c.post("", Ordered{Now(), o, by, reply}) {
		return ErrNotLive
	}
	select {
	case err := <-replied:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// claimParty asks another call for the leg of one of its parties.
func (b *Switchboard) claimParty(id ID, s Claimed) {
	b.mu.Lock()
	c := b.calls[id]
	b.mu.Unlock()
	if c == nil || !c.post("", s) {
		s.Claim.Refuse()
	}
}
