// Ringdown answers calls on tracking numbers, bridges them, records them under
// encryption and reports them. This package is its one program: the table of
// commands, the wiring of the rooms (wire.go) and one small file a command.
//
// It owns flags, exit codes and what people read; it decides nothing about a
// call. Nothing imports it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes, for every command.
const (
	done   = 0
	failed = 1 // it did not hold, or could not be done
	misuse = 2 // the command line is wrong
)

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // a person looks at err: progress may be shown
}

// command is one line of the table.
type command struct {
	name    string // words, as typed
	args    string // what follows, for the usage line
	summary string
	run     func(ctx context.Context, args []string, s stdio) int
	// signals: the command takes SIGINT and SIGTERM itself. The context of
	// every other command ends with the first of them.
	signals bool
}

// commands is the table, in the order people read it.
func commands() []command {
	return []command{
		{name: "serve", args: "--config FILE", summary: "run the service; the first SIGTERM drains, the second cuts", run: runServe, signals: true},
		{name: "demo", args: "[--keep DIR] [--serve]", summary: "place, record and verify one call with everything embedded", run: runDemo, signals: true},
		{name: "check", args: "--config FILE", summary: "read a configuration whole and report every fault", run: runCheck},
		{name: "route explain", args: "--config FILE --to NUMBER [--from CALLER]", summary: "how a call would be routed, and why", run: runRouteExplain},
		{name: "route replay", args: "--config DRAFT [--since P7D] [--events FILE]", summary: "which past calls would go otherwise by a draft", run: runRouteReplay},
		{name: "numbers list", args: "[--account A] [--flow F] [--state S]", summary: "tracking numbers, each for each of its times", run: runNumbersList},
		{name: "numbers check", args: "--config FILE", summary: "whether each number can be called, and which flows nothing leads to", run: runNumbersCheck},
		{name: "numbers import", args: "FILE.csv [--dry-run]", summary: "put the numbers of a CSV file into the directory of a node", run: runNumbersImport},
		{name: "numbers assign", args: "NUMBER --account A --flow F [--from T]", summary: "give a number to an account from a time on; who had it stays on record", run: runNumbersAssign},
		{name: "calls list", args: "[--account A]", summary: "live calls", run: runCallsList},
		{name: "calls hangup", args: "CALL_ID", summary: "end a live call", run: runCallsHangup},
		{name: "calls transfer", args: "CALL_ID --number N --trunk T | --uri U", summary: "put somebody else in a party's place", run: order("calls transfer", nil, callsTransfer)},
		{name: "calls connect", args: "CALL_ID OTHER_CALL_ID", summary: "put a party of another call in a party's place", run: order("calls connect", []string{"OTHER_CALL_ID"}, callsConnect)},
		{name: "calls play", args: "CALL_ID PROMPT", summary: "play a prompt to a party", run: order("calls play", []string{"PROMPT"}, callsPlay)},
		{name: "calls stop", args: "CALL_ID", summary: "end what is played so", run: order("calls stop", nil, callsStop)},
		{name: "calls hold", args: "CALL_ID [--off]", summary: "put a party on hold", run: order("calls hold", nil, callsHold)},
		{name: "calls mute", args: "CALL_ID [--off]", summary: "keep a party from being heard", run: order("calls mute", nil, callsMute)},
		{name: "calls record", args: "CALL_ID start|stop|pause|resume", summary: "record a call, or no longer", run: order("calls record", []string{"ACTION"}, callsRecord)},
		{name: "calls tag", args: "CALL_ID KEY=VALUE", summary: "note something about a call", run: order("calls tag", []string{"KEY=VALUE"}, callsTag)},
		{name: "why", args: "CALL_ID", summary: "why a call went as it did", run: runWhy},
		{name: "events tail", args: "[--account A] [--since D] [--follow]", summary: "events as JSON lines", run: runEventsTail},
		{name: "recordings list", args: "[--account A] [--since D]", summary: "finished recordings", run: runRecordingsList},
		{name: "recordings show", args: "ID", summary: "what a recording is: length, parts, fingerprints", run: runRecordingsShow},
		{name: "recordings export", args: "ID --out FILE", summary: "decode a recording into a WAV file", run: runRecordingsExport},
		{name: "recordings verify", args: "ID|FILE", summary: "read a recording whole and say whether it holds", run: runRecordingsVerify},
		{name: "directory status", args: "[--config FILE]", summary: "which routing table a node uses, and where it comes from", run: runDirectoryStatus},
		{name: "directory history", args: "[--config FILE]", summary: "the last changes of the directory", run: runDirectoryHistory},
		{name: "directory import", args: "FILE [--dry-run] [--replace]", summary: "put a file's accounts, numbers, flows and the rest into the directory", run: runDirectoryImport},
		{name: "directory export", args: "[--out FILE]", summary: "the whole table, as a file that import reads", run: runDirectoryExport},
		{name: "directory restore", args: "[--config FILE]", summary: "write a node's table back into a bucket that has lost it", run: runDirectoryRestore},
		{name: "keys status", args: "--config FILE", summary: "the key store: epoch, keys and what was erased", run: runKeysStatus},
		{name: "version", summary: "version, commit, Go and FIPS mode", run: runVersion},
	}
}

func main() {
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, isTerminal(os.Stderr)}))
}

// run finds the command and gives it the rest of the line.
func run(args []string, s stdio) int {
	if len(args) == 0 {
		writeHelp(s.err)
		return misuse
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return help(args[1:], s)
	}
	c, rest := find(args)
	if c == nil {
		return unknown(args, s)
	}
	ctx := context.Background()
	if !c.signals {
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	return c.run(ctx, rest, s)
}

// find returns the command whose words the line begins with.
func find(args []string) (*command, []string) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return &c, args[len(words):]
		}
	}
	return nil, nil
}

// group returns the commands that begin with this word.
func group(word string) (in []command) {
	for _, c := range commands() {
		if strings.HasPrefix(c.name, word+" ") {
			in = append(in, c)
		}
	}
	return in
}

func unknown(args []string, s stdio) int {
	if in := group(args[0]); in != nil {
		if len(args) > 1 && (args[1] == "-h" || args[1] == "--help" || args[1] == "-help") {
			writeTable(s.out, in)
			return done
		}
		if len(args) > 1 {
			fmt.Fprintf(s.err, "ringdown: there is no command %q %q; there is\n\n", args[0], args[1])
		}
		writeTable(s.err, in)
		return misuse
	}
	fmt.Fprintf(s.err, "ringdown: there is no command %q; ringdown help lists them\n", args[0])
	return misuse
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
