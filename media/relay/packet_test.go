package relay

import (
	"bytes"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// fixed is an RTP header up to the SSRC, with first byte b0 and second b1.
func fixed(b0, b1 byte, more ...byte) []byte {
	return append([]byte{b0, b1, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7}, more...)
}

func TestParseRTP(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      []byte
		payload string
	}{
		{"plain", fixed(0x80, 0, 'a', 'b'), "ab"},
		{"empty payload", fixed(0x80, 0), ""},
		{"one CSRC", fixed(0x81, 0, 1, 2, 3, 4, 'a'), "a"},
		{"extension", fixed(0x90, 0, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 'a'), "a"},
		{"empty extension", fixed(0x90, 0, 0, 0, 0, 0, 'a'), "a"},
		{"padding", fixed(0xa0, 0, 'a', 0, 0, 3), "a"},
		{"all padding", fixed(0xa0, 0, 0, 0, 0, 4), ""},
		{"everything", fixed(0xb1, 0, 1, 2, 3, 4, 0, 0, 0, 1, 9, 9, 9, 9, 'a', 0, 2), "a"},
		{"longest", fixed(0x80, 0, make([]byte, maxDatagram-12)...), string(make([]byte, maxDatagram-12))},
	} {
		h, ok := parseRTP(c.in)
		if !ok || string(c.in[h.start:h.end]) != c.payload {
			t.Errorf("%s: %v, payload %d to %d", c.name, ok, h.start, h.end)
		}
		if h.seq != 0x1234 || h.ts != 9 || h.ssrc != 7 {
			t.Errorf("%s: %+v", c.name, h)
		}
	}
	if h, _ := parseRTP(fixed(0x80, 0x80|101)); !h.marker || h.pt != 101 {
		t.Errorf("marker and type: %+v", h)
	}
}

func TestMalformedRTP(t *testing.T) {
	for name, in := range map[string][]byte{
		"nothing":            nil,
		"one byte":           {0x80},
		"11 bytes":           fixed(0x80, 0)[:11],
		"version 1":          fixed(0x40, 0, 'a'),
		"version 3":          fixed(0xc0, 0, 'a'),
		"STUN":               append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...),
		"CSRC count lies":    fixed(0x8f, 0, 'a'),
		"CSRC cut":           fixed(0x81, 0, 1, 2, 3),
		"extension cut":      fixed(0x90, 0, 0xbe, 0xde, 0),
		"extension lies":     fixed(0x90, 0, 0xbe, 0xde, 0, 2, 1, 2, 3, 4),
		"extension lies big": fixed(0x90, 0, 0xbe, 0xde, 0xff, 0xff, 1, 2, 3, 4),
		"padding of 0":       fixed(0xa0, 0, 'a', 0),
		"padding too long":   fixed(0xa0, 0, 'a', 3),
		"padding, no body":   fixed(0xa0, 0),
		"RTCP with mux":      fixed(0x80, 200),
		"too long":           fixed(0x80, 0, make([]byte, maxDatagram-11)...),
	} {
		if h, ok := parseRTP(in); ok {
			t.Errorf("%s: taken for %+v", name, h)
		}
	}
}

func TestRTCPLengths(t *testing.T) {
	sr := &rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2}}}
	name := &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "x"}}}}}
	for _, packets := range [][]rtcp.Packet{
		{&rtcp.ReceiverReport{SSRC: 1}},
		{sr, name},
		{sr, name, &rtcp.Goodbye{Sources: []uint32{1}}},
		{&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 9}}}},
		{&rtcp.ExtendedReport{SenderSSRC: 1}},
	} {
		b, err := rtcp.Marshal(packets)
		if err != nil {
			t.Fatal(err)
		}
		if !validRTCP(b) {
			t.Errorf("%T refused: % x", packets[0], b)
		}
		for n := range b {
			cut := b[:n]
			if validRTCP(cut) && n%4 != 0 {
				t.Errorf("%T cut to %d bytes accepted", packets[0], n)
			}
		}
	}
	padded := []byte{0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4}
	if !validRTCP(padded) {
		t.Error("padding refused")
	}
	for name, in := range map[string][]byte{
		"nothing":              nil,
		"4 bytes (AST-2017)":   {0x80, 201, 0, 0},
		"length lies":          {0x80, 201, 0, 2, 1, 2, 3, 4},
		"length lies big":      {0x80, 205, 0xff, 0xff, 1, 2, 3, 4},
		"second part lies":     {0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 203, 0, 1},
		"second part cut":      {0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 203},
		"RTP":                  fixed(0x80, 0, 1, 2, 3, 4),
		"version 0":            {0, 201, 0, 1, 1, 2, 3, 4},
		"padding of 0":         {0xa0, 201, 0, 1, 1, 2, 3, 0},
		"padding of 3":         {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 3},
		"padding too long":     {0xa0, 201, 0, 1, 1, 2, 3, 8},
		"padding in the midst": append(bytes.Clone(padded), report()...),
		"too long":             append([]byte{0x80, 204, 4, 0}, make([]byte, maxDatagram)...),
	} {
		if validRTCP(in) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzRTP: what we take for RTP, pion takes too and finds the same payload in,
// as far as pion reads extensions.
func FuzzRTP(f *testing.F) {
	f.Add(fixed(0x80, 0, 'a', 'b'))
	f.Add(fixed(0xb1, 0x80, 1, 2, 3, 4, 0, 0, 0, 1, 9, 9, 9, 9, 'a', 0, 2))
	f.Add(fixed(0x90, 111, 0xbe, 0xde, 0, 1, 0x10, 2, 0, 0, 'a'))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, ok := parseRTP(in)
		if !ok {
			return
		}
		if h.start < 12 || h.start > h.end || h.end > len(in) {
			t.Fatalf("payload from %d to %d of %d", h.start, h.end, len(in))
		}
		var p rtp.Packet
		if err := p.Unmarshal(in); err != nil {
			return // pion also reads inside the extensions
		}
		if p.SSRC != h.ssrc || p.SequenceNumber != h.seq || p.Timestamp != h.ts || p.Marker != h.marker || p.PayloadType != h.pt {
			t.Errorf("we read %+v, pion %+v", h, p.Header)
		}
		if !bytes.Equal(p.Payload, in[h.start:h.end]) {
			t.Errorf("we find % x, pion % x", in[h.start:h.end], p.Payload)
		}
	})
}

// FuzzRTCP: what pion can read, we do not refuse, other than for size and padding.
func FuzzRTCP(f *testing.F) {
	f.Add(report())
	f.Add(append(report(), 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 2, 'h', 'i'))
	f.Fuzz(func(t *testing.T, in []byte) {
		ours := validRTCP(in)
		packets, err := rtcp.Unmarshal(in)
		if err != nil || ours || len(in) < 8 || len(in) > maxDatagram {
			return
		}
		for _, p := range packets {
			if _, raw := p.(*rtcp.RawPacket); raw {
				return // a type outside RTCP's
			}
		}
		for at := 0; at < len(in); at += 4 + 4*(int(in[at+2])<<8|int(in[at+3])) {
			if in[at]&0x20 != 0 {
				return
			}
		}
		t.Errorf("pion reads %v in % x", packets, in)
	})
}
