package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringdown/api"
	"ringdown/call"
)

func runCallsList(ctx context.Context, args []string, s stdio) int {
	o := newOptions("calls list", s)
	account, asJSON, reach := o.ofAccount(), o.forPrograms(), o.reach()
	return o.run(args, nil, func([]string) error {
		c, err := reach()
		if err != nil {
			return err
		}
		var list struct {
			Calls []call.View `json:"calls"`
		}
		if err := c.read(ctx, http.MethodGet, "/v1/calls", filterQuery(*account, time.Time{}), &list); err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(s.out, list)
		}
		table := [][]string{{"CALL", "ACCOUNT", "STATUS", "CALLER", "NUMBER", "TRUNK", "LEGS", "RECEIVED", "RECORDED"}}
		for _, c := range list.Calls {
			recorded := "no"
			if c.Recorded {
				recorded = "yes"
			}
			status := c.Status
			if len(c.Held) > 0 {
				status += ", held by " + strings.Join(c.Held, " and ")
			}
			table = append(table, []string{string(c.ID), c.Account, status, c.Caller, c.Number, c.Trunk, strconv.Itoa(c.Legs), moment(c.Received), recorded})
		}
		return rows(s.out, "no call is live", table)
	})
}

func runCallsHangup(ctx context.Context, args []string, s stdio) int {
	o := newOptions("calls hangup", s)
	reach := o.reach()
	return o.run(args, []string{"CALL_ID"}, func(named []string) error {
		id := named[0]
		if !api.IsCallID(id) {
			return errCallID
		}
		c, err := reach()
		if err != nil {
			return err
		}
		res, err := c.do(ctx, http.MethodPost, "/v1/calls/"+id+"/hangup", nil)
		if errors.Is(err, api.ErrNotFound) {
			return fmt.Errorf("no live call has this id; ringdown why %s tells whether and how it ended", id)
		}
		if err != nil {
			return err
		}
		res.Body.Close()
		_, err = fmt.Fprintf(s.out, "%s is being ended\n", id)
		return err
	})
}

// errCallID does not repeat what was typed: it could be a number.
const errCallID = wrongUsage("this is not the id of a call: it begins with call_ and has 26 characters behind it")
