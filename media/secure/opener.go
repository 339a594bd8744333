package secure

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// formerTime is how long packets of a key that was replaced are still taken:
// those on their way when the new one was agreed.
const formerTime = 3 * time.Second

// Opener authenticates and decrypts what one leg sends. Not safe for concurrent use.
type Opener struct {
	now, former inward
	until       int64 // of the former key, on the caller's clock
	scratch     []byte
}

// inward is one key of the sender's.
type inward struct {
	context          *srtp.Context
	key              Key
	streams, reports int // sources that were authentic, at most streamsMost each
	header           rtp.Header
	report           rtcp.Header
}

// NewOpener makes an opener, which keeps a copy of the key.
func NewOpener(k Key) (*Opener, error) {
	o := &Opener{}
	return o, o.Rekey(k, 0)
}

// Rekey gives the opener the sender's new key at a moment, in nanoseconds on the
// clock that [Opener.RTP] is told. Packets under the key before are taken a little
// longer. The rollover counts of the new key begin at 0 (RFC 3711 3.3.1): who
// keeps his key, or goes back to the one before, goes on counting.
func (o *Opener) Rekey(k Key, at int64) error {
	if o.now.context != nil && k.Equal(o.now.key) {
		return nil
	}
	o.until = at + int64(formerTime)
	if o.former.context != nil && k.Equal(o.former.key) { // taken back
		o.now, o.former = o.former, o.now
		return nil
	}
	c, err := newContext(k)
	if err != nil {
		return err
	}
	o.former.key.Wipe()
	o.former, o.now = o.now, inward{context: c, key: k.clone()}
	if o.former.context != nil && o.scratch == nil {
		o.scratch = make([]byte, 0, scratchSize)
	}
	return nil
}

// Wipe overwrites the opener's copies of keys.
func (o *Opener) Wipe() {
	o.now.key.Wipe()
	o.former.key.Wipe()
}

// scratchSize holds any datagram that a relay forwards.
const scratchSize = 4 << 10

// RTP authenticates and decrypts a packet in its place and returns it, shorter by
// the tag. What fails leaves no trace but its bytes, which may be gone. at is the
// time of arrival in nanoseconds.
func (o *Opener) RTP(pkt []byte, at int64) ([]byte, error) {
	return o.open(pkt, at, (*inward).rtp)
}

// RTCP does the same with a compound RTCP packet.
func (o *Opener) RTCP(pkt []byte, at int64) ([]byte, error) {
	return o.open(pkt, at, (*inward).rtcp)
}

func (o *Opener) open(pkt []byte, at int64, with func(*inward, []byte) ([]byte, error)) ([]byte, error) {
	if o.former.context != nil && at > o.until {
		o.former.key.Wipe()
		o.former = inward{}
	}
	if o.former.context == nil || len(pkt) > cap(o.scratch) {
		return with(&o.now, pkt)
	}
	o.scratch = append(o.scratch[:0], pkt...) // a failed try destroys what it worked on
	out, err := with(&o.now, pkt)
	if err == nil {
		return out, nil
	}
	old, formerErr := with(&o.former, o.scratch)
	if formerErr != nil {
		return nil, err
	}
	return pkt[:copy(pkt, old)], nil
}

func (k *inward) rtp(pkt []byte) ([]byte, error) {
	if len(pkt) < 12+k.tag(false) || pkt[0]>>6 != 2 {
		return nil, ErrMalformed
	}
	_, known := k.context.ROC(binary.BigEndian.Uint32(pkt[8:]))
	if !known && k.streams == streamsMost {
		return nil, ErrStreams
	}
	out, err := k.context.DecryptRTP(pkt[:0], pkt, &k.header)
	if err != nil {
		_, malformed := k.header.Unmarshal(pkt)
		return nil, openFault(err, malformed)
	}
	if !known {
		k.streams++
	}
	return out, nil
}

func (k *inward) rtcp(pkt []byte) ([]byte, error) {
	if len(pkt) < 8+4+k.tag(true) || pkt[0]>>6 != 2 {
		return nil, ErrMalformed
	}
	_, known := k.context.Index(binary.BigEndian.Uint32(pkt[4:]))
	if !known && k.reports == streamsMost {
		return nil, ErrStreams
	}
	out, err := k.context.DecryptRTCP(pkt[:0], pkt, &k.report)
	if err != nil {
		return nil, openFault(err, k.report.Unmarshal(pkt))
	}
	if !known {
		k.reports++
	}
	return out, nil
}

// tag is how many bytes of a packet are tag and MKI.
func (k *inward) tag(report bool) int {
	switch k.key.suite {
	case AES128GCM, AES256GCM:
		return 16 + len(k.key.mki)
	case AES128CM32, AES256CM32:
		if !report {
			return 4 + len(k.key.mki)
		}
	}
	return 10 + len(k.key.mki)
}

func openFault(err, malformed error) error {
	switch {
	case malformed != nil:
		return ErrMalformed
	case errors.Is(err, srtp.ErrFailedToVerifyAuthTag), errors.Is(err, srtp.ErrMKINotFound):
		return ErrAuth
	}
	return ErrReplay
}
