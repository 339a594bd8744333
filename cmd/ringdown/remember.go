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
	}
	if err != nil {
		n.log.Warn("what was remembered of calls cannot be read and is forgotten", "error", err)
	}
}

// memorise writes it down for the next start, sealed.
func (n *node) memorise() error {
	plain, err := n.memory.Keep()
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
	if err := os.WriteFile(next, aead.Seal(nonce, nonce, plain, nil), 0o600); err != nil {
		return fmt.Errorf("memory of calls: %w", err)
	}
	return os.Rename(next, n.memoryFile())
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
