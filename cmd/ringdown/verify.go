package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ringdown/api"
	"ringdown/recorder/store"
)

func runRecordingsVerify(ctx context.Context, args []string, s stdio) int {
	o := newOptions("recordings verify", s)
	asJSON, shelf := o.forPrograms(), o.shelf()
	return o.run(args, []string{"ID or FILE"}, func(named []string) error {
		books, leave, err := shelf()
		if err != nil {
			return err
		}
		defer leave()
		if err := verifiable(books, named[0]); err != nil {
			return err
		}
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

// verifiable tells an id from a file, which has to be read here.
func verifiable(books api.Recordings, what string) error {
	_, remote := books.(*client)
	switch {
	case api.IsRecordingID(what):
		return nil
	case remote:
		return usagef("this is not the id of a recording; a FILE is read here, with --config and without --url")
	case filepath.Ext(what) != store.Whole:
		return usagef("this is neither the id of a recording nor a file that ends in %s", store.Whole)
	}
	_, err := os.Stat(what)
	return err
}

// writeVerification says what was looked at and the verdict last, as people read.
func writeVerification(s stdio, v api.Verification) error {
	var b strings.Builder
	bad, wide := 0, 0
	for _, c := range v.Checks {
		wide = max(wide, len(c.Name))
	}
	for _, c := range v.Checks {
		verdict := "holds"
		if !c.OK {
			bad++
			verdict = "does not hold: " + c.Reason
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", wide, clean(c.Name), clean(verdict))
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
