//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"ringdown/sip/siptest"
)

// outcome is what became of one call, as its caller saw it.
type outcome struct {
	dialog *siptest.Dialog
	setup  time.Duration // INVITE to 200
	err    error
}

// newPhone makes a phone on a loopback socket; with media, on two.
func newPhone(user string, media bool) (*siptest.Phone, error) {
	cfg := siptest.Config{User: user, Keep: 256}
	var err error
	if cfg.Conn, err = listenOn("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if media {
		if cfg.Media, err = listenOn("127.0.0.1:0"); err != nil {
			cfg.Conn.Close()
			return nil, err
		}
	}
	return siptest.New(cfg)
}

// listenOn binds a UDP socket with a receive buffer for bursts.
func listenOn(address string) (net.PacketConn, error) {
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	if u, ok := c.(*net.UDPConn); ok {
		u.SetReadBuffer(8 << 20) // as much as the system allows
	}
	return c, nil
}

// loopback refuses every target that is not this machine.
func loopback(target string) error {
	to, err := netip.ParseAddrPort(target)
	if err != nil {
		return fmt.Errorf("%w: target is not IP:PORT", errUsage)
	}
	if !to.Addr().IsLoopback() {
		return fmt.Errorf("%w: target %s is not on this machine; bench loads loopback only", errUsage, to)
	}
	return nil
}

// place makes n calls at a steady rate and waits until each is answered or
// lost. dial starts the ith.
func place(ctx context.Context, n int, rate float64, dial func(ctx context.Context, i int) (*siptest.Dialog, error)) []outcome {
	all := make([]outcome, n)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range all {
		if !pause(ctx, time.Until(start.Add(time.Duration(float64(i)/rate*float64(time.Second))))) {
			all[i].err = ctx.Err()
			continue
		}
		wg.Go(func() { all[i] = placeOne(ctx, i, dial) })
	}
	wg.Wait()
	return all
}

// answerLimit is how long a call may take to be answered.
const answerLimit = 30 * time.Second

func placeOne(ctx context.Context, i int, dial func(context.Context, int) (*siptest.Dialog, error)) outcome {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	d, err := dial(ctx, i)
	if err != nil {
		return outcome{err: err}
	}
	if err := d.Answered(ctx); err != nil {
		return outcome{dialog: d, err: err}
	}
	t := d.Times()
	return outcome{dialog: d, setup: t.Answered.Sub(t.Invited)}
}

// hangUp ends all answered calls at a steady rate and returns how many did not
// end as they should.
func hangUp(ctx context.Context, all []outcome, rate float64) (unclean int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	start, k := time.Now(), 0
	for _, o := range all {
		if o.err != nil {
			continue
		}
		pause(ctx, time.Until(start.Add(time.Duration(float64(k)/rate*float64(time.Second)))))
		k++
		wg.Go(func() {
			if err := o.dialog.Hangup(ctx); err != nil {
				mu.Lock()
				unclean++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return unclean
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return ctx.Err() == nil
	}
}

// reasons counts why calls failed, in words without addresses.
func reasons(all []outcome) map[string]int {
	why := map[string]int{}
	for _, o := range all {
		var refused *siptest.Refused
		switch {
		case o.err == nil:
		case errors.As(o.err, &refused):
			why[fmt.Sprintf("refused with %d", refused.Status)]++
		case errors.Is(o.err, context.DeadlineExceeded):
			why["not answered in time"]++
		default:
			why[o.err.Error()]++
		}
	}
	return why
}

// userOf is the user part of a SIP URI.
func userOf(uri string) string {
	user, _, _ := strings.Cut(strings.TrimPrefix(uri, "sip:"), "@")
	return user
}
