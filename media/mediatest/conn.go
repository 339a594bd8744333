package mediatest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"ringdown/media/dscp"
)

// queued is how many datagrams wait in a conn before the next is lost, about
// what a kernel's receive buffer holds of G.711.
const queued = 512

type datagram struct {
	from netip.AddrPort
	data []byte
}

// Conn is one address of a [Network]. Besides net.PacketConn it has the two
// address-port methods of net.UDPConn.
type Conn struct {
	net    *Network
	at     netip.AddrPort
	ready  chan struct{} // holds a token while the queue may have something
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	queue    []datagram
	deadline time.Time
	class    dscp.Class
}

// Mark notes a DSCP, and Class returns what was noted last.
func (c *Conn) Mark(class dscp.Class) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.class = class
}

func (c *Conn) Class() dscp.Class {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.class
}

var _ net.PacketConn = (*Conn)(nil)

// push appends to the queue and reports whether there was room.
func (c *Conn) push(d datagram) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= queued {
		return false
	}
	c.queue = append(c.queue, d)
	c.wake()
	return true
}

func (c *Conn) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// pop takes the oldest datagram; when there is none it returns the deadline.
func (c *Conn) pop() (d datagram, ok bool, deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return datagram{}, false, c.deadline
	}
	d, c.queue = c.queue[0], c.queue[1:]
	if len(c.queue) > 0 {
		c.wake()
	}
	return d, true, time.Time{}
}

// ReadFromUDPAddrPort is net.UDPConn's: what does not fit into b is cut off.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		select {
		case <-c.closed:
			return 0, netip.AddrPort{}, fmt.Errorf("mediatest: read %v: %w", c.at, net.ErrClosed)
		default:
		}
		d, ok, deadline := c.pop()
		if ok {
			return copy(b, d.data), d.from, nil
		}
		if err := c.await(deadline); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}

// await returns when there may be something to read.
func (c *Conn) await(deadline time.Time) error {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-c.ready:
	case <-c.closed:
	case <-late:
		return fmt.Errorf("mediatest: read %v: %w", c.at, os.ErrDeadlineExceeded)
	}
	return nil
}

// WriteToUDPAddrPort never blocks; b is copied.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.closed:
		return 0, fmt.Errorf("mediatest: write %v: %w", c.at, net.ErrClosed)
	default:
	}
	if !to.IsValid() || to.Port() == 0 {
		return 0, fmt.Errorf("mediatest: write to %v: %w", to, syscall.EINVAL)
	}
	c.net.Carry(c.at, to, b)
	return len(b), nil
}

func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("mediatest: write to %v: %w", to, syscall.EAFNOSUPPORT)
	}
	return c.WriteToUDPAddrPort(b, udp.AddrPort())
}

// Waiting is how many datagrams have arrived and were not read.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// Drain returns all datagrams that have arrived, without waiting.
func (c *Conn) Drain() [][]byte {
	var all [][]byte
	for {
		d, ok, _ := c.pop()
		if !ok {
			return all
		}
		all = append(all, d.data)
	}
}

// AddrPort is where the conn is bound.
func (c *Conn) AddrPort() netip.AddrPort { return c.at }

func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.at) }

// SetReadDeadline holds for reads that begin, or look again, after it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	c.wake()
	return nil
}

func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a write never waits.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Close frees the address at once and wakes a reader. Idempotent.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.net.mu.Lock()
		delete(c.net.conns, c.at)
		c.net.mu.Unlock()
	})
	return nil
}
