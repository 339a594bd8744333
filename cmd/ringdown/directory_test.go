package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringdown/api"
	"ringdown/configs"
	"ringdown/events"
)

// directoryNode runs a node whose table is in its embedded broker until the test
// ends; it returns how to ask it.
func directoryNode(t *testing.T, file string) (n *node, stop func()) {
	t.Helper()
	c, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if n, err = openNode(c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	drain, stopping := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- n.run(drain, drain, 0, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("not ready in a minute")
	}
	return n, func() { stopping(); <-ended }
}

func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A node with its table in the bucket: empty at first, changed by the face while
// it runs, told in events, and there again at the next start.
func TestNodeWithDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	text := `
node: {id: edge-1, data_dir: "` + filepath.Join(dir, "data") + `"}
sip: {listen: ["udp://` + freeUDP(t) + `"]}
http: {listen: "` + freePort(t) + `"}
directory: {enabled: true}
trunks: [{id: carrier, sources: [127.0.0.0/8]}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, stop := directoryNode(t, file)
	face, err := newTableFace(n)
	if err != nil {
		t.Fatal(err)
	}
	if s := face.Status(); s.Source != "nats" || s.Commit != 0 || s.Fault != nil {
		t.Errorf("%+v", s)
	}
	body := `{"by":"ops","put":{"accounts":[{"id":"demo"}],"flows":{"sales":[{"dial":{"targets":[{"uri":"sip:agent@127.0.0.1"}]}}]},
		"numbers":[{"number":"+4721000001","account":"demo","flow":"sales"}]}}`
	r, err := face.Change(t.Context(), api.DirectoryChange{Body: []byte(body)})
	if err != nil || r.Commit != 1 || n.table.Load().Version() != r.Version {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := face.Change(t.Context(), api.DirectoryChange{Body: []byte("put:\n  numbers:\n    - {number: \"+4721000002\", account: demo, flow: sails}\n"), YAML: true}); err == nil ||
		!strings.Contains(err.Error(), "1 faults") {
		t.Errorf("a flow that is not there: %v", err)
	}
	page, err := face.Numbers(api.NumberFilter{Account: "demo", Limit: 10})
	if err != nil || len(page.Numbers) != 1 || string(page.Numbers[0]) != `{"number":"+4721000001","account":"demo","flow":"sales"}` {
		t.Errorf("%s %v", page.Numbers, err)
	}
	var told []events.ConfigChangedData
	for deadline := time.Now().Add(20 * time.Second); len(told) < 2 && time.Now().Before(deadline); {
		told = nil
		n.events(t.Context(), api.EventFilter{Account: events.System}, false, func(raw json.RawMessage) error {
			var e struct {
				Type string
				Data events.ConfigChangedData
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
			if strings.Contains(string(raw), "4721") {
				t.Errorf("an event holds a number: %s", raw)
			}
			if e.Type == events.ConfigChanged {
				told = append(told, e.Data)
			}
			return nil
		})
	}
	// Events of a node are stories of their own, in no order among each other.
	slices.SortFunc(told, func(a, b events.ConfigChangedData) int { return int(a.Commit) - int(b.Commit) })
	if len(told) != 2 || told[1].By != "ops" || told[1].Version != r.Version || told[1].Added["numbers"] != 1 {
		t.Errorf("told %+v", told)
	}
	stop()
	n, stop = directoryNode(t, file)
	defer stop()
	if v := n.table.Load().Version(); v != r.Version {
		t.Errorf("the next start has %s, not %s", v, r.Version)
	}
}

// A node with its table in the file shows it, and says that it is there.
func TestNodeWithFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	text := `
node: {id: edge-1, data_dir: "` + filepath.Join(dir, "data") + `"}
sip: {listen: ["udp://` + freeUDP(t) + `"]}
http: {listen: "` + freePort(t) + `"}
trunks: [{id: carrier, sources: [127.0.0.0/8]}]
accounts: [{id: demo}]
flows: {sales: [{dial: {targets: [{uri: "sip:agent@127.0.0.1"}]}}]}
numbers: [{number: "+4721000001", account: demo, flow: sales}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, stop := directoryNode(t, file)
	defer stop()
	face, err := newTableFace(n)
	if err != nil {
		t.Fatal(err)
	}
	if s := face.Status(); s.Source != "file" || s.Version != n.config.Table().Version() || s.Counts["numbers"] != 1 {
		t.Errorf("%+v", s)
	}
	if page, err := face.Numbers(api.NumberFilter{Limit: 10}); err != nil || len(page.Numbers) != 1 {
		t.Errorf("%v %v", page, err)
	}
	if _, err := face.Change(t.Context(), api.DirectoryChange{Body: []byte("{}")}); err != api.ErrTableInFile {
		t.Errorf("%v", err)
	}
	var out strings.Builder
	if err := face.Export(&out); err != nil || !json.Valid([]byte(out.String())) {
		t.Errorf("%v in %s", err, &out)
	}
}
