package secure

import (
	"encoding/binary"
	"errors"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Overhead is how many bytes of capacity a packet needs behind it to be sealed:
// the tag and, for RTCP, the index.
const Overhead = 16 + 4

// Why a packet is neither opened nor sealed. They are told apart by the counters.
var (
	ErrAuth      = errors.New("packet is not authentic")
	ErrReplay    = errors.New("packet came before, or is too old to know")
	ErrMalformed = errors.New("packet is neither RTP nor RTCP")
	ErrStreams   = errors.New("more sources than one key serves")
	ErrSpent     = errors.New("key has sealed as many packets as it may")
)

// Sealer encrypts what one leg is sent, under one key of ours. Not safe for
// concurrent use.
type Sealer struct {
	context *srtp.Context
	windows []window          // of the RTP's sources that sent last
	older   map[uint32]uint64 // highest index of each of the others
	last    int               // of windows, the one that sent last
	turns   uint64            // how often that was another one than before
	reports int               // sources of RTCP, at most streamsMost
	header  rtp.Header
	report  rtcp.Header
}

// NewSealer makes a sealer; the key is no longer needed then.
func NewSealer(k Key) (*Sealer, error) {
	c, err := newContext(k)
	if err != nil {
		return nil, err
	}
	return &Sealer{context: c}, nil
}

// newContext makes one that guards against replay; its errors hold lengths only.
func newContext(k Key) (*srtp.Context, error) {
	if k.IsZero() || k.suite == 0 || k.suite >= suites || len(k.bytes) != k.suite.size() {
		return nil, errors.New("secure: no key")
	}
	return srtp.CreateContext(k.master(), k.salt(), table[k.suite].profile,
		srtp.SRTPReplayProtection(windowSize), srtp.SRTCPReplayProtection(windowSize),
		srtp.MasterKeyIndicator(k.mki))
}

// RTP seals a packet in its place and returns it, longer by the tag. Its capacity
// must have room for [Overhead] bytes. A packet index is sealed once: sealing two
// payloads under one would give both away (RFC 3711 9.1), so that a repeated
// packet ends here with [ErrReplay].
func (s *Sealer) RTP(pkt []byte) ([]byte, error) {
	if len(pkt) < 12 {
		return nil, ErrMalformed
	}
	w, err := s.window(binary.BigEndian.Uint32(pkt[8:]), binary.BigEndian.Uint16(pkt[2:]))
	if err != nil {
		return nil, err
	}
	if !w.use(binary.BigEndian.Uint16(pkt[2:])) {
		return nil, ErrReplay
	}
	out, err := s.context.EncryptRTP(pkt[:0], pkt, &s.header)
	if err != nil {
		return nil, sealFault(s.header.Unmarshal(pkt))
	}
	return out, nil
}

func sealFault(_ int, header error) error {
	if header != nil {
		return ErrMalformed
	}
	return ErrSpent
}

// window is that of a source. One that comes back from among the older ones may go
// on, and use no index up to its highest again.
func (s *Sealer) window(ssrc uint32, seq uint16) (*window, error) {
	if s.last < len(s.windows) && s.windows[s.last].ssrc == ssrc {
		return &s.windows[s.last], nil
	}
	s.turns++
	for i := range s.windows {
		if s.windows[i].ssrc == ssrc {
			s.last = i
			s.windows[i].used = s.turns
			return &s.windows[i], nil
		}
	}
	fresh := window{ssrc: ssrc, used: s.turns, top: uint64(seq)}
	top, known := s.older[ssrc]
	switch {
	case known:
		fresh.top, fresh.seen = top, [2]uint64{^uint64(0), ^uint64(0)}
		delete(s.older, ssrc)
	case len(s.windows)+len(s.older) == streamsMost:
		return nil, ErrStreams
	}
	s.last = s.place()
	s.windows[s.last] = fresh
	return &s.windows[s.last], nil
}

// place makes room for a window, where need be that of who has not sent for the
// longest time.
func (s *Sealer) place() int {
	if len(s.windows) < windowsMost {
		s.windows = append(s.windows, window{})
		return len(s.windows) - 1
	}
	least := 0
	for i := range s.windows {
		if s.windows[i].used < s.windows[least].used {
			least = i
		}
	}
	if s.older == nil {
		s.older = map[uint32]uint64{}
	}
	s.older[s.windows[least].ssrc] = s.windows[least].top
	return least
}

// RTCP seals a compound packet in its place, as [Sealer.RTP] does; its index is
// its own and counts up.
func (s *Sealer) RTCP(pkt []byte) ([]byte, error) {
	if len(pkt) < 8 {
		return nil, ErrMalformed
	}
	if _, known := s.context.Index(binary.BigEndian.Uint32(pkt[4:])); !known {
		if s.reports == streamsMost {
			return nil, ErrStreams
		}
		s.reports++
	}
	out, err := s.context.EncryptRTCP(pkt[:0], pkt, &s.report)
	if err != nil {
		return nil, sealFault(0, s.report.Unmarshal(pkt))
	}
	return out, nil
}
