//go:build netns && linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// next is what the program answers when whoever comes after it decides (TCX_NEXT).
const next = math.MaxUint32

// run gives the program a frame as if it arrived on lo.
func run(t testing.TB, p *ebpf.Program, in []byte) (verdict uint32, out []byte) {
	t.Helper()
	o := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+256)}
	verdict, err := p.Run(&o)
	if err != nil {
		t.Fatal(err)
	}
	return verdict, o.DataOut
}

// local is a flow within this machine whose cap is never reached.
func local(host string) Flow {
	f := plain(at(host+":20000"), at(host+":4000"), at(host+":20002"), at(host+":5000"))
	f.Every, f.Burst = time.Nanosecond, math.MaxInt32
	f.TOS = 0xb8
	f.Remap[0] = Remap{8, 18}
	return f
}

var noMAC = make([]byte, 6)

// shortest is the shortest frame with which the kernel runs a program for a test.
const shortest = 14 + 40

// TestFrames: every frame comes up as it is, or leaves as the documents say.
func TestFrames(t *testing.T) {
	e := open(t, Config{Interfaces: []string{"lo"}})
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		f := local(host)
		set(t, e, f)
		t.Run(host, func(t *testing.T) {
			whole := newFrame(noMAC, f.From, f.In, rtp(8, 1, 2, 3))
			chance := rand.New(rand.NewPCG(4, 2026))
			forwarded := 0
			for i := range 40_000 {
				in := mutate(chance, whole, i)
				verdict, out := run(t, e.program.Ether, in)
				want, forward := expect(in, &f, 65536)
				if !forward {
					want = in
				} else {
					forwarded++
				}
				if verdict != next || !bytes.Equal(out, want) {
					t.Fatalf("frame %d: %x\nverdict %d: %x\nwant       %x", i, in, int32(verdict), out, want)
				}
			}
			last, _ := e.Remove(f.In)
			if int(last.Packets) != forwarded || last.Source+last.Rate+last.Failed+last.Uncopied != 0 {
				t.Errorf("%d forwarded, counts %+v", forwarded, last)
			}
			if forwarded < 5_000 || forwarded > 35_000 {
				t.Errorf("%d of 40000 were forwarded: the test has lost its sense", forwarded)
			}
			t.Logf("%d of 40000 forwarded, up: %d for their type, %d for their form, %d for their source",
				forwarded, last.UpType, last.UpForm, last.UpSource)
		})
	}
}

// mutate spoils a copy of a frame, or does not.
func mutate(chance *rand.Rand, whole frame, turn int) []byte {
	f, _ := parseFrame(bytes.Clone(whole.raw))
	p := f.payload()
	head := len(f.raw) - len(p)
	if turn%3 == 0 { // other RTP headers: CSRC, extension, padding
		p[0] = 0x80 | byte(chance.UintN(64))
		p[15+4*chance.UintN(16)] = byte(chance.UintN(48)) // now and then an extension's length
		p[len(p)-1] = byte(chance.UintN(256))
	}
	b := f.raw
	for range chance.UintN(3) {
		switch chance.UintN(6) {
		case 0: // anywhere
			b[chance.IntN(len(b))] = byte(chance.Uint32())
		case 1: // in the headers
			b[chance.IntN(min(head+12, len(b)))] ^= 1 << chance.UintN(8)
		case 2: // shorter
			b = b[:len(b)-chance.IntN(len(b))]
		case 3: // longer, as short frames are by Ethernet
			b = append(b, make([]byte, chance.IntN(40))...)
		case 4: // another payload type
			b[min(head+1, len(b)-1)] = byte(chance.Uint32())
		case 5: // a datagram of another length, all lengths right
			if g, ok := parseFrame(b); ok {
				n := chance.IntN(len(g.payload()) + 1)
				b = newFrame(noMAC, g.from, g.to, g.payload()[:n]).raw
			}
		}
	}
	if f, ok := parseFrame(b); ok && turn%2 == 0 && !f.six { // a header that was meant to be so
		f.ip[10], f.ip[11] = 0, 0
		binary.BigEndian.PutUint16(f.ip[10:], ^sum(f.ip))
	}
	if n := shortest - len(b); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	if len(b) > head && turn%17 == 0 { // without a sum
		b[head-2], b[head-1] = 0, 0
	}
	return b
}

// TestLengths: from nothing to more than is forwarded, each length on its own.
func TestLengths(t *testing.T) {
	e := open(t, Config{Interfaces: []string{"lo"}})
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		f := local(host)
		set(t, e, f)
		payload := append(rtp(0, 1, 2, 3), make([]byte, 1500)...)
		for n := range 1600 {
			in := newFrame(noMAC, f.From, f.In, payload[:n]).raw
			_, out := run(t, e.program.Ether, in)
			want, forward := expect(in, &f, 65536)
			if forward != (n >= 12 && n <= Longest) {
				t.Fatalf("%d bytes: judged %v", n, forward)
			}
			if !forward {
				want = in
			}
			if !bytes.Equal(out, want) {
				t.Fatalf("%s: %d bytes: %x, want %x", host, n, out, want)
			}
		}
	}
}

// TestHops: a packet at the end of its hops comes up, and is not sent by us with none.
func TestHops(t *testing.T) {
	e := open(t, Config{Interfaces: []string{"lo"}})
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		f := local(host)
		set(t, e, f)
		for _, hops := range []byte{0, 1, 2, 3, 64, 255} {
			in := newFrame(noMAC, f.From, f.In, rtp(0, 1, 2, 3))
			in.ip[map[bool]int{false: 8, true: 7}[in.six]] = hops
			in.fill()
			_, out := run(t, e.program.Ether, in.raw)
			want, forward := expect(in.raw, &f, 65536)
			if forward != (hops > 1) {
				t.Fatalf("%d hops: judged %v", hops, forward)
			}
			if !forward {
				want = in.raw
			}
			if !bytes.Equal(out, want) {
				t.Errorf("%s: %d hops: %x, want %x", host, hops, out, want)
			}
		}
	}
}

// BenchmarkProgram is the cost of one packet in the program itself.
func BenchmarkProgram(b *testing.B) {
	for _, c := range []struct {
		name, host string
		copied     bool
		ours       bool
	}{
		{"forwarded", "127.0.0.1", false, true},
		{"forwarded, IPv6", "[::1]", false, true},
		{"forwarded and copied", "127.0.0.1", true, true},
		{"of no flow", "127.0.0.1", false, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := Open(Config{Interfaces: []string{"lo"}, Flows: 64, Tap: func(uint64, time.Time, []byte) {}}, testLog(b))
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			f := local(c.host)
			f.Remap[0] = Remap{}
			f.Copy = c.copied
			if c.ours {
				if _, err := e.Set(f); err != nil {
					b.Fatal(err)
				}
				// The packet that leaves is one that comes in: it goes round and round.
				round := *e.flows[f.In]
				round.To, round.out = f.In, f.From
				if err := e.write(&round); err != nil {
					b.Fatal(err)
				}
			}
			frame := newFrame(noMAC, f.From, f.In, rtp(8, 1, 2, 3))
			frame.ip[map[bool]int{false: 8, true: 7}[frame.six]] = 255
			frame.fill()
			const rounds = 250 // hops
			var spent time.Duration
			turns := 0
			for b.Loop() {
				_, d, err := e.program.Ether.Benchmark(frame.raw, rounds, b.ResetTimer)
				if err != nil {
					b.Fatal(err)
				}
				spent += d
				turns++
			}
			if c.ours {
				if n, _ := e.Remove(f.In); n.Packets < uint64(turns)*rounds {
					b.Fatalf("%d of %d packets were forwarded", n.Packets, turns*rounds)
				}
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(turns), "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}
