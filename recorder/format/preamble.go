package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const (
	magic       = "CTREC\x00\x00\x01"
	maxPreamble = 4096
	prefixFixed = len(magic) + 4
	sealHeader  = 74 // FLOE: parameters, IV, header tag
	aadLabel    = "ctrec/v1"
)

// MaxPrefix is how much of a file has to be read to be sure of its prefix and
// seal header.
const MaxPrefix = prefixFixed + maxPreamble + sealHeader

// Preamble is what stands in front of the seal, in the clear: no name, number,
// account or time.
type Preamble struct {
	ID      [16]byte // FileID of the recording
	Part    uint64   // from 1
	KeyRef  string   // opaque; the key itself is elsewhere
	Region  string
	Suite   string
	Version uint64
}

// FileID is the recording's identity as the preamble shows it: a digest, since
// the id itself tells when it was made.
func FileID(recording string) [16]byte {
	sum := sha256.Sum256([]byte("ctrec/id/v1" + recording))
	return [16]byte(sum[:16])
}

// Prefix writes the bytes in front of the seal header: magic, length, preamble.
func (p Preamble) Prefix() ([]byte, error) {
	body := []byte{0xA6} // CBOR map of six pairs
	body = append(cborHead(body, 0, 1), 0x50)
	body = append(body, p.ID[:]...)
	body = cborHead(cborHead(body, 0, 2), 0, p.Part)
	body = cborText(cborHead(body, 0, 3), p.KeyRef)
	body = cborText(cborHead(body, 0, 4), p.Region)
	body = cborText(cborHead(body, 0, 5), p.Suite)
	body = cborHead(cborHead(body, 0, 6), 0, p.Version)
	if len(body) > maxPreamble {
		return nil, fmt.Errorf("preamble of %d bytes: %w", len(body), ErrPreamble)
	}
	out := append([]byte(magic), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(out[len(magic):], uint32(len(body)))
	return append(out, body...), nil
}

// ParsePrefix reads the front of a file; b may be longer. It returns the
// preamble and the prefix's length, where the seal header begins. Only the one
// deterministic encoding is taken (RFC 8949 4.2): what differs from what Prefix
// writes is refused.
func ParsePrefix(b []byte) (Preamble, int, error) {
	var p Preamble
	if len(b) < prefixFixed || string(b[:len(magic)]) != magic {
		return p, 0, ErrMagic
	}
	n := binary.BigEndian.Uint32(b[len(magic):])
	if n > maxPreamble || len(b) < prefixFixed+int(n) {
		return p, 0, fmt.Errorf("preamble length %d: %w", n, ErrPreamble)
	}
	end := prefixFixed + int(n)
	in := &cborInput{b: b[prefixFixed:end]}
	in.want(5, 6)
	in.want(0, 1)
	copy(p.ID[:], in.bytes(2, 16))
	in.want(0, 2)
	p.Part = in.head(0)
	in.want(0, 3)
	p.KeyRef = string(in.bytes(3, -1))
	in.want(0, 4)
	p.Region = string(in.bytes(3, -1))
	in.want(0, 5)
	p.Suite = string(in.bytes(3, -1))
	in.want(0, 6)
	p.Version = in.head(0)
	if in.bad {
		return Preamble{}, 0, fmt.Errorf("preamble: %w", ErrPreamble)
	}
	if again, err := p.Prefix(); err != nil || !bytes.Equal(again, b[:end]) {
		return Preamble{}, 0, fmt.Errorf("preamble is not deterministic: %w", ErrPreamble)
	}
	if p.Suite != Suite || p.Version != Version {
		return Preamble{}, 0, fmt.Errorf("preamble: suite or version is not known here: %w", ErrPreamble)
	}
	return p, end, nil
}

// AAD binds the seal to the prefix: a changed preamble opens nothing.
func AAD(prefix []byte) []byte {
	sum := sha256.Sum256(prefix)
	return append([]byte(aadLabel), sum[:]...)
}

// Segments returns how many whole segments a file of that size holds behind a
// prefix of that length, and how many bytes of a torn one follow.
func Segments(size int64, prefix int) (whole, torn int64) {
	rest := size - int64(prefix) - sealHeader
	if rest < 0 {
		return 0, max(size, 0)
	}
	return rest / Segment, rest % Segment
}

// Offset is where a segment begins.
func Offset(prefix int, position int64) int64 {
	return int64(prefix) + sealHeader + position*Segment
}

// cborHead appends the head of a CBOR item in its shortest form.
func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major<<5|byte(n))
	case n < 1<<8:
		return append(b, major<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major<<5|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major<<5|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major<<5|27), n)
}

func cborText(b []byte, s string) []byte { return append(cborHead(b, 3, uint64(len(s))), s...) }

// cborInput takes items off the front; once something else stood there it stays bad.
type cborInput struct {
	b   []byte
	bad bool
}

func (in *cborInput) head(major byte) uint64 {
	if in.bad || len(in.b) == 0 || in.b[0]>>5 != major {
		in.bad = true
		return 0
	}
	low := in.b[0] & 31
	in.b = in.b[1:]
	if low < 24 {
		return uint64(low)
	}
	if low > 27 || len(in.b) < 1<<(low-24) {
		in.bad = true
		return 0
	}
	var n uint64
	for _, c := range in.b[:1<<(low-24)] {
		n = n<<8 | uint64(c)
	}
	in.b = in.b[1<<(low-24):]
	return n
}

func (in *cborInput) want(major byte, n uint64) {
	if in.head(major) != n {
		in.bad = true
	}
}

// bytes reads a string; length -1 takes any.
func (in *cborInput) bytes(major byte, length int) []byte {
	n := in.head(major)
	if in.bad || n > uint64(len(in.b)) || length >= 0 && n != uint64(length) {
		in.bad = true
		return nil
	}
	out := in.b[:n]
	in.b = in.b[n:]
	return out
}
