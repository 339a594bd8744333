package natsbus

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// What somebody else keeps at the embedded broker can be made durable by the
// name of its stream; one that is not there is told.
func TestSyncStream(t *testing.T) {
	dir := t.TempDir()
	b := openBus(t, embedded(dir))
	kv, err := b.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	var synced []string
	b.sync = func(f *storeFiles) error {
		synced = append(synced, f.dir)
		return f.sync()
	}
	if err := b.SyncStream("KV_kept"); err != nil {
		t.Error(err)
	}
	if len(synced) != 1 {
		t.Fatalf("synced %v", synced)
	}
	if _, err := os.Stat(filepath.Join(synced[0], "msgs", "1.blk")); err != nil {
		t.Error(err)
	}
	if err := b.SyncStream("KV_other"); err == nil {
		t.Error("a stream that is not there is durable")
	}
}
