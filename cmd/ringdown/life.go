package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"ringdown/call"
)

const (
	// hangupWait bounds how long legs may take to say goodbye after the drain.
	hangupWait = 5 * time.Second
	// flushWait bounds how long the outbox and the bus may take to empty.
	flushWait = 10 * time.Second
)

// catchUp finishes what the last run left open: its recordings, then its calls.
// Nothing is admitted before it is through.
func (n *node) catchUp(ctx context.Context) error {
	if err := n.recorder.Recover(ctx); err != nil {
		return fmt.Errorf("recordings of the last run: %w", err)
	}
	for _, u := range n.outbox.Unfinished() {
		closing, err := call.Reconcile(u.Events, u.LastAlive)
		if err != nil {
			n.log.Error("call of the last run cannot be closed", "call", u.Call, "error", err)
			continue
		}
		for _, e := range closing {
			n.outbox.Publish(e, nil)
		}
		n.log.Warn("call was live when the node died: closed by estimate", "call", u.Call)
	}
	return n.outbox.Flush(ctx)
}

// run serves until drain is cancelled, then says goodbye; cut shortens that.
// It returns nil when everything was told and stored.
func (n *node) run(drain, cut context.Context, drainTimeout time.Duration, ready func()) error {
	work, stop := context.WithCancel(context.WithoutCancel(drain)) // the rooms outlive the signal
	defer stop()
	serving, leave := context.WithCancel(drain)
	defer leave()
	var g errgroup.Group
	start := func(name string, room func(context.Context) error) {
		g.Go(func() error {
			err := unlessCancelled(room(work))
			if err != nil { // the others go on until goodbye is said
				n.log.Error("a room failed: no more calls are taken", "room", name, "error", err)
				leave()
			}
			return err
		})
	}
	start("outbox", n.outbox.Run)
	if err := n.catchUp(serving); err != nil { // a signal ends it; the next start goes on
		stop()
		return errors.Join(err, g.Wait(), n.close())
	}
	start("bus", func(ctx context.Context) error { return n.bus.Run(ctx, n.outbox) })
	if n.directory != nil {
		start("directory", n.directory.Run)
		if err := n.directory.Await(serving); err != nil && serving.Err() == nil {
			stop()
			return errors.Join(err, g.Wait(), n.close())
		}
	}
	start("recorder", n.recorder.Run)
	start("http", func(ctx context.Context) error { return n.api.Run(ctx, n.web) })
	start("sip", n.sip.Run)
	start("beat", n.beat)
	if n.file != "" {
		start("reload", func(ctx context.Context) error { return n.reloads(ctx, n.file) })
	}
	start("memory", n.breathe)
	start("remember", n.keepMemory)
	start("lag", n.lag.run)
	n.awaitBus(serving)
	ready()
	<-serving.Done()
	err := n.goodbye(cut, drainTimeout)
	stop()
	return errors.Join(err, g.Wait(), n.close())
}

// awaitBus waits a moment for the stream of a broker inside, so that whoever is
// told that the node is ready can read from it. A broker outside may be down.
func (n *node) awaitBus(ctx context.Context) {
	if !n.config.NATS.Embedded {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for n.bus.Ready() != nil {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) beat(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			n.outbox.Beat(now)
		case <-ctx.Done():
			return nil
		}
	}
}

// goodbye goes in the direction of the data: admit nothing, let calls end, hang
// up the rest, seal, flush, deliver.
func (n *node) goodbye(cut context.Context, drainTimeout time.Duration) error {
	n.board.Drain()
	n.leave(cut)
	waiting, cancel := context.WithTimeout(cut, drainTimeout)
	defer cancel()
	n.log.Info("draining: new calls are refused", "live", len(n.board.Calls()), "timeout", drainTimeout)
	stopTelling := n.tellDrain(waiting)
	err := n.board.Wait(waiting)
	stopTelling()
	if err != nil {
		left := n.board.Calls()
		n.log.Warn("draining: hanging up what is left", "live", len(left))
		n.board.StopAll(call.ByOperator)
		legs, cancel := context.WithTimeout(context.Background(), hangupWait)
		defer cancel()
		if n.board.Wait(legs) != nil {
			n.log.Warn("draining: some legs did not answer their BYE")
			n.letGo()
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), flushWait)
	defer cancel()
	err = errors.Join(n.pool.Close(), n.recorder.Close(), n.outbox.Flush(flush))
	if busErr := n.bus.Flush(flush); busErr != nil {
		n.log.Warn("events wait in the outbox for the next start", "error", busErr)
	}
	if cut.Err() != nil {
		err = errors.Join(err, errors.New("cut by a second signal"))
	}
	return err
}

// letGo has the calls whose legs do not go told of before the outbox is emptied.
func (n *node) letGo() {
	n.board.LetGo()
	told, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n.board.Wait(told) // what is left of ended calls says nothing any more
	if live := len(n.board.Calls()); live > 0 {
		n.log.Error("draining: calls are left open; the next start closes them", "live", live)
	}
}

// leaveWait bounds how long registrars may take to let go of us.
const leaveWait = 3 * time.Second

// leave takes our registrations back, so that providers send their calls elsewhere.
func (n *node) leave(cut context.Context) {
	ctx, cancel := context.WithTimeout(cut, leaveWait)
	defer cancel()
	n.sip.Leave(ctx)
}

// tellDrain says every few seconds which calls the goodbye waits for. The
// returned function ends it and waits.
func (n *node) tellDrain(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var ids []string
				for _, v := range n.board.Calls() {
					ids = append(ids, string(v.ID))
				}
				n.log.Info("draining: waiting", "live", len(ids), "calls", ids[:min(len(ids), 20)])
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// close gives back what openNode took, from the roof down. It may be called
// with half of it open, and twice.
func (n *node) close() error {
	var errs []error
	if n.sip != nil {
		errs = append(errs, n.sip.Close())
	}
	if n.web != nil {
		n.web.Close()
	}
	if n.hooks != nil {
		n.hooks.Close()
	}
	if n.pool != nil {
		errs = append(errs, n.pool.Close())
	}
	if n.recorder != nil {
		errs = append(errs, n.recorder.Close())
	}
	if n.disk != nil {
		errs = append(errs, n.disk.Close())
	}
	if n.bus != nil {
		errs = append(errs, n.bus.Close())
	}
	if n.outbox != nil {
		errs = append(errs, n.outbox.Close())
	}
	if n.memory != nil && n.keys != nil {
		errs = append(errs, n.memorise())
	}
	if n.keys != nil {
		errs = append(errs, n.keys.Close())
	}
	*n = node{config: n.config, log: n.log, board: n.board}
	return errors.Join(errs...)
}

func unlessCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
