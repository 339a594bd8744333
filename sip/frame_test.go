package sip

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/call"
)

// far is the other end of a connection that we opened: it reads byte by byte
// and answers pings as long as it lives.
type far struct {
	net.Conn
	pongs  atomic.Bool
	pings  chan time.Time
	closed chan time.Time
}

func newFar(conn net.Conn, pongs bool) *far {
	f := &far{Conn: conn, pings: make(chan time.Time, 1000), closed: make(chan time.Time, 1)}
	f.pongs.Store(pongs)
	return f
}

// read notes pings until the connection ends.
func (f *far) read() {
	buf := make([]byte, maxStream)
	for {
		n, err := f.Read(buf)
		if err != nil {
			f.closed <- time.Now()
			return
		}
		if string(buf[:n]) == "\r\n\r\n" {
			f.pings <- time.Now()
			if f.pongs.Load() {
				f.Write([]byte("\r\n"))
			}
		}
	}
}

// ringing dials by TCP and returns the far end after 180: the connection is used.
func (w *world) ringing(tcp *connects) (call.Leg, chan call.Signal, *caller, message) {
	w.Helper()
	tcp.bubble()
	leg, signals := w.dial("sip:agent@10.2.0.1;transport=tcp")
	c := &caller{Conn: <-tcp.at}
	buf := make([]byte, maxStream)
	n, err := c.Read(buf)
	if err != nil {
		w.Fatal(err)
	}
	inv := parseText(buf[:n])
	c.answer(inv, 180)
	signal[call.Ringing](w, signals)
	return leg, signals, c, inv
}

// A peer that answers pings and stops is noticed within 40 s; its INVITE is over.
func TestPingFindsADeadPeer(t *testing.T) {
	tcp := &connects{}
	inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
		_, signals, c, _ := w.ringing(tcp)
		f := newFar(c.Conn, true)
		go f.read()
		last := time.Now()
		for range 20 {
			at := <-f.pings
			if d := at.Sub(last); d < pingAfter || d > pingAfter+pingSpread {
				t.Errorf("a ping after %v", d)
			}
			last = at
		}
		w.noSignal(signals, 0)
		synctest.Wait()
		f.pongs.Store(false)
		start := <-f.pings
		signal[call.Failed](w, signals)
		if d := time.Since(start); d != pongWait {
			t.Errorf("noticed %v after the ping", d)
		}
		signal[call.Gone](w, signals)
		<-f.closed
	})
}

// One that never answered a ping is not judged by it, and one that sends
// anything at all is alive.
func TestPingJudgesNobodyElse(t *testing.T) {
	tcp := &connects{}
	inWorld(t, Config{}, Deps{Connect: tcp.open}, func(w *world) {
		leg, signals, c, inv := w.ringing(tcp)
		f := newFar(c.Conn, false)
		go f.read()
		time.Sleep(10 * time.Minute)
		w.noSignal(signals, 0)
		if n := len(f.pings); n < 20 || n > 24 {
			t.Errorf("%d pings in ten minutes", n)
		}
		f.pongs.Store(true)
		time.Sleep(time.Minute)
		f.pongs.Store(false)
		for len(f.pings) > 0 {
			<-f.pings
		}
		for range 20 { // no pong, but responses
			<-f.pings
			time.Sleep(pongWait - time.Second)
			c.answer(inv, 180)
			signal[call.Ringing](w, signals)
		}
		leg.Hangup(call.Cause{})
	})
}

// What nobody uses is not pinged and goes; what was accepted is not pinged.
func TestPingOnlyWhatIsUsedAndOurs(t *testing.T) {
	bubble(t, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		c.pings = true
		c.Write(tcpRequest("INVITE", "t1", "1", "", 1, offer))
		c.want(w, "SIP/2.0 100")
		a := w.admitted()
		a.leg.Progress(180, nil)
		c.want(w, "SIP/2.0 180")
		for end := time.After(20 * time.Minute); ; {
			select {
			case m := <-c.got:
				if m.start != "SIP/2.0 180 Ringing" { // which is said again now and then
					t.Errorf("%q", m.raw)
				}
				continue
			case <-end:
			}
			break
		}
	})
}

// Theirs are answered, whole or in pieces, and between messages too.
func TestPingsOfTheirs(t *testing.T) {
	bubble(t, func(w *world) {
		c := w.connect("10.1.0.1:40000")
		pong := func() {
			t.Helper()
			select {
			case m := <-c.got:
				if m.raw != "\r\n" {
					t.Errorf("got %q", m.raw)
				}
			case <-time.After(time.Second):
				t.Error("no pong")
			}
		}
		c.Write([]byte("\r\n\r\n"))
		pong()
		for _, b := range []byte("\r\n\r\n") {
			c.Write([]byte{b})
			time.Sleep(time.Second)
		}
		pong()
		c.Write(append([]byte("\r\n\r\n"), tcpRequest("OPTIONS", "o", "o", "", 1, "")...))
		pong()
		c.want(w, "SIP/2.0 200")
	})
}

// pieces is a connection on which given bytes arrive in pieces of given sizes.
type pieces struct {
	net.Conn
	data  []byte
	sizes []byte
	i     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := 1
	if len(p.sizes) > 0 {
		n += int(p.sizes[p.i%len(p.sizes)])
		p.i++
	}
	n = copy(b, p.data[:min(n, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error { return nil }

// cut reads all messages of a stream.
func cut(data, sizes []byte) (messages [][]byte, pongs int, fault string, err error) {
	f := &frames{conn: &pieces{data: bytes.Clone(data), sizes: sizes}, busy: func() bool { return false },
		send: func(b []byte) error { pongs += len(b) / 2; return nil }}
	for {
		msg, _, fault, err := f.next()
		if err != nil || fault != "" {
			return messages, pongs, fault, err
		}
		messages = append(messages, bytes.Clone(msg))
	}
}

// However a stream is cut into segments, the same messages come out of it; what
// comes out was in it, in order; and nothing makes the buffer grow without end.
func FuzzFrames(f *testing.F) {
	options := tcpRequest("OPTIONS", "o", "o", "", 1, "")
	f.Add(bytes.Repeat(options, 3), []byte{0})
	f.Add(append([]byte("\r\n\r\n"), append(options, "\r\n\r\n\r\nOPTIONS"...)...), []byte{1, 7, 255})
	f.Add(tcpRequest("INVITE", "t", "1", "", 1, offer), []byte{3})
	f.Add([]byte("OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n"), []byte{20})
	f.Add([]byte("\r\r\n\n\r\n"), []byte{0})
	f.Add(bytes.Repeat([]byte("X: 1\r\n"), 8000), []byte{255})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		whole, wholePongs, wholeFault, wholeErr := cut(data, []byte{255, 255})
		small, smallPongs, smallFault, smallErr := cut(data, sizes)
		if len(whole) != len(small) || wholePongs != smallPongs || (wholeFault == "") != (smallFault == "") || (wholeErr == nil) != (smallErr == nil) {
			t.Fatalf("in one way %d messages, %d pongs, %q, %v; in another %d, %d, %q, %v", len(whole), wholePongs, wholeFault, wholeErr, len(small), smallPongs, smallFault, smallErr)
		}
		rest := data
		for i, m := range whole {
			if !bytes.Equal(m, small[i]) {
				t.Fatalf("message %d differs", i)
			}
			at := bytes.Index(rest, m)
			if at < 0 || len(bytes.Trim(rest[:at], "\r\n")) > 0 {
				t.Fatalf("message %d is not what followed", i)
			}
			rest = rest[at+len(m):]
			if len(m) > 2*maxStream {
				t.Fatalf("message of %d bytes", len(m))
			}
		}
		if wholeErr != nil && !errors.Is(wholeErr, io.EOF) && !errors.Is(wholeErr, os.ErrDeadlineExceeded) {
			t.Fatal(wholeErr)
		}
	})
}
