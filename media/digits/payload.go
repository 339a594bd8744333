package digits

import (
	"encoding/binary"

	"ringdown/media"
)

// Block is one event of a telephone-event payload (RFC 4733 2.3).
//
//	|     event     |E|R| volume    |          duration             |
type Block struct {
	Digit    media.Digit
	End      bool
	Volume   uint8  // 0 to 63, in dBm0 without the sign
	Duration uint16 // in units of the RTP clock
}

// blockBytes is the length of a Block.
const blockBytes = 4

// maxBlocks is how many events of one packet are read. More than a handful of
// presses never lie between two packets.
const maxBlocks = 16

// readBlock reads the first block and returns the rest. What is shorter than a
// block is none.
func readBlock(payload []byte) (b Block, rest []byte, ok bool) {
	if len(payload) < blockBytes {
		return Block{}, nil, false
	}
	return Block{
		Digit: media.Digit(payload[0]), End: payload[1]&0x80 != 0, Volume: payload[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, payload[blockBytes:], true
}

// Put writes the block, which takes four bytes.
func (b Block) Put(to *[blockBytes]byte) {
	to[0], to[1] = byte(b.Digit), b.Volume&0x3f
	if b.End {
		to[1] |= 0x80
	}
	binary.BigEndian.PutUint16(to[2:], b.Duration)
}
