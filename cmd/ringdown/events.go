package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"ringdown/api"
)

func runEventsTail(ctx context.Context, args []string, s stdio) int {
	o := newOptions("events tail", s)
	account, from := o.ofAccount(), o.from()
	call := o.String("call", "", "only of this call, by its `ID`")
	follow := o.Bool("follow", false, "stay and print what comes, until interrupted")
	reach := o.reach()
	return o.run(args, nil, func([]string) error {
		start, err := from()
		if err != nil {
			return err
		}
		path, query := "/v1/events", filterQuery(*account, start)
		if *call != "" {
			switch {
			case !api.IsCallID(*call):
				return errCallID
			case len(query) > 0:
				return usagef("--call stands alone: a call has one account and all of its events")
			}
			path = "/v1/calls/" + *call + "/events"
		}
		if *follow {
			query.Set("follow", "true")
		}
		c, err := reach()
		if err != nil {
			return err
		}
		err = c.events(ctx, path, query, func(event json.RawMessage) error {
			var line bytes.Buffer
			if err := json.Compact(&line, event); err != nil {
				return err
			}
			line.WriteByte('\n')
			_, err := s.out.Write(line.Bytes())
			return err
		})
		if *follow && errors.Is(err, context.Canceled) {
			return nil // that is how following ends
		}
		return err
	})
}
