package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ringdown/configs"
)

func runServe(ctx context.Context, args []string, s stdio) int {
	o := newOptions("serve", s)
	file := o.String("config", "", "configuration `FILE`")
	wait := o.Duration("drain-timeout", 10*time.Minute, "how long live calls may go on after the first SIGTERM, as `DURATION`")
	asJSON := o.Bool("log-json", false, "log as JSON lines")
	level := o.String("log-level", "info", "`LEVEL` of the log: debug, info, warn or error")
	return o.run(args, nil, func([]string) error {
		if *file == "" {
			return usagef("--config FILE is missing")
		}
		var least slog.Level
		if err := least.UnmarshalText([]byte(*level)); err != nil {
			return usagef("--log-level %q is not debug, info, warn or error", *level)
		}
		c, err := configs.Load(*file)
		if err != nil {
			return err
		}
		log := newLog(s, *asJSON, least)
		for _, w := range c.Warnings() {
			log.Warn("configuration: " + w.String())
		}
		setHeapGrowth()
		n, err := openNode(c, log)
		if err != nil {
			return err
		}
		n.file = *file
		drain, cut, stop := signals(ctx, log)
		defer stop()
		return n.run(drain, cut, *wait, func() {
			log.Info("ready", "sip", strings.Join(c.SIP.Listen, " "), "http", c.HTTP.Listen, "nats", n.bus.Address(),
				"data", c.Node.DataDir, "config", n.table.Load().Version())
		})
	})
}

func newLog(s stdio, asJSON bool, least slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: least}
	if asJSON {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}

// signals turns the first SIGTERM or SIGINT into the end of drain, the second
// into the end of cut, and lets the third end the process.
func signals(ctx context.Context, log *slog.Logger) (drain, cut context.Context, stop func()) {
	drain, startDrain := context.WithCancel(ctx)
	cut, startCut := context.WithCancel(ctx)
	got := make(chan os.Signal, 3)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with stop
		for count := 1; ; count++ {
			select {
			case <-got:
			case <-done:
				return
			}
			switch count {
			case 1:
				startDrain()
			case 2:
				log.Warn("second signal: cutting what is left")
				startCut()
			default:
				os.Exit(failed)
			}
		}
	}()
	return drain, cut, func() { signal.Stop(got); close(done); startDrain(); startCut() }
}

func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("node.data_dir: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("node.data_dir: cannot write: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// localToken returns the token of the file, or makes one for this run that only
// the owner of the data directory can read.
func localToken(c *configs.Config) (string, error) {
	if c.HTTP.Token != "" {
		return c.HTTP.Token, nil
	}
	token := make([]byte, 32)
	rand.Read(token)
	text := hex.EncodeToString(token)
	path := filepath.Join(c.Node.DataDir, "token")
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("token for the local commands: %w", err)
	}
	return text, os.Rename(path+".new", path)
}
