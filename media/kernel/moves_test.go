//go:build netns && linux

package kernel

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"
)

// TestMovesLoseNothing: while a flow is set, replaced and removed without pause,
// each packet arrives once: at the receiver or at the socket.
func TestMovesLoseNothing(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name     string
		from, to *phone
		in, out  *phone
	}{
		{"loopback", listenAt(t, "127.0.0.1:4000"), listenAt(t, "127.0.0.1:5000"), listenAt(t, "127.0.0.1:20000"), listenAt(t, "127.0.0.1:20002")},
		{"network", w.carrier.phone(t, "10.1.0.2:4000"), w.pbx.phone(t, "10.3.0.2:5000"), listenAt(t, "10.1.0.1:20000"), listenAt(t, "10.2.0.1:20002")},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t, Config{})
			f := plain(c.in.at, c.from.at, c.out.at, c.to.at)
			f.Every = time.Nanosecond
			const n = 20_000
			var mu sync.Mutex
			var seen [n]int
			onTheWay := make(chan struct{}, 200)
			var readers sync.WaitGroup
			forwarded, up := 0, 0
			for _, p := range []*phone{c.to, c.in} {
				p.widen(32 << 20)
				readers.Go(func() {
					for {
						pkt, _, ok := p.heard(500 * time.Millisecond)
						if !ok {
							return
						}
						<-onTheWay
						mu.Lock()
						seen[binary.BigEndian.Uint32(pkt[4:])]++
						if p == c.to {
							forwarded++
						} else {
							up++
						}
						mu.Unlock()
					}
				})
			}
			stop := make(chan struct{})
			var mover sync.WaitGroup
			var counted uint64
			mover.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					for range 2 {
						before, err := e.Set(f)
						if err != nil {
							t.Error(err)
							return
						}
						counted += before.Packets
						f.Tag++
					}
					last, _ := e.Remove(f.In)
					counted += last.Packets
				}
			})
			for i := range n {
				c.from.send(c.in.at, rtp(8, uint16(i), uint32(i), 1))
				select {
				case onTheWay <- struct{}{}:
				case <-time.After(2 * time.Second):
					t.Fatalf("%d packets did not arrive", cap(onTheWay))
				}
			}
			close(stop)
			mover.Wait()
			readers.Wait()
			for i, times := range seen {
				if times != 1 {
					t.Fatalf("packet %d arrived %d times (%d forwarded, %d up)", i, times, forwarded, up)
				}
			}
			if forwarded == 0 || up == 0 {
				t.Errorf("%d were forwarded, %d came up: nothing was tested", forwarded, up)
			}
			if int(counted) != forwarded {
				t.Errorf("%d were forwarded, %d counted", forwarded, counted)
			}
			t.Logf("%d were forwarded, %d came up", forwarded, up)
		})
	}
}
