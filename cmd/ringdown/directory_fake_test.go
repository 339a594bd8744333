package main

import (
	"context"
	"io"
	"strings"

	"ringdown/api"
)

// tableFake is a directory of a few numbers.
type tableFake struct{}

func (tableFake) Status() api.DirectoryStatus {
	at := noon
	return api.DirectoryStatus{Source: "nats", Version: "0123456789ab", Commit: 18, At: &at, Node: "edge-1", By: "ops",
		Counts: map[string]int{"numbers": 3, "accounts": 1, "flows": 1}, Saved: 17,
		Fault: &api.DirectoryFault{Kind: "head", Message: "the newest commit was not written with this directory key, or is damaged", Since: noon}}
}

func (tableFake) Change(_ context.Context, c api.DirectoryChange) (api.ChangeResult, error) {
	switch body := string(c.Body); {
	case strings.Contains(body, "sails"):
		return api.ChangeResult{}, api.ChangeFaults{{Path: "put.numbers[0].flow", Message: `there is no flow "sails"; did you mean "sales"?`}}
	case strings.Contains(body, `"trunks"`):
		return api.ChangeResult{}, api.ErrConflict
	}
	return api.ChangeResult{Commit: 19, Previous: 18, Version: "0123456789ab", Before: "ba9876543210", Dry: c.Dry, Added: map[string]int{"numbers": 1}}, nil
}

func (tableFake) Restore(context.Context) (api.ChangeResult, error) {
	return api.ChangeResult{}, api.ErrWhole
}

func (tableFake) Numbers(api.NumberFilter) (api.NumberPage, error) { return api.NumberPage{}, nil }

func (tableFake) History(context.Context) ([]api.DirectoryCommit, error) {
	return []api.DirectoryCommit{
		{Commit: 18, At: noon, Node: "edge-1", By: "ops", Note: "more numbers", Version: "0123456789ab", Added: map[string]int{"numbers": 2}, Changed: map[string]int{"flows": 1}},
		{Commit: 17, At: noon, Node: "edge-2", Version: "ba9876543210", Removed: map[string]int{"numbers": 1}},
	}, nil
}

func (tableFake) Export(w io.Writer) error {
	_, err := io.WriteString(w, "{\n \"accounts\": [\n  {\"id\":\"demo\"}\n ]\n}\n")
	return err
}
