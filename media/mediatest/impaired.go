package mediatest

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Sender is the part of a socket that an [Impaired] one sends by.
type Sender interface {
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// Impaired stands between a party and the network: what it is given to send is
// lost, doubled, delayed and reordered as a [Link] says, by a seed. For sockets of
// a system; on a [Network] every link can be such. Safe for concurrent use.
type Impaired struct {
	by   Sender
	link Link
	late sync.WaitGroup

	mu   sync.Mutex
	dice *rand.Rand
	sent [][]byte
}

// Impair has packets go out by a socket as over a link.
func Impair(by Sender, seed uint64, link Link) *Impaired {
	return &Impaired{by: by, link: link, dice: rand.New(rand.NewPCG(seed, 0))}
}

// WriteToUDPAddrPort never waits; b is copied.
func (i *Impaired) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	i.mu.Lock()
	waits := i.link.fate(i.dice)
	i.mu.Unlock()
	for _, w := range waits {
		pkt := append([]byte(nil), b...)
		if w == 0 {
			if err := i.send(pkt, to); err != nil {
				return 0, err
			}
			continue
		}
		i.late.Add(1)
		time.AfterFunc(w, func() {
			defer i.late.Done()
			i.send(pkt, to)
		})
	}
	return len(b), nil
}

func (i *Impaired) send(pkt []byte, to netip.AddrPort) error {
	_, err := i.by.WriteToUDPAddrPort(pkt, to)
	if err == nil {
		i.mu.Lock()
		i.sent = append(i.sent, pkt)
		i.mu.Unlock()
	}
	return err
}

// Sent waits for what is delayed and returns what went out, in its order.
func (i *Impaired) Sent() [][]byte {
	i.late.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sent
}
