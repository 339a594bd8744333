package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"ringdown/configs"
	"ringdown/routing"
)

// importBatch is how many numbers go in one change: far below what a node takes
// in one body.
const importBatch = 20_000

func runNumbersImport(ctx context.Context, args []string, s stdio) int {
	o := newOptions("numbers import", s)
	address := o.String("url", "", "`URL` of the node whose directory is changed")
	config := o.String("config", "", "configuration `FILE` of the node; with --dry-run and without --url the file is checked against its table, here")
	dry := o.Bool("dry-run", false, "check everything, change nothing")
	return o.run(args, []string{"FILE.csv"}, func(named []string) error {
		im := importing{ctx: ctx, s: s, name: named[0], dry: *dry}
		if *dry && *address == "" && *config != "" {
			c, err := configs.Load(*config)
			if err != nil {
				return err
			}
			im.table, im.keep.local = c.Table(), map[string]routing.TrackingNumber{}
			for _, n := range c.Spec.Numbers {
				im.keep.local[numberKey(n.Number, n.ValidFrom)] = n
			}
		} else {
			c, err := findNode(*address, *config)
			if err != nil {
				return err
			}
			im.node = c
		}
		return im.run()
	})
}

// importing is one import. The file is read first for what is wrong with a line
// by itself; then, when it is put in more than one change, to have the node check
// each of them; then it is put. What clashes only between two of the changes, or
// with what somebody else changes meanwhile, is found when the first are in.
type importing struct {
	ctx   context.Context
	s     stdio
	name  string
	dry   bool
	table *routing.Table // dry, here
	node  *client

	keep        keeping
	total, done int
	batch       []routing.TrackingNumber
	lines       []int
	version     string
}

func (im *importing) run() error {
	wanted := map[string]bool{}
	err := im.read(func(_ int, n routing.TrackingNumber) error {
		im.total++
		wanted[numberKey(n.Number, n.ValidFrom)] = true
		return im.ctx.Err()
	})
	if err == nil && im.node != nil {
		im.keep, err = im.node.keepings(im.ctx, wanted)
	}
	if err == nil && im.node != nil && !im.dry && im.total > importBatch {
		err = im.put(true)
		im.done = 0
	}
	if err != nil {
		return err
	}
	err = im.put(im.dry)
	im.progress(true)
	if err != nil {
		if im.done > 0 && !im.dry {
			fmt.Fprintf(im.s.err, "the first %s of the file are in, the others are not\n", count(im.done, "number"))
		}
		return err
	}
	word := "imported"
	if im.dry {
		word = "would be imported"
	}
	_, err = fmt.Fprintf(im.s.out, "%s %s; table %s\n", count(im.done, "number"), word, orDash(im.version))
	return err
}

// put puts the file, a batch a change; dry: has each checked.
func (im *importing) put(dry bool) error {
	err := im.read(func(line int, n routing.TrackingNumber) error {
		im.batch, im.lines = append(im.batch, n), append(im.lines, line)
		if len(im.batch) < importBatch {
			return nil
		}
		return im.send(dry)
	})
	if err == nil && len(im.batch) > 0 {
		err = im.send(dry)
	}
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (im *importing) read(each func(int, routing.TrackingNumber) error) error {
	f, err := os.Open(im.name)
	if err != nil {
		return err
	}
	defer f.Close()
	faults, err := configs.ReadNumbers(im.name, f, each)
	if err == nil && len(faults) > 0 {
		return im.tell(faults)
	}
	return err
}

// tell writes every fault of the file.
func (im *importing) tell(faults configs.Faults) error {
	fmt.Fprintln(im.s.err, faults)
	return errSaid
}

// send puts a batch, whole or not at all.
func (im *importing) send(dry bool) error {
	var done changed
	var faults []routing.Fault
	var err error
	if im.table != nil {
		var next *routing.Table
		for i, n := range im.batch {
			im.batch[i] = im.keep.over(n)
		}
		if next, faults = im.table.Apply(routing.Change{Put: routing.Spec{Numbers: im.batch}}); next != nil {
			im.table, done.Version = next, next.Version()
		}
	} else {
		var base uint64
		put := make([]any, len(im.batch))
		for i, n := range im.batch {
			object, kept, err := im.keep.object(n)
			if err != nil {
				return err
			}
			if put[i] = object; kept {
				base = im.keep.commit
			}
		}
		done, faults, err = im.node.change(im.ctx, put, base, dry)
	}
	switch {
	case err != nil:
		return err
	case len(faults) > 0:
		return im.placed(faults)
	}
	if im.version = done.Version; !dry {
		im.keep.commit = done.Commit
	}
	im.done += len(im.batch)
	im.batch, im.lines = im.batch[:0], im.lines[:0]
	im.progress(false)
	return nil
}

// putNumber is where a fault of a change stands.
var putNumber = regexp.MustCompile(`^put\.numbers\[(\d+)\]\.?(.*)$`)

// placed gives faults of a change their lines in the file.
func (im *importing) placed(faults []routing.Fault) error {
	var out configs.Faults
	for _, f := range faults {
		placed := configs.Fault{File: im.name, Line: 1, Path: f.Path, Msg: f.Msg}
		if m := putNumber.FindStringSubmatch(f.Path); m != nil {
			if i, err := strconv.Atoi(m[1]); err == nil && i < len(im.lines) {
				placed.Line, placed.Path = im.lines[i], m[2]
			}
		}
		out = append(out, placed)
	}
	return im.tell(out)
}

// progress tells who watches how far it is; nothing in a pipe.
func (im *importing) progress(last bool) {
	if !im.s.terminal || im.total <= importBatch {
		return
	}
	fmt.Fprintf(im.s.err, "\r%d of %d numbers", im.done, im.total)
	if last {
		fmt.Fprintln(im.s.err)
	}
}

// changed is what became of a change.
type changed struct {
	Version string
	Commit  uint64
}

// change has the node's directory put numbers, each with the keys of the
// configuration; on the commit base and no other, if that is not 0.
func (c *client) change(ctx context.Context, put []any, base uint64, dry bool) (done changed, faults []routing.Fault, err error) {
	body := map[string]any{"put": map[string]any{"numbers": put}}
	if base != 0 {
		body["base"] = base
	}
	text, err := json.Marshal(body)
	if err != nil {
		return done, nil, err
	}
	r, err := c.changeTable(ctx, text, dry)
	var refused refusedChange
	if errors.As(err, &refused) {
		for _, f := range refused {
			faults = append(faults, routing.Fault{Path: clean(f.Path), Msg: clean(f.Message)})
		}
		return done, faults, nil
	}
	return changed{r.Version, r.Commit}, nil, err
}

func runNumbersAssign(ctx context.Context, args []string, s stdio) int {
	o := newOptions("numbers assign", s)
	reach := o.reach()
	account := o.String("account", "", "whose it becomes, the `ID` of an account")
	flow := o.String("flow", "", "what it starts, the `ID` of a flow")
	pool := o.String("pool", "", "whose account and flow it takes, the `ID` of a pool")
	state := o.String("state", "", "its `STATE` from then on; active when not given")
	from := o.String("from", "", "from this `TIME` on, RFC 3339 or a date in UTC; now when not given")
	dry := o.Bool("dry-run", false, "check it, change nothing")
	return o.run(args, []string{"NUMBER"}, func(named []string) error {
		next := routing.TrackingNumber{Number: named[0], Account: *account, Flow: *flow, Pool: *pool, State: *state, ValidFrom: routing.InstantOf(time.Now())}
		if *from != "" {
			if err := next.ValidFrom.UnmarshalText([]byte(*from)); err != nil {
				return usagef("--from %s", err)
			}
		}
		for _, f := range next.Check() {
			return usagef("%s %s", f.Path, f.Msg)
		}
		c, err := reach()
		if err != nil {
			return err
		}
		base, err := c.commit(ctx) // what somebody changes from here on is not to be written over
		if err != nil {
			return err
		}
		var held []numbered
		for n, err := range c.numbers(ctx) {
			if err != nil {
				return err
			}
			if n.Number == next.Number {
				held = append(held, n)
			}
		}
		put, err := assign(held, next)
		if err != nil {
			return err
		}
		done, faults, err := c.change(ctx, put, base, *dry)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			for _, f := range faults {
				fmt.Fprintf(s.err, "%s: %s\n", f.Path, f.Msg)
			}
			return errSaid
		}
		_, err = fmt.Fprintf(s.out, "from %s; table %s\n", next.ValidFrom, orDash(done.Version))
		return err
	})
}

// assign is what is put so that a number is somebody else's from a time on. Who
// had it before is never written over: his validity ends then.
func assign(held []numbered, next routing.TrackingNumber) (put []any, err error) {
	at := next.ValidFrom.Time()
	for _, h := range held {
		switch {
		case !h.ValidUntil.IsZero() && !h.ValidUntil.Time().After(at): // over by then
		case h.ValidFrom.IsZero() || h.ValidFrom.Time().Before(at):
			before := map[string]any{}
			if err := json.Unmarshal(h.raw, &before); err != nil {
				return nil, fmt.Errorf("what the node says of the number cannot be read: %w", err)
			}
			before["valid_until"] = next.ValidFrom
			next.ValidUntil = h.ValidUntil
			put = append(put, before)
		default:
			return nil, fmt.Errorf("the number is account %s's from %s: what is to come is changed by an import", orDash(h.Account), h.ValidFrom)
		}
	}
	return append(put, numberedOf(next)), nil
}
