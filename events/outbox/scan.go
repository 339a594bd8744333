package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringdown/events"
	"ringdown/privacy/seal"
)

// Unfinished is a call of an earlier process that was received and never ended.
type Unfinished struct {
	Account, Call string
	Events        []events.Event // so far, in order; Data is json.RawMessage
	LastAlive     time.Time      // the last proof that its process lived

	// Times of Events and LastAlive are as if the machine's clock had not been set
	// since the first event, and none is later than LastAlive: what another
	// process said of the call afterwards is no proof that it lasted until then.

	offset time.Duration // from its process's steady clock to these times
}

// segment is one file of the log.
type segment struct {
	n       uint64
	size    int64
	records uint64 // those that count
	begun   time.Time
	acked   time.Time // when the last of it was acked; zero before
	damaged bool      // it is kept aside instead of being removed
}

func (s *segment) name() string { return fmt.Sprintf("%016x.log", s.n) }

func segmentOf(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, ".log")
	if !ok || len(hex) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(hex, 16, 64)
	return n, err == nil && n > 0
}

// scan is what reading the whole log at the start gives.
type scan struct {
	segments []*segment
	ledger   *ledger
	open     map[string]*Unfinished
	born     map[string]int // process in which an open call was received
	process  int
	beat     time.Time // last of the process
	torn     uint64    // torn tails
	damaged  uint64    // bad or missing records
	cursor   position
	backlog  int // events from the cursor on
}

// position is the place of an event's record.
type position struct{ segment, index uint64 }

func (p position) before(q position) bool {
	return p.segment < q.segment || p.segment == q.segment && p.index < q.index
}

// scanAll reads the log of d, acked up to cursor, from its beginning and cuts the torn tail off the
// segment that was being written; the tail itself is kept beside it.
func scanAll(d disk, key []byte, cursor position, alarm func(msg string, args ...any)) (*scan, error) {
	names, err := d.list()
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	s := &scan{cursor: cursor, ledger: newLedger(), open: make(map[string]*Unfinished), born: make(map[string]int)}
	for _, name := range names {
		if n, ok := segmentOf(name); ok {
			s.segments = append(s.segments, &segment{n: n})
		}
	}
	slices.SortFunc(s.segments, func(a, b *segment) int {
		if a.n < b.n {
			return -1
		}
		return 1
	})
	fences, err := s.fences(d, key, alarm)
	if err != nil {
		return nil, err
	}
	for i, g := range s.segments {
		limit, fenced := fences[g.n]
		if err := s.read(d, key, g, limit, fenced, i == len(s.segments)-1, alarm); err != nil {
			return nil, err
		}
	}
	s.segments = slices.DeleteFunc(s.segments, func(g *segment) bool { return g.size == 0 })
	s.endProcess()
	s.ledger.forget()
	return s, nil
}

// fences collects what the first records of the segments say of earlier ones.
// A segment whose header does not open is damaged if another's does; if none
// does, the key is the wrong one.
func (s *scan) fences(d disk, key []byte, alarm func(string, ...any)) (map[uint64]uint64, error) {
	all := make(map[uint64]uint64)
	var opened int
	var closed error
	for _, g := range s.segments {
		err := eachRecord(d, key, g.name(), func(_ uint64, v any) bool {
			if b, ok := v.(start); ok {
				for _, f := range b.fences {
					all[f.segment] = f.records
				}
			}
			return false
		}, nil)
		switch {
		case errors.Is(err, seal.ErrHeader):
			closed, g.damaged = err, true
			s.damaged++
			alarm("outbox: segment does not open", "segment", g.n)
		case err != nil:
			return nil, err
		default:
			opened++
		}
	}
	if closed != nil && opened == 0 {
		return nil, closed
	}
	return all, nil
}

// read takes one segment in. What a fence shuts out counts for nothing.
func (s *scan) read(d disk, key []byte, g *segment, limit uint64, fenced, last bool, alarm func(string, ...any)) error {
	var end tail
	size, err := d.size(g.name())
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	g.size = size
	if g.damaged { // its header does not open
		return nil
	}
	err = eachRecord(d, key, g.name(), func(index uint64, v any) bool {
		if fenced && index >= limit {
			return false
		}
		g.records = index + 1
		s.take(v, position{g.n, index}, g)
		return true
	}, &end)
	if err != nil {
		return err
	}
	if end.damaged > 0 {
		s.damaged += end.damaged
		g.damaged = true
		alarm("outbox: records damaged", "segment", g.n, "records", end.damaged)
	}
	if fenced && g.records < limit {
		s.damaged += limit - g.records
		g.damaged = true
		alarm("outbox: records missing", "segment", g.n, "have", g.records, "want", limit)
	}
	if !end.torn || fenced {
		return nil
	}
	s.torn++
	if end.offset == 0 { // cut before its first record: it holds nothing
		g.size = 0
		if err := d.remove(g.name()); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		return nil
	}
	if !last {
		g.damaged = true
		alarm("outbox: segment torn, though not the last", "segment", g.n, "offset", end.offset)
		return nil
	}
	return cutTail(d, g, end.offset)
}

// cutTail takes what is behind offset out of the segment and keeps it in a file
// of its own.
func cutTail(d disk, g *segment, offset int64) error {
	r, err := d.open(g.name())
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	// A full disk must not keep the node from starting: the tail is of no use
	// to anyone but an investigator.
	if err := d.replace(fmt.Sprintf("%016x.torn", g.n), rest); err != nil && !spaceGone(err) {
		return fmt.Errorf("outbox: keep torn tail: %w", err)
	}
	if err := d.truncate(g.name(), offset); err != nil {
		return fmt.Errorf("outbox: cut torn tail: %w", err)
	}
	g.size = offset
	return nil
}

// take is one record in the order of the log.
func (s *scan) take(v any, at position, g *segment) {
	switch v := v.(type) {
	case start:
		g.begun = v.at
		if v.process {
			s.endProcess()
			s.process++
		}
	case time.Time:
		s.beat = v
		s.ledger.tell(v)
	case entry:
		if !at.before(s.cursor) {
			s.backlog++
		}
		s.ledger.apply(v, g.n)
		s.ledger.settle()
		s.ledger.forget()
		s.follow(v)
	}
}

// follow keeps the events of calls that have not ended.
func (s *scan) follow(e entry) {
	u := s.open[e.call]
	switch {
	case e.kind == events.CallReceived && u == nil:
		u = &Unfinished{Account: e.account, Call: e.call, offset: e.at.Sub(e.steady)}
		s.open[e.call], s.born[e.call] = u, s.process
	case u == nil:
		return
	case e.kind == events.CallEnded:
		delete(s.open, e.call)
		delete(s.born, e.call)
		return
	}
	v, err := events.Decode(e.body)
	if err != nil { // sealed by us and read back whole: a later version's writing
		v = events.Event{Account: e.account, Call: e.call, Type: e.kind, Seq: e.seq, Time: e.at.UTC(), Data: json.RawMessage(`{}`)}
	}
	if s.born[e.call] == s.process {
		v.Time = e.steady.Add(u.offset).UTC()
		u.alive(e.steady)
	} else if v.Time.After(u.LastAlive) {
		v.Time = u.LastAlive.UTC()
	}
	u.Events = append(u.Events, v)
}

// alive notes that the call's process lived, by its steady clock.
func (u *Unfinished) alive(steady time.Time) {
	if at := steady.Add(u.offset); at.After(u.LastAlive) {
		u.LastAlive = at
	}
}

// endProcess gives the open calls of a process its last beat.
func (s *scan) endProcess() {
	for call, u := range s.open {
		if s.born[call] == s.process && !s.beat.IsZero() {
			u.alive(s.beat)
		}
	}
	s.beat = time.Time{}
}

// unfinished returns the calls left open, the oldest first.
func (s *scan) unfinished() []Unfinished {
	var all []Unfinished
	for _, u := range s.open {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b Unfinished) int { return strings.Compare(a.Call, b.Call) })
	return all
}

// tail is how reading a segment ended.
type tail struct {
	torn    bool
	offset  int64 // of the first byte that is no record; 0 when not even the header is whole
	damaged uint64
}

// eachRecord calls f with the index and content of each record of a segment
// until f says false. A wrong key is an error; damage is counted in end.
func eachRecord(d disk, key []byte, name string, f func(index uint64, v any) bool, end *tail) error {
	if end == nil {
		end = new(tail)
	}
	r, err := d.open(name)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer r.Close()
	log, err := seal.NewLogReader(key, r)
	if errors.Is(err, seal.ErrHeader) {
		return headerFault(d, name, err, end)
	}
	if err != nil {
		return fmt.Errorf("outbox: %s: %w", name, err)
	}
	for {
		before := log.Index()
		b, offset, err := log.Next()
		switch {
		case err == nil:
			v, err := parse(b)
			if err != nil {
				end.damaged++
			} else if !f(log.Index()-1, v) {
				return nil
			}
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, seal.ErrTorn):
			end.torn, end.offset = true, offset
			return nil
		case errors.Is(err, seal.ErrRecord):
			// Damaged bytes and the index that jumps over them are two reports
			// of one thing: only the jump says how many there were.
			end.damaged += log.Index() - before
		default:
			return fmt.Errorf("outbox: %s: %w", name, err)
		}
	}
}

// headerFault tells a segment that was cut before its first record, which holds
// nothing, from one that our key does not open.
func headerFault(d disk, name string, err error, end *tail) error {
	size, serr := d.size(name)
	if serr != nil {
		return fmt.Errorf("outbox: %w", serr)
	}
	if size < seal.LogHeaderSize {
		end.torn = true
		return nil
	}
	return fmt.Errorf("outbox: %s: %w", name, err)
}
