package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringdown/api"
	"ringdown/configs"
)

// A node takes what its file says of numbers and trunks when it is told to read
// it again, keeps its table when the file is faulty, and names what has to wait.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "node.yaml")
	write := func(numbers, node string) {
		text := "node: {id: " + node + ", data_dir: " + filepath.Join(dir, "data") + "}\n" + `
sip: {listen: ["udp://127.0.0.1:0"]}
http: {listen: "127.0.0.1:0"}
nats: {embedded: true, listen: ""}
media: {address: 127.0.0.1, advertise: 127.0.0.1}
trunks: [{id: carrier-a, sources: [192.0.2.0/24]}]
accounts: [{id: demo}]
flows:
  sales: [{dial: {targets: [{uri: "sip:agent@127.0.0.1:5090"}]}}]
numbers:
` + numbers
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`  - {number: "+4721000001", account: demo, flow: sales}`+"\n", "edge-1")
	c, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n, err := openNode(c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	n.log = slog.New(slog.NewTextHandler(&log, nil))
	first := n.table.Load()
	face, err := newTableFace(n)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := face.Numbers(api.NumberFilter{Limit: 10}); err != nil || len(page.Numbers) != 1 {
		t.Errorf("%d numbers: %v", len(page.Numbers), err)
	}

	write(`  - {number: "+4721000001", account: demo, flow: sold}`+"\n", "edge-1")
	n.reload(file)
	if n.table.Load() != first || !strings.Contains(log.String(), "node.yaml:12: numbers[0].flow: there is no flow") || !strings.Contains(log.String(), "not taken") {
		t.Errorf("%s", &log)
	}

	log.Reset()
	write(`  - {number: "+4721000001", account: demo, flow: sales}`+"\ninvariants: {quiet: {rings_nobody: true}}\n", "edge-1")
	n.reload(file)
	if n.table.Load() != first || !strings.Contains(log.String(), "invariants.quiet: does not hold") || !strings.Contains(log.String(), "not taken") {
		t.Errorf("%s", &log)
	}

	log.Reset()
	write(`  - {number: "+4721000001", account: demo, flow: sales}`+"\n"+`  - {number: "+4721000002", account: demo, flow: sales}`+"\n", "edge-2")
	n.reload(file)
	if next := n.table.Load(); next == first || next.Len() != 2 || next.Version() == first.Version() {
		t.Errorf("%d numbers", next.Len())
	}
	page, err := face.Numbers(api.NumberFilter{Limit: 10})
	if err != nil || len(page.Numbers) != 2 || face.Status().Counts["numbers"] != 2 {
		t.Errorf("%d numbers are shown, %v counted: %v", len(page.Numbers), face.Status().Counts, err)
	}
	changed := n.fileChanged(first, n.table.Load(), &c.Spec, n.spec.Load())
	if changed.Added["numbers"] != 1 || len(changed.Changed)+len(changed.Removed) != 0 || len(changed.Added) != 1 {
		t.Errorf("%+v", changed)
	}
	if !strings.Contains(log.String(), "section=node") || strings.Contains(log.String(), "section=sip") {
		t.Errorf("%s", &log)
	}
}
