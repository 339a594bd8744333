//go:build interop

package interop

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ear is a NATS subscriber of a dozen lines: it keeps every byte that the
// broker sends.
type ear struct {
	*output
	gone chan struct{}
}

// listenNATS subscribes to everything with the token that the node has made.
func listenNATS(t *testing.T, n *node) *ear {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(n.Dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", n.NATS, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":1,\"auth_token\":%q}\r\nSUB > 1\r\nPING\r\n",
		strings.TrimSpace(string(token)))
	e := &ear{output: newOutput(), gone: make(chan struct{})}
	go func() { // ends with the connection
		defer close(e.gone)
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadString('\n')
			if _, werr := e.Write([]byte(line)); err != nil || werr != nil {
				return
			}
		}
	}()
	e.await(t, "PONG\r\n")
	return e
}

// await waits until the broker has sent a text.
func (e *ear) await(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := e.output.await(ctx, text, e.gone); err != nil {
		t.Fatalf("NATS: never sent %q: %v; it sent\n%s", text, err, e.tail())
	}
}
