package siptest

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Record is one message as it passed the wire. It holds what the message holds:
// not for a log.
type Record struct {
	At      time.Time
	Out     bool
	Dropped bool // by Drop
	Peer    netip.AddrPort
	Proto   string // "UDP", "TCP"
	Raw     []byte
	Message *Message // nil when it could not be parsed
}

// Fault is something the peer should not have done. Its text names headers and
// message titles only; the message itself is beside it.
type Fault struct {
	At      time.Time
	Message *Message // nil when it could not be parsed
	Err     error
}

func (f *Fault) Error() string {
	if f.Message == nil {
		return "phone: " + f.Err.Error()
	}
	return fmt.Sprintf("phone: %s: %v", f.Message.title(), f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// drop is an order to lose messages.
type drop struct {
	out  bool
	left int
	what func(*Message) bool
}

// journal keeps what passed and what was wrong, and loses what it is told to.
type journal struct {
	keep  int
	fault func(error)
	log   *slog.Logger

	mu         sync.Mutex
	records    []Record
	faults     []error
	drops      []*drop
	droppedACK bool
}

// note keeps a message and says whether it is to be dropped.
func (j *journal) note(r Record) (dropped bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.Message != nil {
		r.Dropped = j.takeDrop(r.Out, r.Message)
		j.log.Debug("sip", "out", r.Out, "message", r.Message.title(), "dropped", r.Dropped)
	}
	if j.keep > 0 && len(j.records) >= 2*j.keep {
		j.records = slices.Delete(j.records, 0, len(j.records)-j.keep)
	}
	j.records = append(j.records, r)
	return r.Dropped
}

func (j *journal) takeDrop(out bool, m *Message) bool {
	for i, d := range j.drops {
		if d.out != out || d.what != nil && !d.what(m) {
			continue
		}
		if d.left--; d.left == 0 {
			j.drops = slices.Delete(j.drops, i, i+1)
		}
		j.droppedACK = j.droppedACK || m.Method == "ACK"
		return true
	}
	return false
}

func (j *journal) lostACK() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.droppedACK
}

// accuse records a fault of the peer.
func (j *journal) accuse(m *Message, format string, args ...any) {
	f := &Fault{At: time.Now(), Message: m, Err: fmt.Errorf(format, args...)}
	j.mu.Lock()
	j.faults = append(j.faults, f)
	j.mu.Unlock()
	j.log.Error("sip fault", "err", f)
	if j.fault != nil {
		j.fault(f)
	}
}

// Trace returns the messages kept so far, oldest first.
func (p *Phone) Trace() []Record {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	all := p.journal.records
	if k := p.journal.keep; k > 0 && len(all) > k {
		all = all[len(all)-k:]
	}
	return slices.Clone(all)
}

// Faults returns what peers did wrong so far, each a *[Fault].
func (p *Phone) Faults() []error {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	return slices.Clone(p.journal.faults)
}

// Direction of a message, as the phone sees it.
type Direction bool

const (
	In  Direction = false
	Out Direction = true
)

// Drop loses the next n messages of one direction that what picks (nil: any),
// after they are recorded. Several orders may stand at once.
func (p *Phone) Drop(way Direction, n int, what func(*Message) bool) {
	if n <= 0 {
		return
	}
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	p.journal.drops = append(p.journal.drops, &drop{bool(way), n, what})
}

// Is picks requests of a method and nothing else.
func Is(method string) func(*Message) bool {
	return func(m *Message) bool { return m.Method == method }
}

// Answers picks responses with a status to a method.
func Answers(status int, method string) func(*Message) bool {
	return func(m *Message) bool {
		_, to := m.cseq()
		return m.Status == status && to == method
	}
}
