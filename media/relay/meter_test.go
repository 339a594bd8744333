package relay

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"ringdown/media"
	"ringdown/media/mediatest"
)

// duet has both phones sing for a while, and reports of both be sent for them.
func (w *world) duet(d time.Duration, each func(i int)) {
	for i := range int(d / mediatest.Frame) {
		if each != nil {
			each(i)
		}
		w.caller.rtp.WriteToUDPAddrPort(w.caller.tone.Next(), w.caller.ours)
		w.callee.rtp.WriteToUDPAddrPort(w.callee.tone.Next(), w.callee.ours)
		time.Sleep(mediatest.Frame)
	}
	synctest.Wait()
}

// report has both parties get our report now, which otherwise takes seconds.
func (w *world) report() {
	w.relay.mu.Lock()
	defer w.relay.mu.Unlock()
	for _, side := range []media.Side{media.Caller, media.Callee} {
		w.relay.sayRTCP(side, w.relay.clock(time.Now()), false)
	}
}

// noticed are the notices of a kind so far.
func (w *world) noticed(kinds ...media.NoticeKind) (all []media.Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notices {
		for _, k := range kinds {
			if n.Kind == k {
				all = append(all, n)
			}
		}
	}
	return all
}

// lastReport is the last sender report a phone got, and how many reports came.
func lastReport(t *testing.T, p *phone) (sr *rtcp.SenderReport, parts []rtcp.Packet, n int) {
	t.Helper()
	for _, raw := range p.rtcp.Drain() {
		var err error
		if parts, err = rtcp.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		sr, _ = parts[0].(*rtcp.SenderReport)
		n++
	}
	return sr, parts, n
}

// TestReportsToEachParty: what a party hears from us of the stream it sends and
// of the one it gets, on both engines: every second about, in its own SSRCs.
func TestReportsToEachParty(t *testing.T) {
	inWorld(t, mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.duet(30*time.Second, func(i int) {
			if i%50 == 49 {
				w.caller.tone.Next() // one in fifty of the caller's is lost on its way to us
			}
		})
		w.pool.Stats() // takes over what passes below us
		time.Sleep(reportsBy)
		sr, parts, n := lastReport(t, w.caller)
		if n < 4 || n > 16 {
			t.Errorf("%d reports in 38 s", n)
		}
		if sr == nil || sr.SSRC != w.callee.tone.SSRC || sr.PacketCount != 1500 || sr.OctetCount != 1500*160 {
			t.Fatalf("the caller is told %+v, want the callee's stream of 1500 packets", sr)
		}
		b := sr.Reports[0]
		if b.SSRC != w.caller.tone.SSRC || b.TotalLost != 30 || b.LastSequenceNumber != uint32(w.caller.tone.Seq-1) {
			t.Errorf("the caller is told of its own stream %+v", b)
		}
		if name := parts[1].(*rtcp.SourceDescription).Chunks[0].Items; len(name) != 1 || len(name[0].Text) != 16 {
			t.Errorf("our name is %+v", name)
		}
		sr, _, _ = lastReport(t, w.callee)
		if sr.SSRC != w.caller.tone.SSRC || sr.Reports[0].TotalLost != 0 {
			t.Errorf("the callee is told %+v", sr)
		}
		w.caller.rtcp.Drain()
		stats := w.relay.Close()
		_, parts, n = lastReport(t, w.caller)
		if bye, ok := parts[len(parts)-1].(*rtcp.Goodbye); n != 1 || !ok || bye.Sources[0] != w.callee.tone.SSRC {
			t.Errorf("at the end the caller is told %+v", parts)
		}
		h := stats.Caller.Heard
		if h.Expected != 1530 || h.Lost != 30 || h.Codec != "PCMU" || !h.Rated || h.TalkingMOS != 0 || math.Abs(h.LossPart()-30.0/1530) > 1e-9 {
			t.Errorf("the caller was heard %+v", h)
		}
		if h.ListeningMOS > 4.3 || stats.Callee.Heard.ListeningMOS < 4.4 {
			t.Errorf("MOS %.2f with 2 %% lost, %.2f without", h.ListeningMOS, stats.Callee.Heard.ListeningMOS)
		}
		if again := w.relay.Close(); again != stats {
			t.Error("a second Close says something else")
		}
	})
}

// TestWhatAPartyReports: round trip and its own figures come from its RTCP, and
// its name goes nowhere.
func TestWhatAPartyReports(t *testing.T) {
	inWorld(t, mediatest.Link{Delay: 30 * time.Millisecond}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.duet(10*time.Second, nil)
		sr, _, _ := lastReport(t, w.caller)
		b := rtcp.ReceptionReport{SSRC: sr.SSRC, FractionLost: 64, Jitter: 40, LastSenderReport: uint32(sr.NTPTime >> 16)}
		// It kept our report until now; all but the way here is its own time.
		kept := time.Since(w.relay.start) - time.Duration(w.relay.clock(ntpTime(sr.NTPTime)))
		b.Delay = uint32((kept - 30*time.Millisecond) * 65536 / time.Second)
		raw, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.ReceiverReport{SSRC: w.caller.tone.SSRC, Reports: []rtcp.ReceptionReport{b}},
			rtcp.NewCNAMESourceDescription(w.caller.tone.SSRC, "anna@10.9.8.7"),
			&rtcp.ExtendedReport{Reports: []rtcp.ReportBlock{&rtcp.VoIPMetricsReportBlock{SSRC: sr.SSRC, MOSLQ: 33, MOSCQ: 31, RFactor: 66}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.caller.rtcp.WriteToUDPAddrPort(raw, w.caller.ours0(1))
		time.Sleep(reportsBy)
		for _, pkt := range w.callee.rtcp.Drain() {
			if parts, err := rtcp.Unmarshal(pkt); err != nil || len(parts[1].(*rtcp.SourceDescription).Chunks[0].Items[0].Text) != 16 {
				t.Errorf("the callee got %v, %v", parts, err)
			}
		}
		h := w.relay.Heard(media.Caller)
		if (h.RoundTrip - 60*time.Millisecond).Abs() > 2*time.Millisecond {
			t.Errorf("round trip %s, want 60 ms", h.RoundTrip)
		}
		if !h.Reports || h.ReportedLoss != 0.25 || h.ReportedJitter != 5*time.Millisecond || h.ReportedListening != 3.3 || h.ReportedR != 66 || h.TalkingMOS == 0 {
			t.Errorf("%+v", h)
		}
		if s := w.relay.Close(); s.Caller.RTCP != 1 || s.Callee.Heard.Reports {
			t.Errorf("%+v", s)
		}
	})
}

func ntpTime(ntp uint64) time.Time {
	return time.Unix(int64(ntp>>32)-2_208_988_800, int64(ntp&0xffffffff*1e9>>32))
}

// TestLiveQuality: it is said when a party is heard worse, once, and again when better.
func TestLiveQuality(t *testing.T) {
	inEngine(t, "portable", mediatest.Link{}, func(w *world) {
		w.connect(media.Source{}, media.Source{})
		w.relay.Watch()
		w.duet(30*time.Second, nil)
		if got := w.noticed(media.Quality); len(got) != 0 {
			t.Fatalf("a good call is told of: %+v", got)
		}
		w.duet(40*time.Second, func(i int) {
			if i%8 == 0 {
				w.callee.tone.Next()
			}
		})
		bad := w.noticed(media.Quality)
		if len(bad) == 0 || bad[len(bad)-1].Side != media.Callee || bad[len(bad)-1].Heard.Class == "best" || bad[len(bad)-1].Heard.LossPart() < 0.1 {
			t.Fatalf("%+v", bad)
		}
		if len(bad) > 3 {
			t.Errorf("%d notices of one change", len(bad))
		}
		w.duet(40*time.Second, nil)
		all := w.noticed(media.Quality)
		if len(all) == len(bad) || all[len(all)-1].Heard.Class != "best" {
			t.Errorf("it is better again, and last was told %+v", all[len(all)-1].Heard)
		}
	})
}

func TestMeterDoesNotAllocate(t *testing.T) {
	r, _, pkt, _ := path(t)
	h, _ := parseRTP(pkt)
	p := packet{buf: pkt, header: h, from: media.Caller, at: 1}
	n := testing.AllocsPerRun(1000, func() {
		p.at += int64(mediatest.Frame)
		p.header.seq++
		p.header.ts += 160
		r.ears[0].pass(&p)
		r.sends(media.Callee, &p.header, p.at)
	})
	if n != 0 || r.ears[1].out.Packets < 1000 {
		t.Errorf("%f allocations a packet, %d sent", n, r.ears[1].out.Packets)
	}
}
