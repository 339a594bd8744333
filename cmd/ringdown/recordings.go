package main

import (
	"context"
	"math"
	"strconv"

	"ringdown/api"
)

// errRecordingID does not repeat what was typed: it could be a number.
const errRecordingID = wrongUsage("this is not the id of a recording: it begins with rec_ and has 26 characters behind it")

// shelf adds the flags that find the node whose recordings are read.
func (o *options) shelf() func() (api.Recordings, func(), error) {
	address := o.String("url", "", "`URL` of the node to ask")
	config := o.String("config", "", "configuration `FILE` of the node: tells its address and its token")
	return func() (api.Recordings, func(), error) {
		c, err := findNode(*address, *config)
		return c, func() {}, err
	}
}

func runRecordingsList(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings list", s)
	account, from, asJSON, shelf := o.ofAccount(), o.from(), o.forPrograms(), o.shelf()
	return o.run(args, nil, func([]string) error {
		start, err := from()
		if err != nil {
			return err
		}
		if *account != "" && !api.IsAccountID(*account) {
			return usagef("--account is not the id of an account")
		}
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		found := []api.Recording{}
		err = books.List(ctx, api.RecordingFilter{Account: *account, Since: start}, func(r api.Recording) error {
			found = append(found, r)
			return nil
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(s.out, map[string]any{"recordings": found})
		}
		table := [][]string{{"RECORDING", "CALL", "ACCOUNT", "STARTED", "LENGTH", "SIZE", "RESULT", "KEPT"}}
		for _, r := range found {
			result := r.Result
			if r.Completion != "closed" {
				result += ", " + r.Completion
			}
			table = append(table, []string{r.ID, r.Call, r.Account, moment(r.StartedAt), span(r.DurationMS), size(r.Bytes), result, share(r.Completeness)})
		}
		return rows(s.out, "no finished recording is there", table)
	})
}

// share writes a part of the whole as a percentage that reads 100 % only when
// nothing is missing.
func share(part float64) string {
	tenths := math.Floor(part * 1000)
	return strconv.FormatFloat(tenths/10, 'f', -1, 64) + " %"
}

func runRecordingsShow(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings show", s)
	shelf := o.shelf()
	return o.run(args, []string{"ID"}, func(named []string) error {
		if !api.IsRecordingID(named[0]) {
			return errRecordingID
		}
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		manifest, err := books.Manifest(ctx, named[0])
		if err != nil {
			return err
		}
		_, err = s.out.Write(manifest) // byte for byte: the signature is over them
		return err
	})
}
