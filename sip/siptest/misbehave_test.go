package siptest

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringdown/media/mediatest"
)

func TestLostMessagesAreRepeated(t *testing.T) {
	cases := []struct {
		name string
		bob  bool // who loses it
		way  Direction
		n    int
		what func(*Message) bool
	}{
		{"INVITE twice", false, Out, 2, Is("INVITE")},
		{"200 to INVITE", true, Out, 2, Answers(200, "INVITE")},
		{"ACK", true, In, 3, Is("ACK")},
		{"BYE", false, Out, 1, Is("BYE")},
		{"200 to BYE", false, In, 2, Answers(200, "BYE")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, mediatest.Link{}, func(w *world) {
				who := w.alice
				if c.bob {
					who = w.bob
				}
				who.Drop(c.way, c.n, c.what)
				a, b := w.call(CallOptions{})
				if err := b.Acked(w.ctx); err != nil {
					t.Fatal(err)
				}
				if err := a.Hangup(w.ctx); err != nil {
					t.Fatal(err)
				}
				w.ended(b, "remote")
				dropped := 0
				for _, r := range who.Trace() {
					if r.Dropped {
						dropped++
					}
				}
				if dropped != c.n {
					t.Errorf("%d messages lost, want %d", dropped, c.n)
				}
			})
		})
	}
}

func TestLossyNetwork(t *testing.T) {
	inBubble(t, mediatest.Link{Delay: 30 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.2, Duplicate: 0.1}, func(w *world) {
		a, b := w.call(CallOptions{})
		pass(4 * time.Second)
		h := b.Heard()
		if h.Missing == 0 || h.Duplicates == 0 || h.Reordered == 0 {
			t.Errorf("%d missing, %d duplicates, %d reordered", h.Missing, h.Duplicates, h.Reordered)
		}
		// What came stands in its place: with a fifth lost, the rest still agrees.
		if m := Match(h.Samples, Noise(1).Render(200)); m.Correlation < 0.85 || m.Delay > 0 {
			t.Errorf("bob heard %+v", m)
		}
		if err := a.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNoACK(t *testing.T) {
	inBubble(t, mediatest.Link{}, func(w *world) {
		a, b := w.call(CallOptions{NoACK: true})
		w.ended(b, "no-ack")
		w.ended(a, "remote")
		w.wantFault(w.bob, "no ACK to our 200")
		if d := b.Times().Ended.Sub(b.Times().Answered); d != 32*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

func TestSecondAnswerWithAnotherTag(t *testing.T) { // RFC 3261 13.2.2.4
	inBubble(t, mediatest.Link{}, func(w *world) {
		got := make(chan *Dialog, 2)
		w.bob.OnInvite(func(in *Incoming) {
			other := in.Fork()
			for _, i := range []*Incoming{in, other} {
				d, err := i.Answer(AnswerOptions{})
				if err != nil {
					t.Errorf("answer: %v", err)
				}
				got <- d
			}
		})
		a, err := w.alice.Call(w.ctx, w.bob.URI(), CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		first, second := <-got, <-got
		w.ended(second, "remote")
		pass(5 * time.Second)
		if first.isOver() || a.isOver() {
			t.Error("the first call did not stand")
		}
		if err := a.Hangup(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.ended(first, "remote")
		w.wantFault(w.alice, "a second 2xx with another tag")
	})
}

// raw sends a text from an address of its own and returns what comes back.
func (w *world) raw(n *mediatest.Network, text string) string {
	w.t.Helper()
	conn := listen(w.t, n, "192.0.2.3:5060")
	defer conn.Close()
	text = strings.ReplaceAll(text, "\n", "\r\n")
	if _, err := conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:5060"))); err != nil {
		w.t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	b := make([]byte, 4096)
	k, _, err := conn.ReadFrom(b)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b[:k]), "\r\n")
	return line
}

const head = "Via: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bK1234567\n" +
	"From: <sip:x@192.0.2.3>;tag=1\nCall-ID: c\n"

func TestStrangersAreReported(t *testing.T) {
	cases := []struct{ name, text, answer, fault string }{
		{"not SIP", "hello\n\n", "", "malformed"},
		{"options", "OPTIONS sip:bob@192.0.2.2 SIP/2.0\n" + head + "To: <sip:bob@192.0.2.2>\nCSeq: 1 OPTIONS\nMax-Forwards: 70\n\n",
			"SIP/2.0 200 OK", ""},
		{"bye of nothing", "BYE sip:bob@192.0.2.2 SIP/2.0\n" + head + "To: <sip:bob@192.0.2.2>;tag=9\nCSeq: 1 BYE\nMax-Forwards: 70\n\n",
			"SIP/2.0 481 Call/Transaction Does Not Exist", "dialog unknown"},
		{"ack of nothing", "ACK sip:bob@192.0.2.2 SIP/2.0\n" + head + "To: <sip:bob@192.0.2.2>;tag=9\nCSeq: 1 ACK\nMax-Forwards: 70\n\n",
			"", "ACK to nothing"},
		{"cancel of nothing", "CANCEL sip:bob@192.0.2.2 SIP/2.0\n" + head + "To: <sip:bob@192.0.2.2>\nCSeq: 1 CANCEL\nMax-Forwards: 70\n\n",
			"SIP/2.0 481 Call/Transaction Does Not Exist", "CANCEL of an INVITE"},
		{"unknown method", "MESSAGE sip:bob@192.0.2.2 SIP/2.0\n" + head + "To: <sip:bob@192.0.2.2>\nCSeq: 1 MESSAGE\nMax-Forwards: 70\n\n",
			"SIP/2.0 405 Method Not Allowed", "outside a dialog"},
		{"stray response", "SIP/2.0 200 OK\n" + head + "To: <sip:bob@192.0.2.2>;tag=2\nCSeq: 1 BYE\n\n",
			"", "did not send"},
		{"invite without a branch", strings.Replace("INVITE sip:bob@192.0.2.2 SIP/2.0\n"+head+"To: <sip:bob@192.0.2.2>\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:x@192.0.2.3>\n\n", ";branch=z9hG4bK1234567", "", 1),
			"", "branch"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := mediatest.NewNetwork(1, mediatest.Link{})
				w := &world{t: t, ctx: t.Context()}
				w.bob = newPhone(t, n, "bob", "192.0.2.2", nil, nil)
				defer w.bob.Close()
				if got := w.raw(n, c.text); got != c.answer {
					t.Errorf("answer = %q, want %q", got, c.answer)
				}
				if c.fault == "" {
					w.wantFault(w.bob)
				} else {
					w.wantFault(w.bob, c.fault)
				}
			})
		})
	}
}

func TestFaultsNameNoNumber(t *testing.T) {
	var told []error
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		p, err := New(Config{User: "bob", Conn: listen(t, n, "192.0.2.2:5060"), Fault: func(err error) { told = append(told, err) }})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, bob: p}
		w.raw(n, "BYE sip:+4712345678@192.0.2.2 SIP/2.0\n"+strings.Replace(head, "sip:x@", "sip:+4787654321@", 1)+"To: <sip:+4712345678@192.0.2.2>;tag=9\nCSeq: 1 BYE\n\n")
		p.Close()
	})
	if len(told) != 2 { // no Max-Forwards; unknown dialog
		t.Fatalf("told = %v", told)
	}
	for _, err := range told {
		var f *Fault
		if !errors.As(err, &f) || f.Message == nil || f.At.IsZero() {
			t.Errorf("fault = %#v", err)
		}
		if strings.Contains(err.Error(), "12345678") || strings.Contains(err.Error(), "87654321") {
			t.Errorf("a number in %v", err)
		}
	}
}

func TestTraceKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := mediatest.NewNetwork(1, mediatest.Link{})
		p, err := New(Config{User: "bob", Conn: listen(t, n, "192.0.2.2:5060"), Keep: 3})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, bob: p}
		for i := range 10 {
			text := "OPTIONS sip:bob@192.0.2.2 SIP/2.0\n" + strings.Replace(head, "1234567", "123456"+string(rune('a'+i)), 1) +
				"To: <sip:bob@192.0.2.2>\nCSeq: 1 OPTIONS\nMax-Forwards: 70\n\n"
			w.raw(n, text)
		}
		w.wantFlow(p, "> 200 to OPTIONS 1\n< OPTIONS 1\n> 200 to OPTIONS 1\n")
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	any, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Skip(err)
	}
	defer any.Close()
	for name, cfg := range map[string]Config{"nothing": {}, "unbound": {Conn: any}} {
		if p, err := New(cfg); err == nil {
			p.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}
