package outbox

import (
	"testing"
	"time"

	"ringdown/events"
)

// An event of the node begins and ends by itself: it needs no call.received,
// keeps no segment and is nothing that a crash leaves open.
func TestEventOfTheNodeIsAlone(t *testing.T) {
	l := newLedger()
	at := time.Now()
	id := events.NewID(events.NodeID, at)
	l.apply(entry{call: id, account: events.System, kind: events.SIPSourceBanned, seq: 1, at: at}, 3)
	if !l.calls[id].closed() || l.oldest(7) != 7 {
		t.Errorf("%+v, oldest %d", l.calls[id], l.oldest(7))
	}
	l.tell(at.Add(grace))
	l.forget()
	if len(l.calls) != 0 {
		t.Errorf("%d remembered", len(l.calls))
	}
}
