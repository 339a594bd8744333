package quality

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

var epoch = time.Date(2026, 11, 22, 4, 0, 0, 500_000_000, time.UTC)

func marshal(t testing.TB, parts ...rtcp.Packet) []byte {
	t.Helper()
	b, err := rtcp.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stream is one that we send: G.711, two packets so far.
var stream = Sent{SSRC: 0xbeef, Packets: 2, Octets: 320, TS: 8000, At: int64(time.Second), Clock: 8000}

// TestReport: a sender report with a block about what was received, and a name
// that tells nothing (RFC 3550 6.4.1, 6.5.1).
func TestReport(t *testing.T) {
	from := newSender(65530)
	from.talk(10)
	for range 10 {
		from.skip()
	}
	from.talk(80)
	s := NewSession(epoch, 1, 2)
	heard := marshal(t, &rtcp.SenderReport{SSRC: 7, NTPTime: 0x1122_3344_5566_7788, PacketCount: 100})
	at := int64(4 * time.Second)
	if err := s.Read(heard, at-int64(500*time.Millisecond), stream); err != nil {
		t.Fatal(err)
	}
	raw, err := s.Write(at, stream, &from.m, false)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := rtcp.Unmarshal(raw)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	sr := parts[0].(*rtcp.SenderReport)
	if sr.SSRC != 0xbeef || sr.PacketCount != 2 || sr.OctetCount != 320 || sr.RTPTime != 8000+3*8000 {
		t.Errorf("%+v", sr)
	}
	if got := time.Unix(int64(sr.NTPTime>>32)-2_208_988_800, int64(sr.NTPTime&0xffffffff*1e9>>32)); got.Sub(epoch.Add(4*time.Second)).Abs() > time.Microsecond {
		t.Errorf("NTP time says %s", got.UTC())
	}
	b := sr.Reports[0]
	if b.SSRC != 7 || b.TotalLost != 10 || b.FractionLost != 25 || b.LastSequenceNumber != 1<<16+93 ||
		b.LastSenderReport != 0x3344_5566 || b.Delay != 32768 {
		t.Errorf("%+v, want 10 of 100 lost and half a second since the sender report", b)
	}
	name := parts[1].(*rtcp.SourceDescription).Chunks[0]
	other := NewSession(epoch, 1, 3)
	if text := name.Items[0].Text; name.Source != 0xbeef || len(text) != 16 || text == string(other.cname[:]) || strings.ContainsAny(text, "@.") {
		t.Errorf("name %q of %x", text, name.Source)
	}
	raw, _ = s.Write(at+int64(5*time.Second), stream, &from.m, true)
	if parts, err = rtcp.Unmarshal(raw); err != nil || len(parts) != 3 {
		t.Fatalf("%d parts in the last one, %v", len(parts), err)
	}
	if bye := parts[2].(*rtcp.Goodbye); bye.Sources[0] != 0xbeef {
		t.Errorf("%+v", bye)
	}
	if b := parts[0].(*rtcp.SenderReport).Reports[0]; b.FractionLost != 0 || b.TotalLost != 10 {
		t.Errorf("%+v: nothing was lost since", b)
	}
}

// TestReportOfNothing: without anything sent it is a receiver report, in our own
// name; repetitions make the total negative, as the RFC has it.
func TestReportOfNothing(t *testing.T) {
	s := NewSession(epoch, 1, 2)
	from := newSender(1)
	from.talk(3)
	for range 5 {
		from.m.Packet(int64(from.at), 0, from.seq-1, from.ts-160, 7, from.hear)
	}
	raw, err := s.Write(0, Sent{}, &from.m, false)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := rtcp.Unmarshal(raw)
	rr, ok := parts[0].(*rtcp.ReceiverReport)
	if err != nil || !ok || rr.SSRC != s.ssrc || int32(rr.Reports[0].TotalLost<<8)>>8 != -5 {
		t.Errorf("%v %v", parts, err)
	}
	var silent Meter
	raw, _ = s.Write(0, Sent{}, &silent, false)
	if parts, err = rtcp.Unmarshal(raw); err != nil || len(parts[0].(*rtcp.ReceiverReport).Reports) != 0 {
		t.Errorf("%v %v: nothing was heard, nothing is to be reported", parts, err)
	}
}

// TestRoundTrip: two sessions report to each other across a way of 30 ms and one
// of 50, with clocks that have nothing in common.
func TestRoundTrip(t *testing.T) {
	a, b := NewSession(epoch, 1, 2), NewSession(epoch.Add(-1000*time.Hour), 3, 4)
	fromA, fromB := newSender(1), newSender(1)
	fromA.ssrc, fromB.ssrc = 0xa, 0xb
	fromA.talk(2)
	fromB.talk(2)
	sentA, sentB := stream, stream
	sentA.SSRC, sentB.SSRC = 0xa, 0xb
	now := int64(10 * time.Second)
	first, _ := a.Write(now, sentA, &fromB.m, false)
	now += int64(30 * time.Millisecond)
	if err := b.Read(first, now, sentB); err != nil {
		t.Fatal(err)
	}
	now += int64(2 * time.Second)
	back, _ := b.Write(now, sentB, &fromA.m, false)
	now += int64(50 * time.Millisecond)
	if err := a.Read(back, now, sentA); err != nil {
		t.Fatal(err)
	}
	if got := a.RoundTrip(); (got - 80*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("round trip %s, want 80 ms", got)
	}
	if b.RoundTrip() != 0 {
		t.Errorf("b has had no answer, and knows %s", b.RoundTrip())
	}
	forged := marshal(t, &rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 0xa, LastSenderReport: 12345, FractionLost: 128, Jitter: 80}}})
	a.Read(forged, now, sentA)
	if got := a.RoundTrip(); (got - 80*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("a report that answers none of ours made the round trip %s", got)
	}
	h := fromA.m.Figures(Mark{}, &a, 0)
	if !h.Reports || h.ReportedLoss != 0.5 || h.ReportedJitter != 10*time.Millisecond {
		t.Errorf("%+v", h)
	}
}

// TestVoIPMetrics: the block of RFC 3611 4.7, alone in a packet (RFC 5506) and
// among others; 127 says that a figure is not known.
func TestVoIPMetrics(t *testing.T) {
	xr := &rtcp.ExtendedReport{SenderSSRC: 1, Reports: []rtcp.ReportBlock{
		&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 1},
		&rtcp.VoIPMetricsReportBlock{SSRC: 0xbeef, RFactor: 81, ExtRFactor: 127, MOSLQ: 40, MOSCQ: 127, RoundTripDelay: 120, Gmin: 16},
	}}
	s := NewSession(epoch, 1, 2)
	if err := s.Read(marshal(t, xr), 1, stream); err != nil {
		t.Fatal(err)
	}
	h := new(Meter).Figures(Mark{}, &s, 0)
	if h.ReportedR != 81 || h.ReportedListening != 4 || h.ReportedTalking != 0 || h.RoundTrip != 120*time.Millisecond {
		t.Errorf("%+v", h)
	}
	elsewhere := NewSession(epoch, 1, 2)
	elsewhere.Read(marshal(t, xr), 1, Sent{SSRC: 5})
	if h := new(Meter).Figures(Mark{}, &elsewhere, 0); h.Reports {
		t.Errorf("a report about another stream counted: %+v", h)
	}
}

// TestLies: lengths and counts that do not hold, after Asterisk's and
// FreeSWITCH's. Each costs its part, is counted, and the rest is read.
func TestLies(t *testing.T) {
	good := marshal(t, &rtcp.Goodbye{Sources: []uint32{7}})
	for name, c := range map[string]struct {
		pkt  []byte
		err  error
		left bool // the goodbye behind it was read
	}{
		"nothing behind the head":   {[]byte{0x80, 200, 0, 0}, errShort, false},
		"three bytes":               {[]byte{0x80, 200, 0}, errShort, false},
		"version 1":                 {[]byte{0x40, 201, 0, 1, 0, 0, 0, 1}, errVersion, false},
		"length out of the packet":  {[]byte{0x80, 201, 0, 9, 0, 0, 0, 1}, errLength, false},
		"31 blocks and none there":  {append([]byte{0x9f, 201, 0, 1, 0, 0, 0, 1}, good...), errShort, true},
		"padding longer than all":   {[]byte{0xa0, 201, 0, 1, 0, 0, 0, 1}, errPadding, false},
		"padding in the middle":     {append([]byte{0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4}, good...), errPadding, true},
		"goodbye of many, none":     {[]byte{0x9f, 203, 0, 0}, errShort, false},
		"XR block out of its part":  {append([]byte{0x80, 207, 0, 2, 0, 0, 0, 1, 7, 0, 0xff, 0xff}, good...), errLength, true},
		"VoIP metrics of two words": {append([]byte{0x80, 207, 0, 3, 0, 0, 0, 1, 7, 0, 0, 1, 0, 0, 0, 0}, good...), errShort, true},
	} {
		s := NewSession(epoch, 1, 2)
		if err := s.Read(c.pkt, 1, stream); !errors.Is(err, c.err) || s.Left != c.left || s.Malformed != 1 {
			t.Errorf("%s: %v, goodbye read %v, %d counted", name, err, s.Left, s.Malformed)
		}
	}
	s := NewSession(epoch, 1, 2)
	nack := marshal(t, &rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 1}}})
	if err := s.Read(nack, 1, stream); err != nil || s.Unread != 1 {
		t.Errorf("NACK: %v, %d unread", err, s.Unread)
	}
	padded := []byte{0xa1, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4}
	if err := s.Read(padded, 1, stream); err != nil || !s.Left {
		t.Errorf("padding at the end: %v", err)
	}
}

// TestInterval: RFC 3550 6.2, 6.3.1. Five seconds on the average, nobody at the
// same time as another.
func TestInterval(t *testing.T) {
	s := NewSession(epoch, 1, 2)
	if s.Due(1 << 60) {
		t.Error("due before it has begun")
	}
	s.Begin(0)
	if s.Due(int64(time.Second)) || !s.Due(int64(3200*time.Millisecond)) {
		t.Errorf("first report due at %s", time.Duration(s.next))
	}
	sum, least, most := 0.0, math.Inf(1), 0.0
	for range 10_000 {
		w := float64(s.wait(reportEvery)) / float64(time.Second)
		sum, least, most = sum+w, min(least, w), max(most, w)
	}
	if least < 2.5/compensate || most > 7.5/compensate || math.Abs(sum/10_000-5/compensate) > 0.05 {
		t.Errorf("%.2f to %.2f s, %.2f on the average", least, most, sum/10_000)
	}
}

// FuzzRead: whatever comes, nothing breaks, what was read is finite, and what we
// then write can be read by others.
func FuzzRead(f *testing.F) {
	f.Add(marshal(f, &rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 0xbeef, LastSenderReport: 5}}},
		rtcp.NewCNAMESourceDescription(1, "a@b"), &rtcp.Goodbye{Sources: []uint32{1}, Reason: "bye"}))
	f.Add(marshal(f, &rtcp.ExtendedReport{Reports: []rtcp.ReportBlock{
		&rtcp.VoIPMetricsReportBlock{SSRC: 0xbeef, MOSLQ: 255}, &rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{{SSRC: 1}}}}}))
	f.Add([]byte{0xa0, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, pkt []byte) {
		s, in := NewSession(epoch, 1, 2), newSender(1)
		in.talk(2)
		whole := append([]byte(nil), pkt...)
		err := s.Read(pkt, int64(time.Minute), stream)
		if string(whole) != string(pkt) {
			t.Fatal("reading changed the packet")
		}
		if (err != nil) != (s.Malformed > 0) {
			t.Errorf("error %v, %d counted", err, s.Malformed)
		}
		h := in.m.Figures(Mark{}, &s, s.RoundTrip())
		if h.RoundTrip < 0 || h.RoundTrip > 66*time.Second || h.ReportedLoss > 1 || h.ReportedR > 100.0*1.27 || math.IsNaN(h.R) {
			t.Errorf("%+v", h)
		}
		raw, err := s.Write(int64(time.Minute), stream, &in.m, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rtcp.Unmarshal(raw); err != nil {
			t.Error(err)
		}
	})
}
