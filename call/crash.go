package call

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// crash ends this call, and only this one, after a panic in it: every leg is
// hung up, everything is closed, the end is told.
func (c *Call) crash(r any) {
	c.board.panics.Add(1)
	// The value could quote what a peer sent; its type and the stack do not.
	c.log.Error("call panicked", "panic", fmt.Sprintf("%T", r), "stack", string(debug.Stack()))
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("call panicked again while it was ended", "panic", fmt.Sprintf("%T", r))
		}
	}()
	for _, l := range c.legs {
		l.Hangup(internalError)
	}
	switch s := c.hand.s.(type) { // who came with it may be none of the legs yet
	case Replaced:
		s.Leg.Hangup(internalError)
	case Given:
		if s.Leg != nil {
			s.Leg.Hangup(internalError)
		}
	case Ordered:
		s.Reply(ErrNotLive)
	}
	if t := c.machine.move; t != nil && t.ordered != nil {
		t.ordered(ErrNotLive)
	}
	for _, r := range c.rooms {
		r.Close()
	}
	if c.relay != nil {
		c.relay.Close()
	}
	for _, rec := range append(slices.Collect(maps.Values(c.letters)), c.recording, c.opened) { // what was said of a message is kept
		if rec != nil {
			c.closeAside(rec)
		}
	}
	for _, p := range c.machine.lastWords(c.now()) {
		c.publish(p)
	}
	c.mu.Lock()
	c.view.ended = true
	c.mu.Unlock()
	c.board.over(c.id) // its legs may take a while to go, its place is free
	c.attend()
}

var internalError = Cause{Status: 500, Q850: 41, Text: "internal error"}

func (c *Call) closeAside(rec Recording) {
	ended := c.now()
	c.aside.Go(func() { rec.Close(ended) })
}

// attend waits for the legs of a broken call: one that answers although it was
// hung up must still get its BYE.
func (c *Call) attend() {
	linger := time.NewTimer(lingerWait)
	defer linger.Stop()
	left := 0
	for _, l := range c.machine.legs {
		if !l.gone && c.legs[l.id] != nil {
			left++
		}
	}
	for {
		for _, l := range c.batch {
			switch s := l.s.(type) {
			case Gone:
				left--
			case Answered:
				c.legs[l.from].Hangup(internalError)
			case Forked:
				s.Leg.Hangup(internalError)
			case opened:
				if s.Err == nil {
					c.closeAside(s.rec)
				}
			case dictated:
				if s.Err == nil {
					c.aside.Go(func() { s.rec.Discard() })
				}
			case Replaced, Claimed, Given, Ordered:
				c.refuseLate([]letter{l})
			}
		}
		c.batch = nil
		if left <= 0 {
			return
		}
		select {
		case <-c.wake:
			c.batch = c.take()
		case <-linger.C:
			return
		}
	}
}
