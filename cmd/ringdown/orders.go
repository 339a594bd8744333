package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"

	"ringdown/api"
)

// order makes a command of one order: more adds its flags and returns what makes
// the order of the arguments behind the id of the call.
func order(name string, args []string, more func(*flag.FlagSet) func(rest []string) (api.Order, error)) func(context.Context, []string, stdio) int {
	return func(ctx context.Context, line []string, s stdio) int {
		o := newOptions(name, s)
		reach := o.reach()
		build := more(o.FlagSet)
		return o.run(line, append([]string{"CALL_ID"}, args...), func(named []string) error {
			id := named[0]
			if !api.IsCallID(id) {
				return errCallID
			}
			want, err := build(named[1:])
			if err != nil {
				return err
			}
			c, err := reach()
			if err != nil {
				return err
			}
			res, err := c.send(ctx, http.MethodPost, "/v1/calls/"+id+"/orders", nil, want)
			if errors.Is(err, api.ErrNotFound) {
				return fmt.Errorf("no live call has this id; ringdown why %s tells whether and how it ended", id)
			}
			if err != nil {
				return err
			}
			res.Body.Close()
			_, err = fmt.Fprintf(s.out, "%s: taken; its events tell what becomes of it\n", id)
			return err
		})
	}
}

const aboutParty = "`caller` or callee"

func callsTransfer(f *flag.FlagSet) func([]string) (api.Order, error) {
	t := &api.OrderTransfer{}
	f.StringVar(&t.Party, "party", "callee", aboutParty+": whose place it is")
	f.StringVar(&t.To.URI, "uri", "", "sip: `URI` to put there")
	f.StringVar(&t.To.Number, "number", "", "E.164 `NUMBER` to put there, with --trunk")
	f.StringVar(&t.To.User, "user", "", "`USER` of --trunk to put there")
	f.StringVar(&t.To.Trunk, "trunk", "", "`ID` of the trunk")
	return func([]string) (api.Order, error) { return api.Order{Transfer: t}, nil }
}

func callsConnect(f *flag.FlagSet) func([]string) (api.Order, error) {
	c := &api.OrderConnect{}
	f.StringVar(&c.Party, "party", "callee", aboutParty+": whose place it is")
	f.StringVar(&c.With, "with", "caller", aboutParty+" of the other call: who comes")
	return func(rest []string) (api.Order, error) {
		if c.Call = rest[0]; !api.IsCallID(c.Call) {
			return api.Order{}, errCallID
		}
		return api.Order{Connect: c}, nil
	}
}

func callsPlay(f *flag.FlagSet) func([]string) (api.Order, error) {
	p := &api.OrderPlay{}
	f.StringVar(&p.Party, "party", "caller", aboutParty+": who hears it")
	f.BoolVar(&p.Under, "under", false, "under the talk, not instead of it")
	f.BoolVar(&p.Loop, "loop", false, "again and again, until calls stop")
	return func(rest []string) (api.Order, error) {
		p.Prompt = rest[0]
		return api.Order{Play: p}, nil
	}
}

func callsStop(*flag.FlagSet) func([]string) (api.Order, error) {
	return func([]string) (api.Order, error) { return api.Order{Stop: &api.OrderStop{Playing: true}}, nil }
}

func callsHold(f *flag.FlagSet) func([]string) (api.Order, error) {
	party, off := f.String("party", "caller", aboutParty+": who hears the music"), f.Bool("off", false, "no longer")
	return func([]string) (api.Order, error) {
		return api.Order{Hold: &api.OrderSwitch{Party: *party, On: !*off}}, nil
	}
}

func callsMute(f *flag.FlagSet) func([]string) (api.Order, error) {
	party, off := f.String("party", "callee", aboutParty+": who is not heard"), f.Bool("off", false, "no longer")
	return func([]string) (api.Order, error) {
		return api.Order{Mute: &api.OrderSwitch{Party: *party, On: !*off}}, nil
	}
}

func callsRecord(*flag.FlagSet) func([]string) (api.Order, error) {
	return func(rest []string) (api.Order, error) {
		return api.Order{Recording: &api.OrderRecording{Action: rest[0]}}, nil
	}
}

func callsTag(*flag.FlagSet) func([]string) (api.Order, error) {
	return func(rest []string) (api.Order, error) {
		key, value, ok := strings.Cut(rest[0], "=")
		if !ok || key == "" {
			return api.Order{}, usagef("a tag is written KEY=VALUE")
		}
		return api.Order{Tag: map[string]string{key: value}}, nil
	}
}
