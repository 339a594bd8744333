package main

import (
	"context"
	"fmt"
	"strings"

	"ringdown/api"
)

func runRecordingsVerify(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings verify", s)
	asJSON, shelf := o.forPrograms(), o.shelf()
	return o.run(args, []string{"ID"}, func(named []string) error {
		if !api.IsRecordingID(named[0]) {
			return errRecordingID
		}
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		v, err := books.Verify(ctx, named[0])
		if err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(s.out, v)
		} else {
			err = writeVerification(s, v)
		}
		if err == nil && !v.OK {
			return errSaid
		}
		return err
	})
}

// writeVerification says what was looked at and the verdict last, as people read.
func writeVerification(s stdio, v api.Verification) error {
	var b strings.Builder
	bad := 0
	for _, c := range v.Checks {
		verdict := "holds"
		if !c.OK {
			bad++
			verdict = "does not hold: " + c.Reason
		}
		fmt.Fprintf(&b, "  %-10s %s\n", clean(c.Name), clean(verdict))
	}
	switch {
	case v.OK:
		fmt.Fprintf(&b, "%s holds: it is whole and as it was sealed\n", clean(v.ID))
	case bad == 0:
		fmt.Fprintf(&b, "%s does not hold\n", clean(v.ID))
	default:
		fmt.Fprintf(&b, "%s does not hold: %s of %d failed\n", clean(v.ID), count(bad, "check"), len(v.Checks))
	}
	_, err := fmt.Fprint(s.out, b.String())
	return err
}
