package sip

import (
	"bytes"
	"errors"
	"net"
	"os"
	"time"
)

const (
	streamIdle    = 120 * time.Second // between messages, when no leg uses the connection
	streamMessage = 5 * time.Second   // from the first byte of a message to its last
	streamWrite   = 5 * time.Second
)

// frames cuts a byte stream into screened messages.
type frames struct {
	conn net.Conn
	busy func() bool // a leg needs the connection: silence does not end it
	buf  []byte
}

// next returns the next message, valid until the next call. fault is set, with
// what there was of the message, when the screen refused it: nothing can be
// read after that. err is the end of the connection.
func (f *frames) next() (msg []byte, s screened, fault string, err error) {
	var started time.Time
	for {
		if err := f.skipBlank(); err != nil {
			return nil, s, "", err
		}
		if len(f.buf) > 0 {
			if started.IsZero() {
				started = time.Now()
			}
			s, fault = screen(f.buf[:f.headEnd()], true)
			switch {
			case fault == faultEnd && len(f.buf) < maxStream:
			case fault != "":
				return f.buf, s, fault, nil
			case s.end > maxStream:
				return f.buf, s, faultSize, nil
			case len(f.buf) >= s.end:
				msg, f.buf = f.buf[:s.end:s.end], f.buf[s.end:]
				return msg, s, "", nil
			}
		}
		if err := f.fill(started); err != nil {
			return nil, s, "", err
		}
	}
}

// headEnd is the end of the header, or of all there is; the body is not
// screened, it has a length.
func (f *frames) headEnd() int {
	if i := bytes.Index(f.buf, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return len(f.buf)
}

// skipBlank takes keep-alives off the front and answers a ping (RFC 5626 3.5.1).
func (f *frames) skipBlank() error {
	n := 0
	for bytes.HasPrefix(f.buf, []byte("\r\n")) {
		f.buf = f.buf[2:]
		n++
	}
	if n < 2 {
		return nil
	}
	f.conn.SetWriteDeadline(time.Now().Add(streamWrite))
	_, err := f.conn.Write([]byte("\r\n"))
	return err
}

// fill reads more. A started message has to be whole in time.
func (f *frames) fill(started time.Time) error {
	deadline := time.Now().Add(streamIdle)
	if !started.IsZero() {
		deadline = started.Add(streamMessage)
	}
	f.conn.SetReadDeadline(deadline)
	chunk := make([]byte, 4096)
	n, err := f.conn.Read(chunk)
	if n > 0 {
		f.buf = append(f.buf, chunk[:n]...)
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && started.IsZero() && f.busy() {
		return nil
	}
	return err
}
