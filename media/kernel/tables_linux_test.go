package kernel

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRuleOf(t *testing.T) {
	f := good()
	f.TOS, f.Copy, f.Only, f.Tag, f.Clock = 0xff, true, true, 99, 8000
	f.Remap = [8]Remap{1: {8, 97}, 4: {101, 96}}
	r := ruleOf(&f, f.In, f.Out)
	if r.in != placeOf(f.In) || r.from != placeOf(f.From) || r.out != placeOf(f.Out) || r.to != placeOf(f.To) {
		t.Errorf("places %+v", r)
	}
	if want := "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01"; string(r.in.addr[:]) != want || r.in.port != [2]byte{0x4e, 0x20} {
		t.Errorf("in is %x %x", r.in.addr, r.in.port)
	}
	if r.flags != flagCopy|flagOnly || r.tos != 0xfc || r.tag != 99 || r.every != 5_000_000 || r.burst != 500_000_000 {
		t.Errorf("rule %+v", r)
	}
	for pt, to := range r.becomes {
		want := uint8(pt)
		switch pt {
		case 8:
			want = 97
		case 101:
			want = 96
		}
		if to != want {
			t.Errorf("payload type %d becomes %d", pt, to)
		}
	}
}

func TestCountsOfState(t *testing.T) {
	start := time.Now()
	c := clock{at: start, mono: 5_000}
	s := state{max: firstCycle + 70_000, started: 1, jitter: 40, pt: 8, firstSeq: 9}
	s.half[1] = counts{packets: 3, expected: 5, unique: 4, first: 6_000, last: 9_000}
	got := s.read(1, c.time)
	if got.Packets != 3 || got.Lost() != 1 || got.Highest != 70_000 || got.Jitter != 2.5 || got.Begin != 9 || got.Type != 8 {
		t.Errorf("%+v", got)
	}
	if got.First.Sub(start) != 1_000 || got.Last.Sub(start) != 4_000 {
		t.Errorf("from %v to %v", got.First.Sub(start), got.Last.Sub(start))
	}
	if none := s.read(0, c.time); !none.First.IsZero() || !none.Last.IsZero() || none.Packets != 0 {
		t.Errorf("the other half: %+v", none)
	}
}

// TestClock: a time made of the kernel's clock is between the times around it.
func TestClock(t *testing.T) {
	before := time.Now()
	mono := monotonic()
	after := time.Now()
	got := readClock().time(uint64(mono))
	const slack = 5 * time.Millisecond // of reading two clocks one after the other
	if got.Sub(before) < -slack || got.Sub(after) > slack {
		t.Errorf("%v after the time before and %v after the time after", got.Sub(before), got.Sub(after))
	}
}

// TestClockStands: what was said of a moment stays said, until the wall clock is set.
func TestClockStands(t *testing.T) {
	c := readClock()
	if c.renewed() != c {
		t.Error("the clock moved by itself")
	}
	wrong := clock{at: c.at.Add(-time.Minute), mono: c.mono} // as if the clock had been set since
	if got := wrong.renewed(); got == wrong || got.renewed() != got {
		t.Error("the clock stays behind one that was set")
	}
}

func TestEffective(t *testing.T) {
	got, err := effective("Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000000c000001000\nCapBnd:\t1\n")
	if err != nil || got != 1<<unix.CAP_BPF|1<<unix.CAP_PERFMON|1<<unix.CAP_NET_ADMIN {
		t.Errorf("%x, %v", got, err)
	}
	for _, bad := range []string{"", "CapEff: x\n"} {
		if _, err := effective(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestMetric(t *testing.T) {
	nested := func(kind uint16, value uint32) []byte {
		b := binary.NativeEndian.AppendUint16(nil, 8)
		b = binary.NativeEndian.AppendUint16(b, kind)
		return binary.NativeEndian.AppendUint32(b, value)
	}
	hops := nested(unix.RTAX_HOPLIMIT, 64)
	if got := metric(append(hops, nested(unix.RTAX_MTU, 1400)...), unix.RTAX_MTU); got != 1400 {
		t.Errorf("MTU %d", got)
	}
	for _, b := range [][]byte{nil, hops, {1, 0, 2, 0, 0, 0, 0, 0}, {255, 255, 2, 0, 0, 0, 0, 0}} {
		if got := metric(b, unix.RTAX_MTU); got != 0 {
			t.Errorf("%x: MTU %d", b, got)
		}
	}
}

func TestRefusal(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM:  "in spite of the capabilities",
		unix.ENOSYS: "without BPF",
		unix.EINVAL: "invalid argument",
	} {
		if got := refusal(err).Error(); !strings.Contains(got, want) || !strings.Contains(got, release()) {
			t.Errorf("%v: %q", err, got)
		}
	}
}
