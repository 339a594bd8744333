//go:build netns && linux

package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"ringdown/media"
)

// A-15 of the threat model at its size: 50 calls are set up and talk while a
// stranger sprays the whole range of ports, RTP and RTCP, without a pause.
const (
	sprayedCalls = 50
	sprayRate    = 20_000 // packets a second
	sprayedTalk  = 30     // packets each way of each call

	sprayedAtOnce = 10
)

func TestSprayAcrossSetups(t *testing.T) {
	for _, engine := range engines {
		for _, rule := range []media.Rule{media.Strict, media.Latch} {
			t.Run(fmt.Sprintf("%s, %s", engine, rule), func(t *testing.T) { sprayAcross(t, engine, rule) })
		}
	}
}

func sprayAcross(t *testing.T, engine string, rule media.Rule) {
	listen := net3(t)
	w := &rig{world: realWorld(t, listen), place: func(ip string) string { return ip }}
	pool, err := NewPool(Config{Address: relayIP, Ports: "20000-20999", Engine: engine}, nil, silent())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	w.pool = pool
	thief := w.at(thiefIP, 4000, 3000)
	bullets, err := listen(netip.MustParseAddrPort(thiefIP + ":4999"))
	if err != nil {
		t.Fatal(err)
	}
	defer bullets.Close()
	hit := listenAll(bullets)
	stop, done := make(chan struct{}), make(chan int)
	go func() { done <- sprayRange(bullets, thief, stop) }()

	src := media.Source{Rule: rule}
	if rule == media.Latch {
		src.Allow = w.within("10.0.0.0/14")
	}
	for first := 0; first < sprayedCalls; first += sprayedAtOnce {
		var talks [sprayedAtOnce]talk
		for i := range talks {
			port := uint16(8 * (first + i))
			w.restart()
			w.caller, w.callee = w.at(sipperIP, 5000+port, 440), w.at(phoneIP, 5004+port, 1000)
			w.connect(src, src)
			talks[i] = talk{relay: w.relay, phones: [2]*phone{w.caller, w.callee}}
		}
		for range sprayedTalk {
			for i := range talks {
				talks[i].say()
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		for i, c := range talks {
			w.same(fmt.Sprintf("call %d, to the callee", first+i), c.phones[1].rtp.Drain(), c.sent[0])
			w.same(fmt.Sprintf("call %d, to the caller", first+i), c.phones[0].rtp.Drain(), c.sent[1])
			c.relay.Close()
		}
	}
	close(stop)
	shots := <-done
	bullets.Close()
	if got := <-hit + thief.rtp.Waiting() + thief.rtcp.Waiting(); got != 0 {
		t.Errorf("the stranger got %d packets", got)
	}
	drops := pool.Stats().Drops
	t.Logf("%d packets of the stranger, %d of them at ports that were bound, none came back", shots, drops[media.DropSource]+drops[media.DropQuarantine])
	if drops[media.DropSource] < sprayedCalls {
		t.Errorf("only %d packets met a call", drops[media.DropSource])
	}
}

// talk is one call and what its parties have said.
type talk struct {
	relay  *Relay
	phones [2]*phone
	sent   [2][][]byte
}

func (c *talk) say() {
	for k, p := range c.phones {
		b := p.tone.Next()
		p.rtp.WriteToUDPAddrPort(b, p.ours)
		c.sent[k] = append(c.sent[k], b)
	}
}

// sprayRange sends one packet after the other to each port of the range, until it
// is stopped, and returns how many.
func sprayRange(by *net.UDPConn, thief *phone, stop <-chan struct{}) (sent int) {
	host := netip.MustParseAddr(relayIP)
	rtp, rtcp := thief.tone.Next(), report()
	for begun := time.Now(); ; {
		select {
		case <-stop:
			return sent
		default:
		}
		due := int(time.Since(begun).Seconds() * sprayRate)
		for ; sent < due; sent++ {
			port, pkt := uint16(20000+sent%1000), rtp
			if port%2 == 1 {
				pkt = rtcp
			}
			by.WriteToUDPAddrPort(pkt, netip.AddrPortFrom(host, port))
		}
		time.Sleep(time.Millisecond)
	}
}

// listenAll counts what comes to a socket until it is closed. What is refused to
// it (a port unreachable) is no packet.
func listenAll(c *net.UDPConn) <-chan int {
	got := make(chan int, 1)
	go func() {
		n, b := 0, make([]byte, 2000)
		for {
			_, _, err := c.ReadFromUDPAddrPort(b)
			switch {
			case err == nil:
				n++
			case errors.Is(err, net.ErrClosed):
				got <- n
				return
			}
		}
	}()
	return got
}
