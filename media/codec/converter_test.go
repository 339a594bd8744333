package codec

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"ringdown/media"
)

var (
	fEvent   = media.Format{PT: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}
	fEvent48 = media.Format{PT: 110, Name: "TELEPHONE-EVENT", Clock: 48000, Channels: 1}
	fNoise   = media.Format{PT: 13, Name: "CN", Clock: 8000, Channels: 1}
)

const ms = int64(time.Millisecond)

// sent is an RTP packet and when it was sent.
type sent struct {
	media.Packet
	at int64
}

// speak codes pcm as a sender does.
func speak(t testing.TB, f media.Format, rate int, frame time.Duration, pcm []int16) (out []sent) {
	t.Helper()
	enc, err := NewEncoder(f, rate)
	if err != nil {
		t.Fatal(err)
	}
	size := samples(frame, rate)
	for i := 0; i+size <= len(pcm); i += size {
		n := len(out)
		out = append(out, sent{media.Packet{
			PT: f.PT, Marker: n == 0, Seq: uint16(65500 + n), TS: uint32(4294960000 + i*f.Clock/rate), SSRC: 77, Payload: enc.Encode(nil, pcm[i:i+size]),
		}, int64(n) * int64(frame)})
	}
	return out
}

// through gives packets to a converter and returns what it sends.
func through(t testing.TB, c *Converter, in []sent) (out []sent) {
	t.Helper()
	for i := range in {
		c.Put(&in[i].Packet, in[i].at)
		out = append(out, drain(t, c, in[i].at)...)
	}
	return out
}

func drain(t testing.TB, c *Converter, now int64) (out []sent) {
	t.Helper()
	for {
		b, ok := c.Next(nil, now)
		if !ok {
			if len(b) != 0 {
				t.Fatalf("%d bytes were begun and not sent", len(b))
			}
			return out
		}
		if len(b) < 13 || b[0] != 0x80 {
			t.Fatalf("not an RTP packet: %x", b)
		}
		out = append(out, sent{media.Packet{
			PT: b[1] & 0x7f, Marker: b[1]&0x80 != 0, Seq: binary.BigEndian.Uint16(b[2:]),
			TS: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:]), Payload: b[12:],
		}, now})
	}
}

// hear decodes what a receiver gets, and puts it where the timestamps say.
func hear(t testing.TB, f media.Format, rate int, in []sent) (out []int16) {
	t.Helper()
	dec, err := NewDecoder(f, rate)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]int16, samples(MaxFrame, rate))
	for i, p := range in {
		if p.PT != f.PT {
			continue
		}
		if i > 0 && p.Seq != in[i-1].Seq+1 {
			t.Fatalf("packet %d has number %d after %d", i, p.Seq, in[i-1].Seq)
		}
		at := int(int64(int32(p.TS-in[0].TS)) * int64(rate) / int64(f.Clock))
		n, err := dec.Decode(buf, p.Payload)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if at < len(out) {
			t.Fatalf("packet %d begins at sample %d, %d were said", i, at, len(out))
		}
		out = append(out, make([]int16, at-len(out))...)
		out = append(out, buf[:n]...)
	}
	return out
}

func converter(t testing.TB, in, out []media.Format, frame time.Duration) *Converter {
	t.Helper()
	c, err := NewConverter(Terms{In: in, Out: out, Frame: frame, SSRC: 99, Seq: 65530, TS: 4294967000})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// heardAt resamples pcm so that both ends of a conversion can be compared.
func heardAt(t testing.TB, pcm []int16, from, to int) []int16 {
	t.Helper()
	r, err := NewResampler(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return r.Append(nil, pcm)
}

// Each ordered pair of codecs, against the original; where a rate changes both are
// compared at the higher one, so that what only 8000 Hz takes away is no fault.
func TestPairs(t *testing.T) {
	floors := map[string]float64{"PCMU": 14, "PCMA": 14, "G722": 14, "OPUS": 5}
	table := "segmental SNR in dB, from down, to across; loss 0 %\n"
	for _, from := range all {
		table += fmt.Sprintf("%-5s", from.Name)
		for _, to := range all {
			rate := Rate(from)
			pcm := voice(rate, 4)
			c := converter(t, []media.Format{from}, []media.Format{to}, 0)
			out := through(t, c, speak(t, from, rate, 20*time.Millisecond, pcm))
			if len(out) != 200 || out[0].SSRC != 99 || out[0].Seq != 65530 || !out[0].Marker || out[1].Marker {
				t.Fatalf("%s to %s: %d packets, the first is %+v", from.Name, to.Name, len(out), out[0].Packet)
			}
			common := min(max(rate, Rate(to)), 16000)
			got := heardAt(t, hear(t, to, Rate(to), out), Rate(to), common)
			snr, shift := segmental(heardAt(t, pcm, rate, common), got, common)
			table += fmt.Sprintf(" %s %5.1f (%4.1f ms)", to.Name, snr, float64(shift)*1000/float64(common))
			if floor := min(floors[from.Name], floors[to.Name]); snr < floor {
				t.Errorf("%s to %s: segmental SNR %.1f dB, want %.0f", from.Name, to.Name, snr, floor)
			}
			if n := c.Counts(); n != (Counts{}) {
				t.Errorf("%s to %s: counted %+v", from.Name, to.Name, n)
			}
		}
		table += "\n"
	}
	t.Log(table)
}

// Loss costs quality by degrees, and never the timing.
func TestPairsWithLoss(t *testing.T) {
	for _, pair := range [][2]media.Format{{fPCMU, fPCMA}, {fPCMA, fG722}, {fG722, fPCMA}, {fOpus, fPCMA}, {fPCMA, fOpus}, {fOpus, fG722}} {
		from, to := pair[0], pair[1]
		if from.Name == "OPUS" {
			from.Params = "useinbandfec=1"
		}
		rate := Rate(from)
		pcm := voice(rate, 8)
		line, clean := "", 0.0
		for _, percent := range []float64{0, 1, 3, 5} {
			rnd := rand.New(rand.NewPCG(5, 6))
			var in []sent
			for i, p := range speak(t, from, rate, 20*time.Millisecond, pcm) {
				lost, late := rnd.Float64()*100 < percent, int64(rnd.Float64()*3e6)
				if i > 5 && i < 390 && lost {
					continue
				}
				p.at += late
				in = append(in, p)
			}
			c := converter(t, []media.Format{from}, []media.Format{to}, 0)
			out := through(t, c, in)
			common := min(max(rate, Rate(to)), 16000)
			got := heardAt(t, hear(t, to, Rate(to), out), Rate(to), common)
			snr, _ := segmental(heardAt(t, pcm, rate, common), got, common)
			n := c.Counts()
			line += fmt.Sprintf("  %g %%: %.1f dB (%d lost, %d repaired)", percent, snr, n.Lost, n.Repaired)
			if percent == 0 {
				clean = snr
			}
			if int(n.Lost) != 400-len(in) || len(out) != 400 {
				t.Errorf("%s to %s at %g %%: %d made up of %d, %d packets out", from.Name, to.Name, percent, n.Lost, 400-len(in), len(out))
			}
			if snr < clean*(1-0.02*percent)-1.5 {
				t.Errorf("%s to %s at %g %% loss: %.1f dB, %.1f without", from.Name, to.Name, percent, snr, clean)
			}
		}
		t.Logf("%s to %s:%s", from.Name, to.Name, line)
	}
}

func TestPacketTimes(t *testing.T) {
	for _, c := range []struct{ in, out time.Duration }{{10, 20}, {20, 10}, {20, 30}, {30, 20}, {60, 20}, {20, 60}, {40, 10}, {20, 40}} {
		pcm := voice(8000, 3)
		cv := converter(t, []media.Format{fPCMU}, []media.Format{fPCMA}, c.out*time.Millisecond)
		out := through(t, cv, speak(t, fPCMU, 8000, c.in*time.Millisecond, pcm))
		for i, p := range out {
			if len(p.Payload) != int(c.out)*8 || p.TS != out[0].TS+uint32(i*int(c.out)*8) {
				t.Fatalf("%d to %d ms: packet %d has %d bytes at %d", c.in, c.out, i, len(p.Payload), p.TS-out[0].TS)
			}
		}
		if snr, shift := segmental(pcm, hear(t, fPCMA, 8000, out), 8000); snr < 30 || shift != 0 {
			t.Errorf("%d to %d ms: segmental SNR %.1f dB, shifted by %d", c.in, c.out, snr, shift)
		}
	}
	if _, err := NewConverter(Terms{In: all, Out: []media.Format{fOpus}, Frame: 30 * time.Millisecond}); err == nil {
		t.Error("Opus in packets of 30 ms was promised")
	}
	if _, err := NewConverter(Terms{In: []media.Format{fEvent}, Out: all}); err == nil || !strings.Contains(err.Error(), "TELEPHONE-EVENT") {
		t.Errorf("events alone to be converted: %v", err)
	}
}

// Silence that was not sent is a jump of the timestamp with a marker behind it.
func TestSilenceOfTheSender(t *testing.T) {
	pcm := voice(8000, 2)
	in := speak(t, fPCMA, 8000, 20*time.Millisecond, pcm)
	for i := 50; i < 100; i++ { // 1 s of silence, then on
		in[i].TS += 8000
		in[i].at += int64(time.Second)
	}
	in[50].Marker = true
	for _, to := range []media.Format{fPCMU, fG722, fOpus} {
		out := through(t, converter(t, []media.Format{fPCMA}, []media.Format{to}, 0), in)
		jump := out[50].TS - out[49].TS
		if want := uint32(to.Clock * 51 / 50); jump != want || !out[50].Marker || out[50].Seq != out[49].Seq+1 {
			t.Errorf("%s: jump of %d, want %d; %+v", to.Name, jump, want, out[50].Packet)
		}
	}
	out := through(t, converter(t, []media.Format{fPCMA}, []media.Format{fPCMU}, 30*time.Millisecond), in[:99])
	got := hear(t, fPCMU, 8000, out) // 1 s is 33 packets and a third: the begun one is filled up
	want := append(append(append([]int16(nil), pcm[:8000]...), make([]int16, 8000)...), pcm[8000:]...)
	if snr, shift := segmental(want, got, 8000); snr < 30 || shift != 0 {
		t.Errorf("with other packet times: segmental SNR %.1f dB, shifted by %d", snr, shift)
	}
}

// The sender is replaced, begins anew, or counts nonsense: the receiver's stream
// goes on.
func TestSenderBeginsAnew(t *testing.T) {
	pcm := voice(8000, 2)
	for name, change := range map[string]func(*media.Packet){
		"another SSRC":        func(p *media.Packet) { p.SSRC, p.Seq, p.TS = 5, p.Seq+30000, p.TS-99999 },
		"numbers jump":        func(p *media.Packet) { p.Seq, p.TS = p.Seq+20000, p.TS+1<<30 },
		"timestamps backward": func(p *media.Packet) { p.TS -= 50000 },
	} {
		in := speak(t, fG722, 16000, 20*time.Millisecond, heardAt(t, pcm, 8000, 16000))
		for i := 50; i < len(in); i++ {
			change(&in[i].Packet)
		}
		out := through(t, converter(t, []media.Format{fG722}, []media.Format{fPCMA}, 0), in)
		if len(out) != 100 {
			t.Errorf("%s: %d packets", name, len(out))
			continue
		}
		for i, p := range out {
			if p.SSRC != 99 || p.Seq != out[0].Seq+uint16(i) || p.TS != out[0].TS+uint32(160*i) {
				t.Errorf("%s: packet %d is number %d at %d", name, i, p.Seq-out[0].Seq, p.TS-out[0].TS)
				break
			}
		}
	}
}

// Keys pressed beside the speech stand at the same moment of it, in the
// receiver's clock, all packets of one under one timestamp.
func TestEventsBesideSpeech(t *testing.T) {
	for _, to := range []struct {
		voice, event media.Format
	}{{fPCMA, fEvent}, {fOpus, fEvent48}, {fG722, fEvent}} {
		pcm := voice(8000, 1)
		in := speak(t, fPCMU, 8000, 20*time.Millisecond, pcm)
		start := in[20].TS
		for i := range 7 { // key 5 for 100 ms, its end three times, in place of speech
			e := &in[20+i]
			long := uint16(160 * min(i+1, 5))
			e.PT, e.Marker, e.TS = 97, i == 0, start
			e.Payload = []byte{5, 10, byte(long >> 8), byte(long)}
			if i >= 4 {
				e.Payload[1] |= 0x80
			}
		}
		theirs := fEvent
		theirs.PT = 97
		out := through(t, converter(t, []media.Format{fPCMU, theirs}, []media.Format{to.voice, to.event}, 0), in)
		scale := to.voice.Clock / 8000
		if len(out) != 50 {
			t.Fatalf("%s: %d packets", to.voice.Name, len(out))
		}
		for i := 20; i < 27; i++ {
			p := out[i]
			want := uint16(160 * min(i-19, 5) * to.event.Clock / 8000)
			if p.PT != to.event.PT || p.TS != out[0].TS+uint32(20*160*scale) || binary.BigEndian.Uint16(p.Payload[2:]) != want ||
				p.Marker != (i == 20) || p.Payload[0] != 5 || p.Payload[1]&0x80 != 0 != (i >= 24) {
				t.Errorf("%s: event packet %d: PT %d at %d, %x", to.voice.Name, i, p.PT, p.TS-out[0].TS, p.Payload)
			}
		}
		if p := out[27]; p.PT != to.voice.PT || p.TS != out[0].TS+uint32(27*160*scale) || !p.Marker {
			t.Errorf("%s: after it: PT %d at %d", to.voice.Name, p.PT, p.TS-out[0].TS)
		}
	}
	in := speak(t, fPCMU, 8000, 20*time.Millisecond, voice(8000, 1))
	c := converter(t, []media.Format{fPCMU}, []media.Format{fPCMA}, 0)
	out := through(t, c, in[:10])
	for i := 10; i < 20; i++ { // ten packets of a key that somebody else took out
		c.Skip(&in[i].Packet, in[i].at)
	}
	out = append(out, drain(t, c, in[19].at)...)
	out = append(out, through(t, c, in[20:])...)
	if n := c.Counts(); len(out) != 40 || out[10].TS != out[9].TS+11*160 || n.Lost != 0 {
		t.Errorf("%d packets, %d after what was taken out, counted %+v", len(out), out[10].TS-out[9].TS, n)
	}
	c = converter(t, []media.Format{fPCMU, fEvent}, []media.Format{fPCMA}, 0)
	c.Put(&media.Packet{PT: 101, Payload: []byte{1, 2, 3, 4}}, 0)
	if out = drain(t, c, 0); len(out) != 0 || c.Counts().Unknown != 1 {
		t.Errorf("an event to who knows none: %v, %+v", out, c.Counts())
	}
}

// Comfort noise passes to who knows it and is made for who does not.
func TestComfortNoiseOfTheSender(t *testing.T) {
	pcm := voice(8000, 2)
	in := speak(t, fPCMU, 8000, 20*time.Millisecond, pcm)
	in = append(in[:50], in[49:]...) // number 50 is the noise, then a second of nothing
	in[50] = sent{media.Packet{PT: 13, Seq: in[49].Seq + 1, TS: in[49].TS + 160, SSRC: 77, Payload: []byte{50, 120}}, 1000 * ms}
	for i := 51; i < len(in); i++ {
		in[i].Seq++
		in[i].TS += 8000
		in[i].at += 1000 * ms
	}
	theirs := fNoise
	theirs.PT = 13
	out := through(t, converter(t, []media.Format{fPCMU, fNoise}, []media.Format{fPCMA, fNoise}, 0), in)
	if p := out[50]; p.PT != 13 || p.TS != out[0].TS+8000 || string(p.Payload) != string([]byte{50, 120}) {
		t.Errorf("noise passed on as %+v", p.Packet)
	}
	if p := out[51]; p.TS != out[0].TS+16000 || !p.Marker {
		t.Errorf("after the noise: %d, marker %v", p.TS-out[0].TS, p.Marker)
	}

	c := converter(t, []media.Format{fPCMU, fNoise}, []media.Format{fPCMA}, 0)
	out = through(t, c, in[:51])
	if !c.Waiting() {
		t.Fatal("nothing to be made")
	}
	for now := 1020 * ms; now < 2000*ms; now += 20 * ms {
		c.Tick(now)
		out = append(out, drain(t, c, now)...)
	}
	out = append(out, through(t, c, in[51:])...)
	if c.Waiting() {
		t.Error("noise goes on under the speech")
	}
	if len(out) < 148 || len(out) > 151 {
		t.Fatalf("%d packets", len(out))
	}
	got := hear(t, fPCMA, 8000, out)
	if level := rms(got[9000:15000]); level < 70 || level > 140 { // -50 dB is 104
		t.Errorf("noise has the level %.0f", level)
	}
}

// A stream that was late is put in order, and what is lost for long is a gap.
func TestConverterOrdersAndGivesUp(t *testing.T) {
	pcm := voice(8000, 2)
	in := speak(t, fPCMU, 8000, 20*time.Millisecond, pcm)
	for i := 10; i+1 < len(in); i += 7 {
		in[i], in[i+1] = in[i+1], in[i]
		in[i].at, in[i+1].at = in[i+1].at, in[i+1].at+2*ms
	}
	c := converter(t, []media.Format{fPCMU}, []media.Format{fPCMA}, 0)
	out := through(t, c, in)
	if n := c.Counts(); n.Lost != 1 || n.Late != 1 { // the first time it did not know
		t.Errorf("counted %+v", n)
	}
	if snr, _ := segmental(pcm, hear(t, fPCMA, 8000, out), 8000); snr < 33 {
		t.Errorf("segmental SNR %.1f dB", snr)
	}

	in = speak(t, fPCMU, 8000, 20*time.Millisecond, pcm)
	in = append(in[:40], in[50:]...) // 200 ms are lost
	c = converter(t, []media.Format{fPCMU}, []media.Format{fPCMA}, 0)
	out = through(t, c, in)
	if len(out) != 93 || out[43].TS-out[42].TS != 8*160 || !out[43].Marker {
		t.Errorf("%d packets, %d after the last that was made up", len(out), out[43].TS-out[42].TS)
	}
}

func TestBadPayloadsAreMadeUp(t *testing.T) {
	in := speak(t, fOpus, 48000, 20*time.Millisecond, voice(48000, 1))
	in[20].Payload = []byte{0xff, 0xff, 0xff}
	in[21].PT = 55
	c := converter(t, []media.Format{fOpus}, []media.Format{fPCMA}, 0)
	out := through(t, c, in)
	if n := c.Counts(); n.Bad != 1 || n.Unknown != 1 {
		t.Errorf("counted %+v", n)
	}
	hear(t, fPCMA, 8000, out)
}

func TestConverterAllocatesNothing(t *testing.T) {
	for _, from := range all {
		for _, to := range all {
			in := speak(t, from, Rate(from), 20*time.Millisecond, voice(Rate(from), 2))
			c := converter(t, []media.Format{from}, []media.Format{to}, 0)
			buf, i := make([]byte, 0, 2000), 0
			step := func() {
				c.Put(&in[i].Packet, in[i].at)
				if _, ok := c.Next(buf, in[i].at); !ok {
					t.Fatal("nothing came")
				}
				i++
			}
			for range 40 {
				step()
			}
			if n := testing.AllocsPerRun(50, step); n > 0 {
				t.Errorf("%s to %s: %v allocations a packet", from.Name, to.Name, n)
			}
		}
	}
}

func BenchmarkPairs(b *testing.B) {
	for _, from := range all {
		in := speak(b, from, Rate(from), 20*time.Millisecond, voice(Rate(from), 2))
		for _, to := range all {
			b.Run(from.Name+"-"+to.Name, func(b *testing.B) {
				c := converter(b, []media.Format{from}, []media.Format{to}, 0)
				buf, seq, ts, i := make([]byte, 0, 2000), uint16(0), uint32(0), 0
				b.ReportAllocs()
				for b.Loop() {
					p := &in[i].Packet
					p.Seq, p.TS = seq, ts
					seq, ts, i = seq+1, ts+uint32(from.Clock/50), (i+1)%len(in)
					c.Put(p, int64(seq)*20*ms)
					c.Next(buf, int64(seq)*20*ms)
				}
			})
		}
	}
}
