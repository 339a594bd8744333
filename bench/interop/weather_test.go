//go:build interop

package interop

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// weather is a UDP socket in bad weather: what goes out and what comes in is
// lost, held up and so put out of order, by a seeded chance. It stands where the
// network is, between a phone and the node.
type weather struct {
	net.PacketConn
	loss float64       // of each datagram
	hold time.Duration // the longest delay
	// steer loses a message for certain, whatever the chance says; nil: none.
	steer func(way way, m *peeked) (lost bool)
	// seen is told of each message at the moment the node sends or gets it.
	seen func(way way, m *peeked, at time.Time)

	mu      sync.Mutex
	chance  *rand.Rand
	arrived chan datagram
	closed  chan struct{}
	once    sync.Once
	lost    int
	passed  int
}

type way bool

const (
	toNode   way = true
	fromNode way = false
)

type datagram struct {
	raw  []byte
	from net.Addr
}

func newWeather(inner net.PacketConn, seed uint64, loss float64, hold time.Duration) *weather {
	return &weather{PacketConn: inner, loss: loss, hold: hold, chance: rand.New(rand.NewPCG(seed, 1)),
		arrived: make(chan datagram, 4096), closed: make(chan struct{})}
}

// blow starts to carry what comes in; seen and steer are set by then.
func (w *weather) blow() {
	go func() { // ends when the socket is closed
		buf := make([]byte, 1<<16)
		for {
			n, from, err := w.PacketConn.ReadFrom(buf)
			if err != nil {
				w.stop()
				return
			}
			d := datagram{bytes.Clone(buf[:n]), from}
			m := peek(d.raw)
			w.seen(fromNode, m, time.Now())
			w.carry(fromNode, m, func() {
				select {
				case w.arrived <- d:
				case <-w.closed:
				}
			})
		}
	}()
}

// carry lets f happen after a delay, or not at all.
func (w *weather) carry(way way, m *peeked, f func()) {
	w.mu.Lock()
	lost := w.chance.Float64() < w.loss
	after := time.Duration(w.chance.Int64N(int64(w.hold) + 1))
	lost = w.steer != nil && w.steer(way, m) || lost
	if lost {
		w.lost++
	} else {
		w.passed++
	}
	w.mu.Unlock()
	if !lost {
		time.AfterFunc(after, f)
	}
}

func (w *weather) WriteTo(b []byte, to net.Addr) (int, error) {
	raw := bytes.Clone(b)
	m := peek(raw)
	w.carry(toNode, m, func() {
		w.seen(toNode, m, time.Now())
		w.PacketConn.WriteTo(raw, to) // the socket may be closed by now: lost too
	})
	return len(b), nil
}

func (w *weather) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-w.arrived:
		return copy(b, d.raw), d.from, nil
	case <-w.closed:
		return 0, nil, net.ErrClosed
	}
}

func (w *weather) stop() { w.once.Do(func() { close(w.closed) }) }

func (w *weather) Close() error {
	w.stop()
	return w.PacketConn.Close()
}

// peeked is what a bystander reads of a SIP message.
type peeked struct {
	method string // of a request; of a response: empty
	status string // "200"; of a request: empty
	about  string // the method in CSeq
	callID string
	from   string // the From line
}

// peek reads a message of a peer that is known to write one header a line.
func peek(raw []byte) *peeked {
	m := &peeked{}
	for i, line := range bytes.Split(raw, []byte("\r\n")) {
		if i == 0 {
			first, rest, _ := bytes.Cut(line, []byte(" "))
			if string(first) == "SIP/2.0" {
				m.status = string(rest[:min(3, len(rest))])
			} else {
				m.method = string(first)
			}
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch string(bytes.ToLower(name)) {
		case "call-id":
			m.callID = string(value)
		case "from":
			m.from = string(value)
		case "cseq":
			_, about, _ := bytes.Cut(value, []byte(" "))
			m.about = string(about)
		}
	}
	return m
}
