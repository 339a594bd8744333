package codec

import (
	"encoding/binary"
	"testing"
	"time"

	"ringdown/media"
)

// No payload makes a decoder panic, write more than it says or take long: one
// packet may cost a hundred times what a usual one does, and no more.
func FuzzDecode(f *testing.F) {
	for i, format := range all {
		enc, _ := NewEncoder(format, Rate(format))
		f.Add(uint8(i), enc.Encode(nil, voice(Rate(format), 1)[:Rate(format)/50]))
	}
	f.Add(uint8(3), []byte{0xff, 0xff, 0xff})
	f.Add(uint8(3), []byte{0x03, 0x30, 0, 0, 0})
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		format := all[which%4]
		rate := []int{8000, 16000, 48000}[which/4%3]
		dec, err := NewDecoder(format, rate)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]int16, samples(MaxFrame, dec.Rate()))
		begun := time.Now()
		for range 3 {
			if n, err := dec.Decode(dst, payload); err == nil && (n < 0 || n > len(dst)) {
				t.Fatalf("%d samples in %d", n, len(dst))
			}
			if r, ok := dec.(Repairer); ok {
				r.Repair(dst[:dec.Rate()/50], payload)
			}
			dec.Conceal(dst[:dec.Rate()/50])
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Whatever packets come: no panic, no more sound out than came in and was made
// up, and never two packets with one number.
func FuzzConverter(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 2, 3, 0, 1, 0, 160, 0, 1, 2, 3})
	f.Add([]byte{2, 255, 255, 0, 0, 1, 2, 3, 3, 0, 1, 0, 160, 1, 2, 3, 1, 9, 9, 9, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		events, noise := fEvent, fNoise
		c, err := NewConverter(Terms{In: []media.Format{fPCMU, fOpus, events, noise}, Out: []media.Format{fPCMA, events}})
		if err != nil {
			t.Fatal(err)
		}
		begun, now, packets, seq := time.Now(), int64(0), 0, uint16(0)
		pts := []uint8{fPCMU.PT, fOpus.PT, events.PT, noise.PT, 77}
		for ; len(b) >= 8; b = b[8:] {
			now += int64(b[7]) * ms
			payload := make([]byte, int(b[6]))
			for i := range payload {
				payload[i] = b[5] * byte(i)
			}
			c.Put(&media.Packet{
				PT: pts[int(b[0])%len(pts)], Seq: uint16(b[1])<<8>>4 | uint16(b[2]), TS: binary.BigEndian.Uint32(b[2:]), SSRC: uint32(b[0] >> 6), Payload: payload,
			}, now)
			c.Tick(now)
			for {
				pkt, ok := c.Next(nil, now)
				if !ok {
					break
				}
				if packets++; packets > 1 && binary.BigEndian.Uint16(pkt[2:]) != seq+1 {
					t.Fatalf("number %d after %d", binary.BigEndian.Uint16(pkt[2:]), seq)
				}
				seq = binary.BigEndian.Uint16(pkt[2:])
				if took := time.Since(begun); took > 5*time.Second {
					t.Fatalf("took %v", took)
				}
				if len(pkt) > 12+maxOpus || packets > 100000 {
					t.Fatalf("packet %d of %d bytes", packets, len(pkt))
				}
			}
		}
	})
}
