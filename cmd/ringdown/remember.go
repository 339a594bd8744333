package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringdown/call"
	"ringdown/events"
	"ringdown/routing"
	"ringdown/routing/hook"
)

// ask puts a call's question to the owner of its number.
func (n *node) ask(ctx context.Context, q call.Question) (routing.HookReply, string) {
	reply, err := n.hooks.Ask(ctx, q.Hook, hook.Question{
		ID: events.NewID("question", q.At), Call: string(q.Call), Account: q.Account, Agency: q.Agency, Flow: q.Flow, Step: q.Step, At: q.At,
		Trunk: q.Trunk, Subject: q.Party.Subject, Masked: q.Party.Masked, Caller: q.Caller, Number: q.Number,
		Attribution: q.Attribution, Tags: q.Tags, Consent: q.Consent,
	})
	if err != nil {
		return routing.HookReply{}, hook.Word(err)
	}
	return reply, ""
}

func (n *node) memoryFile() string { return filepath.Join(n.config.Node.DataDir, "calls.memory") }

// remember takes up what the node knew of its callers when it was stopped. What
// cannot be read is forgotten: it orders whom to ring first and decides nothing else.
func (n *node) remember() {
	n.memory = call.NewMemory()
	sealed, err := os.ReadFile(n.memoryFile())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var plain []byte
	var aead cipher.AEAD
	if err == nil {
		aead, err = n.memorySeal()
	}
	if err == nil {
		if len(sealed) < aead.NonceSize() {
			err = errors.New("it is cut off")
		} else {
			plain, err = aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
		}
	}
	if err == nil {
		err = n.memory.Recall(plain)
		n.memorised = n.memory.Changes()
	}
	if err != nil {
		n.log.Warn("what was remembered of calls cannot be read and is forgotten", "error", err)
	}
}

// memoriseEvery is how much of what is remembered of callers a killed process loses
// at most.
const memoriseEvery = time.Minute

// keepMemory writes down what is remembered, as long as ctx lives, each time that it
// has changed. No call waits for that, and a disk that fails costs the order in which
// somebody is rung: it is told of once until it works again.
func (n *node) keepMemory(ctx context.Context) error {
	tick := time.NewTicker(memoriseEvery)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		err := n.memorise()
		if err != nil && !failing {
			n.log.Warn("what is remembered of calls cannot be written down; it is tried again", "every", memoriseEvery, "error", err)
		}
		failing = err != nil
	}
}

// memorise writes it down for the next start, sealed, unless it stands there.
func (n *node) memorise() error {
	if n.memory.Changes() == n.memorised {
		return nil
	}
	plain, changes, err := n.memory.Keep()
	if err != nil {
		return err
	}
	aead, err := n.memorySeal()
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	next := n.memoryFile() + ".new"
	err = writeThrough(next, aead.Seal(nonce, nonce, plain, nil))
	if err == nil {
		err = os.Rename(next, n.memoryFile())
	}
	if err != nil {
		return fmt.Errorf("memory of calls: %w", err)
	}
	n.memorised = changes
	return nil
}

// writeThrough writes a file that is on the disk when it returns: one that takes
// another's place must not be an empty one after the power has failed.
func writeThrough(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (n *node) memorySeal() (cipher.AEAD, error) {
	key, err := n.keys.Secret("memory")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
