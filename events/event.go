// Package events is the promise to everyone downstream: the envelope, the types
// and their payloads (SCHEMA.md), and [Publisher], the one way to tell a fact.
//
// It knows no disk and no broker: events/outbox keeps, events/natsbus delivers.
package events

import "time"

// Event is one fact about one call.
type Event struct {
	Account string    // id of the account; System when none could be named
	Call    string    // call id
	Type    string    // "call.ended"; see the constants
	Time    time.Time // when it happened
	Seq     uint64    // given by the outbox: from 1, without gaps in each call
	Data    any       // one of the payload structs; json.RawMessage when read back
}

// System is the account of calls that belong to nobody: no trunk, no number.
const System = "_sys"

// Publisher takes events. Publish never blocks; durable, when not nil, is called
// exactly once from another goroutine: nil when the event is on the disk, an
// error when it never will be. Events of one call keep the order of the calls
// to Publish. The payload must not be changed afterwards.
type Publisher interface {
	Publish(e Event, durable func(error))
}
