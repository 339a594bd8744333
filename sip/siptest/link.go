package siptest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// link is a way to one peer.
type link struct {
	proto string         // the word in Via
	local netip.AddrPort // what Via names
	peer  netip.AddrPort
	conn  net.Conn    // TCP only
	queue chan []byte // TCP only: sending must never wait under the phone's lock
}

// maxMessage bounds one message on a stream.
const maxMessage = 1 << 16

// send records a message and puts it on the wire unless it is to be dropped.
func (p *Phone) send(l *link, m *Message, raw []byte) {
	if p.journal.note(Record{At: time.Now(), Out: true, Peer: l.peer, Proto: l.proto, Raw: raw, Message: m}) {
		return
	}
	if l.proto == "UDP" {
		if _, err := p.cfg.Conn.WriteTo(raw, net.UDPAddrFromAddrPort(l.peer)); err != nil && p.ctx.Err() == nil {
			p.journal.accuse(m, "cannot send: %w", err)
		}
		return
	}
	select {
	case l.queue <- raw:
	default:
		p.journal.accuse(m, "cannot send: peer does not read")
	}
}

// linkTo returns the way to an address, dialling when TCP has none yet.
func (p *Phone) linkTo(ctx context.Context, to netip.AddrPort, tcp bool) (*link, error) {
	if !tcp && p.udp != nil {
		return &link{proto: "UDP", local: p.udp.local, peer: to}, nil
	}
	if !tcp && p.cfg.Dial == nil {
		return nil, errors.New("phone: no UDP connection")
	}
	p.mu.Lock()
	l := p.links[to]
	p.mu.Unlock()
	if l != nil {
		return l, nil
	}
	if p.cfg.Dial == nil {
		return nil, errors.New("phone: no TCP dialler")
	}
	conn, err := p.cfg.Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("phone: dial: %w", err)
	}
	return p.adopt(conn)
}

func (p *Phone) accept() {
	for {
		conn, err := p.cfg.Listener.Accept()
		if err != nil {
			return
		}
		if _, err := p.adopt(conn); err != nil {
			conn.Close()
		}
	}
}

// adopt starts a reader and a writer on a connection; both end when it closes.
func (p *Phone) adopt(conn net.Conn) (*link, error) {
	local, err := addrPort(conn.LocalAddr())
	if err != nil {
		return nil, fmt.Errorf("phone: connection: %w", err)
	}
	peer, err := addrPort(conn.RemoteAddr())
	if err != nil {
		return nil, fmt.Errorf("phone: connection: %w", err)
	}
	l := &link{proto: "TCP", local: local, peer: peer, conn: conn, queue: make(chan []byte, 1024)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return nil, ErrClosed
	}
	p.links[peer] = l
	gone := make(chan struct{})
	p.wg.Go(func() { p.writeStream(l, gone) })
	p.wg.Go(func() {
		defer close(gone)
		p.readStream(l)
		conn.Close()
		p.mu.Lock()
		if p.links[peer] == l {
			delete(p.links, peer)
		}
		p.mu.Unlock()
	})
	return l, nil
}

func (p *Phone) writeStream(l *link, gone <-chan struct{}) {
	for {
		select {
		case raw := <-l.queue:
			if _, err := l.conn.Write(raw); err != nil {
				return
			}
		case <-gone:
			return
		}
	}
}

func (p *Phone) readPackets() {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := p.cfg.Conn.ReadFrom(buf)
		if err != nil {
			if p.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				p.journal.accuse(nil, "signalling: %w", err)
			}
			return
		}
		peer, err := addrPort(from)
		if err != nil {
			continue
		}
		p.receive(&link{proto: "UDP", local: p.udp.local, peer: peer}, bytes.Clone(buf[:n]))
	}
}

// readStream takes messages off a connection (RFC 3261 18.3).
func (p *Phone) readStream(l *link) {
	r := bufio.NewReaderSize(l.conn, maxMessage)
	for {
		raw, err := readMessage(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) && p.ctx.Err() == nil {
				p.journal.accuse(nil, "stream: %w", err)
			}
			return
		}
		p.receive(l, raw)
	}
}

func readMessage(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && len(raw)+len(line) > 0 {
				return nil, errors.New("ends inside a header")
			}
			return nil, err
		}
		if len(raw) == 0 && string(line) == "\r\n" {
			continue // keep-alive between messages
		}
		raw = append(raw, line...)
		if len(raw) > maxMessage {
			return nil, errors.New("header too long")
		}
		if string(line) == "\r\n" {
			break
		}
		name, value, _ := strings.Cut(string(line), ":")
		if name = longName(name); strings.EqualFold(name, "Content-Length") {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16)
			if err != nil {
				return nil, errors.New("content-length: not a number below 65536")
			}
			length = int(n)
		}
	}
	if length < 0 {
		return nil, errors.New("no Content-Length")
	}
	head := len(raw)
	raw = append(raw, make([]byte, length)...)
	if _, err := io.ReadFull(r, raw[head:]); err != nil {
		return nil, errors.New("ends inside a body")
	}
	return raw, nil
}
