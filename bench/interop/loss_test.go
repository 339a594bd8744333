//go:build interop

package interop

import (
	"bytes"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringdown/sip/siptest"
)

// leaky is a phone's media socket before a bad network: what it sends is lost, or
// held up and so put out of order, by a seeded chance.
type leaky struct {
	net.PacketConn
	mu     sync.Mutex
	chance *rand.Rand
}

func (l *leaky) WriteTo(b []byte, to net.Addr) (int, error) {
	l.mu.Lock()
	lost, late := l.chance.Float64() < 0.06, time.Duration(l.chance.IntN(30))*time.Millisecond
	l.mu.Unlock()
	if !lost {
		held := bytes.Clone(b)
		time.AfterFunc(late, func() { l.PacketConn.WriteTo(held, to) })
	}
	return len(b), nil
}

// TestFiguresOfABadNetwork: what we say of a stream with loss, jitter and
// disorder is what tshark says of it, in the event and in our RTCP.
func TestFiguresOfABadNetwork(t *testing.T) {
	const host = "127.0.210"
	agent := freePort(t, host+".3")
	n := newNode(t, plan{Host: host + ".1", Sources: host + ".2", Agent: agent})
	n.start(t)
	dir := t.TempDir()
	capture := filepath.Join(dir, "loss.pcap")
	witness := launch(t, dir, "dumpcap", "-q", "-i", "lo", "-P", "-w", capture, "-f", "udp and host "+host+".1")
	witness.says(t, "File: ", 20*time.Second)
	codecs := []siptest.Codec{siptest.PCMA}
	p := &pair{n: n, answered: make(chan *siptest.Dialog, 1)}
	p.caller = newPhone(t, siptest.Config{User: "carrier", Codecs: codecs, Play: siptest.Noise(1)}, host+".2:0")
	media := &leaky{PacketConn: listenUDP(t, host+".3:0"), chance: rand.New(rand.NewPCG(7, 7))}
	callee, err := siptest.New(siptest.Config{User: "agent", Codecs: codecs, Play: siptest.Noise(2), Conn: listenUDP(t, agent), Media: media})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { callee.Close() })
	callee.OnInvite(func(in *siptest.Incoming) {
		if d, err := in.Answer(siptest.AnswerOptions{}); err == nil {
			p.answered <- d
		}
	})
	c := p.call(t, siptest.CallOptions{})
	time.Sleep(25 * time.Second)
	if err := c.a.Hangup(t.Context()); err != nil {
		t.Error(err)
	}
	s := n.settled(t, 1)[0]
	time.Sleep(time.Second) // dumpcap writes twice a second
	witness.kill()
	seen, ok := rtpStreams(t, capture, host+".1")[host+".3"]
	if !ok || seen.lost < 30 {
		t.Fatalf("tshark saw %+v", seen)
	}
	found := false
	for _, e := range s.events {
		if e.Type != "media.quality" || e.Data.State != "final" || e.Data.Side != "callee" {
			continue
		}
		found = true
		d := e.Data
		if off := d.Lost - seen.lost; off < -2 || off > 2 {
			t.Errorf("%d of %d lost, tshark says %+v", d.Lost, d.Expected, seen)
		}
		if off := d.JitterMS - seen.jitter; off < -3 || off > 3 {
			t.Errorf("jitter %.2f ms, tshark's mean is %.2f", d.JitterMS, seen.jitter)
		}
		if d.MOSLQ > 4.1 || d.MOSLQ < 2 {
			t.Errorf("MOS %.2f with one packet in sixteen lost", d.MOSLQ)
		}
		t.Logf("%d of %d lost, jitter %.2f ms, MOS %.2f; tshark: %+v", d.Lost, d.Expected, d.JitterMS, d.MOSLQ, seen)
	}
	if !found {
		t.Error("nothing was said of the callee at the end")
	}
	if bad := tshark(t, capture, "rtcp && _ws.malformed", "frame.number"); len(bad) > 0 {
		t.Errorf("tshark finds %d reports malformed", len(bad))
	}
	if said := tshark(t, capture, "rtcp.ssrc.cum_nr > 20 && ip.src=="+host+".1 && ip.dst=="+host+".3", "rtcp.ssrc.cum_nr"); len(said) == 0 {
		t.Error("our reports do not tell the callee of its loss")
	}
	n.stop(t)
}
