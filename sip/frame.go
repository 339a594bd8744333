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
	read [4096]byte
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
		switch {
		case len(f.buf) == 0:
			started = time.Time{}
		case started.IsZero():
			started = time.Now()
		}
		if head := f.head(); head != nil {
			s, fault = screen(head, true)
			switch {
			case fault != "":
				return f.buf, s, fault, nil
			case s.end > maxStream:
				return f.buf, s, faultSize, nil
			case len(f.buf) >= s.end:
				msg, f.buf = f.buf[:s.end:s.end], f.buf[s.end:]
				return msg, s, "", nil
			}
		} else if len(f.buf) > maxStream {
			return f.buf, s, faultSize, nil
		}
		if err := f.fill(started); err != nil {
			return nil, s, "", err
		}
	}
}

// head returns the header once it is whole; the body is not screened, it has a
// length.
func (f *frames) head() []byte {
	if i := bytes.Index(f.buf, []byte("\r\n\r\n")); i >= 0 {
		return f.buf[:i+4]
	}
	return nil
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
	n, err := f.conn.Read(f.read[:])
	if n > 0 {
		f.buf = append(f.buf, f.read[:n]...)
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && started.IsZero() && f.busy() {
		return nil
	}
	return err
}
