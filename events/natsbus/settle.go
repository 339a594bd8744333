package natsbus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ringdown/events/outbox"
)

// syncEvery is how often the embedded broker's files are synced while there is
// something to sync. An event is acked in the outbox only after that.
const syncEvery = 100 * time.Millisecond

// settle acks what the lanes have brought into the stream, in groups, until
// stored is closed. The embedded broker's own ack says that an event would
// survive the process, not the machine: it writes each and syncs none, because a
// sync for each would cost more than all the rest of a call. So its files are
// synced here first. After a power cut the outbox hands out again what was not
// acked, and delivery reads what the stream has kept of it.
//
// A sync that fails is not tried again: its success would prove nothing. From
// then on nothing is acked in this process.
func (b *Bus) settle(box *outbox.Outbox, stored <-chan outbox.Record) {
	var files *storeFiles
	if b.server != nil {
		files = &storeFiles{dir: filepath.Join(b.server.JetStreamConfig().StoreDir, "$G", "streams", Stream)}
	}
	var group []outbox.Record
	for r := range stored {
		group = append(group[:0], r)
		if files != nil {
			time.Sleep(syncEvery) // others come meanwhile
		}
		for open := true; open; {
			select {
			case r, open = <-stored:
				if open {
					group = append(group, r)
				}
			default:
				open = false
			}
		}
		if files != nil {
			if err := b.sync(files); err != nil {
				b.unsafe(err)
				for range stored { // they stay in the outbox
				}
				return
			}
		}
		for _, r := range group {
			box.Ack(r)
		}
		b.mu.Lock()
		b.notify()
		b.mu.Unlock()
	}
}

// unsafe notes that nothing can be acked any more.
func (b *Bus) unsafe(err error) {
	why := "embedded broker's files not synced: " + err.Error()
	b.stall.Store(&why)
	b.fatal.Store(true)
	b.log.Error("nats: events stay in the outbox until the next start", "error", why)
}

// storeFiles are the files of the embedded broker's stream: numbered blocks, of
// which only the last grows, each with its key.
type storeFiles struct {
	dir  string
	last uint64 // block that was the last when they were synced; 0: never synced
}

// sync makes everything durable that was written before: all there is the first
// time, because an earlier process may have left it so; then the blocks from the
// one that was last.
func (f *storeFiles) sync() error {
	msgs := filepath.Join(f.dir, "msgs")
	if f.last == 0 || !exists(block(msgs, f.last)) {
		return f.syncAll(msgs)
	}
	n := f.last
	for {
		err := errors.Join(syncFile(block(msgs, n)), syncFile(key(msgs, n)))
		if err != nil {
			return err
		}
		if !exists(block(msgs, n+1)) {
			break
		}
		n++
	}
	if n == f.last {
		return nil
	}
	f.last = n
	return syncFile(msgs)
}

func (f *storeFiles) syncAll(msgs string) error {
	var last uint64
	err := filepath.WalkDir(f.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		if n, ok := numberOf(e.Name()); ok {
			last = max(last, n)
		}
		return syncFile(path)
	})
	if err == nil && last == 0 {
		err = fmt.Errorf("no block in %s", filepath.Base(msgs))
	}
	f.last = last
	return err
}

func block(dir string, n uint64) string {
	return filepath.Join(dir, strconv.FormatUint(n, 10)+".blk")
}
func key(dir string, n uint64) string { return filepath.Join(dir, strconv.FormatUint(n, 10)+".key") }

// numberOf reads the name of a block.
func numberOf(name string) (uint64, bool) {
	digits := name[:len(name)-len(filepath.Ext(name))]
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && filepath.Ext(name) == ".blk"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// syncFile syncs a file or folder; one that the broker has removed meanwhile
// held nothing any more.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return gone(err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
