//go:build netns && linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// odd is a flow from the carrier to the PBX whose frames the test makes itself.
type odd struct {
	t       *testing.T
	e       *Engine
	f       Flow
	in      *phone // who gets what comes up
	sender  *wire
	at      *wire // before the PBX
	address []byte
}

func newOdd(t *testing.T, w *world, six bool) *odd { return oddOf(t, w, open(t, Config{}), six) }

func oddOf(t *testing.T, w *world, e *Engine, six bool) *odd {
	o := &odd{t: t, e: e, address: mac(t, "wan")}
	if six {
		o.f = plain(at("[fd01::1]:20000"), at("[fd01::2]:4000"), at("[fd02::1]:20002"), at("[fd03::2]:5000"))
	} else {
		o.f = plain(at("10.1.0.1:20000"), at("10.1.0.2:4000"), at("10.2.0.1:20002"), at("10.3.0.2:5000"))
	}
	o.f.TOS = 46 << 2
	set(t, o.e, o.f)
	o.in = listenAt(t, o.f.In.String())
	w.pbx.phone(t, o.f.To.String()) // else it answers port unreachable
	o.sender, o.at = w.carrier.wire(t, "eth0"), w.pbx.wire(t, "eth0")
	return o
}

func (o *odd) frame() frame { return newFrame(o.address, o.f.From, o.f.In, rtp(8, 1, 2, 3)) }

func (o *odd) counts() (c Counts) {
	o.e.Read(func(_ uint64, got Counts) { c = got })
	return c
}

func TestOddFrames(t *testing.T) {
	w := newWorld(t)
	for _, six := range []bool{false, true} {
		name := map[bool]string{false: "IPv4", true: "IPv6"}[six]
		t.Run(name, func(t *testing.T) {
			o := newOdd(t, w, six)
			t.Run("a damaged packet stays damaged", func(t *testing.T) {
				f := o.frame()
				f.udp[50] ^= 0x10
				off := f.udpSum()
				o.sender.send(f.raw)
				if got := o.at.udp(); got.udpSum() != off || got.to != o.f.To {
					t.Errorf("the sum was off by %04x, now by %04x", ^off, ^got.udpSum())
				}
			})
			t.Run("padded by Ethernet", func(t *testing.T) {
				f := newFrame(o.address, o.f.From, o.f.In, rtp(8, 2, 2, 3)[:13])
				o.sender.send(append(f.raw, "left over of another packet"...))
				got := o.at.udp()
				if len(got.raw) != len(f.raw) || got.udpSum() != 0xffff {
					t.Errorf("%d bytes went on, want %d", len(got.raw), len(f.raw))
				}
			})
			t.Run("tagged with a priority", func(t *testing.T) {
				f := o.frame()
				next := w.router.wire(t, "eth0")
				o.sender.send(tagged(f.raw, 5<<13))
				checkOnWire(t, o.at.udp(), o.f.Out, o.f.To, f.payload())
				if got := next.udp(); got.tagged {
					t.Error("it was sent with the tag")
				}
			})
			t.Run("of a VLAN", func(t *testing.T) {
				before := o.counts()
				o.sender.send(tagged(o.frame().raw, 5<<13|42)) // no such interface here: the kernel drops it
				o.sender.send(o.frame().raw)
				o.at.udp()
				if after := o.counts(); after.Packets != before.Packets+1 {
					t.Errorf("counts %+v, before %+v", after, before)
				}
				o.in.silent()
			})
			t.Run("to another machine", func(t *testing.T) {
				before := o.counts()
				f := newFrame([]byte{2, 0, 0, 0, 0, 9}, o.f.From, o.f.In, rtp(8, 1, 2, 3))
				o.sender.send(f.raw)
				if after := o.counts(); after != before {
					t.Errorf("counts %+v, before %+v", after, before)
				}
				o.in.silent()
			})
		})
	}
	t.Run("from nobody", func(t *testing.T) { // 127.0.0.1 on a network
		o := newOdd(t, w, false)
		f := local("127.0.0.1")
		set(t, o.e, f)
		o.sender.send(newFrame(o.address, f.From, f.In, rtp(8, 1, 2, 3)).raw)
		o.sender.send(o.frame().raw)
		o.at.udp()
		if c, _ := o.e.Remove(f.In); c.Packets != 0 {
			t.Errorf("counts %+v", c)
		}
	})
	t.Run("IPv4 without a sum", func(t *testing.T) {
		o := newOdd(t, w, false)
		f := o.frame()
		f.udp[6], f.udp[7] = 0, 0
		o.sender.send(f.raw)
		if got := o.at.udp(); got.udp[6]|got.udp[7] != 0 || got.to != o.f.To {
			t.Errorf("has the sum %x now, to %v", got.udp[6:8], got.to)
		}
	})
	t.Run("IPv4 with options", func(t *testing.T) {
		o := newOdd(t, w, false)
		f := o.frame()
		b := append(bytes.Clone(f.raw[:34]), 1, 1, 1, 0) // no operation, end
		b = append(b, f.udp...)
		b[14] = 0x46
		binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], ^sum(b[14:38]))
		o.sender.send(b)
		if got, from := o.in.hear(); !bytes.Equal(got, f.payload()) || from != o.f.From {
			t.Errorf("came up as %x from %v", got, from)
		}
	})
	t.Run("IPv4 in fragments", func(t *testing.T) {
		o := newOdd(t, w, false)
		f := newFrame(o.address, o.f.From, o.f.In, append(rtp(8, 1, 2, 3), make([]byte, 1000)...))
		pieces := fragments(f, 80)
		for first := range 2 { // one out of two, then those between
			for i := first; i < len(pieces); i += 2 {
				o.sender.send(pieces[i])
			}
		}
		if got, from := o.in.hear(); !bytes.Equal(got, f.payload()) || from != o.f.From {
			t.Errorf("came up as %x from %v", got, from)
		}
		if c := o.counts(); c.Packets != 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("IPv6 with an extension", func(t *testing.T) {
		o := newOdd(t, w, true)
		f := o.frame()
		b := append(bytes.Clone(f.raw[:54]), 17, 0, 1, 4, 0, 0, 0, 0) // destination options: padding
		b = append(b, f.udp...)
		b[20] = 60
		binary.BigEndian.PutUint16(b[18:], uint16(8+len(f.udp)))
		o.sender.send(b)
		if got, from := o.in.hear(); !bytes.Equal(got, f.payload()) || from != o.f.From {
			t.Errorf("came up as %x from %v", got, from)
		}
	})
}

// tagged is a frame with an IEEE 802.1Q tag.
func tagged(b []byte, tag uint16) []byte {
	out := append(bytes.Clone(b[:12]), 0x81, 0, byte(tag>>8), byte(tag))
	return append(out, b[12:]...)
}

// fragments cuts an IPv4 frame in pieces of n bytes, a multiple of eight.
func fragments(f frame, n int) (out [][]byte) {
	for at := 0; at < len(f.udp); at += n {
		part := f.udp[at:min(at+n, len(f.udp))]
		b := append(bytes.Clone(f.raw[:34]), part...)
		binary.BigEndian.PutUint16(b[16:], uint16(20+len(part)))
		offset := uint16(at / 8)
		if at+n < len(f.udp) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(b[18:], 77)
		binary.BigEndian.PutUint16(b[20:], offset)
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], ^sum(b[14:34]))
		out = append(out, b)
	}
	return out
}

// TestMerged: what the kernel has merged, or was given in one piece to cut
// (UDP_SEGMENT), comes up as the datagrams that it is.
func TestMerged(t *testing.T) {
	w := newWorld(t)
	for _, host := range []struct{ name, from, in string }{
		{"from a network", "10.1.0.2:4000", "10.1.0.1:20000"},
		{"from this machine", "10.2.0.1:4000", "10.2.0.1:20000"},
	} {
		t.Run(host.name, func(t *testing.T) {
			in := listenAt(t, host.in)
			out, to := listenAt(t, "10.2.0.1:20002"), w.pbx.phone(t, "10.3.0.2:5000")
			var from *phone
			if host.name == "from a network" {
				from = w.carrier.phone(t, host.from)
			} else {
				from = listenAt(t, host.from)
			}
			e := open(t, Config{})
			set(t, e, plain(in.at, from.at, out.at, to.at))
			raw, err := from.conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 172) })
			if err != nil {
				t.Fatal(err)
			}
			var all []byte
			for n := range uint16(5) {
				all = append(all, rtp(8, n, 0, 1)...)
			}
			from.send(in.at, all)
			for n := range uint16(5) {
				if got, src := in.hear(); !bytes.Equal(got, rtp(8, n, 0, 1)) || src != from.at {
					t.Errorf("packet %d came up as %x from %v", n, got, src)
				}
			}
			from.send(in.at, rtp(8, 5, 0, 1)) // alone
			if got, src := to.hear(); !bytes.Equal(got, rtp(8, 5, 0, 1)) || src != out.at {
				t.Errorf("heard %x from %v", got, src)
			}
		})
	}
}

// TestAnyAddress: ports that are bound to no address of this machine in particular.
func TestAnyAddress(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ name, any, from, in, out, to string }{
		{"IPv4", "0.0.0.0", "10.1.0.2:4000", "10.1.0.1:20000", "10.2.0.1:20002", "10.3.0.2:5000"},
		{"IPv6", "[::]", "[fd01::2]:4000", "[fd01::1]:20000", "[fd02::1]:20002", "[fd03::2]:5000"},
		{"IPv4 at [::]", "[::]", "10.1.0.2:4000", "10.1.0.1:20000", "10.2.0.1:20002", "10.3.0.2:5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t, Config{})
			a, b := w.carrier.phone(t, c.from), w.pbx.phone(t, c.to)
			in := listenAt(t, c.any+":20000")
			listenAt(t, c.any+":20002")
			f := plain(at(c.any+":20000"), a.at, at(c.any+":20002"), b.at)
			for range 2 { // set, and set again
				set(t, e, f)
				a.send(at(c.in), rtp(8, 1, 2, 3))
				if got, from := b.hear(); !bytes.Equal(got, rtp(8, 1, 2, 3)) || from != at(c.out) {
					t.Errorf("heard %x from %v", got, from)
				}
			}
			a.send(at(strings.Replace(strings.Replace(c.in, "10.1.", "10.2.", 1), "fd01", "fd02", 1)), rtp(8, 1, 2, 3))
			in.hear()                                             // at another address of ours
			f.From = at(strings.Replace(c.to, "5000", "5002", 1)) // from where we have another address
			if before := set(t, e, f); before.Packets != 1 {
				t.Errorf("before %+v", before)
			}
			a.send(at(c.in), rtp(8, 1, 2, 3))
			in.hear()
			other := w.pbx.phone(t, f.From.String())
			other.send(at(strings.Replace(c.out, "20002", "20000", 1)), rtp(8, 2, 2, 3))
			if got, from := b.hear(); !bytes.Equal(got, rtp(8, 2, 2, 3)) || from != at(c.out) {
				t.Errorf("heard %x from %v", got, from)
			}
			former := f
			former.In = at(c.in)
			set(t, e, former) // what the flow before had is free
			exact := f
			exact.In = at(strings.Replace(c.out, "20002", "20000", 1))
			if _, err := e.Set(exact); err == nil {
				t.Error("two flows have one port")
			}
			if last, ok := e.Remove(f.In); !ok || last.Packets != 1 {
				t.Errorf("last %+v", last)
			}
			set(t, e, exact)
		})
	}
}

// TestReplaceThatFails: a flow whose new rule cannot be written works on as it was,
// and the port that the new one would have had is free.
func TestReplaceThatFails(t *testing.T) {
	w := newWorld(t)
	e := open(t, Config{})
	a, b := w.carrier.phone(t, "10.1.0.2:4000"), w.pbx.phone(t, "10.3.0.2:5000")
	listenAt(t, "0.0.0.0:20000")
	listenAt(t, "0.0.0.0:20002")
	f := plain(at("0.0.0.0:20000"), a.at, at("0.0.0.0:20002"), b.at)
	set(t, e, f)

	rules := e.program.Rules
	broken, err := rules.Clone()
	if err != nil {
		t.Fatal(err)
	}
	broken.Close()
	e.program.Rules = broken
	next := f
	next.From = at("10.3.0.2:5002") // from where we have another address
	_, err = e.Set(next)
	e.program.Rules = rules
	if err == nil {
		t.Fatal("a rule was written to a table that is closed")
	}

	a.send(at("10.1.0.1:20000"), rtp(8, 1, 2, 3))
	if got, from := b.hear(); !bytes.Equal(got, rtp(8, 1, 2, 3)) || from != at("10.2.0.1:20002") {
		t.Errorf("as it was: heard %x from %v", got, from)
	}
	other := next
	other.In = at("10.2.0.1:20000")
	set(t, e, other)
	if last, ok := e.Remove(f.In); !ok || last.Packets != 1 {
		t.Errorf("last %+v", last)
	}
}
