package outbox

import (
	"errors"
	"slices"
	"time"

	"ringdown/events"
)

// ErrUnbegun refuses an event of a call whose call.received is not in the log:
// a call is told from its beginning or not at all.
var ErrUnbegun = errors.New("outbox: call was never received")

// Pace of the group commit.
const (
	pace  = 5 * time.Millisecond
	group = 64
	batch = 1 << 20 // bytes in one write

	late     = 25 * time.Millisecond // a record that took longer is counted
	turnover = 6 * time.Hour         // a segment is closed at this age, so that Keep means something
)

// item is one thing waiting for the disk.
type item struct {
	event   events.Event // Data is events.Encoded
	record  string       // recording id
	durable func(error)
	beat    time.Time     // a beat instead of an event
	flushed chan struct{} // a flush instead of either
	queued  time.Time
	size    int64
}

func (it *item) isEvent() bool  { return it.flushed == nil && it.beat.IsZero() }
func (it *item) terminal() bool { return it.isEvent() && events.Terminal(it.event.Type) }

// commit writes items in their order and tells the outcome. What it returns
// must be tried again: events that close something, and who waits behind them.
// It is the work of Run's goroutine alone.
func (o *Outbox) commit(items []*item) (left []*item) {
	items = o.admit(items)
	err := o.write(items)
	if err == nil {
		return nil
	}
	first := o.fault(err)
	switch {
	case !spaceGone(err):
		// A bad file need not be a bad disk.
		if err = o.write(items); err == nil {
			return nil
		}
		o.fault(err)
	case first && hasEvent(items):
		// Their calls were admitted before anybody could know: the reserve takes
		// them whole, so that no call has an end without a beginning.
		o.giveBack()
		if err = o.write(items); err == nil {
			return nil
		}
		o.fault(err)
	}
	for _, it := range items {
		switch {
		case it.terminal() || it.flushed != nil:
			left = append(left, it)
		case it.isEvent():
			o.refuse(it, err)
		default:
			o.count(func(s *Stats) { s.BeatsDropped++ })
		}
	}
	if !spaceGone(err) || !hasTerminal(left) {
		return o.flushOnly(left)
	}
	o.giveBack()
	if err = o.write(left); err == nil {
		return nil
	}
	o.fault(err)
	return left
}

// giveBack frees the reserve for what may still be written.
func (o *Outbox) giveBack() {
	if err := o.d.reserve(0); err != nil {
		o.log.Error("outbox: reserve not given back", "error", err)
	}
}

func hasEvent(items []*item) bool { return slices.ContainsFunc(items, (*item).isEvent) }

func hasTerminal(items []*item) bool { return slices.ContainsFunc(items, (*item).terminal) }

// flushOnly lets flushes go that wait for nothing.
func (o *Outbox) flushOnly(items []*item) []*item {
	if hasTerminal(items) {
		return items
	}
	for _, it := range items {
		close(it.flushed)
	}
	return nil
}

// admit refuses what the state of the disk does not allow: when it is full, all
// but what closes something; above the cap likewise; near it, new calls.
func (o *Outbox) admit(items []*item) []*item {
	o.mu.Lock()
	gone, used := o.spaceGone, o.used
	o.mu.Unlock()
	var in []*item
	for _, it := range items {
		switch {
		case it.flushed != nil || it.terminal():
			in = append(in, it)
		case it.isEvent() && (gone || used >= o.cfg.Cap || used >= o.cfg.Cap-o.cfg.Reserve && it.event.Type == events.CallReceived):
			o.refuse(it, ErrFull)
		case !it.isEvent() && (gone || used >= o.cfg.Cap/10*9):
			o.count(func(s *Stats) { s.BeatsDropped++ })
		default:
			in = append(in, it)
		}
	}
	return in
}

// write numbers, seals and syncs items as one group. On an error nothing of it
// counts: numbers are taken back and the segment is left.
func (o *Outbox) write(items []*item) error {
	now := time.Now()
	begun, err := o.app.ready(now, turnover)
	var refused map[*item]error
	told := 0
	for i := 0; err == nil && i < len(items); i++ {
		switch it := items[i]; {
		case it.flushed != nil:
		case !it.beat.IsZero():
			o.ledger.tell(it.beat)
			o.app.plain = appendBeat(o.app.plain[:0], o.steady(it.beat))
			err = o.app.add(o.app.plain)
		default:
			e, rerr := o.number(it)
			if errors.Is(rerr, errTold) {
				continue // with this group at the latest it is as durable as it asks for
			}
			if rerr != nil {
				if refused == nil {
					refused = make(map[*item]error)
				}
				refused[it] = rerr
				continue
			}
			told++
			o.app.plain = e.append(o.app.plain[:0])
			err = o.app.add(o.app.plain)
		}
	}
	if err == nil {
		err = o.app.write()
	}
	if err != nil {
		o.ledger.rollback()
		if o.app.abandon() && begun != nil {
			begun = nil
		}
		o.left(begun)
		return err
	}
	o.ledger.settle()
	o.ledger.forget()
	o.done(begun, told)
	for _, it := range items {
		switch err := refused[it]; {
		case it.flushed != nil:
			close(it.flushed)
		case !it.isEvent():
		case err != nil:
			o.refuse(it, err)
		default:
			o.settled(it, nil)
		}
	}
	return nil
}

// number gives an event the next number of its call. The entry's body is
// overwritten by the next.
func (o *Outbox) number(it *item) (entry, error) {
	e := it.event
	s, known := o.ledger.calls[e.Call]
	if !known && e.Type != events.CallReceived && !events.OfNode(e.Type) {
		var err error
		if s, known, err = o.recall(e.Call); err != nil {
			return entry{}, err
		}
		if known {
			o.ledger.calls[e.Call] = s
			o.ledger.undo = append(o.ledger.undo, undo{call: e.Call})
		} else {
			return entry{}, ErrUnbegun
		}
	}
	if known && s.ended && e.Type == events.CallEnded {
		return entry{}, ErrEnded
	}
	if known && e.Type == events.RecordingCompleted && slices.Contains(s.completed, it.record) {
		return entry{}, errTold
	}
	if known && s.account != e.Account {
		// A call belongs to the account that its first event named.
		o.log.Error("outbox: account of a call changed", "call", e.Call, "type", e.Type)
		o.count(func(s *Stats) { s.Strayed++ })
		e.Account = s.account
	}
	e.Seq = s.seq + 1
	body, err := events.AppendEncode(o.body[:0], e, o.cfg.Node)
	if err != nil {
		return entry{}, err
	}
	o.body = body
	r := entry{account: e.Account, call: e.Call, kind: e.Type, recording: it.record, seq: e.Seq, at: e.Time, steady: o.steady(e.Time), body: body}
	o.ledger.apply(r, o.app.seg.n)
	return r, nil
}

// steady is a time by a clock that begins right when the outbox is opened and is
// never set: between two times of one process on it lies what really passed,
// though the machine's clock may have been set in between.
func (o *Outbox) steady(at time.Time) time.Time { return o.opened.Add(at.Sub(o.opened)) }

// recall looks for a forgotten call in the log, the latest segment first. A
// call that may be older than the log cannot be numbered any more.
func (o *Outbox) recall(call string) (s state, found bool, err error) {
	o.mu.Lock()
	segs := append([]*segment(nil), o.segs...)
	limits := make([]uint64, len(segs))
	for i, g := range segs {
		limits[i] = g.records
	}
	o.mu.Unlock()
	o.count(func(s *Stats) { s.Recalled++ })
	l := newLedger()
	made, _ := events.IDTime(call)
	for i := len(segs) - 1; i >= 0 && !found; i-- {
		if i+1 < len(segs) && segs[i+1].begun.Before(made) {
			break // closed before there was such a call
		}
		err := eachRecord(o.d, o.key, segs[i].name(), func(index uint64, v any) bool {
			if index >= limits[i] {
				return false
			}
			if e, ok := v.(entry); ok && e.call == call {
				l.apply(e, segs[i].n)
				found = true
			}
			return true
		}, nil)
		if err != nil {
			return state{}, false, err
		}
	}
	if found {
		s = l.calls[call]
		s.ended = true // only such are forgotten
		return s, true, nil
	}
	if len(segs) > 0 && segs[0].n > 1 && made.Before(segs[0].begun) {
		return state{}, false, ErrPast
	}
	return state{}, false, nil
}

// refuse tells an event's owner that it will never be on the disk.
func (o *Outbox) refuse(it *item, err error) {
	o.count(func(s *Stats) { s.Refused++ })
	o.settled(it, err)
}

// settled hands the outcome to the teller.
func (o *Outbox) settled(it *item, err error) {
	if err == nil && time.Since(it.queued) > late {
		o.count(func(s *Stats) { s.Late++ })
	}
	if it.durable != nil {
		o.teller.tell(func() { it.durable(err) })
	}
}

// fault notes that the disk failed, and says whether it is the first to say that
// the volume is full.
func (o *Outbox) fault(err error) (full bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Faults++
	o.sick = true
	if spaceGone(err) {
		full = !o.spaceGone
		if full {
			o.log.Error("outbox: volume full: new calls are refused, the reserve is for events that close something")
		}
		o.spaceGone = true
		return full
	}
	o.log.Error("outbox: disk failed", "error", err)
	return false
}
