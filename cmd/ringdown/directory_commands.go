package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"ringdown/api"
	"ringdown/configs"
	"ringdown/routing"
	"ringdown/routing/directory"
)

func runDirectoryStatus(ctx context.Context, args []string, s stdio) int {
	o := newOptions("directory status", s)
	asJSON, reach := o.forPrograms(), o.reach()
	return o.run(args, nil, func([]string) error {
		c, err := reach()
		if err != nil {
			return err
		}
		var status api.DirectoryStatus
		if err := c.read(ctx, http.MethodGet, "/v1/directory", nil, &status); err != nil {
			return err
		}
		if *asJSON {
			err = writeJSON(s.out, status)
		} else {
			err = writeDirectoryStatus(s.out, status)
		}
		if err == nil && status.Fault != nil {
			return errSaid
		}
		return err
	})
}

func writeDirectoryStatus(w io.Writer, d api.DirectoryStatus) error {
	from := map[string]string{"file": "the configuration file", "disk": "the disk: the broker has not been reached since the start", "nats": "the directory"}
	var b strings.Builder
	fmt.Fprintf(&b, "table       %s, from %s\n", clean(d.Version), from[d.Source])
	if d.Source != "file" {
		line := strconv.FormatUint(d.Commit, 10)
		if d.At != nil {
			line += ", " + moment(*d.At) + ", by node " + clean(d.Node)
		}
		if d.By != "" {
			line += " for " + clean(d.By)
		}
		fmt.Fprintf(&b, "commit      %s\non disk     %d\n", line, d.Saved)
	}
	fmt.Fprintf(&b, "holds       %s\n", sectionCounts(d.Counts))
	if d.Fault != nil {
		fmt.Fprintf(&b, "fault       %s, since %s: the table above stays in use\n", clean(d.Fault.Message), moment(d.Fault.Since))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sectionCounts writes objects by section for people.
func sectionCounts(counts map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", clean(kind), counts[kind]))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func runDirectoryHistory(ctx context.Context, args []string, s stdio) int {
	o := newOptions("directory history", s)
	asJSON, reach := o.forPrograms(), o.reach()
	return o.run(args, nil, func([]string) error {
		c, err := reach()
		if err != nil {
			return err
		}
		var list struct {
			Commits []api.DirectoryCommit `json:"commits"`
		}
		if err := c.read(ctx, http.MethodGet, "/v1/directory/history", nil, &list); err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(s.out, list)
		}
		table := [][]string{{"COMMIT", "WHEN", "NODE", "BY", "TABLE", "ADDED", "CHANGED", "REMOVED", "NOTE"}}
		for _, c := range list.Commits {
			table = append(table, []string{strconv.FormatUint(c.Commit, 10), moment(c.At), c.Node, c.By, c.Version,
				sectionCounts(c.Added), sectionCounts(c.Changed), sectionCounts(c.Removed), c.Note})
		}
		return rows(s.out, "nothing was committed yet", table)
	})
}

func runDirectoryExport(ctx context.Context, args []string, s stdio) int {
	o := newOptions("directory export", s)
	out := o.String("out", "", "write to `FILE`, which must not be there yet; without it to the terminal")
	reach := o.reach()
	return o.run(args, nil, func([]string) error {
		c, err := reach()
		if err != nil {
			return err
		}
		res, err := c.do(ctx, http.MethodGet, "/v1/directory/export", nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if *out == "" {
			_, err = io.Copy(s.out, res.Body)
			return err
		}
		f, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // customers' numbers
		if err != nil {
			return err
		}
		if _, err = io.Copy(f, res.Body); err != nil {
			f.Close()
			os.Remove(*out)
			return fmt.Errorf("the table broke off: %w", err)
		}
		return f.Close()
	})
}

func runDirectoryRestore(ctx context.Context, args []string, s stdio) int {
	o := newOptions("directory restore", s)
	reach := o.reach()
	return o.run(args, nil, func([]string) error {
		c, err := reach()
		if err != nil {
			return err
		}
		var r api.ChangeResult
		if err := c.read(ctx, http.MethodPost, "/v1/directory/restore", nil, &r); err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "restored as commit %d: table %s\n", r.Commit, r.Version)
		return err
	})
}

// importAtOnce is how many numbers one change of a large import holds.
const importAtOnce = 50_000

func runDirectoryImport(ctx context.Context, args []string, s stdio) int {
	o := newOptions("directory import", s)
	dry := o.Bool("dry-run", false, "only say what would become of it")
	replace := o.Bool("replace", false, "what is not in the file goes")
	trunks := o.Bool("trunks", false, "take the file's trunks too; without it they stay in the nodes' own files")
	by := o.String("by", "", "`ID` of who asks, for the history")
	note := o.String("note", "", "why, as `TEXT` for the history")
	reach := o.reach()
	return o.run(args, []string{"FILE"}, func(named []string) error {
		text, err := directory.NewText(nil)
		if err != nil {
			return err
		}
		spec, err := loadTable(text, named[0])
		if err != nil {
			return err
		}
		if !*trunks {
			spec.Trunks = nil
		}
		c, err := reach()
		if err != nil {
			return err
		}
		parts, err := inParts(spec, *replace, *dry)
		if err != nil {
			return err
		}
		for i, part := range parts {
			body := text.Append(nil, directory.Change{Put: part, Replace: *replace, By: *by, Note: *note})
			r, err := c.changeTable(ctx, body, *dry)
			if err != nil {
				return err
			}
			if s.terminal && len(parts) > 1 {
				fmt.Fprintf(s.err, "part %d of %d is in effect\n", i+1, len(parts))
			}
			if err := writeChangeResult(s.out, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadTable reads the sections of a table: YAML, or JSON as export writes it,
// which may be of any size.
func loadTable(text *directory.Text, path string) (routing.Spec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return routing.Spec{}, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		spec, err := configs.LoadTable(path)
		if faults := (configs.Faults)(nil); errors.As(err, &faults) {
			return spec, errors.New(faults.Error()) // it may be no configuration that check could read
		}
		return spec, err
	}
	spec, faults := text.Spec(data)
	if len(faults) > 0 {
		return spec, changeFaults(path, asFaults(faults))
	}
	return spec, nil
}

// inParts makes changes that each are valid by themselves of a large table:
// numbers come behind what they refer to.
func inParts(spec routing.Spec, whole, dry bool) ([]routing.Spec, error) {
	if len(spec.Numbers) <= importAtOnce {
		return []routing.Spec{spec}, nil
	}
	if whole || dry {
		return nil, fmt.Errorf("the file has %d numbers: more than %d go in several changes, without --replace and --dry-run", len(spec.Numbers), importAtOnce)
	}
	rest := spec
	rest.Numbers = nil
	parts := []routing.Spec{rest}
	for group := range slices.Chunk(spec.Numbers, importAtOnce) {
		parts = append(parts, routing.Spec{Numbers: group})
	}
	return parts, nil
}

func writeChangeResult(w io.Writer, r api.ChangeResult) error {
	what := fmt.Sprintf("commit %d is in effect", r.Commit)
	switch {
	case r.Dry:
		what = fmt.Sprintf("would be commit %d", r.Commit)
	case r.Commit == r.Previous:
		what = fmt.Sprintf("nothing was to be changed: commit %d stays", r.Commit)
	}
	_, err := fmt.Fprintf(w, "%s: table %s; added %s; changed %s; removed %s\n", what, clean(r.Version), sectionCounts(r.Added), sectionCounts(r.Changed), sectionCounts(r.Removed))
	return err
}

// changeTable posts a change of the table, which is JSON. Faults of it are an error
// that tells all of them.
func (c *client) changeTable(ctx context.Context, body []byte, dry bool) (r api.ChangeResult, err error) {
	query := url.Values{}
	if dry {
		query.Set("dry_run", "true")
	}
	res, err := c.send(ctx, http.MethodPost, "/v1/directory/changes", query, json.RawMessage(body))
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, answerLimit)).Decode(&r); err != nil {
		return r, fmt.Errorf("the answer of %s cannot be read: %w", c.base.Host, err)
	}
	return r, nil
}

func asFaults(faults []routing.Fault) (all api.ChangeFaults) {
	for _, f := range faults {
		all = append(all, api.ChangeFault{Path: f.Path, Message: f.Msg})
	}
	return all
}

// changeFaults words faults one a line.
func changeFaults(of string, faults api.ChangeFaults) error {
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = of + ": " + strings.TrimPrefix(clean(f.Path)+": "+clean(f.Message), ": ")
	}
	return errors.New(strings.Join(lines, "\n"))
}
