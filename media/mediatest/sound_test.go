package mediatest

import (
	"testing"

	"github.com/pion/rtp"
)

func sound(t *testing.T, tone *Tone, packets int) []int16 {
	t.Helper()
	var wire [][]byte
	for range packets {
		wire = append(wire, tone.Next())
	}
	s, err := Hear(wire)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestToneIsHeard(t *testing.T) {
	for _, pt := range []uint8{PCMU, PCMA} {
		s := sound(t, &Tone{Hz: 1000, PT: pt}, 50)
		if len(s) != Rate {
			t.Errorf("pt %d: 50 packets hold %d samples", pt, len(s))
		}
		if p := Goertzel(s, Rate, 1000); p < 0.99 {
			t.Errorf("pt %d: share at 1000 Hz is %.3f", pt, p)
		}
		if p := Goertzel(s, Rate, 440); p > 0.01 {
			t.Errorf("pt %d: share at 440 Hz is %.3f", pt, p)
		}
	}
	if p := Goertzel(make([]int16, 100), Rate, 1000); p != 0 {
		t.Errorf("silence holds %.3f of a tone", p)
	}
}

func TestTonePackets(t *testing.T) {
	tone := &Tone{Hz: 440, PT: PCMA, SSRC: 7, Seq: 65535, TS: 1000}
	var first, second rtp.Packet
	if err := first.Unmarshal(tone.Next()); err != nil {
		t.Fatal(err)
	}
	if err := second.Unmarshal(tone.Next()); err != nil {
		t.Fatal(err)
	}
	if !first.Marker || second.Marker {
		t.Error("the marker belongs to the first packet alone")
	}
	if first.SequenceNumber != 65535 || second.SequenceNumber != 0 {
		t.Errorf("sequence %d, %d", first.SequenceNumber, second.SequenceNumber)
	}
	if second.Timestamp-first.Timestamp != Samples || second.SSRC != 7 || second.PayloadType != PCMA {
		t.Errorf("second packet: %v", second.Header)
	}
}

func TestCorrelateFindsTheLag(t *testing.T) {
	// A chirp: a steady tone looks the same every period.
	var chirp []int16
	tone := &Tone{}
	for hz := 300.0; hz < 3000; hz += 10 {
		tone.Hz = hz
		chirp = append(chirp, tone.Sing(16)...)
	}
	late := append(make([]int16, 123), chirp...)
	r, lag := Correlate(chirp, late, 200)
	if r < 0.99 || lag != 123 {
		t.Errorf("correlation %.3f at %d", r, lag)
	}
	r, lag = Correlate(late, chirp, 200)
	if r < 0.99 || lag != -123 {
		t.Errorf("correlation %.3f at %d", r, lag)
	}
	if r, _ := Correlate(chirp, sound(t, &Tone{Hz: 440}, 27), 200); r > 0.5 {
		t.Errorf("a stranger correlates by %.3f", r)
	}
	if r, _ := Correlate(chirp, make([]int16, len(chirp)), 10); r != 0 {
		t.Errorf("silence correlates by %.3f", r)
	}
}

func TestHearRefuses(t *testing.T) {
	opus, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string][]byte{"short": {0x80}, "not G.711": opus} {
		if _, err := Hear([][]byte{d}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
