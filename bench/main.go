//go:build linux

// Command bench measures a whole Ringdown from outside: it places calls with
// real SIP and RTP through a `ringdown serve` process and tells what came of
// them and what they cost.
//
//	go run ./bench calls -n 100 -rate 20 -hold 8s
//	go run ./bench setup -rate 400,800,1200
//	go run ./bench media -calls 100,500,1000
//	go run ./bench soak -calls 1000 -duration 10m
//	go run ./bench kill -calls 50 -rounds 20
//
// It owns its phones (sip/siptest, and raw text where they would cost too much),
// a batch generator of RTP, and the judgement
// of what it measures. It imports no other room: what it knows of the product it
// learns over the wire, from the command line and from /proc, like any stranger.
// It speaks to 127.0.0.0/8 and ::1 only, ends by itself, and kills no process
// that it did not start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, as those of ringdown.
const (
	done   = 0
	failed = 1
	misuse = 2
)

const usage = `bench places calls through a ringdown serve process and measures it.

  bench calls [flags]   hold N calls with RTP: cost, loss, added latency, memory, set-up time
  bench setup [flags]   set calls up and end them at a steady rate: CPU and memory a call, highest clean rate
  bench media [flags]   the relay alone beside other relays: CPU of the whole machine, loss, latency, memory
  bench soak [flags]    calls that come and go for a long time: nothing lost, memory and handles flat
  bench kill [flags]    kill -9 under recorded calls, again and again: what was lost, what was doubled

bench COMMAND -h lists the flags. README.md beside this program explains the figures.
`

// errUsage marks errors of the command line.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return misuse
	}
	var err error
	switch args[0] {
	case "calls":
		err = runCalls(ctx, args[1:], out, errs)
	case "setup":
		err = runSetup(ctx, args[1:], out, errs)
	case "media":
		err = runMedia(ctx, args[1:], out, errs)
	case "soak":
		err = runSoak(ctx, args[1:], out, errs)
	case "kill":
		err = runKill(ctx, args[1:], out, errs)
	case "help", "-h", "--help":
		fmt.Fprint(out, usage)
		return done
	default:
		fmt.Fprintf(errs, "bench: no command %q\n\n%s", args[0], usage)
		return misuse
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return done
	case errors.Is(err, errUsage):
		fmt.Fprintf(errs, "bench %s: %v\n", args[0], err)
		return misuse
	}
	fmt.Fprintf(errs, "bench %s: %v\n", args[0], err)
	return failed
}
