package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringdown/media/mediatest"
)

// TestCall drives bare as the bench does: a call is opened, a packet of each side
// crosses, the call is closed and counted, and its recording is a file in the end.
func TestCall(t *testing.T) {
	dir := t.TempDir()
	in, orders := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan error, 1)
	var errs bytes.Buffer
	go func() { done <- run([]string{"-ports", "42400-42499", "-record", dir}, in, out, &errs) }()
	lines := bufio.NewReader(answers)
	ask := func(order string, answer any) {
		t.Helper()
		if _, err := io.WriteString(orders, order+"\n"); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, answer); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	var phones [2]*net.UDPConn
	var at [2]netip.AddrPort
	for i := range phones {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		phones[i], at[i] = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	order, err := json.Marshal(map[string]any{"open": map[string]any{"caller": at[0], "callee": at[1]}})
	if err != nil {
		t.Fatal(err)
	}
	var o opened
	ask(string(order), &o)
	if o.ID != 1 || !o.Caller.IsValid() || !o.Callee.IsValid() || o.Caller == o.Callee {
		t.Fatalf("%+v", o)
	}
	for i, to := range []netip.AddrPort{o.Caller, o.Callee} {
		tone := mediatest.Tone{Hz: 440}
		sent, got := tone.Next(), make([]byte, 1500)
		if _, err := phones[i].WriteToUDPAddrPort(sent, to); err != nil {
			t.Fatal(err)
		}
		if n, err := phones[1-i].Read(got); err != nil || !bytes.Equal(got[:n], sent) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	var c closed
	ask(`{"close":1}`, &c)
	if c != (closed{ID: 1, Packets: 2}) {
		t.Errorf("%+v", c)
	}
	for order, want := range map[string]string{`{"close":1}`: "no call 1", `{}`: "neither", `x`: "invalid", `{"open":{}}`: "offer"} {
		var refused struct{ Error string }
		if ask(order, &refused); !strings.Contains(refused.Error, want) {
			t.Errorf("%s: %q, want %q", order, refused.Error, want)
		}
	}
	var s stats
	ask(`{"stats":true}`, &s)
	if s.Packets != 2 || s.Relays != 0 || s.Drops+s.Panics+s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	orders.Close()
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	files := 0
	filepath.WalkDir(filepath.Join(dir, "recordings"), func(_ string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if files == 0 {
		t.Error("no recording was written")
	}
}
