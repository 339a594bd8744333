package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ringdown/configs"
)

// errSaid fails a command that has already said why.
var errSaid = errors.New("said")

// wrongUsage is an error of the command line: exit code 2.
type wrongUsage string

func (w wrongUsage) Error() string { return string(w) }

func usagef(format string, args ...any) error { return wrongUsage(fmt.Sprintf(format, args...)) }

// options are the flags of one command.
type options struct {
	*flag.FlagSet
	s stdio
}

func newOptions(name string, s stdio) *options {
	o := &options{flag.NewFlagSet(name, flag.ContinueOnError), s}
	o.SetOutput(io.Discard) // what flag would print, exit says in our way
	return o
}

// run parses the line, checks that it names as many things as wanted ("ID",
// "CALL_ID"), does the work, and turns its error into an exit code.
func (o *options) run(args []string, wanted []string, work func(named []string) error) int {
	named, err := o.parse(args)
	switch {
	case err != nil:
	case len(named) < len(wanted):
		err = usagef("%s is missing", wanted[len(named)])
	case len(named) > len(wanted):
		err = usagef("%q is one word too many", named[len(wanted)])
	default:
		err = work(named)
	}
	return o.exit(err)
}

// parse allows flags before and after what is named, as people type them.
func (o *options) parse(args []string) (named []string, err error) {
	for {
		if err := o.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, wrongUsage(flagWords(err))
		}
		rest := o.Args()
		if len(rest) == 0 {
			return named, nil
		}
		if k := len(args) - len(rest); k > 0 && args[k-1] == "--" {
			return append(named, rest...), nil
		}
		named, args = append(named, rest[0]), rest[1:]
	}
}

// flagWords says what the package flag says in our words.
func flagWords(err error) string {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return "there is no flag --" + name
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return "--" + name + " needs a value"
	}
	return strings.NewReplacer(" for flag -", " for --", " for -", " for --", ": parse error", "").Replace(text)
}

func (o *options) exit(err error) int {
	var wrong wrongUsage
	var faults configs.Faults
	switch {
	case err == nil:
		return done
	case errors.Is(err, flag.ErrHelp):
		o.help(o.s.out)
		return done
	case errors.Is(err, errSaid):
		return failed
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(o.s.err, "ringdown %s: interrupted\n", o.Name())
		return failed
	case errors.As(err, &wrong):
		fmt.Fprintf(o.s.err, "ringdown %s: %v; see ringdown help %[1]s\n", o.Name(), err)
		return misuse
	case errors.As(err, &faults):
		file := faults[0].File
		err = fmt.Errorf("%s has %s; ringdown check --config %[1]s lists them", file, count(len(faults), "fault"))
	}
	fmt.Fprintf(o.s.err, "ringdown %s: %v\n", o.Name(), err)
	return failed
}

// help writes the usage of one command.
func (o *options) help(w io.Writer) {
	for _, c := range commands() {
		if c.name == o.Name() {
			fmt.Fprintf(w, "ringdown %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), sentence(c.summary))
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	first := true
	o.VisitAll(func(f *flag.Flag) {
		if first {
			fmt.Fprintln(t)
			first = false
		}
		kind, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			text += " (" + f.DefValue + " when not given)"
		}
		fmt.Fprintf(t, "  --%s\t%s\n", strings.TrimSpace(f.Name+" "+kind), text)
	})
	t.Flush()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// help answers "ringdown help …": everything, a group or one command.
func help(args []string, s stdio) int {
	if len(args) == 0 {
		writeHelp(s.out)
		return done
	}
	if c, _ := find(args); c != nil {
		return c.run(context.Background(), []string{"--help"}, s)
	}
	if in := group(args[0]); in != nil && len(args) == 1 {
		writeTable(s.out, in)
		return done
	}
	return unknown(args, s)
}

func writeHelp(w io.Writer) {
	fmt.Fprint(w, "Ringdown answers calls on tracking numbers, bridges them, records them under\nencryption and reports them.\n\n")
	writeTable(w, commands())
	fmt.Fprint(w, `
ringdown help COMMAND tells more about one of them.

Commands that ask a running node find it by --url, or by --config with the file
the node runs with; else they try http://127.0.0.1:8080. The token comes from
RINGDOWN_TOKEN, or from what the file names.

Exit codes: 0 done, 1 it failed or did not hold, 2 wrong usage.
`)
}

func writeTable(w io.Writer, table []command) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range table {
		fmt.Fprintf(t, "  ringdown %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	t.Flush()
}
