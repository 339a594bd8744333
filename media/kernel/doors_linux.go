package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// doors are the interfaces on which the program works.
type doors struct {
	log     *slog.Logger
	program *program
	wanted  []string // empty: all that are up
	news    *os.File // the kernel's messages about interfaces, addresses and routes

	mu   sync.Mutex
	open map[uint32]*door // by index
	mtu  map[uint32]uint32
	told map[string]bool // of what was said in the log
}

type door struct {
	name string
	link link.Link
}

// openDoors puts the program on the interfaces that are there.
func openDoors(p *program, wanted []string, log *slog.Logger) (*doors, error) {
	d := &doors{log: log, program: p, wanted: wanted, open: map[uint32]*door{}, mtu: map[uint32]uint32{}, told: map[string]bool{}}
	news, err := listen()
	if err != nil {
		return nil, err
	}
	d.news = news
	if err := d.look(); err != nil || len(d.open) == 0 {
		d.close()
		if err == nil {
			err = fmt.Errorf("none of the interfaces %q is there and up", wanted)
		}
		return nil, err
	}
	return d, nil
}

// listen opens the kernel's news of what may change a way.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("socket for news of interfaces: %w", err)
	}
	groups := uint32(0)
	for _, g := range []int{
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	} {
		groups |= 1 << (g - 1)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("socket for news of interfaces: %w", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// look compares the interfaces with the open doors, and opens and shuts some. Its
// error is that of the first interface, when nothing could be opened at all.
func (d *doors) look() error {
	all, err := devices()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.mtu)
	there := map[uint32]bool{}
	var first error
	for _, v := range all {
		d.mtu[v.index] = v.mtu
		there[v.index] = true
		if !v.up || d.open[v.index] != nil || len(d.wanted) > 0 && !slices.Contains(d.wanted, v.name) {
			continue
		}
		if err := d.attach(v); err != nil && first == nil {
			first = err
		}
	}
	for index, o := range d.open {
		if !there[index] {
			o.link.Close()
			delete(d.open, index)
		}
	}
	for _, name := range d.wanted {
		if !slices.ContainsFunc(all, func(v device) bool { return v.name == name && v.up }) {
			d.say("kernel engine waits for an interface", name, nil)
		}
	}
	if len(d.open) > 0 {
		return nil
	}
	return first
}

// attach opens a door. Ours is one program of several there: who came before is
// asked first.
func (d *doors) attach(v device) error {
	var p *ebpf.Program
	switch v.kind {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		p = d.program.Ether
	case unix.ARPHRD_NONE, unix.ARPHRD_PPP, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6,
		unix.ARPHRD_SIT, unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE:
		p = d.program.Bare
	default:
		err := fmt.Errorf("interface %s: of a kind (%d) that is not known here", v.name, v.kind)
		d.say("kernel engine leaves an interface to the sockets", v.name, err)
		return err
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: int(v.index), Program: p, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("kernel %s has no TCX: 6.6 or later is needed", release())
	}
	if err != nil {
		err = fmt.Errorf("interface %s: %w", v.name, err)
		d.say("kernel engine leaves an interface to the sockets", v.name, err)
		return err
	}
	d.open[v.index] = &door{name: v.name, link: l}
	d.log.Debug("kernel engine works on an interface", "interface", v.name)
	return nil
}

// say writes a warning about an interface once.
func (d *doors) say(what, name string, err error) {
	if d.told[what+name] {
		return
	}
	d.told[what+name] = true
	if err != nil {
		d.log.Warn(what, "interface", name, "error", err)
		return
	}
	d.log.Warn(what, "interface", name)
}

// limit completes a way by what its interface can carry.
func (d *doors) limit(w way) way {
	d.mu.Lock()
	defer d.mu.Unlock()
	if mtu := d.mtu[w.device]; w.mtu == 0 || mtu != 0 && mtu < w.mtu {
		w.mtu = mtu
	}
	return w
}

func (d *doors) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, 0, len(d.open))
	for _, o := range d.open {
		out = append(out, o.name)
	}
	slices.Sort(out)
	return out
}

// interrupt ends watch.
func (d *doors) interrupt() { d.news.Close() }

// detach takes the program off.
func (d *doors) detach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.open {
		o.link.Close()
	}
	clear(d.open)
}

func (d *doors) close() {
	d.interrupt()
	d.detach()
}

// settleTime is the least time between two looks at interfaces and routes, however
// often they change.
const settleTime = 100 * time.Millisecond

// watch follows interfaces and routes. What a message says is never read, so one
// that was lost (ENOBUFS) is a change like any other.
func (e *Engine) watch() {
	for e.doors.await() {
		if err := e.doors.look(); err != nil {
			e.log.Error("kernel engine cannot see the interfaces", "error", err)
		}
		e.reroute()
		select {
		case <-e.quit:
			return
		case <-time.After(settleTime):
		}
	}
}

// await returns when something is new, with all of it behind it; false when the
// news are closed.
func (d *doors) await() bool {
	raw, err := d.news.SyscallConn()
	if err != nil {
		return false
	}
	var buf [1 << 13]byte // longer ones are cut
	err = raw.Read(func(fd uintptr) (any bool) {
		for {
			_, _, err := unix.Recvfrom(int(fd), buf[:], unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				return any
			}
			any = true
			if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	return err == nil
}
