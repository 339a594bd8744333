package main

import (
	"context"
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"

	"ringdown/api"
)

// buildVersion reads what the build left in the binary.
func buildVersion() api.Version {
	v := api.Version{Version: "devel", Go: runtime.Version(), FIPS: fips140.Enabled()}
	if v.FIPS {
		v.Module = fips140.Version()
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Dirty = s.Value == "true"
		}
	}
	return v
}

func runVersion(_ context.Context, args []string, s stdio) int {
	o := newOptions("version", s)
	asJSON := o.forPrograms()
	return o.run(args, nil, func([]string) error {
		v := buildVersion()
		if *asJSON {
			return writeJSON(s.out, v)
		}
		commit := v.Commit
		switch {
		case commit == "":
			commit = "not known: built without version control"
		case v.Dirty:
			commit += " with local changes"
		}
		mode := "off"
		if v.FIPS {
			mode = "on, module " + v.Module
		}
		_, err := fmt.Fprintf(s.out, "ringdown %s\ncommit   %s\ngo       %s %s/%s\nFIPS     %s\n", v.Version, commit, v.Go, runtime.GOOS, runtime.GOARCH, mode)
		return err
	})
}
