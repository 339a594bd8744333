package siptest

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// TestTCP runs two phones over loopback: framing, one connection for a call in
// both directions, and a caller who cannot be dialled.
func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bob, err := New(Config{User: "bob", Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	alice, err := New(Config{User: "alice", Dial: (&net.Dialer{}).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	sdp := WriteSDP(bob.Addr(), []uint8{0}, "sendrecv", 1)
	got := make(chan *Dialog, 1)
	bob.OnInvite(func(in *Incoming) {
		in.Ring()
		d, err := in.Answer(AnswerOptions{SDP: sdp})
		if err != nil {
			t.Error(err)
		}
		got <- d
	})
	for i := range 2 {
		a, err := alice.Call(ctx, bob.URI(), CallOptions{SDP: sdp})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Answered(ctx); err != nil {
			t.Fatal(err)
		}
		b := <-got
		if err := b.Acked(ctx); err != nil {
			t.Fatal(err)
		}
		who := []*Dialog{a, b}[i] // the second call is ended by the one who was dialled
		if err := who.Hangup(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	alice.mu.Lock()
	if n := len(alice.links); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	alice.mu.Unlock()
	for _, p := range []*Phone{alice, bob} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReadMessage(t *testing.T) {
	const whole = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nl: 2\r\n\r\nhi"
	cases := []struct {
		name, stream string
		messages     int
		fault        string
	}{
		{"two, with a keep-alive between", whole + "\r\n\r\n" + whole, 2, "EOF"},
		{"no length", "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\n\r\n", 0, "no Content-Length"},
		{"length is a word", "A b SIP/2.0\r\nContent-Length: two\r\n\r\n", 0, "not a number"},
		{"length is huge", "A b SIP/2.0\r\nContent-Length: 99999\r\n\r\n", 0, "not a number"},
		{"cut in the header", whole + "OPTI", 1, "ends inside a header"},
		{"cut in the body", whole[:len(whole)-1], 0, "ends inside a body"},
		{"header without end", strings.Repeat("a: b\r\n", maxMessage/6+1), 0, "too long"},
	}
	for _, c := range cases {
		r := bufio.NewReaderSize(strings.NewReader(c.stream), maxMessage)
		n := 0
		var err error
		for ; err == nil; n++ {
			_, err = readMessage(r)
		}
		if n-1 != c.messages || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %d messages, %v; want %d, %q", c.name, n-1, err, c.messages, c.fault)
		}
	}
}
