package natsbus

import (
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// JetStream is the connection, for who keeps something else at the same broker
// (routing/directory). It lives until Close.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// SyncStream makes durable what the embedded broker has taken into a stream: its
// own ack promises only that it survives the process. With another broker,
// whose ack is its promise, it does nothing.
func (b *Bus) SyncStream(name string) error {
	if b.server == nil {
		return nil
	}
	files := &storeFiles{dir: filepath.Join(b.server.JetStreamConfig().StoreDir, "$G", "streams", name)}
	return b.sync(files)
}
