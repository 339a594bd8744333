package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringdown/configs"
)

func runCheck(_ context.Context, args []string, s stdio) int {
	o := newOptions("check", s)
	file := o.String("config", "", "configuration `FILE`")
	asJSON := o.forPrograms()
	return o.run(args, nil, func([]string) error {
		if *file == "" {
			return usagef("--config FILE is missing")
		}
		c, err := configs.Prove(*file, time.Now())
		var faults configs.Faults
		if err != nil && !errors.As(err, &faults) {
			return err
		}
		if *asJSON {
			return checkJSON(s, c, faults)
		}
		if faults != nil {
			fmt.Fprintln(s.err, faults)
			return errSaid
		}
		for _, w := range c.Warnings() {
			fmt.Fprintf(s.err, "%v (a warning)\n", w)
		}
		_, err = fmt.Fprintf(s.out, "%s is right: %s, %s, %s and %s; table %s%s\n", *file, count(len(c.Trunks), "trunk"),
			count(len(c.Accounts), "account"), count(len(c.Numbers), "number"), count(len(c.Flows), "flow"), c.Table().Version(), elsewhere(c))
		return err
	})
}

// elsewhere says where the rest of the table is, which this file is no word about.
func elsewhere(c *configs.Config) string {
	if !c.Directory.Enabled {
		return ""
	}
	return "; the rest is in the directory " + c.Directory.Bucket + ", see ringdown directory status"
}

func checkJSON(s stdio, c *configs.Config, faults configs.Faults) error {
	report := struct {
		OK       bool           `json:"ok"`
		Table    string         `json:"config_version,omitempty"`
		Faults   configs.Faults `json:"faults"`
		Warnings configs.Faults `json:"warnings"`
	}{OK: faults == nil, Faults: append(configs.Faults{}, faults...), Warnings: configs.Faults{}}
	if c != nil {
		report.Table = c.Table().Version()
		report.Warnings = append(report.Warnings, c.Warnings()...)
	}
	if err := writeJSON(s.out, report); err != nil {
		return err
	}
	if !report.OK {
		return errSaid
	}
	return nil
}
