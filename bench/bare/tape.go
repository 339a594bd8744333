package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"ringdown/privacy"
	"ringdown/privacy/keys"
	"ringdown/recorder"
	"ringdown/recorder/store"
)

// tape is the product's recorder with keys and files of its own.
type tape struct {
	keys *keys.Store
	rec  *recorder.Recorder
	stop context.CancelFunc
	done chan error // what the recorder's Run returned
}

func newTape(dir string, log *slog.Logger) (*tape, error) {
	t := &tape{done: make(chan error, 1)}
	var err error
	if t.keys, err = keys.Open(keys.Config{Dir: filepath.Join(dir, "keys"), Region: "local"}, keys.Options{Log: log}); err != nil {
		return nil, err
	}
	disk, err := store.OpenDir(filepath.Join(dir, "recordings"))
	if err == nil {
		t.rec, err = recorder.New(recorder.Config{}, recorder.Deps{Keys: t.keys, Store: disk, Log: log, Node: "bare", Region: "local"})
	}
	if err != nil {
		return nil, errors.Join(err, t.keys.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	go func() { t.done <- t.rec.Run(ctx) }() // until close
	return t, nil
}

// open begins a recording. Callers take turns among a hundred numbers.
func (t *tape) open(call string, number int) (*recorder.Recording, error) {
	subject, err := t.keys.Subject("bench", privacy.E164(fmt.Sprintf("+4799%06d", number%100)))
	if err != nil {
		return nil, err
	}
	return t.rec.Open(context.Background(), recorder.Info{Call: call, Account: "bench", Subject: subject,
		Mode: "record-from-answer", Channels: "dual", Started: time.Now()}, func(error) {})
}

func (t *tape) lost() uint64 { return t.rec.Stats().Dropped }

func (t *tape) close() error {
	err := t.rec.Close()
	t.stop()
	return errors.Join(err, <-t.done, t.keys.Close())
}
