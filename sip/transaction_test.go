package sip

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// The transactions of RFC 3261 17 and RFC 6026, each alone with the clock: what
// is said to it, what it puts on the wire and what it tells its owner, with the
// second in which it does.

// scribe is a socket and a connection that notes what is written.
type scribe struct {
	*memConn
	mu    sync.Mutex
	start time.Time
	lines []string
	fail  error
}

func (s *scribe) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, strconv.FormatFloat(time.Since(s.start).Round(50*time.Millisecond).Seconds(), 'f', -1, 64)+" "+fmt.Sprintf(format, args...))
}

func (s *scribe) Write(b []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	start, _, _ := strings.Cut(string(b), " sip:")
	start, _, _ = strings.Cut(strings.TrimPrefix(start, "SIP/2.0 "), " ")
	s.note("%s", start)
	return len(b), nil
}

func (s *scribe) WriteTo(b []byte, _ net.Addr) (int, error) { return s.Write(b) }
func (s *scribe) Read([]byte) (int, error)                  { return 0, net.ErrClosed }
func (s *scribe) RemoteAddr() net.Addr                      { return s.memConn.addr }

// stage is a transaction's surroundings: an endpoint that never runs.
type stage struct {
	*testing.T
	ep  *Endpoint
	hop *hop
	*scribe
}

func onStage(t *testing.T, network string, f func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, wire: &wire{conns: map[string]*memConn{}}}
		ep, err := New(Config{}, Deps{Admit: w.admit, Trunk: trunks, Log: slog.New(slog.DiscardHandler)}, []net.PacketConn{w.wire.listen(usAddr)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		sc := &scribe{memConn: w.wire.listen(otherAddr), start: time.Now()}
		h := &hop{ep: ep, network: network, addr: netip.MustParseAddrPort(calleeAddr), socket: &socket{pc: sc, local: netip.MustParseAddrPort(usAddr)}}
		if network != "udp" {
			h.socket, h.stream = nil, &stream{network: network, conn: sc, raw: sc, remote: h.addr, local: netip.MustParseAddrPort(usAddr)}
		}
		f(&stage{t, ep, h, sc})
		if err := ep.Close(); err != nil {
			t.Error(err)
		}
		if n := len(ep.tx.servers) + len(ep.tx.clients) + len(ep.tx.merged); n != 0 {
			t.Errorf("%d entries left after Close", n)
		}
	})
}

// play does what steps say, each at its second, and compares all that was noted.
func (s *stage) play(steps, want string, do func(word string)) {
	s.Helper()
	for _, step := range strings.Fields(steps) {
		at, word, _ := strings.Cut(step, ":")
		seconds, err := strconv.ParseFloat(at, 64)
		if err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Until(s.start.Add(time.Duration(seconds * float64(time.Second)))))
		do(word)
		synctest.Wait()
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.lines, ", "); got != want {
		s.Errorf("\n got %s\nwant %s", got, want)
	}
	if n := s.left(); n != 0 {
		s.Errorf("%d transactions left two minutes later", n)
	}
}

// left is how many transactions the tables hold.
func (s *stage) left() int {
	s.ep.tx.mu.Lock()
	defer s.ep.tx.mu.Unlock()
	return len(s.ep.tx.servers) + len(s.ep.tx.clients)
}

func (s *stage) ask(method gosip.RequestMethod) (*client, *gosip.Request, error) {
	uri, err := parseTarget("sip:x@10.2.0.1")
	if err != nil {
		s.Fatal(err)
	}
	req := newRequest(method, uri, s.hop, s.ep.branch(), 70)
	id := gosip.CallIDHeader("c1")
	for _, h := range []gosip.Header{&gosip.FromHeader{Address: uri, Params: gosip.HeaderParams{{K: "tag", V: "f"}}}, &gosip.ToHeader{Address: uri}, &id, &gosip.CSeqHeader{SeqNo: 7, MethodName: method}} {
		req.AppendHeader(h)
	}
	setBody(req, nil)
	c, err := s.ep.request(req, s.hop, func(res *gosip.Response) { s.note("on %d", res.StatusCode) }, func() { s.note("ended") })
	return c, req, err
}

func TestClientTransaction(t *testing.T) {
	cases := []struct {
		name, network string
		method        gosip.RequestMethod
		steps, want   string
	}{
		{"INVITE: nobody answers: A doubles, B ends it (17.1.1.2)", "udp", gosip.INVITE, "",
			"0 INVITE, 0.5 INVITE, 1.5 INVITE, 3.5 INVITE, 7.5 INVITE, 15.5 INVITE, 31.5 INVITE, 32 ended"},
		{"INVITE, reliable: nothing is repeated", "tcp", gosip.INVITE, "", "0 INVITE, 32 ended"},
		{"INVITE: a provisional response stops A and B", "udp", gosip.INVITE, "0.2:180 40:183 50:bye",
			"0 INVITE, 0.2 on 180, 40 on 183, 50 ended"},
		{"INVITE: a provisional response after a repetition", "udp", gosip.INVITE, "0.7:100 60:bye", "0 INVITE, 0.5 INVITE, 0.7 on 100, 60 ended"},
		{"INVITE: refused from calling: ACK, D (17.1.1.2)", "udp", gosip.INVITE, "1:486 2:486 3:180 4:200 32.9:table 33.1:table",
			"0 INVITE, 0.5 INVITE, 1 ACK, 1 on 486, 1 ended, 2 ACK, 32.9 table 1, 33.1 table 0"},
		{"INVITE: refused after ringing", "udp", gosip.INVITE, "0.1:180 1:503 32.9:503", "0 INVITE, 0.1 on 180, 1 ACK, 1 on 503, 1 ended, 32.9 ACK"},
		{"INVITE, reliable: D is 0", "tcp", gosip.INVITE, "1:486 2:486 2:table", "0 INVITE, 1 ACK, 1 on 486, 1 ended, 2 table 0"},
		{"INVITE: accepted: every 2xx is passed on until M (RFC 6026 7.2)", "udp", gosip.INVITE, "0.1:200 0.6:200 31:200 31.5:486 31.6:180 33:200",
			"0 INVITE, 0.1 on 200, 0.6 on 200, 31 on 200, 32.1 ended"},
		{"INVITE: accepted after ringing, reliable", "tcp", gosip.INVITE, "0.1:180 1:200 2:200", "0 INVITE, 0.1 on 180, 1 on 200, 2 on 200, 33 ended"},
		{"INVITE: ended by its owner", "udp", gosip.INVITE, "0.7:bye 1:200", "0 INVITE, 0.5 INVITE, 0.7 ended"},
		{"BYE: nobody answers: E doubles up to T2, F ends it (17.1.2.2)", "udp", gosip.BYE, "",
			"0 BYE, 0.5 BYE, 1.5 BYE, 3.5 BYE, 7.5 BYE, 11.5 BYE, 15.5 BYE, 19.5 BYE, 23.5 BYE, 27.5 BYE, 31.5 BYE, 32 ended"},
		{"BYE, reliable: nothing is repeated", "tls", gosip.BYE, "", "0 BYE, 32 ended"},
		{"BYE: proceeding: repeated each T2, F ends it", "udp", gosip.BYE, "0.1:100",
			"0 BYE, 0.1 on 100, 0.5 BYE, 4.5 BYE, 8.5 BYE, 12.5 BYE, 16.5 BYE, 20.5 BYE, 24.5 BYE, 28.5 BYE, 32 ended"},
		{"BYE: answered: K absorbs what is repeated", "udp", gosip.BYE, "0.1:200 0.6:200 4:500 5:table 5.2:table", "0 BYE, 0.1 on 200, 0.1 ended, 5 table 1, 5.2 table 0"},
		{"BYE: answered after it was repeated and proceeding", "udp", gosip.BYE, "0.6:100 2:481", "0 BYE, 0.5 BYE, 0.6 on 100, 1.5 BYE, 2 on 481, 2 ended"},
		{"BYE, reliable: K is 0", "tcp", gosip.BYE, "0.1:200 0.2:200 0.2:table", "0 BYE, 0.1 on 200, 0.1 ended, 0.2 table 0"},
		{"CANCEL is a request like any other", "udp", gosip.CANCEL, "0.6:200", "0 CANCEL, 0.5 CANCEL, 0.6 on 200, 0.6 ended"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onStage(t, c.network, func(s *stage) {
				tx, req, err := s.ask(c.method)
				if err != nil {
					t.Fatal(err)
				}
				s.play(c.steps, c.want, func(word string) {
					switch word {
					case "bye":
						tx.Terminate()
						tx.Terminate()
						return
					case "table":
						s.note("table %d", s.left())
						return
					}
					status, _ := strconv.Atoi(word)
					res := gosip.NewResponseFromRequest(req, status, "Text", nil)
					res.To().Params.Add("tag", "t")
					s.ep.onResponse(res)
				})
			})
		})
	}
}

func TestServerTransaction(t *testing.T) {
	cases := []struct {
		name, network string
		method        gosip.RequestMethod
		steps, want   string
	}{
		{"INVITE: repeated before anything was said", "udp", gosip.INVITE, "0.5:again 1:end", ""},
		{"INVITE: the last provisional response is repeated (17.2.1)", "udp", gosip.INVITE, "0:100 0.5:again 1:180 1.5:again 2:ack 3:end",
			"0 100, 0.5 100, 1 180, 1.5 180"},
		{"INVITE: accepted: what is repeated is absorbed, our 2xx passes until L (RFC 6026 7.1)", "udp", gosip.INVITE,
			"0:100 1:200 1.5:again 1.5:200 2:486 3:180 32:200 32.9:table 33.1:table 34:200", "0 100, 1 200, 1.5 200, 32 200, 32.9 table 1, 33.1 table 0"},
		{"INVITE, reliable: L is the same", "tcp", gosip.INVITE, "1:200 31:200 34:200", "1 200, 31 200"},
		{"INVITE: refused: G repeats until H", "udp", gosip.INVITE, "0:486 0.7:again 1:180 2:200",
			"0 486, 0.5 486, 0.7 486, 1.5 486, 3.5 486, 7.5 486, 11.5 486, 15.5 486, 19.5 486, 23.5 486, 27.5 486, 31.5 486"},
		{"INVITE: refused, ACK: confirmed absorbs until I", "udp", gosip.INVITE, "0:486 0.6:ack 0.7:again 0.8:ack 0.9:200 5.5:table 5.7:table", "0 486, 0.5 486, 5.5 table 1, 5.7 table 0"},
		{"INVITE, reliable: refused once, I is 0", "tcp", gosip.INVITE, "0:486 1:again 2:ack 2:table 3:again", "0 486, 1 486, 2 table 0"},
		{"INVITE, reliable: refused, no ACK: H", "tcp", gosip.INVITE, "0:486 31.9:table 32.1:table 33:again", "0 486, 31.9 table 1, 32.1 table 0"},
		{"BYE: repeated before anything was said (17.2.2)", "udp", gosip.BYE, "0.5:again 1:200", "1 200"},
		{"BYE: proceeding", "udp", gosip.BYE, "0:100 0.5:again 1:200 1.5:again", "0 100, 0.5 100, 1 200, 1.5 200"},
		{"BYE: answered: the answer is repeated until J", "udp", gosip.BYE, "0:200 0.5:again 1:500 31:again 33:again", "0 200, 0.5 200, 31 200"},
		{"BYE, reliable: J is 0", "tls", gosip.BYE, "0:200 0:table 0.5:again", "0 200, 0 table 0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onStage(t, c.network, func(s *stage) {
				in := s.incoming(c.method, "z9hG4bKa")
				tx := s.ep.tx.serve(in)
				again := func(method gosip.RequestMethod) { // as request.go does
					if found := s.ep.tx.find(in, c.method); found != nil {
						found.Receive(s.incoming(method, "z9hG4bKa").Request)
					}
				}
				s.play(c.steps, c.want, func(word string) {
					switch word {
					case "again":
						again(c.method)
					case "ack":
						again(gosip.ACK)
					case "table":
						s.note("table %d", s.left())
					case "end":
						tx.Terminate()
						tx.Terminate()
					default:
						status, _ := strconv.Atoi(word)
						in.tx = tx
						in.reply(status, nil)
					}
				})
			})
		})
	}
}

func (s *stage) incoming(method gosip.RequestMethod, branch string) *incoming {
	msg, err := gosip.ParseMessage(text(`
		%s sip:x@10.0.0.1 SIP/2.0
		Via: SIP/2.0/UDP 10.2.0.1;branch=%s
		From: <sip:a@b>;tag=1
		To: <sip:x@y>;tag=2
		Call-ID: c1
		CSeq: 1 %[1]s
		Max-Forwards: 70`, method, branch))
	if err != nil {
		s.Fatal(err)
	}
	in := &incoming{Request: msg.(*gosip.Request), from: s.hop, src: s.hop.addr, trunk: "carrier"}
	return in
}

// TestTransactionSendFails: a request that cannot be sent has no transaction; a
// response that cannot be sent is sent when the request comes again.
func TestTransactionSendFails(t *testing.T) {
	onStage(t, "udp", func(s *stage) {
		s.fail = errors.New("no buffer")
		if _, _, err := s.ask(gosip.INVITE); err == nil || len(s.ep.tx.clients) != 0 {
			t.Errorf("%v, %d transactions", err, len(s.ep.tx.clients))
		}
		in := s.incoming(gosip.BYE, "z9hG4bKb")
		in.tx = s.ep.tx.serve(in)
		in.reply(200, nil)
		s.fail = nil
		s.play("1:again", "1 200", func(string) { in.tx.Receive(in.Request) })
		s.ep.Close()
		if _, _, err := s.ask(gosip.BYE); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestTransactionKeys: what must not be taken for one another has keys of its own.
func TestTransactionKeys(t *testing.T) {
	onStage(t, "udp", func(s *stage) {
		first := s.incoming(gosip.INVITE, "z9hG4bKa")
		other := s.incoming(gosip.INVITE, "z9hG4bKa")
		other.src = netip.MustParseAddrPort("10.2.0.1:5061")
		streamed := s.incoming(gosip.INVITE, "z9hG4bKa")
		h := *s.hop
		h.network = "tcp"
		streamed.from = &h
		old := s.incoming(gosip.INVITE, "1") // RFC 2543: the branch says nothing
		next := s.incoming(gosip.INVITE, "1")
		next.CSeq().SeqNo = 2
		keys := []txKey{s.ep.tx.key(first, gosip.INVITE), s.ep.tx.key(first, gosip.CANCEL), s.ep.tx.key(other, gosip.INVITE), s.ep.tx.key(streamed, gosip.INVITE),
			s.ep.tx.key(s.incoming(gosip.INVITE, "z9hG4bKb"), gosip.INVITE), s.ep.tx.key(old, gosip.INVITE), s.ep.tx.key(next, gosip.INVITE)}
		for i, k := range keys {
			if slices.Index(keys, k) != i {
				t.Errorf("key %d is that of another", i)
			}
		}
		if again := s.ep.tx.key(s.incoming(gosip.INVITE, "z9hG4bKa"), gosip.INVITE); again != keys[0] {
			t.Error("the same request has another key")
		}
	})
}

// TestTalkativePeer: a peer that never stops to answer is heard only so far.
func TestTalkativePeer(t *testing.T) {
	onStage(t, "udp", func(s *stage) {
		_, req, err := s.ask(gosip.INVITE)
		if err != nil {
			t.Fatal(err)
		}
		say := func(status int) {
			res := gosip.NewResponseFromRequest(req, status, "Text", nil)
			res.To().Params.Add("tag", "t")
			s.ep.onResponse(res)
		}
		for range 2 * talkative {
			say(180)
		}
		say(200)
		if n := len(s.lines); n != 1+talkative+1 || s.lines[n-1] != "0 on 200" || s.ep.Stats().Drops["flood"] != talkative {
			t.Errorf("%d lines, the last %q; drops %v", n, s.lines[n-1], s.ep.Stats().Drops)
		}
	})
}

// TestQueue: in order, never early, at most slack late, and nothing after stop.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{after: time.Second, panicked: func(v any) { t.Errorf("panic %v", v) }}
		start := time.Now()
		var mu sync.Mutex
		var got []time.Duration
		remind := func(added time.Duration) reminded {
			return func() {
				late := time.Since(start) - added - time.Second
				if late < 0 || late > slack {
					t.Errorf("added at %v, %v late", added, late)
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, added)
			}
		}
		for range 300 {
			at := time.Since(start)
			q.add(remind(at), dueLinger)
			time.Sleep(3 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(got) != 300 || !slices.IsSorted(got) || q.lines != nil {
			t.Errorf("%d reminded, sorted %v, %d left", len(got), slices.IsSorted(got), len(q.lines))
		}
		q.add(remind(time.Since(start)), dueLinger) // empty before: begins anew
		time.Sleep(2 * time.Second)
		q.add(remind(0), dueLinger)
		q.stop()
		q.add(remind(0), dueLinger)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(got) != 301 {
			t.Errorf("%d reminded", len(got))
		}
		q = &queue{after: time.Second, panicked: func(any) { got = nil }}
		q.add(reminded(func() { panic("x") }), dueLinger)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got != nil {
			t.Error("the panic went elsewhere")
		}
	})
}

type reminded func()

func (f reminded) due(deadline) { f() }
