//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"time"
)

const maxFlood = 1_000_000 // packets a second

// flood is a stranger who sends to one port as fast as he is told to, from an
// address that no description names.
type flood struct {
	quit chan struct{}
	sent chan uint64
}

// newFlood sends until stop.
func newFlood(at netip.AddrPort, rate int) (*flood, error) {
	s, err := openSocketAt([4]byte{127, 0, 0, 9})
	if err != nil {
		return nil, err
	}
	f := &flood{quit: make(chan struct{}), sent: make(chan uint64, 1)}
	var packet [packetSize]byte
	packet[0] = 0x80
	binary.BigEndian.PutUint32(packet[8:], 0xbad)
	to := rawAddress(at)
	for i := range batchSize {
		s.put(i, packet[:], &to)
	}
	go f.run(s, rate)
	return f, nil
}

func (f *flood) run(s *socket, rate int) {
	defer s.close()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	var sent uint64
	for start := monotonic(); ; sleepUntil(monotonic() + tick) {
		select {
		case <-f.quit:
			f.sent <- sent
			return
		default:
		}
		due := uint64((monotonic() - start).Seconds() * float64(rate))
		if behind := uint64(rate / 10); due > sent+behind { // it was kept waiting: that is gone
			start += time.Duration(float64(due-sent-behind) / float64(rate) * float64(time.Second))
			due = sent + behind
		}
		for sent < due {
			n := s.send(int(min(due-sent, batchSize)))
			if n == 0 {
				break
			}
			sent += uint64(n)
		}
	}
}

// stop ends the flood and tells how many packets it was.
func (f *flood) stop() uint64 {
	close(f.quit)
	return <-f.sent
}
