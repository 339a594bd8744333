package relay

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loops are the engine's loops, at most one a core.
type loops struct {
	mu     sync.Mutex
	all    []*loop
	calls  []int // in each
	closed bool
}

// loopCalls is how many calls a loop takes before the next one begins to work: one
// loop that is busy wakes less often, and finds more at a time, than two that are
// not (M12). That holds while packets only pass: with the first call that is worked
// on, new ones go to the loop with the fewest. Calls that are there stay where they
// are.
const loopCalls = 1000

// enter chooses the loop for all sockets of a call and counts the call in it.
func (e *engine) enter() int {
	l := &e.loops
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = make([]int, runtime.GOMAXPROCS(0))
	}
	least, fill := 0, e.worked.Load() == 0
	for i, n := range l.calls {
		if fill && n < loopCalls {
			least = i
			break
		}
		if n < l.calls[least] {
			least = i
		}
	}
	l.calls[least]++
	return least
}

// leave takes a call out of its loop.
func (e *engine) leave(loop int) {
	l := &e.loops
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[loop]--
}

// get returns a loop, which starts when it is asked for first.
func (l *loops) get(number int) (*loop, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	for len(l.all) <= number {
		l.all = append(l.all, nil)
	}
	if l.all[number] == nil {
		made, err := newLoop()
		if err != nil {
			return nil, err
		}
		l.all[number] = made
	}
	return l.all[number], nil
}

// close ends the loops and waits for them. Their sockets are closed already, or
// are not read any more.
func (e *engine) close() {
	l := &e.loops
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, one := range l.all {
		if one != nil {
			one.close()
		}
	}
	l.all = nil
}

// roundMost is how many packets a loop reads before it sends them. Kernel code that
// reads and kernel code that sends push each other out of the processor's caches;
// so each is run for many packets at a time (M10).
const roundMost = 32

// loop reads many sockets in one goroutine. Its epoll descriptor sits in the
// runtime's poller: while nothing comes no thread waits for it.
type loop struct {
	epoll int
	file  *os.File // of epoll
	done  chan struct{}

	mu    sync.Mutex
	over  bool          // epoll is closed
	slots []*descriptor // by the number that epoll knows them by
	free  []int32       // of slots

	// What follows is the goroutine's own.
	ready [roundMost]unix.EpollEvent
	count int
	round [roundMost]step
}

// step is one packet of a round.
type step struct {
	in   *descriptor // its mu is held; nil: nothing was read
	out  outgoing
	send bool
	buf  room
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // tells os.NewFile that it can be polled
	}
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	l := &loop{epoll: fd, file: os.NewFile(uintptr(fd), "media"), done: make(chan struct{})}
	raw, err := l.file.SyscallConn()
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("media loop: %w", err)
	}
	go l.run(raw) // until close
	return l, nil
}

func (l *loop) close() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.file.Close()
	<-l.done
}

// add begins to read a descriptor.
func (l *loop) add(d *descriptor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return net.ErrClosed
	}
	if len(l.free) == 0 {
		l.free = append(l.free, int32(len(l.slots)))
		l.slots = append(l.slots, nil)
	}
	last := len(l.free) - 1
	d.loop, d.slot = l, l.free[last]
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(d.fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: d.slot})
	if err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.free = l.free[:last]
	l.slots[d.slot] = d
	return nil
}

// remove ends the reading of a descriptor, which is open still. The caller holds d.mu.
func (l *loop) remove(d *descriptor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.slots[d.slot] != d { // or it was given up before
		return
	}
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(d.fd), nil) // it is there, so this cannot fail
	l.slots[d.slot] = nil
	l.free = append(l.free, d.slot)
}

func (l *loop) run(raw syscall.RawConn) {
	defer close(l.done)
	look := l.look
	for raw.Read(look) == nil {
		l.pass()
	}
}

// look asks which sockets have something to be read. Without an answer the
// runtime asks again when there is one.
func (l *loop) look(uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.ready[0])), roundMost, 0, 0, 0)
	if errno != 0 {
		n = 0
	}
	l.count = int(n)
	return n > 0
}

// pass reads one packet of each socket that is ready, then sends what is to be
// sent. Who has more is ready again next time, after the others: no socket keeps
// the rest waiting. All packets of a round arrived now.
func (l *loop) pass() {
	n := 0
	l.mu.Lock()
	for i := range l.ready[:l.count] {
		// A slot may have been given to another socket since: that is read then,
		// and has nothing.
		if d := l.slots[l.ready[i].Fd]; d != nil {
			l.round[n].in = d
			n++
		}
	}
	l.mu.Unlock()
	at := time.Now()
	for i := range l.round[:n] {
		l.round[i].read(at)
	}
	for i := range l.round[:n] {
		l.round[i].finish()
	}
}

// read takes a packet from its socket to the receiver. The socket's lock is held
// until finish: who waits for it knows that the packet is gone.
func (s *step) read(at time.Time) {
	d := s.in
	d.mu.Lock()
	if d.fd < 0 {
		return
	}
	n, src, errno := d.receive(s.buf[:maxDatagram+1])
	switch errno {
	case 0:
		d.failed = 0
		s.out, s.send = d.handle(s.buf[:n], src, at)
	case unix.EAGAIN, unix.EINTR:
	default:
		if d.failed++; d.failed == maxErrors {
			d.loop.remove(d)
			d.giveUp()
		}
	}
}

func (s *step) finish() {
	d := s.in
	if s.send {
		d.forward(s.out)
		s.out, s.send = outgoing{}, false
	}
	s.in = nil
	d.mu.Unlock()
}
