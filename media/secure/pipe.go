package secure

import (
	"bytes"
	"net"
	"os"
	"sync"
	"time"
)

// pipe is a net.PacketConn whose packets come by push and go by a function: what
// a handshake reads and writes.
type pipe struct {
	send  func([]byte) error
	in    chan []byte
	ended chan struct{}
	once  sync.Once

	mu    sync.Mutex
	late  chan struct{} // closed when the read deadline is over
	timer *time.Timer
}

func newPipe(send func([]byte) error) *pipe {
	return &pipe{send: send, in: make(chan []byte, waiting), ended: make(chan struct{}), late: make(chan struct{})}
}

// push gives a copy to the reader, unless too many wait.
func (p *pipe) push(pkt []byte) {
	if len(pkt) > maxRecord || len(p.in) == cap(p.in) {
		return
	}
	select {
	case p.in <- bytes.Clone(pkt):
	default:
	}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	p.mu.Lock()
	late := p.late
	p.mu.Unlock()
	select { // what is over is over, whatever waits
	case <-p.ended:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	default:
	}
	select {
	case pkt := <-p.in:
		return copy(b, pkt), p.LocalAddr(), nil
	case <-p.ended:
		return 0, nil, net.ErrClosed
	case <-late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case <-p.ended:
		return 0, net.ErrClosed
	default:
	}
	return len(b), p.send(b)
}

// SetReadDeadline also wakes who reads now: the channel he waits on is closed.
func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	select {
	case <-p.late:
		p.late = make(chan struct{})
	default:
	}
	late := p.late
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(late)
	default:
		p.timer = time.AfterFunc(left, func() { p.expire(late) })
	}
	return nil
}

func (p *pipe) expire(late chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.late != late || p.timer == nil {
		return
	}
	p.timer = nil
	close(late)
}

func (p *pipe) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil } // writing does not wait

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

// LocalAddr is no address at all: both ends have it.
func (p *pipe) LocalAddr() net.Addr { return nobody{} }

type nobody struct{}

func (nobody) Network() string { return "udp" }
func (nobody) String() string  { return "media" }
