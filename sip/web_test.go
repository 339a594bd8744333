package sip

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"ringdown/call"
)

// browser is the far end of a WebSocket.
type browser struct {
	*testing.T
	conn net.Conn
	got  chan message
	ops  chan ws.OpCode // of control frames
}

func upgraded(t *testing.T, conn net.Conn, protocols ...string) (*browser, error) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(time.Minute))
	d := ws.Dialer{Protocols: protocols, Timeout: time.Minute}
	_, _, err := d.Upgrade(conn, &url.URL{Scheme: "ws", Host: "ringdown.example", Path: "/"})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	b := &browser{t, conn, make(chan message, 16), make(chan ws.OpCode, 16)}
	go func() { // ends with the connection
		defer close(b.got)
		for {
			f, err := ws.ReadFrame(conn)
			switch {
			case err != nil:
				return
			case f.Header.OpCode.IsControl():
				b.ops <- f.Header.OpCode
			default:
				b.got <- parseText(f.Payload)
			}
		}
	}()
	return b, nil
}

func (b *browser) frame(f ws.Frame) {
	raw, err := ws.CompileFrame(ws.MaskFrame(f))
	if err != nil {
		b.Fatal(err)
	}
	b.conn.Write(raw)
}

func (b *browser) want(start string) message {
	b.Helper()
	select {
	case m, ok := <-b.got:
		if !ok || !strings.HasPrefix(m.start, start) {
			b.Fatalf("got %q (open: %v), want %q", m.start, ok, start)
		}
		return m
	case <-time.After(time.Minute):
		b.Fatalf("nothing came, want %q", start)
	}
	return message{}
}

// phoneOver is a handset that speaks through a browser.
func (w *world) phoneOver(b *browser, user, password string) *handset {
	h := w.handset("10.8.0.77:5060", user, password)
	h.over = func(msg []byte) {
		msg = bytes.ReplaceAll(msg, []byte("SIP/2.0/UDP 10.8.0.77:5060"), []byte("SIP/2.0/WSS df7jal23ls0d.invalid"))
		b.frame(ws.NewTextFrame(withoutLength(msg)))
	}
	return h
}

// withoutLength is how RFC 7118 lets a browser write its messages.
func withoutLength(msg []byte) []byte {
	head, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	var lines []string
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if !strings.HasPrefix(line, "Content-Length") {
			lines = append(lines, line)
		}
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + string(body))
}

func webWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, Config{Listen: []string{"udp://" + usAddr, "ws://10.0.0.1:8080"}}, phonesTable(t), f)
}

// A browser registers, is rung over the connection it has opened, and loses its
// registration with it.
func TestBrowserIsRung(t *testing.T) {
	webWorld(t, func(w *world) {
		b, err := upgraded(t, w.web.connect("10.8.0.1:50123"), "sip")
		if err != nil {
			t.Fatal(err)
		}
		h := w.phoneOver(b, "alice", "wonder")
		h.sendRegister("", "Contact: <sip:r4nd0m@df7jal23ls0d.invalid;transport=ws>;expires=600")
		h.sendRegister(h.proof(b.want("SIP/2.0 401")), "Contact: <sip:r4nd0m@df7jal23ls0d.invalid;transport=ws>;expires=600")
		b.want("SIP/2.0 200")

		leg, signals := w.dialUser("alice")
		inv := b.want("INVITE sip:r4nd0m@df7jal23ls0d.invalid;transport=ws SIP/2.0")
		if via, contact := inv.get("Via"), inv.get("Contact"); !strings.HasPrefix(via, "SIP/2.0/WS 10.0.0.1:8080") || contact != "<sip:10.0.0.1:8080;transport=ws>" {
			t.Errorf("Via %s, Contact %s", via, contact)
		}
		h.reply(inv, 200, "a", offer, "Contact: <sip:r4nd0m@df7jal23ls0d.invalid;transport=ws>")
		signal[call.Answered](w, signals)
		b.want("ACK sip:r4nd0m@df7jal23ls0d.invalid")
		time.Sleep(10 * time.Minute) // silence does not end what a call or a registration needs
		leg.Hangup(call.Cause{Status: 200})
		h.reply(b.want("BYE sip:r4nd0m@df7jal23ls0d.invalid"), 200, "", "")
		signal[call.Gone](w, signals)

		b.conn.Close()
		synctest.Wait()
		if n := len(w.ep.registrar.phones); n != 0 {
			t.Errorf("%d users are registered over a connection that is gone", n)
		}
		_, signals = w.dialUser("alice")
		if f := signal[call.Failed](w, signals); f.Cause.Status != 480 {
			t.Errorf("%+v", f.Cause)
		}
	})
}

func TestWebSocketHandshakeIsForSIP(t *testing.T) {
	webWorld(t, func(w *world) {
		if b, err := upgraded(t, w.web.connect("10.8.0.1:50123"), "chat"); err == nil {
			if _, open := <-b.got; open {
				t.Error("a message came over a connection that is not for SIP")
			}
		}
		conn := w.web.connect("10.8.0.1:50124")
		go conn.Write([]byte("REGISTER sip:phones.example SIP/2.0\r\n\r\n"))
		if b, err := io.ReadAll(conn); err != nil || bytes.Contains(b, []byte("SIP/2.0")) {
			t.Errorf("%v %q", err, b)
		}
		stalled := w.web.connect("10.8.0.1:50125")
		time.Sleep(handshakeTimeout + time.Second)
		if _, err := stalled.Write([]byte("G")); err == nil {
			t.Error("a handshake that never begins is waited for")
		}
		if n := w.ep.Stats().Drops["websocket-handshake"]; n != 3 {
			t.Errorf("%d handshakes counted as failed", n)
		}
	})
}

// Where a WebSocket comes from says nothing of whose it is: any page may open one.
func TestBrowserIsKnownByPasswordOnly(t *testing.T) {
	webWorld(t, func(w *world) {
		b, err := upgraded(t, w.web.connect("10.1.0.1:50123"), "sip") // the carrier's address
		if err != nil {
			t.Fatal(err)
		}
		h := w.phoneOver(b, "kari", "")
		h.over([]byte("INVITE sip:+4721000001@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/WS page.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
			"From: <sip:+4790000001@phones.example>;tag=1\r\nTo: <sip:+4721000001@10.0.0.1>\r\nCall-ID: page\r\nCSeq: 1 INVITE\r\n" +
			"Contact: <sip:a@page.invalid;transport=ws>\r\n\r\n"))
		b.want("SIP/2.0 401")
		select {
		case a := <-w.admits:
			t.Errorf("a page called as trunk %q", a.Trunk)
		default:
		}
	})
}

// A visitor has half a minute to show a password; one who has shown it stays, and
// takes no stranger's place.
func TestVisitorsPlaces(t *testing.T) {
	webWorld(t, func(w *world) {
		silent, err := upgraded(t, w.web.connect("10.8.0.9:50001"), "sip")
		if err != nil {
			t.Fatal(err)
		}
		var all []*browser
		for i := range 2 * strangersEach {
			b, err := upgraded(t, w.web.connect(fmt.Sprintf("10.8.0.1:%d", 50100+i)), "sip")
			if err != nil {
				t.Fatalf("browser %d of one address: %v; drops %v", i+1, err, w.ep.Stats().Drops)
			}
			h := w.phoneOver(b, "alice", "wonder")
			h.callID, h.sent = fmt.Sprint("reg", i), 100*i
			h.sendRegister("")
			h.sendRegister(h.proof(b.want("SIP/2.0 401")), fmt.Sprintf("Contact: <sip:x%d@y.invalid;transport=ws>", i%2))
			b.want("SIP/2.0 200")
			all = append(all, b)
		}
		w.ep.mu.Lock()
		strange := w.ep.slots.strange
		w.ep.mu.Unlock()
		if strange != 1 {
			t.Errorf("%d connections count as strangers'", strange)
		}
		time.Sleep(visitMost + time.Second)
		if _, open := <-silent.got; open {
			t.Error("a message for somebody who never said anything")
		}
		for i, b := range all {
			select {
			case _, open := <-b.got:
				if !open && i >= len(all)-2 { // the last two are registered
					t.Errorf("browser %d was shown out", i+1)
				}
			default:
			}
		}
		if n := w.ep.Stats().Drops["visitor-silent"]; n != 1 {
			t.Errorf("%d visitors shown out", n)
		}
	})
}

// A ping is answered, a close too; what no client may send ends the connection.
func TestWebSocketFrames(t *testing.T) {
	masked := func(f ws.Frame) []byte { return mustFrame(ws.MaskFrame(f)) }
	bad := map[string][]byte{
		"unmasked":               mustFrame(ws.NewTextFrame([]byte("\r\n\r\n"))),
		"reserved bits":          masked(ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText, Length: 1}, Payload: []byte("x")}),
		"reserved opcode":        masked(ws.NewFrame(5, true, []byte("x"))),
		"cut control":            masked(ws.NewFrame(ws.OpPing, false, nil)),
		"long ping":              masked(ws.NewFrame(ws.OpPing, true, make([]byte, 126))),
		"continues nothing":      masked(ws.NewFrame(ws.OpContinuation, true, []byte("x"))),
		"text inside a text":     append(masked(ws.NewFrame(ws.OpText, false, []byte("x"))), masked(ws.NewTextFrame([]byte("y")))...),
		"too long":               masked(ws.NewTextFrame(make([]byte, maxStream+1))),
		"too long in pieces":     append(masked(ws.NewFrame(ws.OpText, false, make([]byte, maxStream))), masked(ws.NewFrame(ws.OpContinuation, true, []byte("x")))...),
		"length of four billion": {0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3, 4},
	}
	for name, raw := range bad {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() {
				theirs.Write(raw)
				theirs.Close()
			}()
			w := &web{Conn: ours}
			if n, err := w.Read(make([]byte, 10)); err == nil {
				t.Errorf("%d bytes were read", n)
			}
			ours.Close()
		})
	}
	webWorld(t, func(w *world) {
		flood, err := upgraded(t, w.web.connect("10.8.0.2:50123"), "sip")
		if err != nil {
			t.Fatal(err)
		}
		pings := func() {
			for range 2 * controls {
				flood.frame(ws.NewPingFrame(nil))
			}
		}
		go pings()
		if _, open := <-flood.got; open || len(flood.ops) > controls {
			t.Errorf("%d of %d pings in no time are answered", len(flood.ops), 2*controls)
		}
		b, err := upgraded(t, w.web.connect("10.8.0.1:50123"), "sip")
		if err != nil {
			t.Fatal(err)
		}
		b.frame(ws.NewPingFrame([]byte("?")))
		if op := <-b.ops; op != ws.OpPong {
			t.Errorf("%v", op)
		}
		msg := []byte("OPTIONS sip:phones.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
			"From: <sip:alice@phones.example>;tag=1\r\nTo: <sip:phones.example>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n")
		b.frame(ws.NewFrame(ws.OpText, false, nil))
		b.frame(ws.NewPingFrame(nil))
		<-b.ops
		b.frame(ws.NewFrame(ws.OpContinuation, false, msg[:30]))
		b.frame(ws.NewPingFrame(nil)) // may come between
		<-b.ops
		b.frame(ws.NewFrame(ws.OpContinuation, false, nil)) // may be empty
		b.frame(ws.NewFrame(ws.OpContinuation, false, msg[30:50]))
		b.frame(ws.NewFrame(ws.OpContinuation, true, msg[50:]))
		b.want("SIP/2.0 401")
		b.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
		if op := <-b.ops; op != ws.OpClose {
			t.Errorf("%v", op)
		}
		if _, open := <-b.got; open {
			t.Error("the connection outlives its close")
		}
	})
}

// A deadline before a frame is no end; one inside is.
func TestWebSocketDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		w := &web{Conn: ours}
		defer w.Close()
		w.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := w.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
		w.SetReadDeadline(time.Now().Add(time.Second))
		go theirs.Write([]byte{0x81})
		if _, err := w.Read(make([]byte, 10)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("inside a frame: %v", err)
		}
	})
}

func TestWithLength(t *testing.T) {
	for in, want := range map[string]string{
		"\r\n\r\n":                               "\r\n\r\n",
		"A b c\r\nTo: x\r\n\r\nbody":             "A b c\r\nTo: x\r\nContent-Length: 4\r\n\r\nbody",
		"A b c\r\nl: 4\r\n\r\nbody":              "A b c\r\nl: 4\r\n\r\nbody",
		"A b c\r\nContent-Length: 9\r\n\r\nbody": "A b c\r\nContent-Length: 9\r\n\r\nbody",
		"no header":                              "no header",
	} {
		if got := string(withLength([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzWebSocket(f *testing.F) {
	f.Add(mustFrame(ws.MaskFrame(ws.NewTextFrame([]byte("OPTIONS sip:a SIP/2.0\r\n\r\n")))))
	f.Add(mustFrame(ws.MaskFrame(ws.NewPingFrame(nil))))
	f.Add([]byte{0x01, 0x81, 0, 0, 0, 0, 'x', 0x80, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		w := &web{Conn: readOnly{bytes.NewReader(b)}}
		got, err := io.ReadAll(w)
		if err == nil && len(got) > len(b)+64*(1+bytes.Count(b, []byte{0x81})) {
			t.Errorf("%d bytes made of %d", len(got), len(b))
		}
	})
}

// readOnly is a connection from which there is only so much to read.
type readOnly struct{ io.Reader }

func (readOnly) Write(b []byte) (int, error)      { return len(b), nil }
func (readOnly) Close() error                     { return nil }
func (readOnly) LocalAddr() net.Addr              { return nil }
func (readOnly) RemoteAddr() net.Addr             { return nil }
func (readOnly) SetDeadline(time.Time) error      { return nil }
func (readOnly) SetReadDeadline(time.Time) error  { return nil }
func (readOnly) SetWriteDeadline(time.Time) error { return nil }

// By TLS a browser is not asked for a certificate, although others are.
func TestBrowserIsNotAskedForACertificate(t *testing.T) {
	cfg := Config{Listen: []string{"udp://" + usAddr, "wss://10.0.0.1:8443"}, TLS: newAuthority(t).ours()}
	inWorld(t, cfg, phonesTable(t), func(w *world) {
		asked := false
		conn := tls.Client(w.web.connect("10.8.0.1:50123"), &tls.Config{
			InsecureSkipVerify: true,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			},
		})
		if err := conn.HandshakeContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		b, err := upgraded(t, conn, "sip")
		if err != nil {
			t.Fatal(err)
		}
		h := w.phoneOver(b, "alice", "wonder")
		h.sendRegister("", "Contact: <sip:x@y.invalid;transport=ws>")
		b.want("SIP/2.0 401")
		if asked {
			t.Error("the browser was asked for a certificate")
		}
		conn.Close()
	})
}

func mustFrame(f ws.Frame) []byte { return ws.MustCompileFrame(f) }
