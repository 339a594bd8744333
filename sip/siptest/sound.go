package siptest

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sound is the phone's media socket, shared by its calls: packets are told apart
// by the address they come from, which a peer that follows RFC 4961 named in its
// description.
type sound struct {
	conn  net.PacketConn
	local netip.AddrPort

	mu      sync.Mutex
	streams map[netip.AddrPort]*stream
	strays  map[netip.AddrPort]int
}

func newSound(conn net.PacketConn, local netip.AddrPort) *sound {
	return &sound{conn: conn, local: local, streams: map[netip.AddrPort]*stream{}, strays: map[netip.AddrPort]int{}}
}

// maxStrays bounds how many strange sources are told apart.
const maxStrays = 1024

func (s *sound) read() {
	buf := make([]byte, 2048)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return // closed: an unconnected UDP socket knows no other error
		}
		at := time.Now()
		peer, err := addrPort(from)
		if err != nil {
			continue
		}
		s.mu.Lock()
		st := s.streams[peer]
		if st == nil && (len(s.strays) < maxStrays || s.strays[peer] > 0) {
			s.strays[peer]++
		}
		s.mu.Unlock()
		if st != nil {
			st.heard.packet(at, buf[:n])
		}
	}
}

// Strays counts RTP from addresses that no description named, by source. A few
// at the edges of a call are normal: media overtakes signalling.
func (p *Phone) Strays() map[netip.AddrPort]int {
	all := map[netip.AddrPort]int{}
	if p.sound == nil {
		return all
	}
	p.sound.mu.Lock()
	defer p.sound.mu.Unlock()
	for k, v := range p.sound.strays {
		all[k] = v
	}
	return all
}

// MediaAddr is the address the phone's audio leaves from and is expected at.
func (p *Phone) MediaAddr() netip.AddrPort {
	if p.sound == nil {
		return netip.AddrPort{}
	}
	return p.sound.local
}

// stream is the audio of one call: what it says and what it hears.
type stream struct {
	sound *sound
	play  Source
	heard recorder
	sent  atomic.Int64
	quit  chan struct{}

	mu    sync.Mutex
	peer  netip.AddrPort
	codec Codec
	mute  bool // on hold
}

// speak starts the call's audio, or turns it to where the latest description
// says. Called under the phone's lock.
func (d *Dialog) speak() {
	s := d.p.sound
	if s == nil || d.theirs == nil || d.mine == nil || d.isOver() {
		return
	}
	ours, err := ParseSDP(d.mine)
	if err != nil {
		return // made to be wrong
	}
	i := slices.IndexFunc(d.theirs.Formats, func(pt uint8) bool {
		return (pt == uint8(PCMU) || pt == uint8(PCMA)) && slices.Contains(ours.Formats, pt)
	})
	if i < 0 || d.theirs.Addr.Port() == 0 {
		return
	}
	st, first := d.stream, d.stream == nil
	if first {
		st = &stream{sound: s, play: d.play, quit: make(chan struct{})}
		if st.play == nil {
			st.play = d.p.cfg.Play
		}
		d.stream = st
	}
	st.aim(d.theirs.Addr, Codec(d.theirs.Formats[i]), d.theirs.Direction)
	if first && st.play != nil {
		d.p.wg.Go(st.say)
	}
}

// aim sets where the stream sends to and expects its audio from.
func (st *stream) aim(peer netip.AddrPort, c Codec, direction string) {
	st.mu.Lock()
	old := st.peer
	st.peer, st.codec = peer, c
	st.mute = direction == "sendonly" || direction == "inactive"
	st.mu.Unlock()
	st.sound.mu.Lock()
	defer st.sound.mu.Unlock()
	if old.IsValid() && old != peer && st.sound.streams[old] == st {
		delete(st.sound.streams, old)
	}
	st.sound.streams[peer] = st
}

// stop ends the sending; what was heard stays readable.
func (st *stream) stop() {
	close(st.quit)
	st.mu.Lock()
	peer := st.peer
	st.mu.Unlock()
	st.sound.mu.Lock()
	defer st.sound.mu.Unlock()
	if st.sound.streams[peer] == st {
		delete(st.sound.streams, peer)
	}
}

// Frame is what one RTP packet of the phone holds.
const (
	Frame     = 20 * time.Millisecond
	FrameSize = 160 // samples at 8 kHz
)

// say sends a frame each 20 ms on an absolute schedule until stop: a late tick is
// made up for, so that RTP time never drifts from the clock.
func (st *stream) say() {
	header := [12]byte{0: 0x80}
	seq, ts, ssrc := uint16(rand.Uint32()), rand.Uint32(), rand.Uint32()
	binary.BigEndian.PutUint32(header[8:], ssrc)
	var frame [FrameSize]int16
	packet := make([]byte, 0, len(header)+FrameSize)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	marker := byte(0x80) // RFC 3551 4.1: the first after silence
	for n := 0; ; n++ {
		select {
		case <-st.quit:
			return
		case <-timer.C:
		}
		st.mu.Lock()
		peer, codec, mute := st.peer, st.codec, st.mute
		st.mu.Unlock()
		if mute {
			marker = 0x80
		} else {
			st.play(n, frame[:])
			header[1] = byte(codec) | marker
			binary.BigEndian.PutUint16(header[2:], seq)
			binary.BigEndian.PutUint32(header[4:], ts+uint32(n)*FrameSize)
			packet = codec.Encode(append(packet[:0], header[:]...), frame[:])
			if _, err := st.sound.conn.WriteTo(packet, net.UDPAddrFromAddrPort(peer)); err == nil {
				st.sent.Add(1)
			}
			seq, marker = seq+1, 0
		}
		timer.Reset(time.Until(start.Add(time.Duration(n+1) * Frame)))
	}
}
