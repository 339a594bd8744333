package main

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"strconv"

	"ringdown/api"
	"ringdown/configs"
)

// errRecordingID does not repeat what was typed: it could be a number.
const errRecordingID = wrongUsage("this is not the id of a recording: it begins with rec_ and has 26 characters behind it")

// shelf adds the flags that say where recordings are read: --url asks a running
// node, --config alone opens the node's own files and keys, and only reads them.
func (o *options) shelf() func() (books api.Recordings, leave func(), err error) {
	address := o.String("url", "", "`URL` of a running node to ask")
	config := o.String("config", "", "configuration `FILE` of the node: without --url its files and keys are read here, whether it runs or not")
	return func() (api.Recordings, func(), error) {
		if *config == "" || *address != "" {
			c, err := findNode(*address, *config)
			return c, func() {}, err
		}
		c, err := configs.Load(*config)
		if err != nil {
			return nil, nil, err
		}
		books, leave, err := openShelf(c)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, noKeyStore(c)
		}
		return books, leave, err
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
