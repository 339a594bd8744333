//go:build interop

package interop

import (
	"crypto/tls"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringdown/sip/siptest"
	"ringdown/sip/stir/stirtest"
)

// The table of answers to RFC 4475 and its messages stand in room sip.
const (
	tortureTable    = "../../sip/rfc4475_test.go"
	tortureMessages = "../../sip/testdata/rfc4475"
)

// mutations is how many damaged messages are sent; seed makes them the same
// each time.
const (
	mutations = 4500
	seed      = 4475
	slow      = 2 * time.Second // an answer beside them that takes longer is a fault
)

// TestTorture sends the messages of RFC 4475 and damaged copies of them to a
// live server, over UDP and TCP, beside a call that must not notice. Each way has
// a server of its own: the same request by another way is a merged one (482).
func TestTorture(t *testing.T) {
	table := readTable(t)
	t.Run("udp", func(t *testing.T) {
		besideCall(t, "127.0.17", func(n *node) { torture(t, n, table, 0, answerUDP) })
	})
	t.Run("tcp", func(t *testing.T) {
		besideCall(t, "127.0.18", func(n *node) { torture(t, n, table, 1, answerTCP) })
	})
	t.Run("mutations", func(t *testing.T) { mutateBeside(t, "127.0.19") })
}

// besideCall does something to a server while a call is up, and wants the call
// to be unharmed, the server alive and the events complete.
func besideCall(t *testing.T, net string, something func(*node)) {
	t.Helper()
	besideCallOf(t, newNode(t, plan{Host: net + ".1", Sources: net + ".0/24", Agent: freePort(t, net+".3")}), net, something)
}

func besideCallOf(t *testing.T, n *node, net string, something func(*node)) {
	t.Helper()
	n.start(t)
	p := newPair(t, n, net+".2", siptest.PCMU, siptest.Noise(1))
	c := p.call(t, siptest.CallOptions{})
	something(n)
	if m := probe(t, net+".2:0", n.SIP, "OPTIONS", 5*time.Second); m == nil || m.Status != 200 {
		t.Errorf("OPTIONS after it: %v", m)
	}
	if k := n.metric(t, "ringdown_sip_panics_total") + n.metric(t, "ringdown_call_panics_total"); k != 0 {
		t.Errorf("%v panics were caught", k)
	}
	c.hear(t, 25)
	c.intact(t, "the call beside it")
	c.hangup(t)
	var kept *story
	eventually(t, limit, "the end of the call", func() bool {
		all := n.stories(t)
		i := slices.IndexFunc(all, func(s *story) bool { return s.count("call.answered") > 0 })
		if i >= 0 {
			kept = all[i]
		}
		return kept != nil && kept.over()
	})
	kept.completed(t)
	n.stop(t)
}

// torture sends every message from an address of its own and holds what comes
// back against the table.
func torture(t *testing.T, n *node, table map[string][2]int, column int, answer func(*testing.T, string, string, []byte) []int) {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	got := make([][]int, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join(tortureMessages, name))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			got[i] = answer(t, fmt.Sprintf("%s.%d", n.Host[:strings.LastIndexByte(n.Host, '.')], 100+i), n.SIP, b)
		})
	}
	all.Wait()
	exact, silence := 0, 0
	for i, name := range names {
		want, last := table[name][column], 0
		for _, status := range got[i] {
			if status >= 200 {
				last = status
			}
		}
		if last != want {
			t.Errorf("%s: answered %v, the table says %d", name, got[i], want)
			continue
		}
		if exact++; want == 0 {
			silence++
		}
	}
	t.Logf("%d messages of RFC 4475: %d treated as the table says, %d of them with silence", len(names), exact, silence)
}

// answerUDP sends from port 5060, where most Vias of the RFC want the answer.
func answerUDP(t *testing.T, from, to string, message []byte) (all []int) {
	c, err := net.ListenPacket("udp4", from+":5060")
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	send(t, c, to, message)
	c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 65536)
	for {
		k, _, err := c.ReadFrom(buf)
		if err != nil {
			return all
		}
		all = append(all, statuses(string(buf[:k]))...)
	}
}

// patience is how long an answer may take. Retransmissions of a final response
// do no harm here.
const patience = 2 * time.Second

func answerTCP(t *testing.T, from, to string, message []byte) []int {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp4", to)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(message); err != nil {
		t.Error(err)
	}
	b, _ := io.ReadAll(c) // to the deadline or to the end of the connection
	return statuses(string(b))
}

// statuses are the status codes of the responses in a text.
func statuses(text string) (all []int) {
	for line := range strings.SplitSeq(text, "\r\n") {
		if rest, ok := strings.CutPrefix(line, "SIP/2.0 "); ok && len(rest) >= 3 {
			k, _ := strconv.Atoi(rest[:3])
			all = append(all, k)
		}
	}
	return all
}

// mutateBeside sends damaged copies of all messages, a third of them over each of
// UDP, TCP and TLS, and wants everything back that they cost.
func mutateBeside(t *testing.T, net string) {
	dir, authority, key := t.TempDir(), stirtest.NewAuthority(t, time.Now()), stirtest.NewKey(t)
	cert := writeFile(t, dir, "cert.pem", authority.Issue(t, key, nil, nil))
	secret := writeFile(t, dir, "key.pem", stirtest.KeyPEM(t, key))
	n := newNode(t, plan{Host: net + ".1", Sources: net + ".0/24", Agent: freePort(t, net+".3")})
	secure := freePort(t, n.Host)
	n.rewrite(t, `sip: {listen: ["udp`, fmt.Sprintf("sip: {tls: {cert: %q, key: %q}, listen: [\"tls://%s\", \"udp", cert, secret, secure))
	besideCallOf(t, n, net, func(n *node) {
		mutate(t, n, net, secure)
		before, streams := n.metric(t, "ringdown_goroutines"), n.metric(t, "ringdown_sip_connections")
		eventually(t, 40*time.Second, "the end of every transaction but those of the call", func() bool {
			return n.metric(t, "ringdown_sip_transactions") == 0 && n.metric(t, "ringdown_sip_legs") == 2 && n.metric(t, "ringdown_sip_connections") == 0
		})
		t.Logf("right after them %v goroutines and %v connections; 40 s later %v goroutines", before, streams, n.metric(t, "ringdown_goroutines"))
	})
}

func mutate(t *testing.T, n *node, net, secure string) {
	files, err := filepath.Glob(filepath.Join(tortureMessages, "*", "*.dat"))
	if err != nil || len(files) == 0 {
		t.Fatalf("messages of RFC 4475: %v", err)
	}
	var originals [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		originals = append(originals, b)
	}
	random := rand.New(rand.NewPCG(seed, seed))
	udp := listenUDP(t, net+".90:0")
	defer udp.Close()
	sent, worst := [3]int{}, time.Duration(0)
	for i := range mutations {
		b := damage(random, originals)
		switch i % 3 {
		case 0:
			send(t, udp, n.SIP, b[:min(len(b), 60_000)])
			sent[0]++
		case 1:
			if sendStream(t, net+".91", n.SIP, b, nil) {
				sent[1]++
			}
		case 2:
			if sendStream(t, net+".92", secure, b, &tls.Config{InsecureSkipVerify: true}) { // what is in it is bad, not who answers
				sent[2]++
			}
		}
		if i%100 == 99 { // the server is asked to keep up, not to drop
			asked := time.Now()
			if m := probe(t, net+".2:0", n.SIP, "OPTIONS", 5*time.Second); m == nil {
				t.Fatalf("no answer after %d mutations (seed %d); serve said\n%s", i+1, seed, n.out.tail())
			}
			if worst = max(worst, time.Since(asked)); worst > slow {
				t.Fatalf("an answer took %v after %d mutations (seed %d)", worst, i+1, seed)
			}
		}
	}
	t.Logf("%d mutations (seed %d): %d over UDP, %d over TCP, %d over TLS; the slowest answer beside them took %v",
		mutations, seed, sent[0], sent[1], sent[2], worst.Round(time.Millisecond))
}

// sendStream sends over a connection of its own, encrypted when there is a config.
func sendStream(t *testing.T, from, to string, b []byte, secure *tls.Config) bool {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp4", to)
	if err != nil {
		t.Errorf("connection: %v", err)
		return false
	}
	defer c.Close()
	if secure != nil {
		c = tls.Client(c, secure)
	}
	c.SetDeadline(time.Now().Add(patience))
	_, err = c.Write(b) // the server may have closed already: that is its right
	return err == nil
}

func writeFile(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// damage makes one to eight changes to a message.
func damage(r *rand.Rand, originals [][]byte) []byte {
	b := slices.Clone(originals[r.IntN(len(originals))])
	for range 1 + r.IntN(8) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		end := min(len(b), at+1+r.IntN(40))
		switch r.IntN(7) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b = slices.Delete(b, at, end)
		case 2:
			b = slices.Insert(b, at, b[at:end]...)
		case 3:
			b = b[:at]
		case 4: // the end of another message
			other := originals[r.IntN(len(originals))]
			b = append(b[:at], other[r.IntN(len(other)):]...)
		case 5:
			words := []string{"\x00", "\r\n\r\n", "\n", "Content-Length: 99999999999\r\n", "INVITE", "CSeq: -1 BYE\r\n", "%00", ";tag=", "SIP/2.0 200 OK\r\n"}
			b = slices.Insert(b, at, []byte(words[r.IntN(len(words))])...)
		case 6:
			b = slices.Insert(b, at, []byte(strings.Repeat(string(b[at:end]), r.IntN(200)))...)
		}
	}
	return b
}

// readTable reads the answers of room sip from the source of its test, so that
// there is one table: message to status over UDP and TCP, 0 for silence.
func readTable(t *testing.T) map[string][2]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), tortureTable, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][2]int{}
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := pair.Key.(*ast.BasicLit)
		row, isRow := pair.Value.(*ast.CompositeLit)
		if !ok || !isRow || len(row.Elts) != 3 {
			return true
		}
		name, err := strconv.Unquote(key.Value)
		if err != nil {
			t.Fatal(err)
		}
		var statuses [2]int
		for i := range statuses {
			cell, ok := row.Elts[i].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s: row of %s is no table row", tortureTable, name)
			}
			if statuses[i], err = strconv.Atoi(cell.Value); err != nil {
				t.Fatal(err)
			}
		}
		table[name] = statuses
		return true
	})
	if len(table) < 49 {
		t.Fatalf("%s: only %d rows were read", tortureTable, len(table))
	}
	return table
}
