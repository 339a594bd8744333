package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	opuslib "github.com/thesyncim/gopus"

	"ringdown/media"
)

// maxOpus is the longest payload read, in bytes: what fits into one packet on
// any path, and more than speech ever needs (RFC 6716 3.2.1 would allow 1275 for
// each of up to 48 frames).
const maxOpus = 1500

var (
	errOpus    = errors.New("payload of Opus cannot be read")
	errOpusBig = fmt.Errorf("payload of Opus has more than %d bytes", maxOpus)
)

// opusDecoder reads Opus at one of our rates, in mono: what was said in stereo
// is mixed by the decoder.
type opusDecoder struct {
	lib    *opuslib.Decoder
	rate   int
	repair []float32
}

func opusRate(wish int) int {
	switch wish {
	case 8000, 16000:
		return wish
	}
	return 48000
}

func newOpusDecoder(wish int) (*opusDecoder, error) {
	rate := opusRate(wish)
	lib, err := opuslib.NewDecoder(opuslib.DecoderConfig{
		SampleRate: rate, Channels: 1, MaxPacketSamples: samples(MaxFrame, rate), MaxPacketBytes: maxOpus,
	})
	if err != nil {
		return nil, fmt.Errorf("opus decoder at %d Hz: %w", rate, err)
	}
	return &opusDecoder{lib: lib, rate: rate}, nil
}

func (d *opusDecoder) Rate() int { return d.rate }
func (d *opusDecoder) Reset()    { d.lib.Reset() }

func (d *opusDecoder) Decode(dst []int16, payload []byte) (n int, err error) {
	switch {
	case len(payload) == 0: // to the library this means a loss
		return 0, errOpus
	case len(payload) > maxOpus:
		return 0, errOpusBig
	}
	defer d.rescue(&err)
	if n, err = d.lib.DecodeInt16(payload, dst); err != nil {
		return 0, fmt.Errorf("%w: %w", errOpus, err)
	}
	return n, nil
}

// rescue turns a fault of the library, which is young, into an error of the
// payload that showed it. What state it is in then nobody knows.
func (d *opusDecoder) rescue(err *error) {
	if fault := recover(); fault != nil {
		d.lib.Reset()
		*err = fmt.Errorf("%w: %v", errOpus, fault)
	}
}

func (d *opusDecoder) Conceal(dst []int16) {
	var err error
	defer d.rescue(&err)
	for len(dst) > 0 {
		n, fail := d.lib.DecodeInt16(nil, dst[:min(len(dst), d.rate/50)])
		if fail != nil || n <= 0 {
			clear(dst)
			return
		}
		dst = dst[n:]
	}
}

// Repair takes the copy of a lost frame that stands in the next packet, at a
// lower bit rate, when its sender has in-band FEC on (RFC 6716 2.1.7).
func (d *opusDecoder) Repair(dst []int16, next []byte) (ok bool) {
	if len(next) == 0 || len(next) > maxOpus || !opuslib.PacketHasLBRR(next) {
		return false
	}
	if len(d.repair) < len(dst) {
		d.repair = make([]float32, samples(MaxFrame, d.rate))
	}
	if len(d.repair) < len(dst) {
		return false
	}
	var err error
	defer func() { ok = ok && err == nil }()
	defer d.rescue(&err)
	n, fail := d.lib.DecodeWithFEC(next, d.repair[:len(dst)], true)
	if fail != nil || n <= 0 {
		return false
	}
	for i, x := range d.repair[:n] {
		dst[i] = int16(min(max(x*32768, -32768), 32767))
	}
	if n < len(dst) {
		clear(dst[n:])
	}
	return true
}

// opusEncoder speaks mono, for voice.
type opusEncoder struct {
	lib  *opuslib.Encoder
	f    media.Format
	rate int
	dtx  bool
	out  [maxOpus]byte
}

// opusBitrate is what we send by rate: a voice's worth, with room to spare
// (RFC 7587 3.1.1).
var opusBitrate = map[int]int{8000: 24000, 16000: 32000, 48000: 48000}

// opusComplexity is how hard the encoder tries, of 10. See the cost table of
// docs/media.md.
const opusComplexity = 5

func newOpusEncoder(f media.Format, wish int) (*opusEncoder, error) {
	e := &opusEncoder{f: f, rate: opusRate(wish)}
	if err := e.build(); err != nil {
		return nil, fmt.Errorf("opus encoder at %d Hz: %w", e.rate, err)
	}
	return e, nil
}

func (e *opusEncoder) build() error {
	f, rate := e.f, e.rate
	// Not ApplicationVoIP: its high-pass is for microphones, and what we pass on has
	// been through one. It costs ten dB of likeness to the original.
	lib, err := opuslib.NewEncoder(opuslib.EncoderConfig{SampleRate: rate, Channels: 1, Application: opuslib.ApplicationAudio})
	if err != nil {
		return err
	}
	bitrate := opusBitrate[rate]
	if most, ok := param(f.Params, "maxaveragebitrate"); ok {
		bitrate = min(bitrate, max(most, 6000))
	}
	fec, _ := param(f.Params, "useinbandfec")
	cbr, _ := param(f.Params, "cbr")
	dtx, _ := param(f.Params, "usedtx")
	e.dtx = dtx == 1
	fail := errors.Join(lib.SetBitrate(bitrate), lib.SetComplexity(opusComplexity), lib.SetSignal(opuslib.SignalVoice))
	lib.SetVBR(cbr != 1)
	lib.SetDTX(e.dtx)
	if fec == 1 {
		lib.SetFEC(true)
		fail = errors.Join(fail, lib.SetPacketLoss(5))
	}
	if most, ok := param(f.Params, "maxplaybackrate"); ok && most > 0 {
		fail = errors.Join(fail, lib.SetMaxBandwidth(bandwidth(most)))
	}
	if fail == nil {
		e.lib = lib
	}
	return fail
}

// bandwidth is the widest that a playback rate makes use of (RFC 7587 3.1.1).
func bandwidth(rate int) opuslib.Bandwidth {
	switch {
	case rate <= 8000:
		return opuslib.BandwidthNarrowband
	case rate <= 12000:
		return opuslib.BandwidthMediumband
	case rate <= 16000:
		return opuslib.BandwidthWideband
	case rate <= 24000:
		return opuslib.BandwidthSuperwideband
	}
	return opuslib.BandwidthFullband
}

func (e *opusEncoder) Rate() int { return e.rate }

// Reset makes a new one: the library's own Reset keeps some of the old stream.
func (e *opusEncoder) Reset() {
	if e.build() != nil { // the settings were good once: this cannot be
		e.lib.Reset()
	}
}

// Fits: 10, 20, 40 and 60 ms are frames of Opus.
func (e *opusEncoder) Fits(frame time.Duration) bool {
	switch frame {
	case 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 60 * time.Millisecond:
		return true
	}
	return false
}

func (e *opusEncoder) Encode(dst []byte, pcm []int16) (out []byte) {
	if !e.Fits(time.Duration(len(pcm)) * time.Second / time.Duration(e.rate)) {
		return dst
	}
	defer func() {
		if recover() != nil { // as of opusDecoder.rescue
			e.Reset()
			out = dst
		}
	}()
	if e.lib.FrameSize() != len(pcm) {
		if e.lib.SetFrameSize(len(pcm)) != nil {
			return dst
		}
	}
	n, err := e.lib.EncodeInt16(pcm, e.out[:])
	if err != nil || e.dtx && n <= 2 { // 2 bytes or less: silence goes on
		return dst
	}
	return append(dst, e.out[:n]...)
}

// param reads a number of an a=fmtp ("useinbandfec=1; stereo=0").
func param(params, name string) (int, bool) {
	for part := range strings.SplitSeq(params, ";") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(key), name) {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(value))
		return n, err == nil && n >= 0
	}
	return 0, false
}

// opusLength reads the length of a packet from its first bytes (RFC 6716 3.1).
func opusLength(payload []byte) time.Duration {
	if len(payload) == 0 {
		return 0
	}
	frame, config := time.Duration(0), payload[0]>>3
	switch {
	case config < 12: // SILK
		frame = [...]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // both
		frame = [...]time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT
		frame = 2500 * time.Microsecond << (config & 3)
	}
	switch payload[0] & 3 {
	case 0:
		return frame
	case 3:
		if len(payload) < 2 {
			return 0
		}
		return frame * time.Duration(payload[1]&0x3f)
	}
	return 2 * frame
}
