package sip

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"time"
)

const (
	streamIdle    = 120 * time.Second // between messages, when no leg uses the connection
	streamMessage = 5 * time.Second   // from the first byte of a message to its last
	streamWrite   = 5 * time.Second
	pingAfter     = 25 * time.Second // of silence on a connection that is used, and up to pingSpread more
	pingSpread    = 5 * time.Second
	pongWait      = 10 * time.Second // RFC 5626 4.4.1
)

// frames cuts a byte stream into screened messages and keeps it alive: the pings
// of the peer are answered, and on a connection that we opened we send our own
// while it is used (RFC 5626 4.4.1). A peer that has answered one before and
// then does not is gone.
type frames struct {
	conn  net.Conn
	send  func([]byte) error
	busy  func() bool // a leg needs the connection: silence does not end it
	pings bool        // we opened it

	buf      []byte
	searched int      // bytes of buf that hold no end of a header
	header   screened // of the message at its front; zero: not whole yet
	read     [4096]byte

	blanks int       // CRLFs since the last message or ping of theirs
	pinged time.Time // the ping of ours that nothing has followed; zero: none
	pongs  bool      // the peer answers pings
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
		if fault := f.screen(); fault != "" {
			return f.buf, s, fault, nil
		}
		if s = f.header; s.end > 0 && len(f.buf) >= s.end {
			msg, f.buf = f.buf[:s.end:s.end], f.buf[s.end:]
			f.header, f.searched, f.blanks = screened{}, 0, 0
			return msg, s, "", nil
		}
		if err := f.fill(started); err != nil {
			return nil, s, "", err
		}
	}
}

// screen looks at the header once it is whole, and only once however slowly the
// body comes; the body is not screened, it has a length.
func (f *frames) screen() (fault string) {
	if f.header.end > 0 {
		return ""
	}
	from := max(0, f.searched-3)
	f.searched = len(f.buf)
	i := bytes.Index(f.buf[from:], []byte("\r\n\r\n"))
	if i < 0 {
		if len(f.buf) > maxStream {
			return faultSize
		}
		return ""
	}
	if f.header, fault = screen(f.buf[:from+i+4], true); fault == "" && f.header.end > maxStream {
		return faultSize
	}
	return fault
}

// skipBlank takes keep-alives off the front: the answer to our ping is one CRLF,
// a ping of theirs is two and is answered by one. They may come in pieces.
func (f *frames) skipBlank() error {
	for bytes.HasPrefix(f.buf, []byte("\r\n")) {
		f.buf = f.buf[2:]
		if !f.pinged.IsZero() {
			f.pinged, f.pongs = time.Time{}, true
			continue
		}
		if f.blanks++; f.blanks < 2 {
			continue
		}
		f.blanks = 0
		if err := f.send([]byte("\r\n")); err != nil {
			return err
		}
	}
	return nil
}

// fill reads more. A started message has to be whole in time.
func (f *frames) fill(started time.Time) error {
	f.conn.SetReadDeadline(f.deadline(started))
	n, err := f.conn.Read(f.read[:])
	if n > 0 {
		f.buf = append(f.buf, f.read[:n]...)
		if f.buf[0] != '\r' {
			f.pinged = time.Time{} // whatever it is, the peer is there
		}
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && started.IsZero() && f.busy() {
		return f.ping(err)
	}
	return err
}

func (f *frames) deadline(started time.Time) time.Time {
	now := time.Now()
	switch {
	case !started.IsZero():
		return started.Add(streamMessage)
	case !f.pinged.IsZero() && f.pongs:
		return f.pinged.Add(pongWait)
	case f.pings && f.busy():
		return now.Add(pingAfter + rand.N(pingSpread))
	}
	return now.Add(streamIdle)
}

// ping follows a silence; it returns the error the silence came with when
// that means that nobody is there.
func (f *frames) ping(silence error) error {
	switch {
	case !f.pings:
		return nil
	case !f.pinged.IsZero() && f.pongs:
		return silence
	}
	f.pinged = time.Now()
	return f.send([]byte("\r\n\r\n"))
}
