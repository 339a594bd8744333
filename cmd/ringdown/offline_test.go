package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/configs"
	"ringdown/media"
	"ringdown/privacy"
	"ringdown/privacy/keys"
	"ringdown/recorder"
	"ringdown/recorder/store"
)

// recorded makes a data directory that holds one sealed recording of two
// seconds, as a node would leave it, and returns the recording's id.
func recorded(t *testing.T, config string) (id string) {
	t.Helper()
	c, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // the clock is that of 2000-01-01
		k, err := keys.Open(c.Keys, keys.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		disk, err := store.OpenDir(recordingsDir(c))
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		r, err := recorder.New(c.Recordings, recorder.Deps{Keys: k, Store: disk, Node: c.Node.ID, Region: c.Node.Region})
		if err != nil {
			t.Fatal(err)
		}
		subject, err := k.Subject("demo", privacy.E164("+4740000012"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		rec, err := r.Open(t.Context(), recorder.Info{
			Call: callOne, Account: "demo", Subject: subject, Mode: "record-from-answer", Channels: "dual", Started: start,
		}, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		id = rec.ID()
		sides := []media.Side{media.Caller, media.Callee}
		for _, side := range sides {
			rec.Formats(side, []media.Format{{PT: 8, Name: "PCMA", Clock: 8000, Channels: 1}})
		}
		for n := range 100 {
			for _, side := range sides {
				rec.Packet(media.Packet{Side: side, Arrival: time.Now(), PT: 8, Seq: uint16(n), TS: uint32(160 * n), SSRC: uint32(side), Payload: make([]byte, 160)})
			}
			time.Sleep(20 * time.Millisecond)
		}
		rec.Close(time.Now())
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return id
}

func TestOffline(t *testing.T) {
	dir := t.TempDir()
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "node.yaml")
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, fmt.Appendf(nil, "node: {id: edge-1, region: eu, data_dir: %q}\n", data))
	id := recorded(t, config)
	file := filepath.Join(data, "recordings", "demo", "2000", "01", "01", id+".ctr")
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := func(kind, _ string) bool {
		switch kind {
		case "damage":
			hurt := append([]byte{}, sound...)
			hurt[len(hurt)/2] ^= 1
			write(file, hurt)
		case "repair":
			write(file, sound)
		case "erase":
			erase(t, config, file)
		case "empty":
			write(config, fmt.Appendf(nil, "node: {id: edge-1, region: eu, data_dir: %q}\n", filepath.Join(dir, "new")))
		default:
			return false
		}
		return true
	}
	talk := conversation{t: t, set: set, places: [][2]string{{"{FILE}", file}, {"{DATA}", data}, {"{CONFIG}", config}, {"{DIR}", dir}, {"{REC}", id}}}
	talk.check("testdata/offline.txt")
}

// erase destroys the key of the recording in the file.
func erase(t *testing.T, config, file string) {
	t.Helper()
	c, err := configs.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file[:len(file)-len(".ctr")] + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var signed struct {
		Manifest struct {
			KeyRef string `json:"key_ref"`
		}
	}
	if err := json.Unmarshal(b, &signed); err != nil {
		t.Fatal(err)
	}
	k, err := keys.Open(c.Keys, keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.EraseRecording(signed.Manifest.KeyRef); err != nil {
		t.Fatal(err)
	}
}
