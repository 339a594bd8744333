package render

import (
	"math"
	"testing"
	"time"

	"ringdown/media"
	speech "ringdown/media/codec"
	"ringdown/recorder/format"
)

// A side that spoke G.722 or Opus is heard, at its place: one packet is lost and
// two came in the wrong order.
func TestCodecsWithAMemory(t *testing.T) {
	for _, f := range []media.Format{
		{PT: 9, Name: "G722", Clock: 8000, Channels: 1}, {PT: 111, Name: "OPUS", Clock: 48000, Channels: 2},
	} {
		enc, err := speech.NewEncoder(f, 16000)
		if err != nil {
			t.Fatal(err)
		}
		records := []format.Record{format.Formats{Side: media.Callee, Set: []media.Format{f}}}
		const packets, lost = 200, 120
		for i := range packets {
			pcm := make([]int16, 320)
			for k := range pcm {
				n := float64(i*320 + k)
				if i >= 50 { // it begins to sing after a second
					pcm[k] = int16(9000 * math.Sin(2*math.Pi*500*n/16000))
				}
			}
			payload := enc.Encode(nil, pcm)
			if i == lost {
				continue
			}
			records = append(records, format.Audio{
				Side: media.Callee, PT: f.PT, Seq: uint16(65500 + i), TS: uint32(i * f.Clock / 50), SSRC: 4,
				At: time.Duration(i) * 20 * time.Millisecond, Payload: payload,
			})
		}
		n := len(records) - 20
		records[n], records[n+1] = records[n+1], records[n]
		records = append(records, format.End{Reason: format.ReasonClosed, Duration: packets * 20 * time.Millisecond})
		got := rendered(t, reader(t, records), Dual)[index(media.Callee)]
		if len(got) != packets*frame {
			t.Fatalf("%s: %d samples", f.Name, len(got))
		}
		level := func(from, to int) float64 { // in packets
			sum := 0.0
			for _, s := range got[from*frame : to*frame] {
				sum += float64(s) * float64(s)
			}
			return math.Sqrt(sum / float64((to-from)*frame))
		}
		if a, b, c := level(5, 48), level(53, 118), level(125, 200); a > 30 || b < 5000 || c < 5000 || b > 8000 || c > 8000 {
			t.Errorf("%s: before the tone %.0f, then %.0f, after the loss %.0f", f.Name, a, b, c)
		}
	}
}
