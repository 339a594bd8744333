package relay

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
)

// collector gives each packet to a channel.
type collector chan []byte

func (c collector) handle(d datagram) (outgoing, bool) {
	c <- bytes.Clone(d.bytes)
	return outgoing{}, false
}

func (collector) sent(int, error) {}

// TestFirstPacketIsRead: a socket that waited without a buffer reads what it
// was woken by, also a packet without bytes, and what had come before it began;
// one to which nothing comes is closed all the same.
func TestFirstPacketIsRead(t *testing.T) {
	e := &engine{log: slog.New(slog.DiscardHandler)}
	defer e.close()
	listen := func() net.PacketConn {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Skip(err)
		}
		return c
	}
	from := listen()
	defer from.Close()
	for _, early := range []bool{true, false} {
		got := make(collector, 4)
		to := listen()
		send := func(b string) {
			if _, err := from.WriteTo([]byte(b), to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		var s *socket
		if early {
			send("")
			s = e.open(to, got, 0)
		} else {
			s = e.open(to, got, 0)
			send("")
		}
		send("second")
		for _, want := range []string{"", "second"} {
			if b := <-got; string(b) != want {
				t.Errorf("early %v: %q, want %q", early, b, want)
			}
		}
		s.close()
	}
	e.open(listen(), make(collector), 0).close()
}
