package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
	"ringdown/configs"
	"ringdown/privacy/keys"
)

// TestWhatIsRememberedOutlivesAKill: a minute after somebody has answered a caller
// that stands on the disk, sealed, without a goodbye; what has not changed is not
// written again, and a disk that fails is told of once.
func TestWhatIsRememberedOutlivesAKill(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := keys.Config{Dir: filepath.Join(dir, "keys"), Region: "eu"}
		c.Defaults()
		store, err := keys.Open(c, keys.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var said bytes.Buffer
		data := filepath.Join(dir, "data")
		if err := os.Mkdir(data, 0o700); err != nil {
			t.Fatal(err)
		}
		n := rememberer(data, store, &said)
		n.remember()
		ctx, kill := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.keepMemory(ctx) }()
		caller := call.Wanted{Account: "demo", Subject: "sub_1", Key: "flows.sales[0].dial"}
		n.memory.Stick(caller, "sip:one@127.0.0.1")
		time.Sleep(memoriseEvery + time.Second)
		synctest.Wait()
		sealed, err := os.ReadFile(n.memoryFile())
		if err != nil || bytes.Contains(sealed, []byte("one")) || bytes.Contains(sealed, []byte("sub_1")) {
			t.Fatalf("%d bytes on the disk: %v", len(sealed), err)
		}
		next := rememberer(data, store, &said) // as after a kill
		next.remember()
		if got := next.memory.Answered(caller); got != "sip:one@127.0.0.1" {
			t.Errorf("the next process remembers %q", got)
		}

		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * memoriseEvery) // nothing has changed: the lost folder is not noticed
		synctest.Wait()
		if said.Len() > 0 {
			t.Errorf("it was written again: %s", &said)
		}
		n.memory.Stick(caller, "sip:two@127.0.0.1")
		time.Sleep(3 * memoriseEvery)
		synctest.Wait()
		if k := strings.Count(said.String(), "cannot be written down"); k != 1 || strings.Contains(said.String(), "sip:") {
			t.Errorf("a disk that fails is told of %d times: %s", k, &said)
		}
		if err := os.Mkdir(data, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(memoriseEvery)
		synctest.Wait()
		kill()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		next = rememberer(data, store, &said)
		next.remember()
		if got := next.memory.Answered(caller); got != "sip:two@127.0.0.1" {
			t.Errorf("once the disk works again it remembers %q", got)
		}
	})
}

func rememberer(data string, store *keys.Store, log *bytes.Buffer) *node {
	c := &configs.Config{}
	c.Node.DataDir = data
	return &node{config: c, keys: store, log: slog.New(slog.NewTextHandler(log, nil))}
}
