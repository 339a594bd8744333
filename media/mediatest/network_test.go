package mediatest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:4000")
	addrB = netip.MustParseAddrPort("10.0.0.2:5000")
)

func pair(t *testing.T, n *Network) (a, b *Conn) {
	t.Helper()
	a, err := n.Dial(addrA)
	if err != nil {
		t.Fatal(err)
	}
	b, err = n.Dial(addrB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// run sends n numbered datagrams 20 ms apart and returns which numbers arrived, in order.
func run(t *testing.T, seed uint64, link Link, n int) (got []byte) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, NewNetwork(seed, link))
		for i := range n {
			a.WriteToUDPAddrPort([]byte{byte(i)}, addrB)
			time.Sleep(20 * time.Millisecond) // the bubble's clock
		}
		time.Sleep(time.Second)
		for _, d := range b.Drain() {
			got = append(got, d[0])
		}
	})
	return got
}

func TestPerfectLink(t *testing.T) {
	got := run(t, 1, Link{}, 100)
	want := make([]byte, 100)
	for i := range want {
		want[i] = byte(i)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSameSeedSameFate(t *testing.T) {
	bad := Link{Delay: 30 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.1, Duplicate: 0.1, Reorder: 0.1}
	one, two, other := run(t, 7, bad, 200), run(t, 7, bad, 200), run(t, 8, bad, 200)
	if !slices.Equal(one, two) {
		t.Error("the same seed gave another order")
	}
	if slices.Equal(one, other) {
		t.Error("another seed gave the same order")
	}
	if slices.IsSorted(one) {
		t.Error("nothing was reordered")
	}
}

func TestLossAndDuplicates(t *testing.T) {
	if got := len(run(t, 1, Link{Loss: 0.5}, 200)); got < 60 || got > 140 {
		t.Errorf("half of 200 lost: %d arrived", got)
	}
	if got := run(t, 1, Link{Loss: 1}, 50); len(got) != 0 {
		t.Errorf("all lost: %d arrived", len(got))
	}
	if got := run(t, 1, Link{Duplicate: 1}, 50); len(got) != 100 {
		t.Errorf("all doubled: %d arrived of 50", len(got))
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, NewNetwork(1, Link{Delay: 40 * time.Millisecond}))
		sent := time.Now()
		a.WriteTo([]byte("x"), b.LocalAddr())
		buf := make([]byte, 10)
		n, from, err := b.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "x" || from.String() != addrA.String() {
			t.Fatalf("read %q from %v: %v", buf[:n], from, err)
		}
		if d := time.Since(sent); d != 40*time.Millisecond {
			t.Errorf("took %v", d)
		}
	})
}

func TestListenTwice(t *testing.T) {
	n := NewNetwork(1, Link{})
	a, err := n.Listen(addrA)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := n.Listen(addrA); !errors.Is(err, syscall.EADDRINUSE) || c != nil {
		t.Errorf("second listen: %v, %v", c, err)
	}
	if _, err := n.Listen(netip.AddrPortFrom(addrA.Addr(), 0)); err == nil {
		t.Error("listen on port 0 succeeded")
	}
	a.Close()
	a.Close()
	if n.Bound() != 0 {
		t.Errorf("%d conns bound after Close", n.Bound())
	}
	if _, err := n.Listen(addrA); err != nil {
		t.Errorf("listen after close: %v", err)
	}
}

func TestCloseWakesReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pair(t, NewNetwork(1, Link{}))
		got := make(chan error)
		go func() {
			_, _, err := a.ReadFrom(make([]byte, 1))
			got <- err
		}()
		synctest.Wait()
		a.Close()
		if err := <-got; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if _, err := a.WriteToUDPAddrPort(nil, addrB); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := pair(t, NewNetwork(1, Link{}))
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		if _, _, err := a.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %v", d)
		}
	})
}

func TestFullQueueLoses(t *testing.T) {
	n := NewNetwork(1, Link{})
	a, b := pair(t, n)
	for range queued + 10 {
		a.WriteToUDPAddrPort([]byte{1}, addrB)
	}
	if b.Waiting() != queued || n.Lost() != 10 {
		t.Errorf("%d waiting, %d lost", b.Waiting(), n.Lost())
	}
	if _, err := a.WriteToUDPAddrPort([]byte{1}, netip.AddrPort{}); err == nil {
		t.Error("sent to no address")
	}
}
