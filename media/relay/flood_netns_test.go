//go:build netns && linux

package relay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringdown/media"
)

// A-17 of the threat model: what a flood at one port may cost the calls beside it.
const (
	besideCalls = 100
	floodRate   = 50_000 // packets a second
	mostJitter  = 5 * time.Millisecond
	measureFor  = 3 * time.Second
	floodTries  = 3 // the machine may be busy with something else
)

// TestFloodLeavesOthersAlone has 100 calls talk while one port gets 50,000 packets
// a second: from a stranger, and from the very address of a party.
func TestFloodLeavesOthersAlone(t *testing.T) {
	for _, engine := range engines {
		for _, from := range []string{"a stranger", "a party"} {
			t.Run(engine+", from "+from, func(t *testing.T) { floodBeside(t, engine, from == "a party") })
		}
	}
}

func floodBeside(t *testing.T, engine string, insider bool) {
	listen := net3(t)
	open := func(at string) *net.UDPConn {
		c, err := listen(netip.MustParseAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	pool, err := NewPool(Config{Address: relayIP, Ports: "20000-20999", Engine: engine}, nil, silent())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := chorus{caller: open(sipperIP + ":4000"), callee: open(phoneIP + ":5000")}
	for range besideCalls {
		c.join(t, pool, sipperIP+":4000", phoneIP+":5000")
	}
	victim := chorus{caller: open(sipperIP + ":4100"), callee: open(phoneIP + ":5100")}
	target := victim.join(t, pool, sipperIP+":4100", phoneIP+":5100")
	flooder := open(thiefIP + ":6000")
	if insider {
		flooder = victim.caller
	}
	victim.caller.WriteToUDPAddrPort(crafted(0, 0, 0, 9, "hello"), target)

	var added time.Duration
	for try := range floodTries {
		quiet := c.sing(t, measureFor)
		stop := make(chan struct{})
		sent := make(chan int)
		go func() { sent <- flood(t, flooder, target, stop) }()
		loud := c.sing(t, measureFor)
		close(stop)
		pps := int(float64(<-sent) / measureFor.Seconds())
		added = max(0, loud.jitter-quiet.jitter)
		t.Logf("%d packets a second; p99 of jitter %v without, %v with, added %v; lost %d and %d of %d",
			pps, quiet.jitter, loud.jitter, added, quiet.lost, loud.lost, loud.sent)
		if pps < floodRate*8/10 {
			t.Logf("try %d: the flood was too thin", try)
			continue
		}
		if added < mostJitter && loud.lost-quiet.lost <= loud.sent/1000 {
			s := pool.Stats()
			if n := s.Drops[media.DropSource] + s.Drops[media.DropRate]; n < uint64(floodRate) {
				t.Errorf("%d packets of the flood were counted", n)
			}
			return
		}
	}
	t.Errorf("the flood added %v to the p99 of jitter of others, in each of %d tries", added, floodTries)
}

// chorus is many calls between the same two sockets.
type chorus struct {
	caller, callee *net.UDPConn
	ours           []netip.AddrPort // where the caller of each sends
	seq            uint16
}

func (c *chorus) join(t *testing.T, p *Pool, caller, callee string) netip.AddrPort {
	t.Helper()
	r, err := p.NewRelay(fmt.Sprint("call_", len(c.ours)), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := func(at string) []byte {
		a := netip.MustParseAddrPort(at)
		return fmt.Appendf(nil, "c=IN IP4 %s\r\nm=audio %d RTP/AVP 0\r\n", a.Addr(), a.Port())
	}
	if _, err := r.Offer(media.Caller, body(caller), media.Source{}); err != nil {
		t.Fatal(err)
	}
	answer, err := r.Answer(media.Callee, body(callee), media.Source{})
	if err != nil {
		t.Fatal(err)
	}
	at := led(t, answer)
	c.ours = append(c.ours, at)
	return at
}

// heardChorus is what came of it.
type heardChorus struct {
	jitter     time.Duration // p99 of how much the spacing of two packets changed on the way
	sent, lost int
}

// sing has each caller send a packet each 20 ms, a few of them each millisecond.
func (c *chorus) sing(t *testing.T, d time.Duration) (h heardChorus) {
	t.Helper()
	const frame, step = 20 * time.Millisecond, time.Millisecond
	each := len(c.ours) / int(frame/step)
	var all sync.WaitGroup
	all.Go(func() { h.jitter, h.lost = c.listen(t, d+300*time.Millisecond) })
	begun := time.Now()
	pkt := crafted(0, 0, 0, 1, string(make([]byte, 160)))
	for tick := 0; time.Duration(tick)*step < d; tick++ {
		time.Sleep(time.Until(begun.Add(time.Duration(tick) * step)))
		first := tick % int(frame/step) * each
		if first == 0 {
			c.seq++
		}
		for i := first; i < first+each; i++ {
			binary.BigEndian.PutUint16(pkt[2:], c.seq)
			binary.BigEndian.PutUint32(pkt[8:], uint32(i+1)) // SSRC
			binary.BigEndian.PutUint64(pkt[12:], uint64(time.Now().UnixNano()))
			if _, err := c.caller.WriteToUDPAddrPort(pkt, c.ours[i]); err == nil {
				h.sent++
			}
		}
	}
	all.Wait()
	h.lost = h.sent - h.lost
	return h
}

// listen reads for a while and returns the jitter and how many packets came, by
// the kernel's own time of their arrival.
func (c *chorus) listen(t *testing.T, d time.Duration) (p99 time.Duration, count int) {
	raw, err := c.callee.SyscallConn()
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	c.callee.SetReadBuffer(4 << 20)
	c.callee.SetReadDeadline(time.Now().Add(d))
	last := map[uint32]int64{} // transit of each call's packet before
	var jitter []time.Duration
	b, oob := make([]byte, 2000), make([]byte, 128)
	for {
		n, m, _, _, err := c.callee.ReadMsgUDPAddrPort(b, oob)
		if err != nil {
			break
		}
		at, ok := stampOf(oob[:m])
		if !ok || n < 20 {
			continue
		}
		count++
		call := binary.BigEndian.Uint32(b[8:])
		transit := at - int64(binary.BigEndian.Uint64(b[12:]))
		if before, known := last[call]; known {
			jitter = append(jitter, time.Duration(max(transit-before, before-transit)))
		}
		last[call] = transit
	}
	if len(jitter) == 0 {
		t.Error("nothing was heard")
		return 0, 0
	}
	slices.Sort(jitter)
	return jitter[len(jitter)*99/100], count
}

// stampOf is the kernel's time of a packet, in nanoseconds.
func stampOf(oob []byte) (int64, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return int64(sec)*1e9 + int64(nsec), true
		}
	}
	return 0, false
}

// floodTo tells a child of the tests where to send, see [TestFloodChild].
const floodTo = "RINGDOWN_TEST_FLOOD"

// flood has a process of its own send by a socket until stop is closed, and returns
// how many packets went out: in ours it would take the relay's turns.
func flood(t *testing.T, by *net.UDPConn, to netip.AddrPort, stop <-chan struct{}) (sent int) {
	f, err := by.File()
	if err != nil {
		t.Error(err)
		return 0
	}
	defer f.Close()
	c := exec.Command("/proc/self/exe", "-test.run=^TestFloodChild$")
	c.Env = append(os.Environ(), floodTo+"="+to.String())
	c.ExtraFiles = []*os.File{f}
	var out bytes.Buffer
	c.Stdout = &out
	quit, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	<-stop
	quit.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := fmt.Sscanf(out.String(), "sent %d", &sent); err != nil {
		t.Errorf("the flood said %q", out.String())
	}
	return sent
}

// TestFloodChild is the other process: it sends by descriptor 3 until its standard
// input ends.
func TestFloodChild(t *testing.T) {
	target := os.Getenv(floodTo)
	if target == "" {
		t.Skip("for the tests' own use")
	}
	to := netip.MustParseAddrPort(target)
	c, err := net.FilePacketConn(os.NewFile(3, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	by := c.(*net.UDPConn)
	stop := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	pkt := crafted(0, 0, 0, 9, string(make([]byte, 160)))
	sent := 0
	for begun := time.Now(); ; {
		select {
		case <-stop:
			fmt.Println("sent", sent)
			return
		default:
		}
		due := int(time.Since(begun).Seconds() * floodRate)
		if due-sent < 25 {
			time.Sleep(500 * time.Microsecond)
			continue
		}
		for range min(due-sent, 200) {
			binary.BigEndian.PutUint16(pkt[2:], uint16(sent))
			by.WriteToUDPAddrPort(pkt, to)
			sent++
		}
	}
}
