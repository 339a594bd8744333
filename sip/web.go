package sip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// SIP over WebSocket (RFC 7118), which is how browsers speak it. We only listen:
// a browser cannot be dialled.

// overWeb marks a listener whose connections begin with a WebSocket handshake,
// after that of TLS when it is "wss".
type overWeb struct {
	net.Listener
	network string // "ws", "wss"
}

func isWeb(network string) bool { return network == "ws" || network == "wss" }

// web is a connection that carries SIP as WebSocket messages: each Write is one
// message, and Read gives the bytes of those that come, one after the other. It
// is for one reader and any number of writers.
type web struct {
	net.Conn
	write sync.Mutex
	rest  []byte // of the message that is being read
	pings bucket // and other control frames
}

// webConn answers the handshake of a WebSocket client.
func webConn(conn net.Conn) (*web, error) {
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	up := ws.Upgrader{
		ReadBufferSize: 4096, // the request line and its headers must fit
		Protocol:       func(p []byte) bool { return string(p) == "sip" },
	}
	hs, err := up.Upgrade(conn)
	switch {
	case err != nil:
		return nil, fmt.Errorf("websocket: %w", err)
	case hs.Protocol != "sip":
		return nil, errors.New("websocket: client does not ask for the subprotocol sip")
	}
	conn.SetDeadline(time.Time{})
	return &web{Conn: conn}, nil
}

// Read implements io.Reader. An error that comes in the middle of a message is
// final; one before its first byte, as of a deadline, is not.
func (w *web) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		msg, err := w.message()
		if err != nil {
			return 0, err
		}
		w.rest = withLength(msg)
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

var (
	errWebFrame = errors.New("websocket: frame that no client may send")
	errWebSize  = errors.New("websocket: message too long")
	errWebCut   = errors.New("websocket: connection ended or stalled inside a message")
	errWebFlood = errors.New("websocket: more control frames than a client has a use for")
)

// controls is how many control frames a second are answered.
const controls = 10

// message reads one whole message. Frames of control may stand before it and
// between its pieces (RFC 6455 5.4).
func (w *web) message() (msg []byte, err error) {
	for begun := false; ; {
		h, body, err := w.frame(len(msg))
		switch {
		case err != nil && !begun && errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errWebCut
		case err != nil:
			return nil, err
		case h.OpCode.IsControl():
			if err := w.control(h.OpCode, body); err != nil {
				return nil, err
			}
			continue
		case begun != (h.OpCode == ws.OpContinuation):
			return nil, errWebFrame
		}
		begun = true
		if msg = append(msg, body...); h.Fin {
			return msg, nil
		}
	}
}

// frame reads one frame of a message that has so many bytes already.
func (w *web) frame(had int) (h ws.Header, body []byte, err error) {
	if h, err = w.header(); err != nil {
		return h, nil, err
	}
	switch {
	case !h.Masked || h.Rsv != 0 || h.OpCode.IsReserved(),
		h.OpCode.IsControl() && (!h.Fin || h.Length > ws.MaxControlFramePayloadSize):
		return h, nil, errWebFrame
	case h.Length > maxStream || int64(had)+h.Length > maxStream:
		return h, nil, errWebSize
	}
	body = make([]byte, h.Length)
	if _, err := io.ReadFull(w.Conn, body); err != nil {
		return h, nil, errWebCut
	}
	ws.Cipher(body, h.Mask, 0)
	return h, body, nil
}

// header reads a frame's header. A deadline that passes before its first byte
// is told as such.
func (w *web) header() (ws.Header, error) {
	var first [1]byte
	if _, err := w.Conn.Read(first[:]); err != nil {
		return ws.Header{}, err
	}
	h, err := ws.ReadHeader(io.MultiReader(bytes.NewReader(first[:]), w.Conn))
	if err != nil {
		return h, errWebCut
	}
	return h, nil
}

// control answers a ping, and a close, which ends the connection.
func (w *web) control(op ws.OpCode, body []byte) error {
	if !w.pings.take(time.Now(), controls, controls) {
		return errWebFlood
	}
	switch op {
	case ws.OpPing:
		return w.send(ws.NewPongFrame(body))
	case ws.OpClose:
		w.send(ws.NewCloseFrame(body[:min(len(body), 2)]))
		return io.EOF
	}
	return nil
}

// Write sends one message.
func (w *web) Write(b []byte) (int, error) {
	frame := ws.NewTextFrame(b)
	if !utf8.Valid(b) {
		frame = ws.NewBinaryFrame(b) // a browser ends the connection at a text that is none
	}
	if err := w.send(frame); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *web) send(f ws.Frame) error {
	b, err := ws.CompileFrame(f)
	if err != nil {
		return err
	}
	w.write.Lock()
	defer w.write.Unlock()
	w.Conn.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err = w.Conn.Write(b)
	return err
}

// withLength gives a message a Content-Length when it has none: in a WebSocket
// message it may be left out (RFC 7118 5.1), in a stream it says where the next
// one begins.
func withLength(msg []byte) []byte {
	end := bytes.Index(msg, []byte("\r\n\r\n"))
	if end <= 0 {
		return msg
	}
	head, body := msg[:end+2], msg[end+4:]
	if length, fault := screenLines(head); fault != "" || length >= 0 {
		return msg
	}
	out := append(make([]byte, 0, len(msg)+32), head...)
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	out = append(out, "\r\n\r\n"...)
	return append(out, body...)
}

// greetWeb shakes hands with a browser: TLS, when it is asked for, without a
// question for a certificate, then the WebSocket.
func (e *Endpoint) greetWeb(s *stream) bool {
	conn := s.raw
	if s.network == "wss" {
		secure, err := e.creds.serveWeb(e.ctx, s.raw)
		if err != nil {
			return e.refuseWeb(s, "tls-handshake", err)
		}
		conn = secure
	}
	w, err := webConn(conn)
	if err != nil {
		return e.refuseWeb(s, "websocket-handshake", err)
	}
	s.conn = w
	return true
}

func (e *Endpoint) refuseWeb(s *stream, reason string, err error) bool {
	e.count.drop(reason)
	e.complain("sip "+strings.ReplaceAll(reason, "-", " ")+" failed", s.remote.Addr(), err)
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(s.opened.UnixNano()))
	e.door.strike(s.network, s.remote.Addr(), id[:], banScan)
	return false
}
