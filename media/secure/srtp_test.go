package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var all = []Suite{AES128CM80, AES128CM32, AES256CM80, AES256CM32, AES128GCM, AES256GCM}

// rtpPacket has room behind for a tag.
func rtpPacket(seq uint16, ssrc uint32, payload string) []byte {
	b := make([]byte, 12, 12+len(payload)+Overhead)
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

func rtcpPacket(ssrc uint32) []byte {
	b := make([]byte, 28, 28+Overhead)
	b[0], b[1], b[3] = 0x80, 200, 6
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

// link is a sealer and the opener of the same key.
func link(t testing.TB, s Suite) (*Sealer, *Opener) {
	t.Helper()
	k := NewKey(s)
	sealer, err := NewSealer(k)
	if err != nil {
		t.Fatal(err)
	}
	opener, err := NewOpener(k)
	if err != nil {
		t.Fatal(err)
	}
	return sealer, opener
}

// Through sealer and opener a packet comes out as it went in, at its place in
// memory, and on the way nothing of its payload can be read.
func TestThereAndBack(t *testing.T) {
	for _, s := range all {
		t.Run(s.String(), func(t *testing.T) {
			sealer, opener := link(t, s)
			for i := range 300 {
				pkt := rtpPacket(uint16(65400+i), 7, "hello, hello, hello")
				want := bytes.Clone(pkt)
				sealed, err := sealer.RTP(pkt)
				if err != nil || &sealed[0] != &pkt[0] || !bytes.Equal(sealed[:12], want[:12]) || bytes.Contains(sealed, []byte("hello")) {
					t.Fatalf("sealed %x, %v", sealed, err)
				}
				if grown := len(sealed) - len(want); grown > Overhead {
					t.Fatalf("grew by %d", grown)
				}
				if got, err := opener.RTP(sealed, 0); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("packet %d: %x, %v", i, got, err)
				}
			}
			report := rtcpPacket(7)
			want := bytes.Clone(report)
			sealed, err := sealer.RTCP(report)
			if err != nil || &sealed[0] != &report[0] {
				t.Fatal(err)
			}
			if got, err := opener.RTCP(sealed, 0); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}

// One flipped bit anywhere, and the packet is not authentic; the true one is
// still taken after it, once.
func TestAuthenticBeforeAnything(t *testing.T) {
	for _, s := range all {
		t.Run(s.String(), func(t *testing.T) {
			sealer, opener := link(t, s)
			sealed, err := sealer.RTP(rtpPacket(9, 7, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range len(sealed) * 8 {
				bad := bytes.Clone(sealed)
				bad[i/8] ^= 1 << (i % 8)
				if _, err := opener.RTP(bad, 0); err == nil {
					t.Fatalf("bit %d flipped and taken", i)
				}
			}
			for n := range len(sealed) {
				if _, err := opener.RTP(bytes.Clone(sealed[:n]), 0); err == nil {
					t.Fatalf("cut to %d bytes and taken", n)
				}
			}
			if _, err := opener.RTP(bytes.Clone(sealed), 0); err != nil {
				t.Fatal(err)
			}
			if _, err := opener.RTP(sealed, 0); !errors.Is(err, ErrReplay) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// The rollover count goes on when the sender changes to another source and back,
// and when he says the same key once more.
func TestRolloverIsKept(t *testing.T) {
	k := NewKey(AES128GCM)
	sealer, _ := NewSealer(k)
	opener, _ := NewOpener(k)
	pass := func(seq uint16, ssrc uint32) {
		t.Helper()
		sealed, err := sealer.RTP(rtpPacket(seq, ssrc, "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := opener.RTP(sealed, 0); err != nil {
			t.Fatalf("%d of %d: %v", seq, ssrc, err)
		}
	}
	pass(65535, 1)
	pass(0, 1) // the first rollover
	pass(40000, 2)
	if err := opener.Rekey(k, 0); err != nil {
		t.Fatal(err)
	}
	pass(1, 1)
	pass(40001, 2)
}

// A new key is taken at once and the old one a little longer; one that is taken
// back goes on where it stopped.
func TestRekey(t *testing.T) {
	for _, s := range []Suite{AES128CM80, AES256GCM} {
		one, two := NewKey(s), NewKey(s)
		before, _ := NewSealer(one)
		after, _ := NewSealer(two)
		opener, _ := NewOpener(one)
		take := func(from *Sealer, seq uint16, at time.Duration) error {
			sealed, err := from.RTP(rtpPacket(seq, 1, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := opener.RTP(sealed, int64(at))
			if err == nil && string(got[12:]) != "hello" {
				t.Errorf("%s: %q", s, got[12:])
			}
			return err
		}
		for step, err := range []error{
			take(before, 65535, 0), take(before, 0, 0),
			opener.Rekey(two, int64(time.Second)),
			take(after, 1, time.Second), take(before, 2, time.Second), take(after, 3, 2*time.Second),
			opener.Rekey(one, int64(2*time.Second)), // taken back
			take(before, 5, 2*time.Second), take(after, 6, 3*time.Second),
		} {
			if err != nil {
				t.Errorf("%s, step %d: %v", s, step, err)
			}
		}
		if err := take(after, 7, 6*time.Second); !errors.Is(err, ErrAuth) {
			t.Errorf("%s: the former key after its time: %v", s, err)
		}
		if err := take(before, 8, 6*time.Second); err != nil {
			t.Error(err)
		}
	}
}

// What would use a packet index twice is not sealed.
func TestIndexIsSealedOnce(t *testing.T) {
	sealer, _ := link(t, AES128GCM)
	for _, c := range []struct {
		seq  uint16
		want error
	}{
		{100, nil}, {100, ErrReplay}, {102, nil}, {101, nil}, {101, ErrReplay}, {102, ErrReplay},
		{229, nil}, {102, ErrReplay}, {101, ErrReplay}, {103, nil}, {65535, nil}, {30000, nil}, {65534, ErrReplay},
	} {
		if _, err := sealer.RTP(rtpPacket(c.seq, 1, "x")); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", c.seq, err, c.want)
		}
	}
}

// Sources that nobody needs cannot fill the memory, and cost those no packet that
// were there before.
func TestSourcesAreBounded(t *testing.T) {
	sealer, opener := link(t, AES128CM80)
	other, err := NewSealer(opener.now.key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range streamsMost + 10 {
		var want error
		if i >= streamsMost {
			want = ErrStreams
		}
		sealed, err := sealer.RTP(rtpPacket(1, uint32(i), "x"))
		if !errors.Is(err, want) {
			t.Fatalf("source %d: %v", i, err)
		}
		if _, err := sealer.RTCP(rtcpPacket(uint32(i))); !errors.Is(err, want) {
			t.Fatalf("reports of source %d: %v", i, err)
		}
		if want == nil {
			_, err = opener.RTP(sealed, 0)
		} else if sealed, err = other.RTP(rtpPacket(1, uint32(i), "x")); err == nil {
			_, err = opener.RTP(sealed, 0)
		}
		if !errors.Is(err, want) {
			t.Fatalf("source %d opened: %v", i, err)
		}
	}
	if sealed, err := sealer.RTP(rtpPacket(2, 0, "x")); err != nil {
		t.Error(err)
	} else if _, err := opener.RTP(sealed, 0); err != nil {
		t.Error(err)
	}
}

// A source whose packets are remembered one by one no more goes on behind the
// highest of them, and none up to that is sealed again, over a rollover too.
func TestOlderSourcesGoOn(t *testing.T) {
	sealer, opener := link(t, AES128GCM)
	seal := func(seq uint16, ssrc uint32) error {
		sealed, err := sealer.RTP(rtpPacket(seq, ssrc, "x"))
		if err == nil {
			_, err = opener.RTP(sealed, 0)
		}
		return err
	}
	for _, seq := range []uint16{65534, 65535, 0, 5} {
		if err := seal(seq, 1); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint32(3 * windowsMost) {
		if err := seal(1, 100+i); err != nil {
			t.Fatalf("source %d: %v", i, err)
		}
	}
	if len(sealer.windows) != windowsMost || len(sealer.older) != 2*windowsMost+1 {
		t.Errorf("%d windows, %d older sources", len(sealer.windows), len(sealer.older))
	}
	for _, c := range []struct {
		seq  uint16
		want error
	}{{5, ErrReplay}, {3, ErrReplay}, {65535, ErrReplay}, {6, nil}, {8, nil}, {7, nil}, {6, ErrReplay}} {
		if err := seal(c.seq, 1); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", c.seq, err, c.want)
		}
	}
	if err := seal(1, 100); !errors.Is(err, ErrReplay) {
		t.Errorf("an index of an older source again: %v", err)
	}
}

// The sender's mark of his key is cut off with the tag.
func TestMKI(t *testing.T) {
	for _, s := range all {
		k := NewKey(s)
		k.mki = []byte{0, 0, 0, 1}
		sealer, err := NewSealer(k)
		if err != nil {
			t.Fatal(err)
		}
		opener, err := NewOpener(k)
		if err != nil {
			t.Fatal(err)
		}
		pkt := append(make([]byte, 0, 200), rtpPacket(1, 1, "hello")...)
		sealed, err := sealer.RTP(pkt)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := opener.RTP(sealed, 0); err != nil || string(got[12:]) != "hello" {
			t.Errorf("%s: %q, %v", s, got, err)
		}
	}
}

// Whatever order packets come in, what the sealer thinks of an index is what the
// cipher thinks of it.
func TestWindowAgreesWithTheCipher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sealer, err := NewSealer(NewKey(AES128GCM))
		if err != nil {
			t.Fatal(err)
		}
		seq := uint16(rapid.Uint16().Draw(t, "first"))
		seen := map[uint64]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			if _, err := sealer.RTP(rtpPacket(seq, 1, "x")); err == nil {
				w := &sealer.windows[0]
				index, _ := w.index(seq)
				if seen[index] {
					t.Fatalf("index %d sealed twice", index)
				}
				seen[index] = true
				if roc, _ := sealer.context.ROC(1); roc != uint32(w.top>>16) {
					t.Fatalf("the cipher is at rollover %d, the window at %d", roc, w.top>>16)
				}
			}
			seq += uint16(rapid.OneOf(rapid.IntRange(-3, 5), rapid.IntRange(-40000, 40000)).Draw(t, "step"))
		}
	})
}

// The packet path may not allocate.
func TestPacketsDoNotAllocate(t *testing.T) {
	for _, s := range all {
		sealer, opener := link(t, s)
		seq, buf := uint16(0), make([]byte, 0, 1500)
		step := func() {
			seq++
			pkt := append(buf[:0], 0x80, 0, byte(seq>>8), byte(seq), 0, 0, 0, 0, 0, 0, 0, 1)
			pkt = pkt[:172]
			sealed, err := sealer.RTP(pkt)
			if err == nil {
				_, err = opener.RTP(sealed, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		step()
		if n := testing.AllocsPerRun(500, step); n > 0 && !raced {
			t.Errorf("%s: %v allocations for a packet sealed and opened", s, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range all {
		b.Run(s.String(), func(b *testing.B) {
			sealer, _ := link(b, s)
			b.ReportAllocs()
			buf, seq := make([]byte, 172, 172+Overhead), uint16(0)
			for b.Loop() {
				seq++
				buf[0], buf[2], buf[3] = 0x80, byte(seq>>8), byte(seq)
				if _, err := sealer.RTP(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzOpen: nothing that is not sealed under the key is ever taken, nothing
// panics, and what is sealed comes back.
func FuzzOpen(f *testing.F) {
	f.Add(uint8(0), rtpPacket(1, 1, "hello"))
	f.Add(uint8(4), rtcpPacket(1))
	f.Add(uint8(5), []byte{0x9f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, n uint8, in []byte) {
		if len(in) > 2000 {
			return
		}
		sealer, opener := link(t, all[int(n)%len(all)])
		if _, err := opener.RTP(bytes.Clone(in), 0); err == nil {
			t.Fatal("taken for authentic")
		}
		if _, err := opener.RTCP(bytes.Clone(in), 0); err == nil {
			t.Fatal("taken for authentic RTCP")
		}
		if sealed, err := sealer.RTP(append(make([]byte, 0, len(in)+Overhead), in...)); err == nil && in[0]>>6 == 2 {
			if got, err := opener.RTP(sealed, 0); err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%x became %x, %v", in, got, err)
			}
		}
		if sealed, err := sealer.RTCP(append(make([]byte, 0, len(in)+Overhead), in...)); err == nil {
			if got, err := opener.RTCP(sealed, 0); err != nil || !bytes.Equal(got, in) {
				t.Fatalf("RTCP %x became %x, %v", in, got, err)
			}
		}
	})
}
