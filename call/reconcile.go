package call

import (
	"encoding/json"
	"fmt"
	"time"

	"ringdown/events"
	"ringdown/routing"
)

// Reconcile returns the events that close a call whose node died under it:
// leg.ended for each open leg, then call.ended marked estimated. history is
// what was told of the call, in order, payloads as structs or raw JSON;
// lastAlive is the last proof that the node was alive. A call whose legs have
// all ended has ended with the last of them: only the word of it was missing.
// The call is never billed beyond that, so never beyond its true end.
func Reconcile(history []events.Event, lastAlive time.Time) ([]events.Event, error) {
	if len(history) == 0 {
		return nil, fmt.Errorf("call history is empty")
	}
	r := reconciler{open: map[string]bool{}, last: lastAlive}
	for _, e := range history {
		if err := r.read(e); err != nil {
			return nil, fmt.Errorf("call %s: event %d %s: %w", e.Call, e.Seq, e.Type, err)
		}
	}
	return r.close(history[len(history)-1]), nil
}

type reconciler struct {
	order                             []string // legs in the order they came
	open                              map[string]bool
	received, rang, answered, bridged time.Time
	attended                          time.Time // we answered the caller ourselves
	over                              time.Time // the talk, and the caller stayed
	message                           bool      // he has left one
	refused                           string    // call.rejected was told: its reason
	challenged                        bool      // he owes screening a key
	last, lastLeft                    time.Time // proof of life; the last end of a leg
	winner, version                   string
	transfers                         int
	done                              bool
}

func (r *reconciler) read(e events.Event) error {
	if e.Time.After(r.last) {
		r.last = e.Time
	}
	switch e.Type {
	case events.CallReceived:
		r.received = e.Time
	case events.CallRouted:
		d, err := payload[events.CallRoutedData](e)
		r.version = d.ConfigVersion
		return err
	case events.CallRinging:
		r.rang = e.Time
	case events.CallAnswered:
		r.answered = e.Time
	case events.CallAttended:
		r.attended = e.Time
	case events.CallScreened:
		d, err := payload[events.CallScreenedData](e)
		r.challenged = d.Verdict == routing.ScreenChallenged
		return err
	case events.CallRejected:
		d, err := payload[events.CallRejectedData](e)
		r.refused = d.RejectReason
		return err
	case events.CallStepped:
		d, err := payload[events.CallSteppedData](e)
		if d.Result == string(routing.Talked) {
			r.over = e.Time
		}
		return err
	case events.VoicemailLeft:
		r.message = true
	case events.CallBridged:
		d, err := payload[events.CallBridgedData](e)
		r.bridged, r.winner = e.Time, d.Winner
		return err
	case events.CallTransferred:
		d, err := payload[events.CallTransferredData](e)
		if d.Joined != "" {
			r.transfers++
		}
		return err
	case events.CallEnded:
		r.done = true
	case events.LegCreated:
		d, err := payload[events.LegCreatedData](e)
		r.order, r.open[d.Leg] = append(r.order, d.Leg), true
		return err
	case events.LegFailed:
		d, err := payload[events.LegFailedData](e)
		r.left(d.Leg, e.Time)
		return err
	case events.LegEnded:
		d, err := payload[events.LegEndedData](e)
		r.left(d.Leg, e.Time)
		return err
	}
	return nil
}

func (r *reconciler) left(leg string, at time.Time) {
	delete(r.open, leg)
	r.lastLeft = at
}

func (r *reconciler) close(last events.Event) []events.Event {
	if r.done {
		return nil
	}
	if len(r.order) > 0 && len(r.open) == 0 {
		r.last = r.lastLeft
	}
	cause := Cause{Status: 500, Q850: 38, Text: "node lost"}.event()
	tell := func(kind string, data any) events.Event {
		return events.Event{Account: last.Account, Call: last.Call, Type: kind, Time: r.last, Data: data}
	}
	var out []events.Event
	for _, leg := range r.order {
		if r.open[leg] {
			out = append(out, tell(events.LegEnded, events.LegEndedData{Leg: leg, EndedBy: string(ByNodeLoss), Cause: cause}))
		}
	}
	return append(out, tell(events.CallEnded, r.summary(cause)))
}

func (r *reconciler) summary(cause events.Cause) events.CallEndedData {
	d := times{r.received, r.rang, r.answered, r.bridged, r.last}.summary()
	d.Status, d.EndedBy, d.Cause, d.Estimated = "failed", string(ByNodeLoss), cause, true
	d.ConfigVersion, d.Winner, d.Transfers = r.version, r.winner, r.transfers
	if !r.bridged.IsZero() || r.message {
		d.Status = "completed"
	}
	if !r.over.IsZero() && r.attended.IsZero() { // he was with us alone since
		r.attended = r.over
	}
	if from := r.attended; !from.IsZero() {
		if !r.bridged.IsZero() && r.bridged.Before(from) {
			from = r.bridged
		}
		if !r.over.IsZero() {
			d.TalkMS = ms(r.bridged, r.over)
		}
		d.AttendedAt = events.StampOf(r.attended)
		d.AttendedMS = max(0, ms(from, r.last)-d.TalkMS)
		d.BillableMS = d.TalkMS + d.AttendedMS
	}
	if r.refused != "" {
		d.Status, d.RejectReason = "rejected", r.refused
	}
	if r.refused != "" || r.challenged {
		d.BillableMS = 0
	}
	return d
}

// payload returns an event's data as T, whether it is a struct or was read back.
func payload[T any](e events.Event) (T, error) {
	var out T
	switch d := e.Data.(type) {
	case T:
		return d, nil
	case json.RawMessage:
		err := json.Unmarshal(d, &out)
		return out, err
	}
	return out, fmt.Errorf("payload is %T", e.Data)
}
